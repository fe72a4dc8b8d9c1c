// The law of a step with summed jumps is a convolution, which no elementwise row can give.
// error: tau_leaping with summed jumps has no rows: step it; see dimix/sampler/tau_leaping.hpp
#include <dimix/sampler.hpp>

struct net {
  dimix::index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const dimix::forward_process<dimix::birth_death<4>, dimix::log_linear> levels;
template <class Method>
using of = dimix::sampler<float, dimix::forward_process<dimix::birth_death<4>, dimix::log_linear>, net, Method>;
void accepted() { of<dimix::tau_leaping<dimix::single_jump>>(levels, net{}).rows({}, {}, {}, {}); }

#ifdef OFFEND
void refused() { of<dimix::tau_leaping<>>(levels, net{}).rows({}, {}, {}, {}); }
#endif
