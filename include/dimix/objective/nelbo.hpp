// The continuous-time negative evidence lower bound of a factorized denoiser: what teachers are trained with.
//
// Per position, at time t, with the jump rate β(t) = d sigma / dt, x = x_t and s the score (forward_process/score.hpp):
//   l = β π(x) sum_{y != x} [ s_q(y) log(s_q(y) / s_θ(y)) - s_q(y) + s_θ(y) ],   s_q(y) = q_{t|0}(y | x_0) / q_{t|0}(x | x_0)
// and the bound is  E_{t ~ U[0,1]} E_{x_t} sum_d l  plus the prior's divergence.  Source: Campbell et al. 2022 (proposition 2, in the form
// of a divergence of rates), UDLM (Schiff et al. 2024) for uniform. For absorbing it collapses to MDLM's
//   l = β alpha / (1 - alpha) * -log p_0(x_0)   at masked positions (= -alpha' / (1 - alpha)), 0 elsewhere.
// Laws (tests/laws/nelbo.hpp): gradient = central difference; the minimiser is the exact posterior; absorbing = its closed form.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/array.hpp>
#include <dimix/forward_process.hpp>
#include <dimix/head.hpp>

namespace dimix {

/// l and d l / d log p_0(z) of one position. x_0 and x_t tokens; log_p(s) the denoiser's log-row; beta the jump rate at t
/// and decay = -alpha' = beta alpha, which stays finite where alpha reaches 0.
/// Where the two scores are close (late times) their relative difference u comes from  s_θ(y) - s_q(y) = alpha c(y), and alpha
/// beta = decay: the value keeps its digits and reaches its limit 0 at alpha = 0, the slopes theirs.
template <class Space, class Real>
struct nelbo_position {
  reverse_row<Space, Real> step;
  token x_0;
  Real beta, decay;

  template <class Group, class LogP>
  DIMIX_HD Real value(const Group& group, index_t S, const LogP& log_p) const {
    if (step.frozen) return Real(0);
    if constexpr (masked_space<Space>) return -masked_weight() * log_p(x_0);
    return at_x() * group.reduce(S, Real(0), plus{}, [&](index_t y) {
      if (y == step.y) return Real(0);
      const auto s = scores(static_cast<token>(y), log_p(y), log_p(step.y));
      if (s.close()) return decay * s.c * one_minus_log1p_over(s.u);
      return beta * (product_or_zero(s.of_data(), s.log_q - s.log_m) - s.of_data() + s.of_model());
    });
  }

  /// slope(z) for every z; the two sums are shared.
  template <class Group, class LogP, class Store>
  DIMIX_HD void slopes(const Group& group, index_t S, const LogP& log_p, const Store& store) const {
    using std::exp;
    if (step.frozen) return group.for_each(S, [&](index_t z) { store(z, Real(0)); });
    if constexpr (masked_space<Space>)
      return group.for_each(S, [&](index_t z) { store(z, z == x_0 ? -masked_weight() : Real(0)); });
    const auto& k = step.kernel;
    const auto pull = [&](index_t y) {  // d l / d s_θ(y)
      if (y == step.y) return Real(0);
      const auto s = scores(static_cast<token>(y), log_p(y), log_p(step.y));
      return at_x() * (s.close() ? decay * s.c / s.of_model() : beta * (Real(1) - exp(s.log_q - s.log_m)));
    };
    const Real shared =
        group.reduce(S, Real(0), plus{}, [&](index_t y) { return pull(y) * k.hit_t * k.prior(step.d, static_cast<token>(y)); });
    group.for_each(S, [&](index_t z) {
      const Real over_z = exp(log_p(z) - step.log_z(static_cast<token>(z)));
      store(z, over_z * (k.kept_t * pull(z) + shared));
    });
  }

 private:
  /// The scores of the data and of the model at one y, c(y), and u = s_θ / s_q - 1.
  struct pair_of_scores {
    Real log_q, log_m, c, u;
    DIMIX_HD bool close() const { return u > Real(-0.3) && u < Real(0.3); }
    DIMIX_HD Real of_data() const {
      using std::exp;
      return exp(log_q);
    }
    DIMIX_HD Real of_model() const {
      using std::exp;
      return exp(log_m);
    }
  };

