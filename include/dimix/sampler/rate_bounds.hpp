// Bounds of reverse rates that no denoiser exceeds, in the clock of noise. R̂ is an average over x_0, so that the sum over the jumps from x is
// at most
//   max_{x_0} sum_a R(a, x) q_sigma(a | x_0) / q_sigma(x | x_0)
// Identity + rank one: 1 / (e^sigma - 1) + 1 - π(x), which falls with sigma; 0 where π(x) = 0. Tables: over [low, high] with Λ the largest exit
// rate, q_sigma(x | x_0) >= e^{-Λ (sigma - low)} q_low(x | x_0) and q_sigma(a | x_0) <= e^{Λ (high - sigma)} q_high(a | x_0), so that it is
// at most
//   e^{Λ (high - low)} max_{x_0} sum_a R(a, x) q_high(a | x_0) / q_low(x | x_0)
// on intervals short enough for the two ends to be alike. Host only. Law (tests/laws/gillespie.cpp): no row has a larger rate.
#pragma once

#include <dimix/forward_process/rate_matrix.hpp>

#include <algorithm>
#include <cmath>
#include <map>

namespace dimix {

/// Intervals of noise, numbered: (end(i), end(i + 1)]. Their width is noise / per_unit below `middle`, and middle / per_unit above.
struct noise_intervals {
  double middle, per_unit;

  double end(index_t i) const {
    const double steps = static_cast<double>(i) / per_unit;
    return middle * (i < 0 ? std::exp(steps) : 1 + steps);
  }
  index_t holding(double noise) const {
    const double ratio = noise / middle;
    return static_cast<index_t>(std::ceil(per_unit * (ratio < 1 ? std::log(ratio) : ratio - 1))) - 1;
  }
};

/// What the reverse rates of no denoiser exceed, before the schedule's factor: of(d, x, i) for the sum over the jumps from x at position d,
/// for all noise in interval i. Here for noise that is identity + rank one.
template <class Space>
class rate_bounds {
  static_assert(
      !replacing_space<Space> && !requires(const Space x) { x.spaces(); },
      "gillespie: rates are bounded for identity + rank one and for rates of a space's own, not yet where noise masks or "
      "redraws, nor where positions differ in kind; see dimix/sampler/rate_bounds.hpp");

 public:
  explicit rate_bounds(const Space& space) : space_(space) {}

  const noise_intervals& intervals() const { return intervals_; }
  double of(index_t d, token x, index_t i) {
    const double at_x = space_.prior(d, x);
    return at_x == 0 ? 0.0 : 1 / std::expm1(intervals_.end(i)) + 1 - at_x;
  }

 private:
  Space space_;
  noise_intervals intervals_{1, 4};
};

/// The same from tables, S numbers for each interval that is met, O(S^3).
template <rate_space Space>
class rate_bounds<Space> {
 public:
  explicit rate_bounds(const Space& space)
      : rates_(rate_matrix(space)), tables_(space.max_states(), [&](token a, token y) { return space.base_rate(a, y); }) {
    const index_t S = rates_.extent(0);
    for (index_t a = 0; a < S; ++a) fastest_ = std::max(fastest_, -rates_(a, a));
    intervals_ = {static_cast<double>(S) / fastest_, static_cast<double>(2 * S)};
  }

  const noise_intervals& intervals() const { return intervals_; }
  double of(index_t, token x, index_t i) {
    const auto found = known_.find(i);
    return (found != known_.end() ? found->second : known_.emplace(i, bounds(i)).first->second)(x);
  }

 private:
  array<double, 1> bounds(index_t i) {
    const index_t S = rates_.extent(0);
    const double from = intervals_.end(i), to = intervals_.end(i + 1);
    const auto low = tables_.at(from), high = tables_.at(to);
    array<double, 1> largest(S);  // (S)
    for (index_t x = 0; x < S; ++x)
      for (index_t z = 0; z < S; ++z) {
        if ((*low)(z, x) == 0) continue;
        double jumps = 0;
        for (index_t a = 0; a < S; ++a)
          if (a != x) jumps += rates_(a, x) * (*high)(z, a);
        largest(x) = std::max(largest(x), std::exp(fastest_ * (to - from)) * jumps / (*low)(z, x));
      }
    return largest;
  }

  table rates_;  // (S, S)
  transition_tables tables_;
  double fastest_ = 0;  // Λ
  noise_intervals intervals_{};
  std::map<index_t, array<double, 1>> known_;
};

}  // namespace dimix
