// The continuous-time bound of tauLDR: an estimate from one jump. Teachers of tauLDR are trained with it; nelbo.hpp is the same bound
// with the jump averaged out, at the same cost, so that its variance is smaller.
//
//   regularisation  sum_d sum_{y != x} R_t(y, x) s_θ(y)                                               at x = x_t: the rate out of x_t, backwards
//   signal          - sum_d sum_{y != x} R_t(y, x) s_q(y) log s_θ(y) / norm                           at x = x~_t: x_t after one jump
//   norm            sum_d sum_{y != x} R_t(y, x) s_q(y) / Z(x~ with y at d),   Z(x) = sum_d sum_{y != x} R_t(x, y)
// with the scores of position_scores.hpp, s_q of the data and s_θ of the denoiser at the same tokens. norm is the law of the jump over
// that of x~_t: q(x~ | x_0) sum over where the jump came from. What does not depend on the denoiser is left out, as there:
//   E ct_elbo = E nelbo - E sum_d sum_y R_t(y, x) [ s_q(y) log s_q(y) - s_q(y) ].
// One forward pass: the network is asked at x~_t alone, and the regularisation is taken there too; cheaper by half and a little biased.
// With weight on it, the cross entropy of x_0 comes beside, at the tokens of the regularisation.
// Where alpha(t) = 0 the left-out part is infinite, and so is this: t must have a finite rate and alpha(t) > 0.
// Source: Campbell et al. 2022 (proposition 2), tauldr losses.py GenericAux.calc_loss; its guards: parity/tauldr_elbo.hpp.
// Laws (tests/laws/ct_elbo.cpp): expectation over x_t and x~_t = that of nelbo, in value and in gradient; gradient = central difference.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/array.hpp>
#include <dimix/forward_process/draw_jump.hpp>
#include <dimix/head.hpp>
#include <dimix/objective/position_scores.hpp>

#include <cmath>
#include <vector>

namespace dimix {

/// What each term counts for in the loss, the mean over items of their weighted sum.
struct ct_elbo_weights {
  double regularisation = 1, signal = 1;
  double cross_entropy = 0;  // tauLDR trains with 0.001
};

/// The terms of every item. cross_entropy is the mean over positions, the others sums.
template <class Real>
struct ct_elbo_terms {
  array<Real, 1> regularisation, signal, signal_norm, cross_entropy;  // (B)

  Real loss(const ct_elbo_weights& weights = {}) const {
    double total = 0;
    for (index_t b = 0; b < signal.size(); ++b)
      total += weights.regularisation * static_cast<double>(regularisation(b)) +
               weights.signal * static_cast<double>(signal(b)) + weights.cross_entropy * static_cast<double>(cross_entropy(b));
    return static_cast<Real>(total / static_cast<double>(signal.size()));
  }
};

/// Where a network was asked, what it answered, and where the gradient of that answer goes: none where it is empty.
template <class Real>
struct asked_at {
  view<const token, 2> x;       // (B, D)
  view<const Real, 4> raw;      // (B, 1, D, outputs)
  view<Real, 4> gradient = {};  // (B, 1, D, outputs)
};

/// Row (b, d) of the norm: what jumps into x~ at position d add.
template <class Real, class Kernel>
struct signal_norm_row {
  view<const Kernel, 1> kernels;      // (B)
  view<const double, 1> total_rates;  // (B)  Z(x~)
  view<const token, 2> x_0, x_tilde;  // (B, D)
  view<Real, 2> norms;                // (B, D)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t row_index) const {
    const index_t D = x_0.extent(1), b = row_index / D, d = row_index % D;
    const token x = x_tilde(b, d);
    const Real norm = at_position(kernels[b], d, [&](const auto& kernel) {
      const double others = total_rates[b] - outgoing_rate(kernel.space, d, x);
      return group.reduce(kernel.space.states(d), Real(0), plus{}, [&](auto y) {
        using number = typename number_at<Real, decltype(y)>::type;
        const number jump = rate_into<Real>(kernel.space, d, y, x), zero = Real(0);
        const number wanted = jump * data_score<Real>(kernel, d, x_0(b, d), x, y);
        if (!any(wanted != zero)) return zero;
        const number before =
            each_of<Real>(y, [&](index_t one) { return others + outgoing_rate(kernel.space, d, static_cast<token>(one)); });
        return number(select(wanted == zero, zero, wanted / before));
      });
    });
    if (group.leader()) norms(b, d) = norm;
  }
};

