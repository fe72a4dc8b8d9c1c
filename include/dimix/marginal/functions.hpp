// The marginalisation as functions: one call, all components at once. Their sweeps are those of the marginalisation (marginal.hpp) and one
// more that writes the answer. mean_rows is one sweep over positions side by side, with draws or without; draw_tokens is one of B M D rows
// and asks for no memory.
#pragma once

#include <dimix/marginal.hpp>
#include <dimix/marginal/estimator.hpp>
#include <dimix/marginal/function_rows.hpp>

namespace dimix {

/// exp(log P_d(s)) into out (B, D, S). Throws what is wrong, or leaves it where sweeps are queued.
template <class Real, class Head, backend Backend>
void write_marginals(const Head& head, view_of<Backend, const token, 2> x_t, view_of<Backend, const Real, 4> raw, index_t S,
                     const Backend& run_on, view_of<Backend, const Real, 2> log_weights, view<Real, 3> out) {
  marginalisation<Real, Head> over(head, local(x_t), raw.extent(1), S,
                                   {.log_weights = local(log_weights), .memory = workspace_of(run_on)});
  over.observe(raw, 0, run_on);
  over.close(run_on);
  const index_t rows = over.batch() * over.dims();
  sweep<Real>(run_on, rows, 0, S, exp_row<Real>{{over.log_marginals().data(), rows, S}, {out.data(), rows, S}});
  if constexpr (asynchronous<Backend>) over.refuse(run_on);
}

/// log p(x_k | x_t) of targets (B, K, D) under the mixture with raw outputs (B, M, D, outputs): (B, K).
/// A target may hold -1 where a position is unknown: the likelihood of the others.
/// With K = 1 and equal weights this is minus the negative log-likelihood of tauldr losses.py DistilChain.calc_nll. Over M draws of λ
/// it is biased low by O(1/M); log_likelihood<Real, jackknife> by O(1/M^2), at a larger variance (estimator.hpp), and needs M >= 2.
template <class Real, likelihood_estimator Estimator = plain, class Head, backend Backend>
array<Real, 2> log_likelihood(const Head& head, view_of<Backend, const token, 2> x_t, view_of<Backend, const Real, 4> raw,
                              view_of<Backend, const token, 3> targets, index_t S, const Backend& run_on,
                              view_of<Backend, const Real, 2> log_weights = {}) {
  Estimator::check("log_likelihood", raw.extent(1));
  marginalisation<Real, Head> over(head, local(x_t), raw.extent(1), S,
                                   {.targets = local(targets),
                                    .log_weights = local(log_weights),
                                    .marginals = false,
                                    .unknown_targets = true,
                                    .memory = workspace_of(run_on)});
  over.observe(raw, 0, run_on);
  over.close(run_on);
  array<Real, 2> result(over.batch(), over.targets());  // (B, K)
  fill_on_host(run_on, result, [&](view<Real, 2> out) {
    sweep<Real>(run_on, result.size(), 0, over.components(),
                estimate_row<Real, Estimator>{over.log_weights(), over.log_responsibilities(), over.log_likelihood(), out});
  });
  if constexpr (asynchronous<Backend>) over.refuse(run_on);
  for (index_t b = 0; b < over.batch(); ++b)
    for (index_t k = 0; k < over.targets(); ++k)
      expects<numeric_error>(std::isfinite(result(b, k)), "log_likelihood: target ", k, " of item ", b, " has ", result(b, k),
                             " (a jackknife of components of which only one can be it?)");
  return result;
}

/// P_d(s) = sum_m π_m p_md(s): (B, D, S) probabilities. With M = 1 the rows of a factorized denoiser.
template <class Real, class Head, backend Backend>
array<Real, 3> marginals(const Head& head, view_of<Backend, const token, 2> x_t, view_of<Backend, const Real, 4> raw, index_t S,
                         const Backend& run_on, view_of<Backend, const Real, 2> log_weights = {}) {
  array<Real, 3> result(x_t.extent(0), x_t.extent(1), S);  // (B, D, S)
  fill_on_host(run_on, result, [&](view<Real, 3> out) { write_marginals(head, x_t, raw, S, run_on, log_weights, out); });
  return result;
}

/// mean_rows, below, and one token from each of the rows: out (B K, D), out[r, d] ~ p_d( . | x_r; λ_r), whose bits are those of `what` at
/// (items[r], step, 0, d), items (B K). The targets of the consistency loss and their marginals in one sweep. An empty out draws nothing. Where
/// sweeps are queued, a row without a positive probability is not refused: its token is -1.
template <class Real, class Head, backend Backend>
array<Real, 3> draw_with_mean_rows(const Head& head, view_of<Backend, const token, 2> tokens,
                                   view_of<Backend, const Real, 4> raw, index_t K, index_t S, rng random, purpose what,
                                   view_of<Backend, const std::uint64_t, 1> items, index_t step, view_of<Backend, token, 2> out,
                                   const Backend& run_on) {
  expects(K >= 1 && tokens.extent(0) % K == 0, "draw_with_mean_rows: ", tokens.extent(0), " rows are not K = ", K,
          " draws per item");
  const index_t B = tokens.extent(0) / K, D = tokens.extent(1), outputs = head.outputs(S);
  expects_shape("draw_with_mean_rows: raw", local(raw), B * K, 1, D, outputs);
  if (!out.empty()) {
    expects_shape("draw_with_mean_rows: out", local(out), B * K, D);
    expects_shape("draw_with_mean_rows: items", local(items), B * K);
    expects_draws("draw_with_mean_rows", step, 0, D);
  }
  array<unsigned char, 2, row_space> damaged(workspace_of(run_on), B, D);  // (B, D)
  array<Real, 3> mean(B, D, S);                                            // (B, D, S)
  const view<const Real, 4> draws(raw.data(), B, K, D, outputs);           // (B, K, D, outputs)
  const index_t positions = positions_together<Backend>(S);
  using row = mean_row<Real, Head>;
  fill_on_host(run_on, mean, [&](view<Real, 3> into) {
    sweep<Real>(run_on, B * ((D + positions - 1) / positions), row::tile_size(S, positions), outputs,
                row{head, local(tokens), draws, positions, into, damaged.rows(), random, what, local(items), step, local(out)});
  });
  array<unsigned char, 2> found(B, D);  // (B, D)
  fetch(run_on, view<const unsigned char, 2>(damaged.rows()), found.whole());
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < D; ++d)
      expects<numeric_error>(!found(b, d), "draw_with_mean_rows: the logits of item ", b, " at position ", d,
                             " hold a number that is not finite");
  if constexpr (!asynchronous<Backend>) {
    const index_t missing = first_missing(view<const token, 2>(out));
    expects<numeric_error>(missing == out.size(), "draw_with_mean_rows: the row at flat index ", missing, " of shape ",
                           shape_of(out), " has no positive probability (non-finite logits?)");
  }
  return mean;
}

