// Distances between a target row T and a model's row p, one state at a time: value and slope d value / d log p(s), summed over s by the
// objective. name(): what the term over each component and the term over the mixture's marginals are called in errors.
//   forward_kl    T log(T / p)       -T                       covers what the target has
//   reverse_kl    p log(p / T)       p log(p / T) + p         infinite where p is and T is not
//   square        (p - T)^2          2 p (p - T)
//   absolute      |p - T| / 2        sign(p - T) p / 2        total variation; slope 0 where they agree
#pragma once

#include <dimix/objective/terms/slope.hpp>

namespace dimix {

struct forward_kl {
  static constexpr const char* name(bool of_components) { return of_components ? "distillation_bound" : "marginal_divergence"; }

  template <class Real>
  DIMIX_HD static slope_of<Real> at(Real target, Real log_p) {
    using std::log;
    return {product_or_zero(target, log(target) - log_p), -target};
  }
};

struct reverse_kl {
  static constexpr const char* name(bool of_components) { return of_components ? "reverse_divergence" : "marginal reverse_kl"; }

  template <class Real>
  DIMIX_HD static slope_of<Real> at(Real target, Real log_p) {
    using std::exp, std::log;
    const Real p = exp(log_p), value = product_or_zero(p, log_p - log(target));
    return {value, value + p};
  }
};

struct square {
  static constexpr const char* name(bool of_components) { return of_components ? "squared_error" : "marginal square"; }

  template <class Real>
  DIMIX_HD static slope_of<Real> at(Real target, Real log_p) {
    using std::exp;
    const Real p = exp(log_p), gap = p - target;
    return {gap * gap, (p + p) * gap};
  }
};

struct absolute {
  static constexpr const char* name(bool of_components) { return of_components ? "total_variation" : "marginal absolute"; }

  template <class Real>
  DIMIX_HD static slope_of<Real> at(Real target, Real log_p) {
    using std::exp;
    const Real p = exp(log_p), gap = p - target, zero = Real(0), half = Real(0.5f) * p;
    return {Real(0.5f) * larger(gap, -gap), select(gap > zero, half, select(gap < zero, -half, zero))};
  }
};

}  // namespace dimix
