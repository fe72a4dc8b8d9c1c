// The marginalisation as functions: one call, all components at once.
#pragma once

#include <dimix/marginal.hpp>
#include <dimix/marginal/estimator.hpp>

namespace dimix {

/// log p(x_k | x_t) of targets (B, K, D) under the mixture with raw outputs (B, M, D, outputs): (B, K).
/// A target may hold -1 where a position is unknown: the likelihood of the others.
/// With K = 1 and equal weights this is minus the negative log-likelihood of tauldr losses.py DistilChain.calc_nll. Over M draws of λ
/// it is biased low by O(1/M); log_likelihood<Real, jackknife> by O(1/M^2), at a larger variance (estimator.hpp), and needs M >= 2.
template <class Real, likelihood_estimator Estimator = plain, class Head, backend Backend>
array<Real, 2> log_likelihood(const Head& head, view<const token, 2> x_t, view<const Real, 4> raw, view<const token, 3> targets,
                              index_t S, const Backend& run_on, view<const Real, 2> log_weights = {}) {
  Estimator::check("log_likelihood", raw.extent(1));
  marginalisation<Real, Head> over(
      head, x_t, raw.extent(1), S,
      {.targets = targets, .log_weights = log_weights, .marginals = false, .unknown_targets = true});
  over.observe(raw, 0, run_on);
  over.close(run_on);
  array<Real, 2> result(over.batch(), over.targets());  // (B, K)
  for (index_t b = 0; b < over.batch(); ++b) {
    const auto weights = estimate_of<Estimator, Real>(over.components(), [&](index_t m) { return over.log_weights()(b, m); });
    for (index_t k = 0; k < over.targets(); ++k) {
      const auto shares =
          estimate_of<Estimator, Real>(over.components(), [&](index_t m) { return over.log_responsibilities()(b, m, k); });
      result(b, k) = over.log_likelihood()(b, k) + (shares.correction() - weights.correction());
      expects<numeric_error>(std::isfinite(result(b, k)), "log_likelihood: target ", k, " of item ", b, " has ", result(b, k),
                             " (a jackknife of components of which only one can be it?)");
    }
  }
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

/// P^_d(s) = mean_k p_d(s | x_k; λ_k), the mean of the rows of K draws that stand at different x: (B, D, S) probabilities. The
/// marginals of the student at u in the consistency loss (paper, section 3; tauldr and sdtt take the same mean).
/// tokens (B K, D), draws of one item side by side; raw (B K, 1, D, outputs).
template <class Real, class Head, backend Backend>
array<Real, 3> mean_rows(const Head& head, view<const token, 2> tokens, view<const Real, 4> raw, index_t K, index_t S,
                         const Backend& run_on) {
  expects(K >= 1 && tokens.extent(0) % K == 0, "mean_rows: ", tokens.extent(0), " rows are not K = ", K, " draws per item");
  const array<Real, 3> rows = marginals<Real>(head, tokens, raw, S, run_on);  // (B K, D, S)
  const index_t B = tokens.extent(0) / K, cells = tokens.extent(1) * S;
  array<Real, 3> mean(B, tokens.extent(1), S);  // (B, D, S)
  run_on.template sweep<Real>(B, 0, [&](const auto& group, auto, index_t b) {
    group.for_each(cells, [&](index_t cell) {
      Real sum = Real(0);
      for (index_t k = 0; k < K; ++k) sum += rows.data()[(b * K + k) * cells + cell];
      mean.data()[b * cells + cell] = sum / static_cast<Real>(K);
    });
  });
  return mean;
}

/// γ_km: (B, M, K), the posterior over components given target k; sums to 1 over m. With a target that holds the known tokens and -1
/// elsewhere it is the law of λ given evidence, w_m ∝ π_m prod_{d known} p_md(y_d | x_t).
template <class Real, class Head, backend Backend>
array<Real, 3> responsibilities(const Head& head, view<const token, 2> x_t, view<const Real, 4> raw,
                                view<const token, 3> targets, index_t S, const Backend& run_on,
                                view<const Real, 2> log_weights = {}) {
  marginalisation<Real, Head> over(
      head, x_t, raw.extent(1), S,
      {.targets = targets, .log_weights = log_weights, .marginals = false, .unknown_targets = true});
  over.observe(raw, 0, run_on);
  over.close(run_on);
  const auto log_gamma = over.log_responsibilities();
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
      out(b, m, d) = draw_row(group, make_unnormalised_row<Real>(group, head, raw.row(b, m, d), at), S,
                              random(what, items(b), step, m, d));
    }
  });
  const index_t missing = first_missing(view<const token, 3>(out));
  if (missing < out.size())
    fail<numeric_error>("draw_tokens: the row at flat index ", missing, " of shape ", shape_of(out),
                        " has no positive probability (non-finite logits?)");
}

}  // namespace dimix
