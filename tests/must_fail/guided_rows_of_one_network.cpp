// Rows are guided by those of a second branch.
// error: guided_rows: the denoiser must write both of its rows; wrap it in paired, see dimix/guidance/paired.hpp
#include <dimix/guidance.hpp>
#include <dimix/sampler.hpp>

struct net {
  dimix::index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> process;
void accepted() { dimix::sample<float, dimix::guided_rows<>>(process, dimix::paired(net{}, net{}, dimix::softmax{}), {}); }

#ifdef OFFEND
void refused() { dimix::sample<float, dimix::guided_rows<>>(process, net{}, {}); }
#endif
