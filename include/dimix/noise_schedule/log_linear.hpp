// alpha(t) = 1 - (1 - eps) t: the move chance grows linearly, and a little survives at t = 1 so that sigma stays finite.
// Source: sdtt noise_schedule.py LogLinearNoise; MDLM (Sahoo et al. 2024) and SEDD (Lou et al. 2024) use the same, eps = 1e-3.
#pragma once

#include <dimix/noise_schedule.hpp>

namespace dimix {

struct log_linear {
  double eps = 1e-3;  // alpha(1), in [0, 1)

  template <std::floating_point Real>
  DIMIX_HD Real alpha(Real t) const {
    return Real(1) - slope<Real>() * t;
  }
  template <std::floating_point Real>
  DIMIX_HD Real alpha_prime(Real) const {
    return -slope<Real>();
  }
  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    using std::log1p;
    return -log1p(-slope<Real>() * t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real t) const {
    return slope<Real>() / (Real(1) - slope<Real>() * t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real inverse_alpha(Real a) const {
    return (Real(1) - a) / slope<Real>();
  }

 private:
  template <std::floating_point Real>
  DIMIX_HD Real slope() const {
    return static_cast<Real>(1 - eps);
  }
};

static_assert(noise_schedule<log_linear, float> && noise_schedule<log_linear, double>);

}  // namespace dimix
