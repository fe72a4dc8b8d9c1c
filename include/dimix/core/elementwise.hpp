// Formulas over a number or lanes of numbers alike, beyond the functions of lanes.hpp. At is an index or several (lane_index, gathered_index).
//   each_of<Real>(i, f)              f(index) of every index: for what has no form in lanes
//   up_to<Real>(n, i, beyond, f)     f(i) below n, else `beyond`; where lanes reach over n, f takes their indices one by one
//   log_add(a, b)                    log(e^a + e^b)
//   exp_above_tangent(x)             e^x - 1 - x         relative error a few ulp, also near 0
//   log1p_below_tangent(u)           u - log(1 + u)      the same, u > -1
// Law (tests/core/lanes.cpp): they are those of long double, and lanes say what numbers say.
#pragma once

#include <dimix/core/lanes.hpp>

#include <concepts>

namespace dimix {

template <class At>
concept several_indices = !std::integral<At>;

/// The Real of a number or of lanes.
template <class Number>
struct real_of {
  using type = Number;
};
template <class Number>
requires requires { Number::width; }
struct real_of<Number> {
  using type = std::decay_t<decltype(std::declval<Number>()[0])>;
};
template <class Number>
using real_of_t = typename real_of<Number>::type;

/// Indices side by side.
template <class At>
concept neighbouring_indices = requires(At i) {
  At{i.first};
};

DIMIX_EXEC_CHECK_DISABLE
template <class Real, class F>
DIMIX_HD Real each_of(index_t i, const F& f) {
  return static_cast<Real>(f(i));
}
DIMIX_EXEC_CHECK_DISABLE
template <class Real, neighbouring_indices At, class F>
DIMIX_HD typename number_at<Real, At>::type each_of(At i, const F& f) {
  typename number_at<Real, At>::type result;
  for (int w = 0; w < result.width; ++w) result.each[w] = static_cast<Real>(f(i.first + w));
  return result;
}

DIMIX_EXEC_CHECK_DISABLE
template <class Real, class F>
DIMIX_HD Real up_to(index_t n, index_t i, Real beyond, const F& f) {
  return i < n ? f(i) : beyond;
}
DIMIX_EXEC_CHECK_DISABLE
template <class Real, neighbouring_indices At, class F>
DIMIX_HD auto up_to(index_t n, At i, typename number_at<Real, At>::type beyond, const F& f) {
  if (i.first + beyond.width <= n) return f(i);
  if (i.first >= n) return beyond;
  return each_of<Real>(i, [&](index_t one) { return one < n ? f(one) : beyond[0]; });
}

template <class Number>
DIMIX_HD Number log_add(Number a, Number b) {
  using std::exp, std::log;
  using real = real_of_t<Number>;
  const Number top = larger(a, b), gap = a - b, none = -infinity<real>(), one = real(1);
  return select(top > none, top + log(one + exp(smaller(gap, -gap))), top);
}

template <class Number>
DIMIX_HD Number exp_above_tangent(Number x) {
  using std::exp;
  using real = real_of_t<Number>;
  const Number one = real(1), half = real(0.5);
  Number sum = one;
  for (int n = sizeof(real) == 8 ? 15 : 8; n >= 3; --n) sum = one + sum * x * Number(real(1) / static_cast<real>(n));
  return select(x > -half && x < half, x * x * half * sum, exp(x) - one - x);
}

template <class Number>
DIMIX_HD Number log1p_below_tangent(Number u) {
  return u * one_minus_log1p_over(u);
}

inline namespace DIMIX_TARGET {

template <class Real, int W, class F>
lanes<Real, W> each_of(gathered_index<W> i, const F& f) {
  lanes<Real, W> result;
  for (int w = 0; w < W; ++w) result.each[w] = static_cast<Real>(f(static_cast<index_t>(i.each[w])));
  return result;
}

template <class Real, int W, class F>
lanes<Real, W> up_to(index_t n, gathered_index<W> i, lanes<Real, W> beyond, const F& f) {
  return each_of<Real>(i, [&](index_t one) { return one < n ? f(one) : beyond[0]; });
}

#if DIMIX_LANE_BYTES > 0

/// From log(1 + u) - u, which log is made of where u lies in [-1/4, 1/2].
template <class Real, int W>
lanes<Real, W> log1p_below_tangent(lanes<Real, W> u) {
  using number = lanes<Real, W>;
  const auto close = u > number(Real(-0.25)) && u < number(Real(0.5));
  return select(close, number(-lane_constants<Real>::log_beside(u.each)), u - log1p(u));
}

/// 1 - log(1 + u) / u; where u^2 would be too small for a Real, from the first terms of its series.
template <class Real, int W>
lanes<Real, W> one_minus_log1p_over(lanes<Real, W> u) {
  using number = lanes<Real, W>;
  const Real tiny = sizeof(Real) == 8 ? Real(1e-5) : Real(1e-3);
  const number series = u * (number(Real(1) / 2) - u * (number(Real(1) / 3) - u * number(Real(1) / 4)));
  return select(larger(u, -u) < number(tiny), series, log1p_below_tangent(u) / u);
}

#endif

}  // namespace DIMIX_TARGET

}  // namespace dimix
