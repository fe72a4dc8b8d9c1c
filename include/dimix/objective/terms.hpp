// Loss terms: what an objective is put together from. A term is a small host-device value with views of its targets.
//
// concept loss_term<T, Real>:
//   T::uses_components, uses_marginals, uses_joint   which of the three kinds of contributions it makes
//   t.weight(b)                  weight of item b
//   t.check(B, D, S, M)          throws when its targets do not fit
// and for each kind it uses, of item b, position d, state s:
//   t.component(b, d, s, log_p) -> slope_of   value and d value / d log p_md(s); averaged over components with π
//   t.marginal(b, d, s, log_p)  -> slope_of   value and d value / d log P_d(s), P the mixture's marginal
//   t.targets(), t.target(b, k, d), t.target_weight(), T::control_variate
//       tokens x_k: adds -a log p(x_k), and with the control variate + a sum_d log P_d(x_kd), a = target_weight()
// Values of component and marginal kinds are summed over s and d. A user's term is a struct like the ones below.
#pragma once

#include <dimix/core/check.hpp>
#include <dimix/core/math.hpp>

#include <concepts>

namespace dimix {

/// A value with its derivative.
template <class Real>
struct slope_of {
  Real value, slope;
};

template <class T, class Real>
concept component_term = requires(const T t, index_t i, Real x) {
  { t.component(i, i, i, x) } -> std::same_as<slope_of<Real>>;
};
template <class T, class Real>
concept marginal_term = requires(const T t, index_t i, Real x) {
  { t.marginal(i, i, i, x) } -> std::same_as<slope_of<Real>>;
};
template <class T, class Real>
concept joint_term = requires(const T t, index_t i) {
  { t.targets() } -> std::convertible_to<index_t>;
  { t.target(i, i, i) } -> std::same_as<token>;
  { t.target_weight() } -> std::same_as<Real>;
  { T::control_variate } -> std::convertible_to<bool>;
};

template <class T, class Real>
concept loss_term = std::is_trivially_copyable_v<T> &&
                    requires(const T t, index_t i) {
                      { t.weight(i) } -> std::same_as<Real>;
                      t.check(i, i, i, i);
                    } &&
                    (!T::uses_components || component_term<T, Real>)&&(!T::uses_marginals || marginal_term<T, Real>)&&(
                        !T::uses_joint || joint_term<T, Real>);

template <class T>
inline constexpr bool joint_with_control_variate = [] {
  if constexpr (T::uses_joint)
    return bool(T::control_variate);
  else
    return false;
}();

/// The weights of a term: one per item (B), or one for all.
template <class Real>
struct item_weights {
  view<const Real, 1> per_item = {};  // (B); empty: `common` for every item
  Real common = Real(1);

  DIMIX_HD Real operator()(index_t b) const { return per_item.empty() ? common : common * per_item[b]; }
  void check(const char* name, index_t B) const {
    if (!per_item.empty()) expects_shape(name, per_item, B);
  }
};

/// t log(t / p), and its slope in log p.
template <std::floating_point Real>
DIMIX_HD slope_of<Real> cross_divergence(Real target, Real log_p) {
  using std::log;
  return target == Real(0) ? slope_of<Real>{Real(0), Real(0)} : slope_of<Real>{target * (log(target) - log_p), -target};
}

/// Distillation: sum_m π_m sum_d KL(T_d || p_md), every component against the teacher. It is an upper bound of the divergence to the
/// mixture (KL is convex), hence the name. Source: tauldr losses.py distil_loss, maskgit vit.py, sdtt di4c_loss.
/// target (B, D, S): the teacher's rows.
template <class Real>
struct distillation_bound {
  view<const Real, 3> target;
  item_weights<Real> weights = {};

  static constexpr bool uses_components = true, uses_marginals = false, uses_joint = false;
  DIMIX_HD Real weight(index_t b) const { return weights(b); }
  DIMIX_HD slope_of<Real> component(index_t b, index_t d, index_t s, Real log_p) const {
    return cross_divergence(target(b, d, s), log_p);
  }
  void check(index_t B, index_t D, index_t S, index_t) const {
    expects_shape("distillation_bound: target", target, B, D, S);
    weights.check("distillation_bound: weights", B);
  }
};

/// Marginal: sum_d KL(T_d || P_d). With the teacher's rows the marginal loss of Di4C; with P at u the second half of consistency.
/// target (B, D, S).
template <class Real>
struct marginal_divergence {
  view<const Real, 3> target;
  item_weights<Real> weights = {};

