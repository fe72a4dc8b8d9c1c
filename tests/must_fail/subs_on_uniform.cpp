// A head that takes visible tokens for certain is wrong where noise replaces them.
// error: head: this head does not fit this space
#include <dimix/sampler.hpp>

struct substituting {
  dimix::index_t outputs() const { return 4; }
  dimix::subs head() const { return {3}; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const dimix::forward_process<dimix::absorbing<4>, dimix::log_linear> hiding;
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> noisy;
void accepted() { dimix::sample(hiding, substituting{}, {}); }

#ifdef OFFEND
void refused() { dimix::sample(noisy, substituting{}, {}); }
#endif