/// P^_d(s) = mean_k p_d(s | x_k; λ_k), the mean of the rows of K draws that stand at different x: (B, D, S) probabilities. The
/// marginals of the student at u in the consistency loss (paper, section 3; tauldr and sdtt take the same mean).
/// tokens (B K, D), draws of one item side by side; raw (B K, 1, D, outputs). One read of raw and one exponential a state
/// (softmax, subs; two where a head does not keep its row).
template <class Real, class Head, backend Backend>
array<Real, 3> mean_rows(const Head& head, view_of<Backend, const token, 2> tokens, view_of<Backend, const Real, 4> raw,
                         index_t K, index_t S, const Backend& run_on) {
  return draw_with_mean_rows<Real>(head, tokens, raw, K, S, rng{}, purpose::user, {}, 0, {}, run_on);
}

/// γ_km: (B, M, K), the posterior over components given target k; sums to 1 over m. With a target that holds the known tokens and -1
/// elsewhere it is the law of λ given evidence, w_m ∝ π_m prod_{d known} p_md(y_d | x_t).
template <class Real, class Head, backend Backend>
array<Real, 3> responsibilities(const Head& head, view_of<Backend, const token, 2> x_t, view_of<Backend, const Real, 4> raw,
                                view_of<Backend, const token, 3> targets, index_t S, const Backend& run_on,
                                view_of<Backend, const Real, 2> log_weights = {}) {
  marginalisation<Real, Head> over(head, local(x_t), raw.extent(1), S,
                                   {.targets = local(targets),
                                    .log_weights = local(log_weights),
                                    .marginals = false,
                                    .unknown_targets = true,
                                    .memory = workspace_of(run_on)});
  over.observe(raw, 0, run_on);
  over.close(run_on);
  array<Real, 3> result(over.batch(), over.components(), over.targets());  // (B, M, K)
  fill_on_host(run_on, result, [&](view<Real, 3> out) {
    sweep<Real>(run_on, over.batch(), 0, over.components() * over.targets(),
                exp_row<Real>{{over.log_responsibilities().data(), over.batch(), over.components() * over.targets()},
                              {out.data(), over.batch(), over.components() * over.targets()}});
  });
  if constexpr (asynchronous<Backend>) over.refuse(run_on);
  return result;
}

/// One draw from every component's product: out (B, M, D), out[b, m, d] ~ p_md( . | x_t[b]).
/// The bits of item b, component m and position d are those of `what` at (items[b], step, m, d).
/// Where sweeps are queued, a row without a positive probability is not refused: its token is -1.
template <class Real, class Head, backend Backend>
void draw_tokens(const Head& head, view_of<Backend, const token, 2> x_t, view_of<Backend, const Real, 4> raw, index_t S,
                 rng random, purpose what, view_of<Backend, const std::uint64_t, 1> items, index_t step,
                 view_of<Backend, token, 3> out, const Backend& run_on) {
  const index_t B = x_t.extent(0), M = raw.extent(1), D = x_t.extent(1);
  expects_shape("draw_tokens: raw", local(raw), B, M, D, head.outputs(S));
  expects_shape("draw_tokens: out", local(out), B, M, D);
  expects_shape("draw_tokens: items", local(items), B);
  expects_draws("draw_tokens", step, M - 1, D);
  sweep<Real>(run_on, B * M * D, 0, head.outputs(S),
              draw_token_row<Real, Head>{head, local(x_t), local(raw), S, random, what, local(items), step, local(out)});
  if constexpr (!asynchronous<Backend>) {
    const index_t missing = first_missing(view<const token, 3>(out));
    expects<numeric_error>(missing == out.size(), "draw_tokens: the row at flat index ", missing, " of shape ", shape_of(out),
                           " has no positive probability (non-finite logits?)");
  }
}

}  // namespace dimix