  static constexpr bool uses_components = false, uses_marginals = true, uses_joint = false;
  DIMIX_HD Real weight(index_t b) const { return weights(b); }
  DIMIX_HD slope_of<Real> marginal(index_t b, index_t d, index_t s, Real log_p) const {
    return cross_divergence(target(b, d, s), log_p);
  }
  void check(index_t B, index_t D, index_t S, index_t) const {
    expects_shape("marginal_divergence: target", target, B, D, S);
    weights.check("marginal_divergence: weights", B);
  }
};

/// Joint: mean_k -log p(x_k); with the control variate the correlation loss mean_k -[log p(x_k) - sum_d log P_d(x_kd)].
/// tokens (B, K, D).
template <class Real, bool ControlVariate>
struct joint_likelihood {
  view<const token, 3> tokens;
  item_weights<Real> weights = {};

  static constexpr bool uses_components = false, uses_marginals = false, uses_joint = true;
  static constexpr bool control_variate = ControlVariate;
  DIMIX_HD Real weight(index_t b) const { return weights(b); }
  DIMIX_HD index_t targets() const { return tokens.extent(1); }
  DIMIX_HD token target(index_t b, index_t k, index_t d) const { return tokens(b, k, d); }
  DIMIX_HD Real target_weight() const { return Real(1) / static_cast<Real>(tokens.extent(1)); }
  void check(index_t B, index_t D, index_t, index_t) const {
    expects(tokens.extent(1) >= 1, "joint_likelihood: K = 0 targets; at least one is needed");
    expects_shape("joint_likelihood: tokens", tokens, B, tokens.extent(1), D);
    weights.check("joint_likelihood: weights", B);
  }
};

/// L_cor (paper.md calls it the correlation term): zero for M = 1.
template <class Real>
using correlation = joint_likelihood<Real, true>;
/// -log p(x), averaged over the targets.
template <class Real>
using joint_negative_log_likelihood = joint_likelihood<Real, false>;

/// Consistency with control variates: mean_k L_cor(x_k) + sum_d KL(P^_d || P_d). tokens (B, K, D): draws of the student at u;
/// target (B, D, S): its marginals P^ there, constants for the gradient. The weights are those of the draws. Source: tauldr losses.py consis_loss.
template <class Real>
struct consistency {
  correlation<Real> draws;
  marginal_divergence<Real> rows;

  static constexpr bool uses_components = false, uses_marginals = true, uses_joint = true, control_variate = true;
  DIMIX_HD Real weight(index_t b) const { return draws.weight(b); }
  DIMIX_HD slope_of<Real> marginal(index_t b, index_t d, index_t s, Real log_p) const { return rows.marginal(b, d, s, log_p); }
  DIMIX_HD index_t targets() const { return draws.targets(); }
  DIMIX_HD token target(index_t b, index_t k, index_t d) const { return draws.target(b, k, d); }
  DIMIX_HD Real target_weight() const { return draws.target_weight(); }
  void check(index_t B, index_t D, index_t S, index_t M) const {
    draws.check(B, D, S, M);
    rows.check(B, D, S, M);
  }
};

static_assert(loss_term<distillation_bound<float>, float> && loss_term<marginal_divergence<float>, float> &&
              loss_term<correlation<float>, float> && loss_term<joint_negative_log_likelihood<float>, float> &&
              loss_term<consistency<float>, float>);

/// Terms side by side, walkable in host and device code: each(f) calls f(term, number).
template <class... Terms>
struct term_pack {
  template <class F>
  DIMIX_HD void each(const F&, index_t = 0) const {}
};
template <class First, class... Rest>
struct term_pack<First, Rest...> {
  First first;
  term_pack<Rest...> rest;

  term_pack(First f, Rest... r) : first(f), rest{r...} {}

  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD void each(const F& f, index_t number = 0) const {
    f(first, number);
    rest.each(f, number + 1);
  }
};

}  // namespace dimix
