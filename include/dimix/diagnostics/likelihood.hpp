// Likelihoods of sequences under what a denoiser generates, in nats a sequence; per position and in bits: divide by D and by log 2.
//
//   path_bound            -log p_N(x_0) <= E_q sum_n log q(x_s | x_t, x_0) / p(x_s | x_t),  the bound of the N-step sampler along its grid
//   any_order_bound       -log p(x_0) <= E_k E_A (D / k) sum_{d in A} -log p(x_d | x without A), exactly k masked (LLaDA; Ou et al. 2024)
//   one_step_likelihood   log p_1(x_0) = log E_{x_1, λ} prod_d p(x_0^d | x_1; λ), of the one-step sampler
// Bounds are of one walk each: their mean over walks and sequences (mean_of) is the bound's, with its interval. For an exact denoiser the
// any-order bound is -log p(x_0) itself, and the path bound above it by what the steps lose.
// The continuous-time bound is nelbo (objective/nelbo.hpp).
// Laws (tests/laws/diagnostics.cpp): each against its exact value by enumeration; the bounds lie above.
#pragma once

#include <dimix/diagnostics/measured.hpp>
#include <dimix/diagnostics/question.hpp>
#include <dimix/forward_process/corrupt.hpp>
#include <dimix/head/stepped.hpp>
#include <dimix/sampler/paths.hpp>
#include <dimix/sampler/time_grid.hpp>

#include <numeric>

