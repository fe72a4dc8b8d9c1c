// The marginalisation as functions: one call, all components at once.
#pragma once

#include <dimix/core/categorical.hpp>
#include <dimix/marginal.hpp>

namespace dimix {

/// log p(x_k | x_t) of targets (B, K, D) under the mixture with raw outputs (B, M, D, outputs): (B, K).
/// With K = 1 and equal weights this is minus the negative log-likelihood of tauldr losses.py DistilChain.calc_nll.
template <class Real, class Head, backend Backend>
array<Real, 2> log_likelihood(const Head& head, view<const token, 2> x_t, view<const Real, 4> raw, view<const token, 3> targets,
                              index_t S, const Backend& run_on, view<const Real, 2> log_weights = {}) {
  marginalisation<Real, Head> over(head, x_t, raw.extent(1), S,
                                   {.targets = targets, .log_weights = log_weights, .marginals = false});
  over.observe(raw, 0, run_on);
  over.close(run_on);
  array<Real, 2> result(over.batch(), over.targets());  // (B, K)
  std::copy_n(over.log_likelihood().data(), result.size(), result.data());
  return result;
}

/// P_d(s) = sum_m π_m p_md(s): (B, D, S) probabilities. With M = 1 the rows of a factorized denoiser.
template <class Real, class Head, backend Backend>
array<Real, 3> marginals(const Head& head, view<const token, 2> x_t, view<const Real, 4> raw, index_t S, const Backend& run_on,
                         view<const Real, 2> log_weights = {}) {
  marginalisation<Real, Head> over(head, x_t, raw.extent(1), S, {.log_weights = log_weights});
  over.observe(raw, 0, run_on);
  over.close(run_on);
  array<Real, 3> result(over.batch(), over.dims(), S);  // (B, D, S)
  std::transform(over.log_marginals().begin(), over.log_marginals().end(), result.begin(), [](Real x) { return std::exp(x); });
  return result;
}

/// γ_km: (B, M, K), the posterior over components given target k; sums to 1 over m.
template <class Real, class Head, backend Backend>
array<Real, 3> responsibilities(const Head& head, view<const token, 2> x_t, view<const Real, 4> raw,
                                view<const token, 3> targets, index_t S, const Backend& run_on,
                                view<const Real, 2> log_weights = {}) {
  marginalisation<Real, Head> over(head, x_t, raw.extent(1), S,
                                   {.targets = targets, .log_weights = log_weights, .marginals = false});
  over.observe(raw, 0, run_on);
  over.close(run_on);
  const auto log_gamma = over.component_log_likelihood();
  array<Real, 3> result(log_gamma.extent(0), log_gamma.extent(1), log_gamma.extent(2));  // (B, M, K)
  std::transform(log_gamma.begin(), log_gamma.end(), result.begin(), [](Real x) { return std::exp(x); });
  return result;
}

/// One draw from every component's product: out (B, M, D), out[b, m, d] ~ p_md( . | x_t[b]).
/// The bits of item b, component m and position d are those of `what` at (items[b], step, m, d).
template <class Real, class Head, backend Backend>
void draw_tokens(const Head& head, view<const token, 2> x_t, view<const Real, 4> raw, index_t S, rng random, purpose what,
                 view<const std::uint64_t, 1> items, index_t step, view<token, 3> out, const Backend& run_on) {
  const index_t B = x_t.extent(0), M = raw.extent(1), D = x_t.extent(1);
  expects_shape("draw_tokens: raw", raw, B, M, D, head.outputs(S));
  expects_shape("draw_tokens: out", out, B, M, D);
  expects_shape("draw_tokens: items", items, B);
  expects_draws("draw_tokens", step, M - 1, D);
  run_on.template sweep<Real>(B * M, 0, [&](const auto& group, auto, index_t row_index) {
    const index_t b = row_index / M, m = row_index % M;
    for (index_t d = 0; d < D; ++d) {
      const place at{b, d, x_t(b, d)};
      const auto outputs = raw.row(b, m, d);
      const auto row = head.template row<Real>(outputs, at, head.template observe<Real>(group, outputs, at));
      out(b, m, d) = row.fixed() >= 0 ? row.fixed()
                                      : draw_categorical(
                                            S, [&](index_t s) { return row.log_prob(s); }, random(what, items(b), step, m, d));
    }
  });
  for (index_t i = 0; i < out.size(); ++i)
    expects<numeric_error>(out.data()[i] >= 0, "draw_tokens: the row at flat index ", i, " of shape ", shape_of(out),
                           " has no positive probability (non-finite logits?)");
}

}  // namespace dimix
