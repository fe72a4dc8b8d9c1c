// The row bodies of an objective that walk over an item: the values of its terms at close, and the gradient of the log-weights.
#pragma once

#include <dimix/marginal/estimator.hpp>
#include <dimix/objective/terms.hpp>

namespace dimix {

/// The targets of all joint terms side by side, as one list: (b, k, d) -> token.
template <class... Terms>
struct targets_of_terms {
  term_pack<Terms...> terms;

  DIMIX_HD token operator()(index_t b, index_t k, index_t d) const {
    token found = 0;
    terms.each([&](const auto& term, index_t) {
      if constexpr (std::decay_t<decltype(term)>::uses_joint) {
        if (k >= 0 && k < term.targets()) found = term.target(b, k, d);
        k -= term.targets();
      }
    });
    return found;
  }
};

/// Row b: zeros for what rows that are certain leave out.
template <class Real>
struct clear_item_row {
  view<Real, 3> component_values;                   // (terms, B, D)
  view<Real, 3> component_slopes, marginal_slopes;  // (B, M, D)  or empty

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t b) const {
    for (index_t j = 0; j < component_values.extent(0); ++j) clear(group, component_values.row(j, b));
    if (component_slopes.empty()) return;
    clear(group, component_slopes[b].flat());
    clear(group, marginal_slopes[b].flat());
  }

 private:
  template <class Group>
  DIMIX_HD static void clear(const Group& group, view<Real, 1> part) {
    group.for_each(part.extent(0), [&](index_t i) { part[i] = Real(0); });
  }
};

/// A target whose jackknife is not finite: its number, that of its term, and the correction; -1 where there is none.
template <class Real>
struct jackknife_fault {
  index_t term = -1, target = -1;
  Real correction = Real(0);
};

/// The value of a target of a joint term, and what its estimate adds to log p, which a jackknife can make infinite.
template <class Real>
struct closed_target {
  Real value, correction;
};

/// put(m, weight of the target in the gradient: c_km (γ_km for the plain estimate) times those of term and target, slope by log π_m).
DIMIX_EXEC_CHECK_DISABLE
template <class Real, class Group, class Term, class Put>
DIMIX_HD closed_target<Real> close_target_of(const Group& group, const Term& term, index_t b, index_t k,
                                             view<const Real, 2> log_weights, view<const Real, 3> log_responsibility,
                                             view<const Real, 2> joint, const Put& put) {
  using estimator = typename estimator_of<Term>::type;
  const index_t M = log_weights.extent(1);
  const auto weights = estimate_of<estimator, Real>(M, [&](index_t m) { return log_weights(b, m); });
  const auto shares = estimate_of<estimator, Real>(M, [&](index_t m) { return log_responsibility(b, m, k); });
  const Real a = term.target_weight(), correction = shares.correction() - weights.correction();
  group.for_each(M, [&](index_t m) {
    const Real coefficient = shares.coefficient(m);
    put(m, term.weight(b) * a * coefficient, term.weight(b) * a * (weights.coefficient(m) - coefficient));
  });
  return {-a * (joint(b, k) + correction), correction};
}

/// Row b: the value of every term, alone and times its weight, and the weights c_km of the targets in the gradient (γ_km for the plain
/// estimate) times those of term and target.
template <class Real, class... Terms>
struct close_item_row {
  term_pack<Terms...> terms;
  view<const Real, 2> log_weights;         // (B, M)
  view<const Real, 3> log_responsibility;  // (B, M, K)
  view<const Real, 2> joint;               // (B, K)
  view<const Real, 3> position_values;     // (terms, B, D)  or D = 0: values of positions are not wanted
  view<Real, 3> values;                    // (2, terms, B)  alone, and weighted
  view<Real, 3> responsibility;            // (B, M, K)
  view<Real, 2> slopes;                    // (B, M)  or empty: this part of d loss / d log π_m
  view<jackknife_fault<Real>, 1> faults;   // (B)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t b) const {
    const index_t M = log_weights.extent(1), D = position_values.extent(2);
    if (!slopes.empty()) group.for_each(M, [&](index_t m) { slopes(b, m) = Real(0); });
    jackknife_fault<Real> fault;
    index_t k = 0;
    terms.each([&](const auto& term, index_t j) {
      Real total = group.reduce(D, Real(0), plus{}, [&](index_t d) { return position_values(j, b, d); });
      if constexpr (std::decay_t<decltype(term)>::uses_joint)
        for (index_t target = 0; target < term.targets(); ++target, ++k) total += close_target(group, term, j, b, k, fault);
      if (!group.leader()) return;
      values(0, j, b) = total;
      values(1, j, b) = product_or_zero(term.weight(b), total);
    });
    if (group.leader()) faults(b) = fault;
  }

 private:
  template <class Group, class Term>
  DIMIX_HD Real close_target(const Group& group, const Term& term, index_t j, index_t b, index_t k,
                             jackknife_fault<Real>& fault) const {
    const closed_target<Real> closed =
        close_target_of(group, term, b, k, log_weights, log_responsibility, joint, [&](index_t m, Real weight, Real slope) {
          responsibility(b, m, k) = weight;
          if (!slopes.empty()) slopes(b, m) += slope;
        });
    if (!is_finite(closed.correction) && fault.term < 0) fault = {j, k, closed.correction};
    return closed.value;
  }
};

/// Row b: d loss / d log-weights, from the slopes of d loss / d log π.
template <class Real>
struct log_weight_row {
  view<const Real, 2> log_weights;                        // (B, M)
  view<const Real, 3> component_slopes, marginal_slopes;  // (B, M, D)
  view<const Real, 2> joint_slopes;                       // (B, M)
  view<Real, 2> out;                                      // (B, M)
  Real scale;

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t b) const {
    const index_t M = log_weights.extent(1), D = component_slopes.extent(2);
    Real total = Real(0);
    for (index_t m = 0; m < M; ++m) {
      const Real slope =
          group.reduce(D, Real(0), plus{}, [&](index_t d) { return component_slopes(b, m, d) + marginal_slopes(b, m, d); });
      if (group.leader()) out(b, m) = slope + joint_slopes(b, m);
      total += slope;
    }
    group.sync();
    group.for_each(M, [&](index_t m) {
      using std::exp;
      out(b, m) = scale * (out(b, m) - exp(log_weights(b, m)) * total);
    });
  }
};

}  // namespace dimix