/// Row (b, d) of the terms that are taken at x: those whose values are not empty. tile: S slopes, S
/// probabilities, then what scores need.
template <class Real, class Head, class Kernel>
struct ct_elbo_row {
  Head head;
  view<const Kernel, 1> kernels;         // (B)
  view<const Real, 1> beta, norms;       // (B)  a norm of 0: nothing jumped
  view<const token, 2> x_0, x;           // (B, D)
  view<const Real, 4> raw;               // (B, 1, D, outputs)
  view<Real, 2> regularisation, signal;  // (B, D)  or empty
  view<Real, 2> cross_entropy;           // (B, D)  as regularisation
  view<Real, 4> gradient;                // (B, 1, D, outputs)  or empty
  Real regularises, signals, enters;     // what the derivative of each term counts for

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1> tile, index_t row_index) const {
    const index_t D = x.extent(1), b = row_index / D, d = row_index % D, S = tile.extent(0) / score_tiles<Kernel>;
    const view<const Real, 1> outputs = raw.row(b, index_t{0}, d);
    const auto row = weigh_row<Real>(group, head, outputs, place{b, d, x(b, d)}, tile.slice(S, S));
    at_position(kernels[b], d, [&](const auto& kernel) { take(group, kernel, b, d, row, tile, S); });
    if (gradient.empty()) return group.sync();
    const view<Real, 1> to = gradient.row(b, index_t{0}, d);
    row.backward(group, tile.slice(0, S), [&](auto o, auto g) { write(to, o, g); });
    group.sync();
  }

 private:
  /// The terms of a position with its own kernel, and their slopes into the tile.
  template <class Group, class Own, class Row>
  DIMIX_HD void take(const Group& group, const Own& kernel, index_t b, index_t d, const Row& row, view<Real, 1> tile,
                     index_t most) const {
    const token clean = x_0(b, d), now = x(b, d);
    const index_t S = smaller(most, index_t{kernel.space.states(d)});
    const view<Real, 1> slope = tile.slice(0, most);
    const auto scores = make_scores(group, kernel, d, now, row, tile.slice(2 * most, tile.extent(0) - 2 * most));
    const auto of_space = [&](auto y) { return scaled(beta[b], rate_into<Real>(kernel.space, d, y, now)); };
    scores.prepare(
        group, S, [&](index_t z) { return row.prob(z); }, of_space);

    const bool here = !regularisation.empty(), jumped = !signal.empty() && norms[b] > Real(0);
    const auto jumps = [&](auto y) { return scores.jump(y, of_space); };
    // R s_q / norm
    const auto wanted = [&](auto y, auto jump) {
      using number = decltype(jump);
      if (!jumped || !any(jump != number(Real(0)))) return number(Real(0));
      const number weight = jump * data_score<Real>(kernel, d, clean, now, y) / number(norms[b]);
      return number(select(jump == number(Real(0)), number(Real(0)), weight));
    };
    if (here) {
      const Real rate_out = group.reduce(S, Real(0), plus{}, [&](auto y) {
        using number = typename number_at<Real, decltype(y)>::type;
        const number jump = jumps(y), zero = Real(0);
        if (!any(jump != zero)) return zero;
        return number(select(jump == zero, zero, jump * scores.of_model(y, number(row.prob(y)))));
      });
      if (group.leader()) regularisation(b, d) = rate_out, cross_entropy(b, d) = -row.log_prob(index_t{clean});
    }
    if (!signal.empty()) {
      const Real seen = group.reduce(S, Real(0), plus{}, [&]<index_of<Row> At>(At y) {
        using number = typename number_at<Real, At>::type;
        const number weight = wanted(y, number(jumps(y))), zero = Real(0);
        if (!any(weight != zero)) return zero;
        return number(select(weight == zero, zero, -weight * scores.log_of_model(y, row)));
      });
      if (group.leader()) signal(b, d) = seen;
    }
    if (gradient.empty()) return;

    const auto pull = [&]<index_of<Row> At>(At y) {  // d loss / d s_θ(y)
      using std::exp;
      using number = typename number_at<Real, At>::type;
      const number jump = jumps(y), zero = Real(0);
      if (!any(jump != zero)) return zero;
      const number weight = wanted(y, jump), up = here ? number(regularises) * jump : zero;
      if (!any(weight != zero)) return up;
      const number down = number(signals) * weight * exp(-scores.log_of_model(y, row));
      return number(select(weight == zero, up, up - down));
    };
    scores.slopes(
        group, S, [&](auto z) { return row.prob(z); }, pull, slope);
    group.for_each(most - S, [&](index_t beyond) { slope[S + beyond] = Real(0); });
    group.sync();
    if (here && group.leader()) slope[clean] -= enters;
    group.sync();
  }

  template <class Number>
  DIMIX_HD static Number scaled(Real factor, Number x) {
    return Number(factor) * x;
  }
};

