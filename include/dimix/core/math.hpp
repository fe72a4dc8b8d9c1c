// Stable elementary functions for host and device. Every probability of the library is kept as a logarithm until it is summed.
#pragma once

#include <dimix/config.hpp>
#include <dimix/core/view.hpp>

#include <cmath>
#include <concepts>

namespace dimix {

/// +infinity without numeric_limits, whose members are host-only.
template <std::floating_point Real>
DIMIX_HD constexpr Real infinity() {
  return static_cast<Real>(__builtin_huge_val());
}

/// The log of a probability that a table of raw outputs writes for 0: e^-700 in double, e^-80 in float, which both hold with room.
template <std::floating_point Real>
DIMIX_HD constexpr Real lowest_log() {
  return sizeof(Real) == 8 ? Real(-700) : Real(-80);
}

/// Below this a sum of probabilities may have lost some that are too small for a Real; it is then taken once more in the log.
template <std::floating_point Real>
DIMIX_HD constexpr Real least_sum() {
  return static_cast<Real>(sizeof(Real) == 8 ? 0x1p-960 : 0x1p-100);
}

template <class T>
DIMIX_HD constexpr T larger(T a, T b) {
  return a < b ? b : a;
}
template <class T>
DIMIX_HD constexpr T smaller(T a, T b) {
  return b < a ? b : a;
}
template <class T>
DIMIX_HD constexpr T clamp(T x, T low, T high) {
  return smaller(larger(x, low), high);
}

/// Neither infinite nor NaN; std::isfinite is not for device code.
template <std::floating_point Real>
DIMIX_HD constexpr bool is_finite(Real x) {
  return x - x == Real(0);
}

/// x * y with 0 * anything = 0: the limit that entropies and likelihoods need when y = log 0.
template <std::floating_point Real>
DIMIX_HD Real product_or_zero(Real x, Real y) {
  return x == Real(0) ? Real(0) : x * y;
}

/// log(1 - e^x) for x <= 0. Two branches at log 2 (Maechler 2012): relative error a few ulp everywhere.
template <std::floating_point Real>
DIMIX_HD Real log1m_exp(Real x) {
  using std::exp, std::expm1, std::log, std::log1p;
  return x > Real(-0.6931471805599453) ? log(-expm1(x)) : log1p(-exp(x));
}

/// 1 - log(1 + u) / u for u > -1, without cancellation near 0 (Taylor series below 0.03): relative error below 40 ulp.
template <std::floating_point Real>
DIMIX_HD Real one_minus_log1p_over(Real u) {
  using std::log1p;
  if (u > Real(0.03) || u < Real(-0.03)) return Real(1) - log1p(u) / u;
  Real sum = Real(0);
  for (int n = 12; n >= 2; --n) sum = Real(1) / static_cast<Real>(n) - u * sum;
  return u * sum;
}

/// 1 / (1 + e^-x), without overflow on either side.
template <std::floating_point Real>
DIMIX_HD Real sigmoid(Real x) {
  using std::exp;
  if (x >= Real(0)) return Real(1) / (Real(1) + exp(-x));
  const Real e = exp(x);
  return e / (Real(1) + e);
}

/// log sigmoid(x), without overflow or cancellation on either side.
template <std::floating_point Real>
DIMIX_HD Real log_sigmoid(Real x) {
  using std::exp, std::log1p;
  return x < Real(0) ? x - log1p(exp(x)) : -log1p(exp(-x));
}

/// A sum of exponentials held as (max, sum of e^(x - max)): it never overflows, and two of them merge in any order.
/// Laws: empty is the identity; merge is commutative, and associative to rounding; log() of the empty one is -infinity.
template <std::floating_point Real>
struct exp_sum {
  Real max = -infinity<Real>();
  Real sum = Real(0);

  DIMIX_HD static exp_sum of(Real x) { return {x, x == -infinity<Real>() ? Real(0) : Real(1)}; }

  DIMIX_HD Real log() const {
    using std::log;
    return sum == Real(0) ? -infinity<Real>() : max + log(sum);
  }

  DIMIX_HD friend exp_sum merge(exp_sum a, exp_sum b) {
    using std::exp;
    if (b.sum == Real(0)) return a;
    if (a.sum == Real(0)) return b;
    if (a.max >= b.max) return {a.max, a.sum + b.sum * exp(b.max - a.max)};
    return {b.max, b.sum + a.sum * exp(a.max - b.max)};
  }
};

/// Named operations of a group's reduce: functors rather than lambdas, so that kernels can be instantiated with them.
struct plus {
  template <class T>
  DIMIX_HD T operator()(T a, T b) const {
    return a + b;
  }
};
struct maximum {
  template <class T>
  DIMIX_HD T operator()(T a, T b) const {
    return larger(a, b);
  }
};
struct minimum {
  template <class T>
  DIMIX_HD T operator()(T a, T b) const {
    return smaller(a, b);
  }
};
struct merged {
  template <class T>
  DIMIX_HD T operator()(T a, T b) const {
    return merge(a, b);
  }
};

}  // namespace dimix
