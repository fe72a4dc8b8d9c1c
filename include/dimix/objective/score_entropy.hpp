// Denoising score entropy, weighted by rates: the bound for a network that predicts log scores itself and no row of p(x_0 | x_t).
//
// Per position, at time t, with x = x_t, raw outputs z(y) = log s(y), s(x) = 1, and r(y) = q_{t|0}(y | x_0) / q_{t|0}(x | x_0):
//   l = sum_{y != x} R_t(y, x) [ s(y) - r(y) log s(y) + K(r(y)) ],   K(a) = a (log a - 1),        d l / d z(y) = R_t(y, x) [ s(y) - r(y) ]
// It is non-negative, and its minimiser in expectation is the score of the data, p_t(y) / p_t(x). For log scores that come from a row of
// p(x_0 | x_t) (score.hpp) it is nelbo. Absorbing: only masked positions count, and of them only states that are not the mask.
// Source: SEDD (Lou et al. 2024: the diffusion weighted denoising score entropy). Networks of SEDD that predict
// z(y) - log(e^sigma - 1) for absorbing add that number to their outputs first; the gradient is the same.
// Laws (tests/laws/score_entropy.cpp): equals nelbo; minimiser; non-negative; gradient = central difference; float = double.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/array.hpp>
#include <dimix/objective/position_scores.hpp>

#include <cmath>
#include <vector>

namespace dimix {

/// One ratio r and its prediction: r [ e^v - 1 - v ] with v = log s - log r, and its slope r [ e^v - 1 ]. Near v = 0 they keep their digits.
template <class Number>
struct score_entropy_of {
  Number value, slope;

  DIMIX_HD static score_entropy_of make(Number ratio, Number log_score) {
    using std::exp, std::log;
    const Number zero = real_of_t<Number>(0);
    const Number alone = any(ratio == zero) ? Number(exp(log_score)) : zero;
    if (!any(ratio != zero)) return {alone, alone};
    const Number v = log_score - log(ratio), above = exp_above_tangent(v);
    return {select(ratio == zero, alone, ratio * above), select(ratio == zero, alone, ratio * (v + above))};
  }
};

/// Row (b, d) of the loss: value (B, D) and the gradient of the log scores.
template <class Real, class Kernel>
struct score_entropy_row {
  view<const Kernel, 1> kernels;  // (B)
  view<const Real, 1> beta;       // (B)
  view<const token, 2> x_0, x_t;  // (B, D)
  view<const Real, 4> raw;        // (B, 1, D, S)
  view<Real, 2> values;           // (B, D)
  view<Real, 4> out;              // (B, 1, D, S)  or empty: the value alone
  Real scale;

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t row_index) const {
    const index_t D = x_t.extent(1), b = row_index / D, d = row_index % D;
    at_position(kernels[b], d, [&](const auto& kernel) { take(group, kernel, b, d); });
  }

 private:
  template <class Group, class Own>
  DIMIX_HD void take(const Group& group, const Own& kernel, index_t b, index_t d) const {
    const index_t S = raw.extent(3), S_d = smaller(S, index_t{kernel.space.states(d)});
    const token clean = x_0(b, d), x = x_t(b, d);
    const view<const Real, 1> log_s = raw.row(b, index_t{0}, d);
    const bool with_gradient = !out.empty();
    const view<Real, 1> gradient = with_gradient ? out.row(b, index_t{0}, d) : view<Real, 1>{};
    const bool possible = kernel.marginal_t(d, clean, x) > Real(0);
    const Real value = group.reduce(S_d, Real(0), plus{}, [&](auto y) {
      using number = typename number_at<Real, decltype(y)>::type;
      const number zero = Real(0);
      const number jump = possible ? number(beta[b]) * rate_into<Real>(kernel.space, d, y, x) : zero;
      if (!any(jump != zero)) {
        if (with_gradient) write(gradient, y, zero);
        return zero;
      }
      const auto at = score_entropy_of<number>::make(number(data_score<Real>(kernel, d, clean, x, y)), read<Real>(log_s, y));
      if (with_gradient) write(gradient, y, number(select(jump == zero, zero, jump * at.slope * number(scale))));
      return number(select(jump == zero, zero, jump * at.value));
    });
    if (group.leader()) values(b, d) = value;
    if (with_gradient) group.for_each(S - S_d, [&](index_t beyond) { gradient[S_d + beyond] = Real(0); });
  }
};

/// sum_d l for every item, an unbiased estimate of the bound when t ~ U[0, 1] and x_t ~ q(x_t | x_0): (B), in nats.
/// x_0, x_t (B, D); t (B) in (0, 1] with a finite rate; raw (B, 1, D, S) log scores, that of x_t itself not read; out, if
/// given, the gradient of the mean over items. Throws numeric_error when a value is not finite. O(B D S), with tables too.
template <class Real, class Process, backend Backend>
array<Real, 1> score_entropy(const Process& process, view<const token, 2> x_0, view<const token, 2> x_t,
                             view<const double, 1> t, view<const Real, 4> raw, const Backend& run_on, view<Real, 4> out = {}) {
  using kernel = typename Process::template kernel<Real>;
  const index_t B = x_t.extent(0), D = x_t.extent(1), S = process.max_states();
  expects_shape("score_entropy: x_0", x_0, B, D);
  expects_shape("score_entropy: t", t, B);
  expects_shape("score_entropy: raw", raw, B, 1, D, S);
  if (!out.empty()) expects_shape("score_entropy: out", out, B, 1, D, S);
  expects_tokens("score_entropy: x_0", x_0, process.space());
  expects_tokens("score_entropy: x_t", x_t, process.space());
  std::vector<kernel> kernels;  // (B)
  array<Real, 1> beta(B);       // (B)
  for (index_t b = 0; b < B; ++b) {
    expects(t(b) > 0 && t(b) <= 1, "score_entropy: t[", b, "] = ", t(b), " lies outside (0, 1]");
    kernels.push_back(process.template between<Real>(0, t(b)));
    const double at_t = rate(process.schedule(), t(b));
    expects(std::isfinite(at_t), "score_entropy: t[", b, "] = ", t(b), " has the rate ", at_t, "; it must be finite");
    beta(b) = static_cast<Real>(at_t);
  }
  array<Real, 2> values(B, D);  // (B, D)
  run_on.template sweep<Real>(
      B * D, 0,
      score_entropy_row<Real, kernel>{{kernels.data(), B}, beta, x_0, x_t, raw, values, out, Real(1) / static_cast<Real>(B)});
  array<Real, 1> total(B);  // (B)
  for (index_t b = 0; b < B; ++b) {
    total(b) = Real(0);
    for (index_t d = 0; d < D; ++d) total(b) += values(b, d);
    expects<numeric_error>(std::isfinite(total(b)), "score_entropy: item ", b, " at t = ", t(b), " is ", total(b),
                           " (non-finite log scores?)");
  }
  return total;
}

}  // namespace dimix
