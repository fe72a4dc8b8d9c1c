// A schedule with neither alpha nor total noise is no schedule.
// error: Schedule must provide alpha(t) and alpha_prime(t), or total_noise(t) and rate(t)
#include <dimix/forward_process.hpp>

struct good {
  template <class Real>
  Real alpha(Real t) const {
    return Real(1) - t;
  }
  template <class Real>
  Real alpha_prime(Real) const {
    return Real(-1);
  }
};
const dimix::forward_process<dimix::uniform<4>, good> accepted;

#ifdef OFFEND
struct only_the_slope {
  template <class Real>
  Real alpha_prime(Real) const {
    return Real(-1);
  }
};
const dimix::forward_process<dimix::uniform<4>, only_the_slope> refused;
#endif
