// Bounds of reverse rates that no denoiser exceeds, in the clock of noise. R̂ is an average over x_0, so that the sum over the jumps from x is
// at most
//   max_{x_0} sum_a R(a, x) q_sigma(a | x_0) / q_sigma(x | x_0)
// Identity + rank one: 1 / (e^sigma - 1) + 1 - π(x), which falls with sigma; 0 where π(x) = 0. Tables: over [low, high] with Λ the largest exit
// rate, q_sigma(x | x_0) >= e^{-Λ (sigma - low)} q_low(x | x_0) and q_sigma(a | x_0) <= e^{Λ (high - sigma)} q_high(a | x_0), so that it is
// at most
//   e^{Λ (high - low)} max_{x_0} sum_a R(a, x) q_high(a | x_0) / q_low(x | x_0)
// on intervals short enough for the two ends to be alike. Masked at rate c or redrawn at rate 1 - c among K values: each clock alone,
//   c / (e^{c sigma} - 1) for the mask,  (1 - c) [1 / (e^{(1 - c) sigma} - 1) + 1 - 1 / K] for a value
// both falling with sigma. Where positions differ in kind: that of the kind. Host only. Law (tests/laws/reverse_rate.cpp): no row has a larger
// rate.
#pragma once

#include <dimix/forward_process/rate_matrix.hpp>
#include <dimix/state_space/mixed.hpp>

#include <algorithm>
#include <cmath>
#include <map>
#include <memory>

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

/// Λ of rates (S, S), whose diagonal says how often a state is left.
inline double fastest_exit(const table& rates) {
  double fastest = 0;
  for (index_t a = 0; a < rates.extent(0); ++a) fastest = std::max(fastest, -rates(a, a));
  return fastest;
}

/// Intervals short enough for the bounds of a space; of a mixed one for those of all its kinds.
template <class Space>
noise_intervals intervals_for(const Space& space) {
  noise_intervals found{1, 4};
  if constexpr (requires { space.spaces(); }) {
    space.spaces().each([&](const auto& own) {
      const noise_intervals of_kind = intervals_for(own);
      found = {std::min(found.middle, of_kind.middle), std::max(found.per_unit, of_kind.per_unit)};
    });
  } else if constexpr (rate_space<Space>) {
    const auto S = static_cast<double>(space.max_states());
    found = {S / fastest_exit(rate_matrix(space)), 2 * S};
  }
  return found;
}

/// 1 / (e^sigma - 1) + 1 - π(x)
inline double rank_one_bound(double sigma, double at_x) { return 1 / std::expm1(sigma) + 1 - at_x; }

/// What the reverse rates of no denoiser exceed, before the schedule's factor: of(d, x, i) for the sum over the jumps from x at position d,
/// for all noise in interval i. Here for noise that is identity + rank one, and for noise that masks or redraws.
template <class Space>
class rate_bounds {
 public:
  explicit rate_bounds(const Space& space) : rate_bounds(space, intervals_for(space)) {}
  rate_bounds(const Space& space, const noise_intervals& intervals) : space_(space), intervals_(intervals) {}

  const noise_intervals& intervals() const { return intervals_; }
  double of(index_t d, token x, index_t i) const {
    const double sigma = intervals_.end(i);
    if constexpr (replacing_space<Space>) {
      const double c = space_.mask_share();
      if (x == space_.mask()) return c * rank_one_bound(c * sigma, 1);
      return (1 - c) * rank_one_bound((1 - c) * sigma, 1 / static_cast<double>(space_.states(d) - 1));
    } else {
      const double at_x = space_.prior(d, x);
      return at_x == 0 ? 0.0 : rank_one_bound(sigma, at_x);
    }
  }

 private:
  Space space_;
  noise_intervals intervals_;
};

/// The same from tables, S numbers for each interval that is met, O(S^3).
template <rate_space Space>
class rate_bounds<Space> {
 public:
  explicit rate_bounds(const Space& space) : rate_bounds(space, intervals_for(space)) {}
  rate_bounds(const Space& space, const noise_intervals& intervals)
      : rates_(rate_matrix(space)),
        tables_(
            std::make_shared<transition_tables>(space.max_states(), [&](token a, token y) { return space.base_rate(a, y); })),
        intervals_(intervals),
        fastest_(fastest_exit(rates_)) {}

  const noise_intervals& intervals() const { return intervals_; }
  double of(index_t, token x, index_t i) const {
    const auto found = known_.find(i);
    return (found != known_.end() ? found->second : known_.emplace(i, bounds(i)).first->second)(x);
  }

 private:
  array<double, 1> bounds(index_t i) const {
    const index_t S = rates_.extent(0);
    const double from = intervals_.end(i), to = intervals_.end(i + 1);
    const auto low = tables_->at(from), high = tables_->at(to);
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
  std::shared_ptr<transition_tables> tables_;
  noise_intervals intervals_;
  double fastest_;  // Λ
  mutable std::map<index_t, array<double, 1>> known_;
};

/// The same of the kind of the position.
template <class Kinds, class... Spaces>
class rate_bounds<mixed<Kinds, Spaces...>> {
 public:
  explicit rate_bounds(const mixed<Kinds, Spaces...>& space) : rate_bounds(space, intervals_for(space)) {}
  rate_bounds(const mixed<Kinds, Spaces...>& space, const noise_intervals& intervals)
      : space_(space),
        intervals_(intervals),
        kinds_(map(space.spaces(), [&](const auto& own) { return rate_bounds<std::decay_t<decltype(own)>>(own, intervals); })) {
  }

  const noise_intervals& intervals() const { return intervals_; }
  double of(index_t d, token x, index_t i) const {
    return kinds_.visit(space_.kind(d), [=](const auto& own) { return own.of(d, x, i); });
  }

 private:
  mixed<Kinds, Spaces...> space_;
  noise_intervals intervals_;
  pack<rate_bounds<Spaces>...> kinds_;
};

}  // namespace dimix
