// The nested gap: one step t -> s against the same way in two, t -> u -> s. A PROXY of what a step loses, for any noise: where noise also
// redraws, no chain rule gives the joint row of a denoiser, but two steps know more of it than one:
//   P2(x_s | x_t) = sum_{x_u} p(x_s | x_u) p(x_u | x_t),    nested gap = E_{x_t} KL(P2( . | x_t) || p( . | x_t))
// It leaves out what two steps still lose, and counts what the shorter steps of an inexact denoiser gain or spoil; where it is small, halving
// the step would change little. For an exact denoiser and D = 1 it is zero.
// P2 is a sum over all x_u, of which K are drawn. With x_s from the first of them,
//   high   log mean of p(x_s | x_u^k) over all K      E high >= KL
//   low    over all K but the first                   E low <= KL
// so that the truth lies between them but for the error of the means, and both tend to it as K grows. Of a mixture each x_u has its own λ, and
// p(x_s | x_t) is a mean of `components` λ; where these are drawn, `low` is a bound up to their O(1/M).
// Laws (tests/laws/diagnostics.cpp): low <= exact <= high by enumeration on uniform noise; zero for one position.
#pragma once

#include <dimix/diagnostics/measured.hpp>
#include <dimix/diagnostics/question.hpp>
#include <dimix/sampler.hpp>

namespace dimix {

struct nested_options : diagnostic_options {
  index_t draws = 16;  // K >= 2, draws of x_u for each x_t
};

struct nested_gap_bounds {
  measured low, high;  // nats
};

/// x_t (B, D) at t > u > s >= 0. Method: as of sampler, one that has rows. Network calls: of B K (or B M) rows at x_t,
/// twice, and of B K rows at x_u, each with its rows of D S.
template <class Real = float, class Method = ancestral, class Process, class Net>
nested_gap_bounds nested_gap(const Process& process, const Net& net, view<const token, 2> x_t, double t, double u, double s,
                             const nested_options& options = {}, const cpu& run_on = cpu{}, Method method = {}) {
  static_assert(has_rows<Method>, "nested_gap: Method must have rows; see dimix/sampler.hpp");
  expects(s >= 0 && s < u && u < t && t <= 1, "nested_gap: needs 0 <= s < u < t <= 1, but s = ", s, ", u = ", u,
          " and t = ", t);
  expects(options.draws >= 2, "nested_gap: draws = ", options.draws, "; at least two are needed, to leave one out");
  const index_t D = x_t.extent(1), K = options.draws, S = process.max_states();
  sampler<Real, Process, Net, Method, cpu> steps(process, net, {}, method, run_on);
  const rng random{options.seed};
  // rows of `of` copies of each of x (n, D), every copy with a λ of its own: (n of, D, S)
  const auto rows_of = [&](view<const token, 2> x, index_t of, double to, double from, view<const std::uint64_t, 1> items,
                           latent_draws how, index_t call) {
    const index_t n = x.extent(0);
    array<token, 2> copies(n * of, D);                         // (n of, D)
    array<double, 1> at_s(n * of), at_t(n * of);               // (n of)
    array<Real, 3> latents(n, of, latent_dims_of<Real>(net));  // (n, of, L)
    at_s.fill(to), at_t.fill(from);
    for (index_t r = 0; r < n * of; ++r) std::copy_n(x.row(r / of).data(), D, copies.whole().row(r).data());
    if constexpr (mixture_denoiser<Net, Real>) draw_latents(net.latent(), how, random, items, call, latents.whole());
    return steps.rows(copies, at_s, at_t, view<const Real, 3>(latents.data(), n * of, 1, latents.extent(2)));
  };
  const auto draw_row_of = [&](const array<Real, 3>& rows, index_t r, index_t d, random_block bits) {
    return draw_categorical(
        S, [&](index_t a) { return std::log(static_cast<double>(rows(r, d, a))); }, bits);
  };
  const averaging once_over = averaging::over<Real>(net, options.components);
  const index_t M = once_over.count;
  running_mean low, high;
  each_chunk("nested_gap", x_t.extent(0), options, [&](index_t first, index_t n, view<const std::uint64_t, 1> items) {
    const view<const token, 2> x = x_t.slice(first, n);                            // (n, D)
    const array<Real, 3> to_u = rows_of(x, K, u, t, items, latent_draws::iid, 0);  // (n K, D, S)
    array<token, 2> x_u(n * K, D);                                                 // (n K, D)
    for (index_t r = 0; r < n * K; ++r)
      for (index_t d = 0; d < D; ++d)
        x_u(r, d) = draw_row_of(to_u, r, d, random(purpose::transition, items(r / K), 0, r % K, d));
    array<std::uint64_t, 1> ids(n * K);  // (n K)
    for (index_t r = 0; r < n * K; ++r)
      ids(r) = items(r / K) * static_cast<std::uint64_t>(K) + static_cast<std::uint64_t>(r % K);
    const array<Real, 3> to_s = rows_of(x_u, 1, s, u, ids, latent_draws::iid, 1);  // (n K, D, S)
    const array<Real, 3> at_once = rows_of(x, M, s, t, items, once_over.how, 2);   // (n M, D, S)
    std::vector<token> x_s(static_cast<std::size_t>(D));
    const auto log_p = [&](const array<Real, 3>& rows, index_t r) {
      double sum = 0;
      for (index_t d = 0; d < D; ++d) sum += std::log(static_cast<double>(rows(r, d, x_s[static_cast<std::size_t>(d)])));
      return sum;
    };
    for (index_t b = 0; b < n; ++b) {
      for (index_t d = 0; d < D; ++d)
        x_s[static_cast<std::size_t>(d)] = draw_row_of(to_s, b * K, d, random(purpose::transition, items(b), 1, 0, d));
      exp_sum<double> others;
      for (index_t k = 1; k < K; ++k) others = merge(others, exp_sum<double>::of(log_p(to_s, b * K + k)));
      const exp_sum<double> all = merge(others, exp_sum<double>::of(log_p(to_s, b * K)));
      const double once = log_mixture(M, once_over, [&](index_t m) { return log_p(at_once, b * M + m); });
      high.add(all.log() - std::log(static_cast<double>(K)) - once);
      low.add(others.log() - std::log(static_cast<double>(K - 1)) - once);
    }
  });
  return {low.result(), high.result()};
}

}  // namespace dimix
