// Terms of single positions: a distance between target rows and the model's, of every component or of the mixture's marginals.
//   of_components   sum_m π_m sum_d distance(T_d, p_md)
//   of_marginals    sum_d distance(T_d, P_d)
// The target is a view (B, D, S), or rows made on the fly (terms/variational.hpp): a value with  target(b, d, s) -> Real,
// check(name, B, D, S) and name(), what the term is called in errors.
#pragma once

#include <dimix/objective/terms/distance.hpp>

namespace dimix {

enum class rows_of { components, marginals };

/// Target rows in memory are read in lanes too; those made on the fly one by one.
template <class Target>
inline constexpr bool target_in_memory = false;
template <class Real>
inline constexpr bool target_in_memory<view<const Real, 3>> = true;

template <class Distance, class Number>
concept distance_of = requires(Number x) { Distance::at(x, x); };
template <class At, class Target>
concept target_index = std::convertible_to<At, index_t> || target_in_memory<Target>;

template <class Real, class Target, class At>
DIMIX_HD auto target_at(const Target& target, index_t b, index_t d, At s) {
  if constexpr (target_in_memory<Target>)
    return read<Real>(target.row(b, d), s);
  else
    return target(b, d, s);
}

template <class Real, class Distance, rows_of Rows = rows_of::components, class Target = view<const Real, 3>>
struct row_loss {
  Target target;
  item_weights<Real> weights = {};

  static constexpr bool uses_components = Rows == rows_of::components, uses_marginals = !uses_components, uses_joint = false;
  DIMIX_HD Real weight(index_t b) const { return weights(b); }
  template <target_index<Target> At, class Number>
  DIMIX_HD slope_of<Number> component(index_t b, index_t d, At s, Number log_p) const requires distance_of<Distance, Number> {
    return Distance::at(target_at<Real>(target, b, d, s), log_p);
  }
  template <target_index<Target> At, class Number>
  DIMIX_HD slope_of<Number> marginal(index_t b, index_t d, At s, Number log_p) const requires distance_of<Distance, Number> {
    return Distance::at(target_at<Real>(target, b, d, s), log_p);
  }
  void check(index_t B, index_t D, index_t S, index_t) const {
    const char* name = [] {
      if constexpr (requires { Target::name(); })
        return Target::name();
      else
        return Distance::name(uses_components);
    }();
    if constexpr (requires { target.check(name, B, D, S); })
      target.check(name, B, D, S);
    else
      expects_shape(argument{name, "target"}, target, B, D, S);
    weights.check(argument{name, "weights"}, B);
  }
};

/// Distillation: sum_m π_m sum_d KL(T_d || p_md), every component against the teacher. It is an upper bound of the divergence to the
/// mixture (KL is convex), hence the name. Source: tauldr losses.py distil_loss, maskgit vit.py, sdtt di4c_loss; SDTT's kl-fwd.
/// target (B, D, S): the teacher's rows.
template <class Real>
using distillation_bound = row_loss<Real, forward_kl>;

/// Marginal: sum_d KL(T_d || P_d). With the teacher's rows the marginal loss of Di4C; with P at u the second half of consistency.
/// target (B, D, S).
template <class Real>
using marginal_divergence = row_loss<Real, forward_kl, rows_of::marginals>;

/// The other losses of SDTT (Deschenaux and Gulcehre 2024): kl-bwd, mse and tvd. target (B, D, S); factorized students have M = 1.
template <class Real>
using reverse_divergence = row_loss<Real, reverse_kl>;
template <class Real>
using squared_error = row_loss<Real, square>;
template <class Real>
using total_variation = row_loss<Real, absolute>;

}  // namespace dimix
