// A temperature changes nothing of where a head is right.
// error: head: this head does not fit this space
#include <dimix/denoiser/under_head.hpp>
#include <dimix/head/reshaped.hpp>
#include <dimix/sampler.hpp>

struct net {
  dimix::index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const net plain;
const dimix::under_head colder(plain, dimix::tempered{dimix::subs{3}, 0.7, 4});
const dimix::forward_process<dimix::absorbing<4>, dimix::log_linear> hiding;
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> noisy;
void accepted() { dimix::sample(hiding, colder, {}); }

#ifdef OFFEND
void refused() { dimix::sample(noisy, colder, {}); }
#endif