  DIMIX_HD pair_of_scores scores(token y, Real log_p_y, Real log_p_x) const {
    using std::exp, std::expm1, std::log;
    const auto& k = step.kernel;
    const Real hit_x = k.hit_t * at_x(), hit_y = k.hit_t * k.prior(step.d, y), z_same = k.kept_t + hit_x;
    const Real q = k.marginal_t(step.d, x_0, y) / (x_0 == step.y ? z_same : hit_x);
    // W - 1 / Z(x_0) over alpha, and the difference of the parts that were not hit
    const Real lift = (x_0 == step.y ? -expm1(log_p_x) : -exp(log_p_x)) / (z_same * hit_x);
    const Real kept = (y == x_0 ? expm1(log_p_y) : exp(log_p_y)) / hit_x;
    const Real c = kept + hit_y * lift;
    const Real log_m =
        merge(exp_sum<Real>::of(log(k.kept_t) + log_p_y - step.log_z(y)), exp_sum<Real>::of(log(hit_y) + step.log_w)).log();
    return {log(q), log_m, c, k.kept_t * c / q};
  }

  DIMIX_HD Real at_x() const { return step.kernel.prior(step.d, step.y); }
  DIMIX_HD Real masked_weight() const { return decay * at_x() / step.kernel.hit_t; }
};

/// Row (b, d) of the loss: value (B, D) and the gradient of the raw outputs. tile: S slopes.
template <class Real, class Head, class Space>
struct nelbo_row {
  Head head;
  view<const two_time_kernel<Space, Real>, 1> kernels;  // (B)
  view<const Real, 1> beta, decay;                      // (B)
  view<const token, 2> x_0, x_t;                        // (B, D)
  view<const Real, 4> raw;                              // (B, 1, D, outputs)
  view<Real, 2> values;                                 // (B, D)
  view<Real, 4> out;                                    // (B, 1, D, outputs)  or empty: the value alone
  Real scale;

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1> tile, index_t row_index) const {
    const index_t D = x_t.extent(1), b = row_index / D, d = row_index % D, S = tile.extent(0);
    const place at{b, d, x_t(b, d)};
    const auto row = make_row<Real>(group, head, raw.row(b, index_t{0}, d), at);
    const auto log_p = [&](index_t s) { return row.log_prob(s); };
    const nelbo_position<Space, Real> here{reverse_row<Space, Real>::make(kernels[b], d, at.now, row.log_prob(at.now)),
                                           x_0(b, d), beta[b], decay[b]};
    const Real value = here.value(group, S, log_p);
    if (group.leader()) values(b, d) = value;
    if (out.empty()) return;
    here.slopes(group, S, log_p, [&](index_t s, Real slope) { tile[s] = slope; });
    group.sync();
    row.backward(
        group, S, [&](index_t s) { return tile[s]; }, [&](index_t o, Real g) { out(b, index_t{0}, d, o) = scale * g; });
    group.sync();
  }
};

/// sum_d l for every item, an unbiased estimate of the bound when t ~ U[0, 1] and x_t ~ q(x_t | x_0): (B), in nats.
/// x_0, x_t (B, D); t (B) in (0, 1]; raw (B, 1, D, outputs); out, if given, the gradient of the mean over items.
/// Throws numeric_error when a value is not finite.
template <class Real, class Process, class Head, backend Backend>
array<Real, 1> nelbo(const Process& process, const Head& head, view<const token, 2> x_0, view<const token, 2> x_t,
                     view<const double, 1> t, view<const Real, 4> raw, const Backend& run_on, view<Real, 4> out = {}) {
  using Space = typename Process::space_type;
  const index_t B = x_t.extent(0), D = x_t.extent(1), S = process.max_states();
  expects_shape("nelbo: x_0", x_0, B, D);
  expects_shape("nelbo: t", t, B);
  expects_shape("nelbo: raw", raw, B, 1, D, head.outputs(S));
  if (!out.empty()) expects_shape("nelbo: out", out, B, 1, D, head.outputs(S));
  expects_tokens("nelbo: x_0", x_0, process.space());
  expects_tokens("nelbo: x_t", x_t, process.space());
  std::vector<two_time_kernel<Space, Real>> kernels;
  array<Real, 1> beta(B), decay(B);  // (B)
  for (index_t b = 0; b < B; ++b) {
    expects(t(b) > 0 && t(b) <= 1, "nelbo: t[", b, "] = ", t(b), " lies outside (0, 1]");
    kernels.push_back(process.template between<Real>(0, t(b)));
    beta(b) = static_cast<Real>(rate(process.schedule(), t(b)));
    decay(b) = static_cast<Real>(-alpha_prime(process.schedule(), t(b)));
  }
  array<Real, 2> values(B, D);  // (B, D)
  run_on.template sweep<Real>(
      B * D, S,
      nelbo_row<Real, Head, Space>{
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
/// Infinite for absorbing schedules with alpha(1) > 0, where the field leaves it out.
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
