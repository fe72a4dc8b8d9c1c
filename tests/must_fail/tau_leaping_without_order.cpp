// Jumps are distances only where states are levels.
// error: tau_leaping: summed jumps are distances, and the states of this space have no order
#include <dimix/sampler.hpp>

struct net {
  dimix::index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const dimix::forward_process<dimix::birth_death<4>, dimix::log_linear> levels;
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> letters;
void accepted() {
  dimix::sample<float, dimix::tau_leaping<>>(levels, net{}, {});
  dimix::sample<float, dimix::tau_leaping<dimix::single_jump>>(letters, net{}, {});
}

#ifdef OFFEND
void refused() { dimix::sample<float, dimix::tau_leaping<>>(letters, net{}, {}); }
#endif
