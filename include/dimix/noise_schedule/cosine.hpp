// alpha(t) = eps + (1 - eps) cos(pi t / 2).  Source: sdtt noise_schedule.py CosineNoise, eps = 1e-3.
// 1 - cos is written as 2 sin^2(pi t / 4), so that the noise near t = 0 keeps its relative accuracy.
#pragma once

#include <dimix/noise_schedule.hpp>

namespace dimix {

struct cosine {
  double eps = 1e-3;  // alpha(1), in (0, 1)

  template <std::floating_point Real>
  DIMIX_HD Real alpha(Real t) const {
    using std::cos;
    return Real(eps) + (Real(1) - Real(eps)) * cos(quarter_turn<Real>() * t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real alpha_prime(Real t) const {
    using std::sin;
    return -(Real(1) - Real(eps)) * quarter_turn<Real>() * sin(quarter_turn<Real>() * t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    using std::log1p, std::sin;
    const Real half = sin(quarter_turn<Real>() / 2 * t);
    return -log1p(-(Real(1) - Real(eps)) * 2 * half * half);
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real t) const {
    return -alpha_prime(t) / alpha(t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real inverse_alpha(Real a) const {
    using std::acos;
    return acos(clamp((a - Real(eps)) / (Real(1) - Real(eps)), Real(-1), Real(1))) / quarter_turn<Real>();
  }
};

static_assert(noise_schedule<cosine, float> && noise_schedule<cosine, double>);

}  // namespace dimix
