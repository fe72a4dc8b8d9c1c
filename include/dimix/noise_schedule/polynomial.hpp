// alpha(t) = 1 - t^power: data fade slowly at first for power > 1. power = 1 is log_linear without its eps.
// Source: MD4 (Shi et al. 2024) "poly", flow matching's κ = t^n (Gat et al. 2024).
#pragma once

#include <dimix/noise_schedule.hpp>

namespace dimix {

struct polynomial {
  double power = 2;  // > 0; below 1 the rate at t = 0 is infinite

  template <std::floating_point Real>
  DIMIX_HD Real alpha(Real t) const {
    using std::pow;
    return Real(1) - pow(t, Real(power));
  }
  template <std::floating_point Real>
  DIMIX_HD Real alpha_prime(Real t) const {
    using std::pow;
    return -Real(power) * pow(t, Real(power - 1));
  }
  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    using std::log1p, std::pow;
    return -log1p(-pow(t, Real(power)));
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real t) const {
    return -alpha_prime(t) / alpha(t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real inverse_alpha(Real a) const {
    using std::pow;
    return pow(Real(1) - a, Real(1 / power));
  }
};

static_assert(noise_schedule<polynomial, float> && noise_schedule<polynomial, double>);

}  // namespace dimix
