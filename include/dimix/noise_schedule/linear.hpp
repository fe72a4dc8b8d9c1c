// sigma(t) = sigma_min + t (sigma_max - sigma_min): jumps at a constant rate.
// Source: sdtt noise_schedule.py Linear; the defaults of MDLM's configuration are 1e-4 and 20.
#pragma once

#include <dimix/noise_schedule.hpp>

namespace dimix {

struct linear {
  double sigma_min = 1e-4;  // total noise at t = 0, >= 0
  double sigma_max = 20;    // total noise at t = 1, > sigma_min

  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    return Real(sigma_min) + t * Real(sigma_max - sigma_min);
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real) const {
    return Real(sigma_max - sigma_min);
  }
  template <std::floating_point Real>
  DIMIX_HD Real inverse_alpha(Real a) const {
    using std::log;
    return (-log(a) - Real(sigma_min)) / Real(sigma_max - sigma_min);
  }
};

static_assert(noise_schedule<linear, float> && noise_schedule<linear, double>);

}  // namespace dimix
