// Times of reveals need something that is hidden.
// error: first_hitting_sampler: times of reveals need a space whose noise does nothing but hide, as absorbing; see dimix/sampler/first_hitting.hpp
#include <dimix/sampler/first_hitting.hpp>

struct net {
  dimix::index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const dimix::forward_process<dimix::absorbing<4>, dimix::log_linear> masked;
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> noisy;
void accepted() { dimix::sample_first_hitting(masked, net{}, {}); }

#ifdef OFFEND
void refused() { dimix::sample_first_hitting(noisy, net{}, {}); }
#endif