/// The terms of every item and the gradient of terms.loss(weights), from kernels that are already there: kernels (B) between 0 and t,
/// beta (B) the rates at t, x_0 (B, D). before: the network at x_t; after: at x~_t, as draw_jump makes it, and x_t itself
/// where no jump is possible: such an item has no signal. before.raw empty: one forward pass.
/// Throws numeric_error when a term is not finite. O(B D) rows; see position_scores.hpp for each.
template <class Real, class Kernel, class Head, backend Backend>
ct_elbo_terms<Real> ct_elbo(view<const Kernel, 1> kernels, view<const double, 1> beta, const Head& head,
                            view<const token, 2> x_0, const asked_at<Real>& before, const asked_at<Real>& after,
                            const Backend& run_on, const ct_elbo_weights& weights = {}) {
  const index_t B = x_0.extent(0), D = x_0.extent(1);
  expects(B > 0 && kernels.extent(0) == B, "ct_elbo: x_0 has ", B, " items, but there are ", kernels.extent(0), " kernels");
  expects_shape("ct_elbo: beta", beta, B);
  const auto& space = kernels[0].space;
  const index_t S = space.max_states();
  const bool one_pass = before.raw.empty();
  expects_tokens("ct_elbo: x_0", x_0, space);
  const auto expects_asked = [&](const char* x, const char* raw, const char* gradient, const asked_at<Real>& at) {
    expects_shape(x, at.x, B, D);
    expects_tokens(x, at.x, space);
    if (!at.raw.empty()) expects_shape(raw, at.raw, B, 1, D, head.outputs(S));
    if (!at.gradient.empty()) expects_shape(gradient, at.gradient, B, 1, D, head.outputs(S));
  };
  expects_asked("ct_elbo: before.x", "ct_elbo: before.raw", "ct_elbo: before.gradient", before);
  expects_asked("ct_elbo: after.x", "ct_elbo: after.raw", "ct_elbo: after.gradient", after);
  expects(!after.raw.empty(), "ct_elbo: after.raw is empty; the network has to be asked at x~_t");
  expects(!one_pass || before.gradient.empty(), "ct_elbo: before.gradient has shape ", shape_of(before.gradient),
          ", but before.raw is empty: with one forward pass the gradient is after.gradient");

  array<Real, 1> rates(B);          // (B)
  array<double, 1> total_rates(B);  // (B)
  std::vector<bool> jumped;         // (B)
  for (index_t b = 0; b < B; ++b) {
    expects(beta(b) >= 0 && std::isfinite(beta(b)), "ct_elbo: the rate of item ", b, " is ", beta(b), "; it must be finite");
    rates(b) = static_cast<Real>(beta(b));
    total_rates(b) = 0;
    index_t changes = 0;
    for (index_t d = 0; d < D; ++d) {
      total_rates(b) += outgoing_rate(kernels[b].space, d, after.x(b, d));
      changes += before.x(b, d) != after.x(b, d);
    }
    expects(changes <= 1, "ct_elbo: after.x differs from before.x at ", changes, " positions of item ", b,
            "; x~_t is x_t after one jump");
    jumped.push_back(changes == 1);
  }

  array<Real, 2> norms(B, D), regularisation(B, D), signal(B, D), cross_entropy(B, D);  // (B, D)
  run_on.template sweep<Real>(B * D, 0, signal_norm_row<Real, Kernel>{kernels, total_rates, x_0, after.x, norms});
  const auto summed = [&](const array<Real, 2>& values) {
    array<Real, 1> total(B);  // (B)
    for (index_t b = 0; b < B; ++b) {
      total(b) = Real(0);
      for (index_t d = 0; d < D; ++d) total(b) += values(b, d);
    }
    return total;
  };
  ct_elbo_terms<Real> terms;
  terms.signal_norm = summed(norms);
  for (index_t b = 0; b < B; ++b) {
    if (!jumped[static_cast<std::size_t>(b)])
      terms.signal_norm(b) = Real(0);
    else
      expects<numeric_error>(terms.signal_norm(b) > Real(0), "ct_elbo: x_0 of item ", b, " cannot have become after.x");
  }

  const auto share = [&](double weight, index_t n) { return static_cast<Real>(weight / static_cast<double>(n)); };
  const auto sweep = [&](const asked_at<Real>& at, bool here, bool there) {
    const auto if_taken = [](bool taken, array<Real, 2>& values) { return taken ? values.whole() : view<Real, 2>{}; };
    run_on.template sweep<Real>(
        B * D, score_tiles<Kernel> * S,
        ct_elbo_row<Real, Head, Kernel>{head, kernels, rates, terms.signal_norm, x_0, at.x, at.raw,
                                        if_taken(here, regularisation), if_taken(there, signal), if_taken(here, cross_entropy),
                                        at.gradient, share(weights.regularisation, B), share(weights.signal, B),
                                        share(weights.cross_entropy, B * D)});
  };
  if (!one_pass) sweep(before, true, false);
  sweep(after, one_pass, true);
  terms.regularisation = summed(regularisation);
  terms.signal = summed(signal);
  terms.cross_entropy = summed(cross_entropy);
  for (Real& value : terms.cross_entropy) value /= static_cast<Real>(D);
  for (index_t b = 0; b < B; ++b)
    expects<numeric_error>(
        std::isfinite(terms.regularisation(b)) && std::isfinite(terms.signal(b)) && std::isfinite(terms.cross_entropy(b)),
        "ct_elbo: item ", b, " has regularisation ", terms.regularisation(b), ", signal ", terms.signal(b),
        " and cross entropy ", terms.cross_entropy(b), " (non-finite logits?)");
  return terms;
}

