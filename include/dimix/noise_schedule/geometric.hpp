// sigma(t) = sigma_min^(1-t) sigma_max^t: the noise grows by the same factor in equal times.
// Source: sdtt noise_schedule.py GeometricNoise, SEDD; defaults 1e-3 and 1 as there.
#pragma once

#include <dimix/noise_schedule.hpp>

namespace dimix {

struct geometric {
  double sigma_min = 1e-3;  // total noise at t = 0, > 0
  double sigma_max = 1;     // total noise at t = 1, > sigma_min

  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    using std::exp, std::log;
    return exp((Real(1) - t) * log(Real(sigma_min)) + t * log(Real(sigma_max)));
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real t) const {
    return total_noise(t) * log_ratio<Real>();
  }
  template <std::floating_point Real>
  DIMIX_HD Real inverse_alpha(Real a) const {
    using std::log;
    return log(-log(a) / Real(sigma_min)) / log_ratio<Real>();
  }

 private:
  template <std::floating_point Real>
  DIMIX_HD Real log_ratio() const {
    using std::log;
    return log(Real(sigma_max) / Real(sigma_min));
  }
};

static_assert(noise_schedule<geometric, float> && noise_schedule<geometric, double>);

}  // namespace dimix
