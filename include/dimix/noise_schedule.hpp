// A noise schedule says how much of x_0 survives at time t: alpha(t), with t = 0 data and t = 1 noise.
//
// concept noise_schedule<S>: one of the two pairs; the library derives the other.
//   s.alpha(t)        probability that a position has not been hit by noise until t, in [0, 1]
//   s.alpha_prime(t)  d alpha / dt, <= 0, per unit of time
// or
//   s.total_noise(t)  sigma(t) = -log alpha(t) = integral of the rate, >= 0
//   s.rate(t)         d sigma / dt, >= 0, per unit of time
// optional:
//   s.inverse_alpha(a)   the t with alpha(t) = a; found by bisection where it is missing
// All of them templates on a floating-point type, host-device, pure, O(1).
//
// Laws (tests/laws/noise_schedule.hpp): 0 <= alpha <= 1; alpha decreases; alpha_prime = central difference of alpha;
// alpha = exp(-total_noise); alpha_prime = -rate * alpha; inverse_alpha(alpha(t)) = t. alpha(0) = 1 is not demanded: some schedules
// of the field start with a little noise.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/math.hpp>

#include <cmath>
#include <concepts>
#include <numbers>

namespace dimix {

template <class S, class Real>
concept has_alpha = requires(const S s, Real t) {
  { s.alpha(t) } -> std::same_as<Real>;
  { s.alpha_prime(t) } -> std::same_as<Real>;
};

template <class S, class Real>
concept has_total_noise = requires(const S s, Real t) {
  { s.total_noise(t) } -> std::same_as<Real>;
  { s.rate(t) } -> std::same_as<Real>;
};

template <class S, class Real = double>
concept noise_schedule = std::copyable<S> && (has_alpha<S, Real> || has_total_noise<S, Real>);

/// alpha(t) of any schedule, in [0, 1].
template <class S, std::floating_point Real>
DIMIX_HD Real alpha(const S& schedule, Real t) {
  using std::exp;
  if constexpr (has_alpha<S, Real>)
    return schedule.alpha(t);
  else
    return exp(-schedule.total_noise(t));
}

/// sigma(t) = -log alpha(t), the integral of the rate from 0 to t (plus sigma(0)).
template <class S, std::floating_point Real>
DIMIX_HD Real total_noise(const S& schedule, Real t) {
  using std::log;
  if constexpr (has_total_noise<S, Real>)
    return schedule.total_noise(t);
  else
    return -log(schedule.alpha(t));
}

/// d sigma / dt: the rate of the jumps at time t, per unit of time.
template <class S, std::floating_point Real>
DIMIX_HD Real rate(const S& schedule, Real t) {
  if constexpr (has_total_noise<S, Real>)
    return schedule.rate(t);
  else
    return -schedule.alpha_prime(t) / schedule.alpha(t);
}

/// d alpha / dt <= 0, per unit of time.
template <class S, std::floating_point Real>
DIMIX_HD Real alpha_prime(const S& schedule, Real t) {
  if constexpr (has_alpha<S, Real>)
    return schedule.alpha_prime(t);
  else
    return -schedule.rate(t) * alpha(schedule, t);
}

/// 1 - alpha(t), without cancellation near t = 0: the probability of being hit, "move chance" in MDLM and SDTT.
template <class S, std::floating_point Real>
DIMIX_HD Real move_chance(const S& schedule, Real t) {
  using std::expm1;
  return -expm1(-total_noise(schedule, t));
}

/// The time at which alpha(t) = a. Where the schedule has no inverse_alpha: bisection to the last bit, about 60 evaluations.
template <class S, std::floating_point Real>
DIMIX_HD Real inverse_alpha(const S& schedule, Real a) {
  if constexpr (requires { schedule.inverse_alpha(a); }) {
    return schedule.inverse_alpha(a);
  } else {
    Real low = Real(0), high = Real(1);
    for (Real middle = Real(0.5); middle != low && middle != high; middle = (low + high) / 2)
      (alpha(schedule, middle) > a ? low : high) = middle;
    return (low + high) / 2;
  }
}

/// The move chance that interpolates geometrically between two others, u in [0, 1]: importance sampling in t, which gives every
/// octave of the move chance the same weight (MDLM's and SDTT's "change of variables").
template <std::floating_point Real>
DIMIX_HD Real importance_move_chance(Real u, Real lowest, Real highest) {
  using std::exp, std::log;
  return exp((Real(1) - u) * log(lowest) + u * log(highest));
}

/// The time with that move chance (sdtt noise_schedule.py importance_sampling_transformation). lowest must be positive: a schedule
/// without noise at 0 has no geometric mean with it.
template <class S, std::floating_point Real>
DIMIX_HD Real importance_time(const S& schedule, Real u, Real lowest, Real highest) {
  return inverse_alpha(schedule, Real(1) - importance_move_chance(u, lowest, highest));
}

/// The grid of a model trained on `steps` discrete times: floor(t * steps) / steps + 1 / steps, in {1/steps, ..., 1, 1 + 1/steps};
/// with steps = 0, a model trained in continuous time, t itself (sdtt absorbing.py _t_to_sigma).
template <std::floating_point Real>
DIMIX_HD Real discrete_time(Real t, index_t steps) {
  using std::floor;
  if (steps == 0) return t;
  return (floor(t * static_cast<Real>(steps)) + Real(1)) / static_cast<Real>(steps);
}

/// π/2, the angle of the schedules that are arcs.
template <std::floating_point Real>
DIMIX_HD constexpr Real quarter_turn() {
  return std::numbers::pi_v<Real> / 2;
}

}  // namespace dimix

#include <dimix/noise_schedule/cosine.hpp>
#include <dimix/noise_schedule/cosine_squared.hpp>
#include <dimix/noise_schedule/exponential.hpp>
#include <dimix/noise_schedule/geometric.hpp>
#include <dimix/noise_schedule/linear.hpp>
#include <dimix/noise_schedule/log_linear.hpp>
#include <dimix/noise_schedule/maskgit.hpp>
#include <dimix/noise_schedule/polynomial.hpp>
#include <dimix/noise_schedule/scaled.hpp>
