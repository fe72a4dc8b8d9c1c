// The step planner: of all grids through K + 1 candidate times with N steps, the one whose steps lose least together,
//   min over 0 = i_0 < i_1 < ... < i_N = K of sum_n cost(i_{n-1}, i_n),
// by dynamic programming over (steps left, candidate): exact, O(N K^2). Costs are those of factorization_gaps, by divergence (nats; suits many
// positions, where TV is 1 for every long step) or by variation (bounds the TV of the sampler: telescoping, Di4C theorem 1), or any other.
//   const time_grid candidates = uniform_grid(32);
//   const auto gaps = factorization_gaps(process, net, x_1, candidates);         x_1 (B, D) all masked
//   const sampling_plan plan = best_plan(candidates, costs_of(gaps), 8);
// For samplers that count: candidates counting_grid(schedule, D), or every k-th of it, and gap_options{.by_count = true}.
// Laws (tests/laws/planner.cpp): equals the best of all grids by enumeration; two absorbing positions: equal steps in alpha.
#pragma once

#include <dimix/diagnostics/factorization_gap.hpp>
#include <dimix/sampler/plan.hpp>

namespace dimix {

enum class gap_measure { divergence, variation };

/// The means of a table of gaps: (K + 1, K + 1).
inline array<double, 2> costs_of(const array<step_gap, 2>& gaps, gap_measure by = gap_measure::divergence) {
  array<double, 2> costs(gaps.extent(0), gaps.extent(1));  // (K + 1, K + 1)
  for (index_t i = 0; i < costs.size(); ++i)
    costs.data()[i] = by == gap_measure::divergence ? gaps.data()[i].divergence.mean : gaps.data()[i].variation.mean;
  return costs;
}

/// The plan of N steps through candidates (K + 1), falling to 0, of least summed cost; costs (K + 1, K + 1), cost(i, j) of the step candidates[i]
/// -> candidates[j], read where i < j. Of equals the one whose first steps are shorter. 1 <= N <= K.
inline sampling_plan best_plan(const time_grid& candidates, view<const double, 2> costs, index_t steps) {
  expects_grid("best_plan", candidates);
  const index_t K = static_cast<index_t>(candidates.size()) - 1;
  expects_shape("best_plan: costs", costs, K + 1, K + 1);
  expects(steps >= 1 && steps <= K, "best_plan: ", steps, " steps do not fit between ", K + 1, " candidate times");
  for (index_t i = 0; i <= K; ++i)
    for (index_t j = i + 1; j <= K; ++j)
      expects(costs(i, j) == costs(i, j), "best_plan: the cost of the step from candidate ", i, " to ", j, " is not a number");
  array<double, 2> least(steps + 1, K + 1);  // (N + 1, K + 1)  the cheapest way from candidate i to the last with n steps
  array<index_t, 2> next(steps + 1, K + 1);  // (N + 1, K + 1)  its first stop
  least.fill(infinity<double>());
  next.fill(K);
  least(0, K) = 0;
  for (index_t n = 1; n <= steps; ++n)
    for (index_t i = 0; i <= K - n; ++i) {
      next(n, i) = i + 1;
      for (index_t j = i + 1; j <= K - (n - 1); ++j)
        if (const double way = costs(i, j) + least(n - 1, j); way < least(n, i)) least(n, i) = way, next(n, i) = j;
    }
  sampling_plan plan{{candidates.front()}, {}};
  for (index_t n = steps, i = 0; n > 0; --n) {
    const index_t j = n == 1 ? K : next(n, i);
    plan.times.push_back(candidates[static_cast<std::size_t>(j)]);
    plan.costs.push_back(costs(i, j));
    i = j;
  }
  return plan;
}

}  // namespace dimix