/// The same for a process at times t (B) in (0, 1] with a finite rate.
template <class Real, class Process, class Head, backend Backend>
ct_elbo_terms<Real> ct_elbo(const Process& process, const Head& head, view<const token, 2> x_0, view<const double, 1> t,
                            const asked_at<Real>& before, const asked_at<Real>& after, const Backend& run_on,
                            const ct_elbo_weights& weights = {}) {
  using kernel = typename Process::template kernel<Real>;
  expects_head_fits<Head, typename Process::space_type>();
  const index_t B = x_0.extent(0);
  expects_shape("ct_elbo: t", t, B);
  std::vector<kernel> kernels;  // (B)
  array<double, 1> beta(B);     // (B)
  for (index_t b = 0; b < B; ++b) {
    expects(t(b) > 0 && t(b) <= 1, "ct_elbo: t[", b, "] = ", t(b), " lies outside (0, 1]");
    kernels.push_back(process.template between<Real>(0, t(b)));
    beta(b) = rate(process.schedule(), t(b));
    expects(std::isfinite(beta(b)), "ct_elbo: t[", b, "] = ", t(b), " has the rate ", beta(b), "; it must be finite");
  }
  return ct_elbo<Real, kernel>(view<const kernel, 1>(kernels.data(), B), beta, head, x_0, before, after, run_on, weights);
}

}  // namespace dimix
