// Noise has to draw from somewhere: a space says with what probability.
// error: Space must be trivially copyable and provide states(d), max_states() and prior(d, s) -> double
#include <dimix/forward_process.hpp>

struct good {
  dimix::index_t states(dimix::index_t) const { return 3; }
  dimix::index_t max_states() const { return 3; }
  double prior(dimix::index_t, dimix::token) const { return 1.0 / 3; }
};
const dimix::forward_process<good, dimix::log_linear> accepted;

#ifdef OFFEND
struct without_prior {
  dimix::index_t states(dimix::index_t) const { return 3; }
  dimix::index_t max_states() const { return 3; }
};
const dimix::forward_process<without_prior, dimix::log_linear> refused;
#endif
