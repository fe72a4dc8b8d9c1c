// sigma(t) = base (growth^t - 1): noise that grows exponentially in time. The schedule of tauLDR (Campbell et al. 2022), whose time_base is
// `base` and whose time_exponential is `growth`; with base = σ_min^2 / 2 and growth = (σ_max / σ_min)^2 that of its birth-death process.
#pragma once

#include <dimix/noise_schedule.hpp>

namespace dimix {

struct exponential {
  double base = 3;      // > 0
  double growth = 100;  // > 1

  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    using std::expm1, std::log;
    return Real(base) * expm1(t * log(Real(growth)));
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real t) const {
    using std::exp, std::log;
    const Real steepness = log(Real(growth));
    return Real(base) * steepness * exp(t * steepness);
  }
  template <std::floating_point Real>
  DIMIX_HD Real inverse_alpha(Real a) const {
    using std::log, std::log1p;
    return log1p(-log(a) / Real(base)) / log(Real(growth));
  }
};

static_assert(noise_schedule<exponential, float> && noise_schedule<exponential, double>);

}  // namespace dimix
