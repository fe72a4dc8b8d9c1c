// A softmax over all states could draw the mask as x_0.
// error: softmax and truncated_logistic give mass to a mask, which is never x_0
#include <dimix/denoiser/under_head.hpp>
#include <dimix/sampler.hpp>

struct net {
  dimix::index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const net plain;
const dimix::under_head over_all(plain, dimix::softmax{});
const dimix::forward_process<dimix::absorbing<4>, dimix::log_linear> hiding;
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> noisy;
void accepted() { dimix::sample(noisy, over_all, {}); }

#ifdef OFFEND
void refused() { dimix::sample(hiding, over_all, {}); }
#endif
