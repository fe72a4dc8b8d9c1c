// Terms of whole sequences: the likelihood of target tokens under the mixture, alone, with control variates, and with the marginals
// that make it the consistency loss. Estimator: plain or jackknife (marginal/estimator.hpp), what is taken for log p.
#pragma once

#include <dimix/marginal/estimator.hpp>
#include <dimix/objective/terms/row_loss.hpp>

namespace dimix {

/// Joint: mean_k -log p(x_k); with the control variate the correlation loss mean_k -[log p(x_k) - sum_d log P_d(x_kd)].
/// tokens (B, K, D). With the jackknife M >= 2, and log p alone is corrected.
template <class Real, bool ControlVariate, class Estimator = plain>
struct joint_likelihood {
  static_assert(
      likelihood_estimator<Estimator>,
      "joint_likelihood: Estimator must be plain, jackknife or a likelihood_estimator; see dimix/marginal/estimator.hpp");

  view<const token, 3> tokens;
  item_weights<Real> weights = {};

  using estimator = Estimator;
  static constexpr bool uses_components = false, uses_marginals = false, uses_joint = true;
  static constexpr bool control_variate = ControlVariate;
  DIMIX_HD Real weight(index_t b) const { return weights(b); }
  DIMIX_HD index_t targets() const { return tokens.extent(1); }
  DIMIX_HD token target(index_t b, index_t k, index_t d) const { return tokens(b, k, d); }
  DIMIX_HD Real target_weight() const { return Real(1) / static_cast<Real>(tokens.extent(1)); }
  void check(index_t B, index_t D, index_t, index_t M) const {
    expects(tokens.extent(1) >= 1, "joint_likelihood: K = 0 targets; at least one is needed");
    expects_shape("joint_likelihood: tokens", tokens, B, tokens.extent(1), D);
    weights.check("joint_likelihood: weights", B);
    Estimator::check("joint_likelihood", M);
  }
};

/// L_cor (paper.md calls it the correlation term): zero for M = 1.
template <class Real>
using correlation = joint_likelihood<Real, true>;
/// -log p(x), averaged over the targets.
template <class Real>
using joint_negative_log_likelihood = joint_likelihood<Real, false>;
/// The same with the bias over M draws of λ taken down from O(1/M) to O(1/M^2), in value and gradient.
template <class Real>
using jackknife_negative_log_likelihood = joint_likelihood<Real, false, jackknife>;

/// Consistency with control variates: mean_k L_cor(x_k) + sum_d KL(P^_d || P_d). tokens (B, K, D): draws of the student at u;
/// target (B, D, S): its marginals P^ there, constants for the gradient. The weights are those of the draws.
/// Source: tauldr losses.py consis_loss.
template <class Real, class Estimator = plain>
struct consistency {
  joint_likelihood<Real, true, Estimator> draws;
  marginal_divergence<Real> rows;

  using estimator = Estimator;
  static constexpr bool uses_components = false, uses_marginals = true, uses_joint = true, control_variate = true;
  DIMIX_HD Real weight(index_t b) const { return draws.weight(b); }
  template <class At, class Number>
  DIMIX_HD slope_of<Number> marginal(index_t b, index_t d, At s, Number log_p) const
      requires requires(const marginal_divergence<Real> of_rows) { of_rows.marginal(b, d, s, log_p); }
  {
    return rows.marginal(b, d, s, log_p);
  }
  DIMIX_HD index_t targets() const { return draws.targets(); }
  DIMIX_HD token target(index_t b, index_t k, index_t d) const { return draws.target(b, k, d); }
  DIMIX_HD Real target_weight() const { return draws.target_weight(); }
  void check(index_t B, index_t D, index_t S, index_t M) const {
    draws.check(B, D, S, M);
    rows.check(B, D, S, M);
  }
};

}  // namespace dimix
