// A linear head as functions: one call, all components at once, hidden (B, M, D, H); those of marginal/functions.hpp without the logits.
#pragma once

#include <dimix/nn/linear_head/mixture.hpp>

namespace dimix::nn {

/// log p(x_k | x_t) of targets (B, K, D), which may hold -1 where a position is unknown: (B, K). One product of rows, S and H.
template <class Real, class Rows, class Storage, backend Backend>
array<Real, 2> log_likelihood(const linear_head<Real, Rows>& head, view<const token, 2> x_t, view<const Storage, 4> hidden,
                              view<const token, 3> targets, const Backend& run_on, view<const Real, 2> log_weights = {}) {
  linear_likelihood<Real, Rows> over(head, x_t, hidden.extent(1),
                                     {.targets = targets, .log_weights = log_weights, .unknown_targets = true});
  over.observe(hidden, run_on);
  array<Real, 2> result(x_t.extent(0), targets.extent(1));  // (B, K)
  std::copy(over.log_likelihood().begin(), over.log_likelihood().end(), result.begin());
  return result;
}

/// γ_km: (B, M, K), the posterior over components given target k, which may hold -1. One product.
template <class Real, class Rows, class Storage, backend Backend>
array<Real, 3> responsibilities(const linear_head<Real, Rows>& head, view<const token, 2> x_t, view<const Storage, 4> hidden,
                                view<const token, 3> targets, const Backend& run_on, view<const Real, 2> log_weights = {}) {
  linear_likelihood<Real, Rows> over(head, x_t, hidden.extent(1),
                                     {.targets = targets, .log_weights = log_weights, .unknown_targets = true});
  over.observe(hidden, run_on);
  const auto log_gamma = over.log_responsibilities();
  array<Real, 3> result(log_gamma.extent(0), log_gamma.extent(1), log_gamma.extent(2));  // (B, M, K)
  std::transform(log_gamma.begin(), log_gamma.end(), result.begin(), [](Real x) { return std::exp(x); });
  return result;
}

/// P_d(s) = sum_m π_m p_md(s): (B, D, S) probabilities. Two products: the sum over m needs the normalisers.
template <class Real, class Rows, class Storage, backend Backend>
array<Real, 3> marginals(const linear_head<Real, Rows>& head, view<const token, 2> x_t, view<const Storage, 4> hidden,
                         const Backend& run_on, view<const Real, 2> log_weights = {}) {
  linear_likelihood<Real, Rows> over(head, x_t, hidden.extent(1), {.log_weights = log_weights});
  over.observe(hidden, run_on);
  auto& panels = over.panels();
  const index_t B = x_t.extent(0), D = x_t.extent(1), M = over.components();
  array<Real, 3> result(B, D, over.states());  // (B, D, S)
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < D; ++d)
      if (panels.certain(b, d)) result(b, d, x_t(b, d)) = Real(1);
  for (index_t round = 0; round < panels.rounds(); ++round) {
    panels.gather(hidden, round, run_on);
    panels.for_each_tile(run_on, mixed_states<Real>::size(panels.cut().states, M),
                         [&](const auto& group, const logit_tile<Real>& tile, view<Real, 1> spare) {
                           const auto mixed = mixed_states<Real>::in(spare, tile.states, M);
                           for (index_t i = 0; i < tile.positions; ++i) {
                             const place at = panels.place_of(tile.first_position + i);
                             mix(group, over, tile, i, at, mixed);
                             const auto to = result.whole().row(at.item, at.dim).slice(tile.first, tile.states);
                             group.for_each(tile.states, [&](auto s) {
                               using std::exp;
                               write(to, s, exp(read<Real>(mixed.log_marginal, s)));
                             });
                           }
                         });
  }
  return result;
}

}  // namespace dimix::nn
