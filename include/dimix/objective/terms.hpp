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
//   optional: T::estimator, what is taken for log p (marginal/estimator.hpp); plain where it is missing
// Values of component and marginal kinds are summed over s and d. A user's term is a struct like those in terms/.
#pragma once

#include <dimix/objective/terms/joint_likelihood.hpp>  // of sequences: likelihood, correlation, consistency
#include <dimix/objective/terms/row_loss.hpp>          // of rows: distillation, marginal, the losses of SDTT
#include <dimix/objective/terms/slope.hpp>             // what a term is made of
#include <dimix/objective/terms/variational.hpp>       // the bound in discrete time, and cross entropy

#include <concepts>

namespace dimix {

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
concept loss_term = std::is_trivially_copyable_v<T> && requires(const T t, index_t i) {
  { t.weight(i) } -> std::same_as<Real>;
  t.check(i, i, i, i);
} &&(!T::uses_components || component_term<T, Real>)&&(!T::uses_marginals || marginal_term<T, Real>)&&(!T::uses_joint ||
                                                                                                       joint_term<T, Real>);

template <class T>
inline constexpr bool joint_with_control_variate = [] {
  if constexpr (T::uses_joint)
    return bool(T::control_variate);
  else
    return false;
}();

/// Whether terms read log P_d(s) at all states.
template <class... Terms>
inline constexpr bool reads_marginals = (Terms::uses_marginals || ...) || (joint_with_control_variate<Terms> || ...);

/// What a joint term takes for log p.
template <class T>
struct estimator_of {
  using type = plain;
};
template <class T>
requires requires { typename T::estimator; }
struct estimator_of<T> {
  using type = typename T::estimator;
};

static_assert(loss_term<distillation_bound<float>, float> && loss_term<marginal_divergence<float>, float> &&
              loss_term<correlation<float>, float> && loss_term<joint_negative_log_likelihood<float>, float> &&
              loss_term<jackknife_negative_log_likelihood<float>, float> && loss_term<consistency<float>, float> &&
              loss_term<reverse_divergence<float>, float> && loss_term<squared_error<float>, float> &&
              loss_term<total_variation<float>, float> && loss_term<cross_entropy<float>, float>);

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
