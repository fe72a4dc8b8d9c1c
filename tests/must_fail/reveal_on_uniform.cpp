// An order of reveals needs something that is hidden.
// error: reveal_sampler: an order of reveals needs a space whose noise does nothing but hide, as absorbing; see dimix/sampler/reveal.hpp
#include <dimix/sampler/reveal.hpp>

struct net {
  dimix::index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const dimix::forward_process<dimix::absorbing<4>, dimix::log_linear> masked;
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> noisy;
void accepted() { dimix::sample_reveal(masked, net{}, {}); }

#ifdef OFFEND
void refused() { dimix::sample_reveal(noisy, net{}, {}); }
#endif
