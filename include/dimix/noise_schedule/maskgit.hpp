// MaskGIT's schedules: the share of masked positions γ(r) at the progress r = 1 - t of decoding, so that alpha(t) = 1 - γ(1 - t). All reach
// alpha(1) = 0. Source: MaskGIT (Chang et al. 2022); maskgit-pytorch vit.py adap_sche and get_mask_code.
#pragma once

#include <dimix/noise_schedule.hpp>

namespace dimix {

/// γ = 1 - r^power, alpha = (1 - t)^power: "linear" with power 1, "square" with 2, "root" with 1/2.
struct maskgit_power {
  double power = 1;  // > 0

  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    using std::log1p;
    return -Real(power) * log1p(-t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real t) const {
    return Real(power) / (Real(1) - t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real alpha(Real t) const {
    using std::pow;
    return pow(Real(1) - t, Real(power));
  }
  template <std::floating_point Real>
  DIMIX_HD Real alpha_prime(Real t) const {
    using std::pow;
    return -Real(power) * pow(Real(1) - t, Real(power) - Real(1));
  }
  template <std::floating_point Real>
  DIMIX_HD Real inverse_alpha(Real a) const {
    using std::pow;
    return Real(1) - pow(a, Real(1) / Real(power));
  }
};

/// γ = cos(π/2 r): alpha = 1 - sin(π/2 t). The cosine schedule of MD4 (Shi et al. 2024) as well.
struct maskgit_cosine {
  template <std::floating_point Real>
  DIMIX_HD Real alpha(Real t) const {
    using std::sin;
    const Real half = sin(quarter_turn<Real>() / 2 * (Real(1) - t));
    return 2 * half * half;
  }
  template <std::floating_point Real>
  DIMIX_HD Real alpha_prime(Real t) const {
    using std::cos;
    return -quarter_turn<Real>() * cos(quarter_turn<Real>() * t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    using std::log, std::log1p, std::sin;
    return t < Real(0.5) ? -log1p(-sin(quarter_turn<Real>() * t)) : -log(alpha(t));
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real t) const {
    return -alpha_prime(t) / alpha(t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real inverse_alpha(Real a) const {
    using std::asin, std::sqrt;
    return Real(1) - 2 * asin(sqrt(a / 2)) / quarter_turn<Real>();
  }
};

/// γ = arccos(r) / (π/2): alpha = arcsin(1 - t) / (π/2). The rate at t = 0 is infinite. The schedule of Di4C's ImageNet experiment.
struct maskgit_arccos {
  template <std::floating_point Real>
  DIMIX_HD Real alpha(Real t) const {
    using std::asin;
    return asin(Real(1) - t) / quarter_turn<Real>();
  }
  template <std::floating_point Real>
  DIMIX_HD Real alpha_prime(Real t) const {
    using std::sqrt;
    return -Real(1) / (quarter_turn<Real>() * sqrt(t * (Real(2) - t)));
  }
  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    using std::asin, std::log, std::log1p, std::sqrt;
    return t < Real(0.5) ? -log1p(-2 * asin(sqrt(t / 2)) / quarter_turn<Real>()) : -log(alpha(t));
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real t) const {
    return -alpha_prime(t) / alpha(t);
  }
  template <std::floating_point Real>
  DIMIX_HD Real inverse_alpha(Real a) const {
    using std::sin;
    const Real half = sin(quarter_turn<Real>() / 2 * (Real(1) - a));  // 1 - sin(π/2 a) = 2 sin^2(π/4 (1 - a))
    return 2 * half * half;
  }
};

static_assert(noise_schedule<maskgit_power, float> && noise_schedule<maskgit_cosine, float> &&
              noise_schedule<maskgit_arccos, float>);

}  // namespace dimix
