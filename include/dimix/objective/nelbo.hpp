// The continuous-time negative evidence lower bound of a factorized denoiser: what teachers are trained with.
//
// Per position, at time t, with the jump rate β(t) = d sigma / dt, x = x_t and s the score (forward_process/score.hpp):
//   l = sum_{y != x} R_t(y, x) [ s_q(y) log(s_q(y) / s_θ(y)) - s_q(y) + s_θ(y) ],   s_q(y) = q_{t|0}(y | x_0) / q_{t|0}(x | x_0)
// with R_t(y, x) = β π(x) where noise is identity + rank one, β base_rate(y, x) in a rate_space, nelbo_two_clocks.hpp for mask_and_replace,
// and the bound is  E_{t ~ U[0,1]} E_{x_t} sum_d l  plus the prior's divergence.  Source: Campbell et al. 2022 (proposition 2, in the form
// of a divergence of rates), UDLM (Schiff et al. 2024) for uniform. For absorbing it collapses to MDLM's
//   l = β alpha / (1 - alpha) * -log p_0(x_0)   at masked positions (= -alpha' / (1 - alpha)), 0 elsewhere.
// Laws (tests/laws/nelbo.hpp): gradient = central difference; the minimiser is the exact posterior; absorbing = its closed form.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/array.hpp>
#include <dimix/forward_process.hpp>
#include <dimix/head.hpp>
#include <dimix/objective/nelbo_position.hpp>
#include <dimix/objective/nelbo_two_clocks.hpp>

namespace dimix {

/// Row (b, d) of the loss: value (B, D) and the gradient of the raw outputs. tile: S slopes, S probabilities, then the position's scratch.
template <class Real, class Head, class Kernel>
struct nelbo_row {
  Head head;
  view<const Kernel, 1> kernels;    // (B)
  view<const Real, 1> beta, decay;  // (B)
  view<const token, 2> x_0, x_t;    // (B, D)
  view<const Real, 4> raw;          // (B, 1, D, outputs)
  view<Real, 2> values;             // (B, D)
  view<Real, 4> out;                // (B, 1, D, outputs)  or empty: the value alone
  Real scale;

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1> tile, index_t row_index) const {
    const index_t D = x_t.extent(1), b = row_index / D, d = row_index % D;
    at_position(kernels[b], d, [&](const auto& kernel) { take(group, kernel, b, d, tile); });
  }

 private:
  template <class Group, class Own>
  DIMIX_HD void take(const Group& group, const Own& kernel, index_t b, index_t d, view<Real, 1> tile) const {
    const index_t S = tile.extent(0) / score_tiles<Kernel>, S_d = smaller(S, index_t{kernel.space.states(d)});
    const view<Real, 1> slope = tile.slice(0, S), rest = tile.slice(2 * S, tile.extent(0) - 2 * S);
    const place at{b, d, x_t(b, d)};
    const auto position = [&](const auto& row) {
      return make_nelbo_position(group, kernel, d, at.now, x_0(b, d), beta[b], decay[b], row, rest);
    };
    const view<const Real, 1> outputs = raw.row(b, index_t{0}, d);
    if constexpr (decltype(position(make_row<Real>(group, head, outputs, at)))::reads_data_alone)
      if (out.empty()) {
        const auto row = make_row<Real>(group, head, outputs, at);
        const Real value = position(row).value(group, S_d, row);
        if (group.leader()) values(b, d) = value;
        return;
      }
    const auto row = weigh_row<Real>(group, head, outputs, at, tile.slice(S, S));
    const auto here = position(row);
    const Real value = here.value(group, S_d, row);
    if (group.leader()) values(b, d) = value;
    if (out.empty()) return group.sync();
    here.slopes(group, S_d, row, slope);
    group.for_each(S - S_d, [&](index_t beyond) { slope[S_d + beyond] = Real(0); });
    group.sync();
    const view<Real, 1> gradient = out.row(b, index_t{0}, d);
    row.backward(group, slope, [&](auto o, auto g) { write(gradient, o, g * decltype(g)(scale)); });
    group.sync();
  }
};

/// sum_d l for every item, an unbiased estimate of the bound when t ~ U[0, 1] and x_t ~ q(x_t | x_0): (B), in nats.
/// x_0, x_t (B, D); t (B) in (0, 1]; raw (B, 1, D, outputs); out, if given, the gradient of the mean over items.
/// Throws numeric_error when a value is not finite.
template <class Real, class Process, class Head, backend Backend>
array<Real, 1> nelbo(const Process& process, const Head& head, view<const token, 2> x_0, view<const token, 2> x_t,
                     view<const double, 1> t, view<const Real, 4> raw, const Backend& run_on, view<Real, 4> out = {}) {
  using kernel = typename Process::template kernel<Real>;
  expects_head_fits<Head, typename Process::space_type>();
  const index_t B = x_t.extent(0), D = x_t.extent(1), S = process.max_states();
  expects_shape("nelbo: x_0", x_0, B, D);
  expects_shape("nelbo: t", t, B);
  expects_shape("nelbo: raw", raw, B, 1, D, head.outputs(S));
  if (!out.empty()) expects_shape("nelbo: out", out, B, 1, D, head.outputs(S));
  expects_tokens("nelbo: x_0", x_0, process.space());
  expects_tokens("nelbo: x_t", x_t, process.space());
  std::vector<kernel> kernels;       // (B)
  array<Real, 1> beta(B), decay(B);  // (B)
  for (index_t b = 0; b < B; ++b) {
    expects(t(b) > 0 && t(b) <= 1, "nelbo: t[", b, "] = ", t(b), " lies outside (0, 1]");
    kernels.push_back(process.template between<Real>(0, t(b)));
    beta(b) = static_cast<Real>(rate(process.schedule(), t(b)));
    decay(b) = static_cast<Real>(-alpha_prime(process.schedule(), t(b)));
  }
  array<Real, 2> values(B, D);  // (B, D)
  run_on.template sweep<Real>(
      B * D, score_tiles<kernel> * S,
      nelbo_row<Real, Head, kernel>{
          head, {kernels.data(), B}, beta, decay, x_0, x_t, raw, values, out, Real(1) / static_cast<Real>(B)});
  array<Real, 1> total(B);  // (B)
  for (index_t b = 0; b < B; ++b) {
    total(b) = Real(0);
    for (index_t d = 0; d < D; ++d) total(b) += values(b, d);
    expects<numeric_error>(std::isfinite(total(b)), "nelbo: item ", b, " at t = ", t(b), " is ", total(b),
                           " (non-finite logits?)");
  }
  return total;
}

/// sum_d KL(q(x_1 | x_0) || prior) for every item: what the bound adds for noise that is not complete at t = 1: (B).
/// Infinite where all of x_1 is masked but alpha(1) > 0; there the field leaves it out.
template <class Process>
array<double, 1> prior_divergence(const Process& process, view<const token, 2> x_0) {
  expects_tokens("prior_divergence: x_0", x_0, process.space());
  const auto kernel = process.template between<double>(0, 1);
  array<double, 1> total(x_0.extent(0));  // (B)
  for (index_t b = 0; b < x_0.extent(0); ++b)
    for (index_t d = 0; d < x_0.extent(1); ++d)
      for (token s = 0; s < process.space().states(d); ++s) {
        const double q = kernel.marginal_t(d, x_0(b, d), s);
        if (q > 0) total(b) += q * std::log(q / kernel.prior(d, s));
      }
  return total;
}

}  // namespace dimix
