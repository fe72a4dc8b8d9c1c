// scaled<Schedule>: `factor` times as much noise as another schedule, sigma(t) = factor * sigma_0(t), at the same times.
// A space with jump rates of its own mixes at a speed of its own: in units of its slowest relaxation, factor = relaxation_time(space)
// (forward_process/rate_matrix.hpp), alpha(t) of the other schedule is what is left of the slowest mode at t, and noise is spread over
// [0, 1] as it is for absorbing and uniform.
#pragma once

#include <dimix/noise_schedule.hpp>

namespace dimix {

template <class Schedule>
struct scaled {
  static_assert(noise_schedule<Schedule>,
                "scaled<Schedule>: Schedule must provide alpha(t) and alpha_prime(t), or total_noise(t) and rate(t); see "
                "dimix/noise_schedule.hpp");
  [[no_unique_address]] Schedule base;
  double factor = 1;  // > 0

  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    return Real(factor) * dimix::total_noise(base, t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real t) const {
    return Real(factor) * dimix::rate(base, t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real inverse_alpha(Real a) const {
    using std::pow;
    return dimix::inverse_alpha(base, pow(a, Real(1) / Real(factor)));
  }
};

}  // namespace dimix
