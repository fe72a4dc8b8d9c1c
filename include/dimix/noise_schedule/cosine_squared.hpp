// alpha(t) = eps + (1 - eps) cos^2(pi t / 2).  Source: sdtt noise_schedule.py CosineSqrNoise, eps = 1e-3.
#pragma once

#include <dimix/noise_schedule.hpp>

namespace dimix {

struct cosine_squared {
  double eps = 1e-3;  // alpha(1), in (0, 1)

  template <std::floating_point Real>
  DIMIX_HD Real alpha(Real t) const {
    using std::cos;
    const Real c = cos(std::numbers::pi_v<Real> / 2 * t);
    return Real(eps) + (Real(1) - Real(eps)) * c * c;
  }
  template <std::floating_point Real>
  DIMIX_HD Real alpha_prime(Real t) const {
    using std::sin;
    return -(Real(1) - Real(eps)) * std::numbers::pi_v<Real> / 2 * sin(std::numbers::pi_v<Real> * t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    using std::log1p, std::sin;
    const Real s = sin(std::numbers::pi_v<Real> / 2 * t);
    return -log1p(-(Real(1) - Real(eps)) * s * s);
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real t) const {
    return -alpha_prime(t) / alpha(t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real inverse_alpha(Real a) const {
    using std::acos, std::sqrt;
    const Real c = sqrt(clamp((a - Real(eps)) / (Real(1) - Real(eps)), Real(0), Real(1)));
    return acos(c) / (std::numbers::pi_v<Real> / 2);
  }
};

static_assert(noise_schedule<cosine_squared, float> && noise_schedule<cosine_squared, double>);

}  // namespace dimix