namespace dimix {

struct likelihood_options : diagnostic_options {
  index_t draws = 1;                            // walks, or sets A, averaged for each sequence
  latent_scope scope = latent_scope::per_path;  // of a mixture's path: one λ along it, or one for each step
};

/// The bound of the path along `grid` for x_0 (B, D): (B). p is the ancestral step, whose law analytic shares. +infinity where a step excludes
/// what noise did. Of a mixture with drawn λ the bound holds in the mean and tightens with `components`. Not in it is the prior's part:
/// add prior_divergence (objective/nelbo.hpp) where noise is not complete at t = 1; absorbing leaves it out. N calls a walk.
template <class Real = float, class Process, class Net>
array<double, 1> path_bound(const Process& process, const Net& net, view<const token, 2> x_0, const time_grid& grid,
                            const likelihood_options& options = {}, const cpu& run_on = cpu{}) {
  using kernel = typename Process::template kernel<Real>;
  expects_grid("path_bound", grid);
  expects_tokens("path_bound: x_0", x_0, process.space());
  expects(options.draws >= 1, "path_bound: draws = ", options.draws, "; at least one is needed");
  question<Real, Process, Net> asked("path_bound", process, net, options, run_on);
  const rng random{options.seed};
  const index_t D = x_0.extent(1);
  array<double, 1> bound(x_0.extent(0));  // (B)
  each_chunk("path_bound", x_0.extent(0), options, [&](index_t first, index_t n, view<const std::uint64_t, 1> items) {
    const view<const token, 2> data = x_0.slice(first, n);  // (n, D)
    array<token, 2> x_t(n, D), x_s(n, D);                   // (n, D)
    array<double, 1> t(n), per_step(n);                     // (n)
    array<double, 2> likelihood, weights, along;            // (n, M)
    for (index_t draw = 0; draw < options.draws; ++draw) {
      t.fill(grid.front());
      corrupt(process, data, t, random, items, x_t, run_on, draw);
      per_step.fill(0);
      for (std::size_t step = 0; step + 1 < grid.size(); ++step) {
        t.fill(grid[step]);
        const std::vector<kernel> kernels(static_cast<std::size_t>(n),
                                          process.template between<Real>(grid[step + 1], grid[step]));
        for (index_t b = 0; b < n; ++b)
          for (index_t d = 0; d < D; ++d) {
            const auto bits = random(purpose::transition, items(b), static_cast<index_t>(step), draw, d);
            x_s(b, d) = kernels[0].draw_posterior(d, data(b, d), x_t(b, d), bits);
            per_step(b) += std::log(static_cast<double>(kernels[0].posterior(d, data(b, d), x_t(b, d), x_s(b, d))));
          }
        asked.ask(x_t, t, items);
        const index_t M = asked.raw().extent(1);
        likelihood.resize(n, M), weights.resize(n, M);
        if (step == 0) along.resize(n, M), along.fill(0);
        const stepped<std::remove_const_t<decltype(asked.head())>, kernel> head{asked.head(), {kernels.data(), n}};
        asked.component_likelihood(head, x_t, x_s, likelihood, weights);
        for (index_t b = 0; b < n; ++b) {
          if (options.scope == latent_scope::per_step)
            per_step(b) -= log_mixture(
                M, [&](index_t m) { return weights(b, m); }, [&](index_t m) { return likelihood(b, m); });
          else
            for (index_t m = 0; m < M; ++m) along(b, m) += likelihood(b, m);
        }
        std::swap(x_t, x_s);
      }
      for (index_t b = 0; b < n; ++b) {
        double value = per_step(b);
        if (options.scope == latent_scope::per_path)
          value -= log_mixture(
              weights.extent(1), [&](index_t m) { return weights(b, m); }, [&](index_t m) { return along(b, m); });
        bound(first + b) += value / static_cast<double>(options.draws);
      }
    }
  });
  return bound;
}

/// The any-order bound for x_0 (B, D), D >= 1: (B). k is drawn evenly from 1..D, in even shares over the draws. Rows are those of single
/// positions, E_λ p(x_d | x_t; λ), asked at the time that hides k of D. One call a draw.
template <class Real = float, class Process, class Net>
array<double, 1> any_order_bound(const Process& process, const Net& net, view<const token, 2> x_0,
                                 const likelihood_options& options = {}, const cpu& run_on = cpu{}) {
  static_assert(revealing_space<typename Process::space_type>,
                "any_order_bound: positions can be left out only where noise does nothing but hide, as absorbing; elsewhere "
                "see path_bound");
  expects_tokens("any_order_bound: x_0", x_0, process.space());
  expects(options.draws >= 1, "any_order_bound: draws = ", options.draws, "; at least one is needed");
  question<Real, Process, Net> asked("any_order_bound", process, net, options, run_on);
  const rng random{options.seed};
  const index_t D = x_0.extent(1);
  const token mask = process.space().mask();
  array<double, 1> bound(x_0.extent(0));  // (B)
  std::vector<index_t> order(static_cast<std::size_t>(D));
  std::vector<double> key(static_cast<std::size_t>(D));
  each_chunk("any_order_bound", x_0.extent(0), options, [&](index_t first, index_t n, view<const std::uint64_t, 1> items) {
    const view<const token, 2> data = x_0.slice(first, n);  // (n, D)
    array<token, 2> x_t(n, D);                              // (n, D)
    array<double, 1> t(n), hidden(n);                       // (n)
    for (index_t draw = 0; draw < options.draws; ++draw) {
      for (index_t b = 0; b < n; ++b) {
        const double u = unit(random(purpose::time, items(b), 0, draw, 0).first());
        const double share = (static_cast<double>(draw) + u) / static_cast<double>(options.draws);
        const index_t k = 1 + smaller(static_cast<index_t>(share * static_cast<double>(D)), D - 1);
        for (index_t d = 0; d < D; ++d)
          key[static_cast<std::size_t>(d)] = unit(random(purpose::order, items(b), 0, draw, d).first());
        std::iota(order.begin(), order.end(), index_t{0});
        std::sort(order.begin(), order.end(),
                  [&](index_t a, index_t c) { return key[static_cast<std::size_t>(a)] < key[static_cast<std::size_t>(c)]; });
        std::copy_n(data.row(b).data(), D, x_t.whole().row(b).data());
        for (index_t i = 0; i < k; ++i) x_t(b, order[static_cast<std::size_t>(i)]) = mask;
        hidden(b) = static_cast<double>(k);
        t(b) = clamp(inverse_alpha(process.schedule(), 1 - hidden(b) / static_cast<double>(D)), 0.0, 1.0);
      }
      asked.ask(x_t, t, items);
      const array<Real, 3> rows = asked.rows(x_t);  // (n, D, S)
      for (index_t b = 0; b < n; ++b) {
        double sum = 0;
        for (index_t d = 0; d < D; ++d)
          if (x_t(b, d) == mask) sum -= std::log(static_cast<double>(rows(b, d, data(b, d))));
        bound(first + b) += sum * static_cast<double>(D) / hidden(b) / static_cast<double>(options.draws);
      }
    }
  });
  return bound;
}

/// log p_1(x_0) of one sequence, from M draws of (x_1, λ), or all λ of a finite law.
struct mixture_likelihood {
  double plain;           // log of the mean: biased low by O(1/M) where λ is drawn
  double jackknife;       // bias O(1/M^2); = plain where nothing is drawn, and where M = 1
  double standard_error;  // by the delta method; 0 where nothing is drawn, NaN where M = 1
};

/// log p_1(x_0) for x_0 (B, D): (B). Where noise leaves one x_1 (all masked) the draws are of λ alone: none for a factorized denoiser or a finite
/// law, whose answer is exact; elsewhere `components` pairs. The error is that of independent draws. One call of B M rows.
template <class Real = float, class Process, class Net>
std::vector<mixture_likelihood> one_step_likelihood(const Process& process, const Net& net, view<const token, 2> x_0,
                                                    const diagnostic_options& options = {}, const cpu& run_on = cpu{}) {
  expects_tokens("one_step_likelihood: x_0", x_0, process.space());
  const index_t D = x_0.extent(1), S = process.max_states(), L = latent_dims_of<Real>(net);
  const bool one_start = reveals_all(process.space(), D);
  const rng random{options.seed};
  denoiser_call<Real, Process, Net, cpu> call(process, net, run_on);
  const auto head = head_of(net, process.space());
  averaging over_latents = averaging::over<Real>(net, options.components);
  const bool exact = one_start && (L == 0 || over_latents.how == latent_draws::enumerated);
  // elsewhere every x_1 comes with a λ of its own
  if (!exact) over_latents = {options.components, latent_draws::iid, even_weights(options.components)};
  const index_t M = over_latents.count;
  std::vector<mixture_likelihood> result;
  each_chunk("one_step_likelihood", x_0.extent(0), options, [&](index_t first, index_t n, view<const std::uint64_t, 1> items) {
    array<Real, 3> latents(n, M, L);       // (n, M, L)
    array<token, 2> x_1(n * M, D);         // (n M, D)
    array<token, 3> targets(n * M, 1, D);  // (n M, 1, D)
    array<double, 1> t(n * M);             // (n M)
    array<std::uint64_t, 1> ids(n * M);    // (n M)
    if constexpr (mixture_denoiser<Net, Real>) draw_latents(net.latent(), over_latents.how, random, items, 0, latents.whole());
    t.fill(1);
    for (index_t r = 0; r < n * M; ++r) {
      ids(r) = items(r / M);
      for (index_t d = 0; d < D; ++d) {
        x_1(r, d) = draw_prior(process.space(), d, random(purpose::initial, items(r / M), 0, r % M, d).first());
        targets(r, 0, d) = x_0(first + r / M, d);
      }
    }
    call.ask("one_step_likelihood", 0, x_1, t, ids, view<const Real, 3>(latents.data(), n * M, 1, L));
    using head_type = std::remove_const_t<decltype(head)>;
    marginalisation<Real, head_type> over(head, x_1, 1, S, {.targets = view<const token, 3>(targets), .marginals = false});
    over.observe(call.raw(), 0, run_on);
    for (index_t b = 0; b < n; ++b) {
      std::vector<double> share;  // (M)  log of π_m p_m(x_0), then of its part of their sum
      for (index_t m = 0; m < M; ++m) share.push_back(over_latents(m) + over.component_log_likelihood()(b * M + m, 0, 0));
      const auto log_share = [&](index_t m) { return share[static_cast<std::size_t>(m)]; };
      const double plain = log_mixture(
                       M, [](index_t) { return 0.0; }, log_share),
                   count = static_cast<double>(M);
      mixture_likelihood here{plain, plain, exact ? 0.0 : std::nan("")};
      if (!exact && M > 1 && std::isfinite(plain)) {
        double squares = 0;
        for (double& l : share) l -= plain, squares += std::pow(count * std::exp(l) - 1, 2);
        const auto even = [&](index_t) { return -std::log(count); };
        here.jackknife +=
            estimate_of<jackknife, double>(M, log_share).correction() - estimate_of<jackknife, double>(M, even).correction();
        here.standard_error = std::sqrt(squares / (count - 1) / count);
      }
      result.push_back(here);
    }
  });
  return result;
}

}  // namespace dimix
