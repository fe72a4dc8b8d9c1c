// A site of a loss: tokens, raw outputs and a head. Everything that is asked of it comes from the library's own objective and
// marginals, in float64.
#pragma once

#include <dimix/backend/cpu.hpp>
#include <dimix/objective.hpp>

#include "golden/recorded.hpp"

#include <vector>

namespace golden {

inline const dimix::cpu run_on{};

template <class Head>
struct site {
  Head head;
  view<const token, 2> x_t;   // (B, D)
  view<const double, 4> raw;  // (B, M, D, S)

  site items(index_t first, index_t count) const { return {head, x_t.slice(first, count), raw.slice(first, count)}; }

  /// scale * sum over items and terms, scale = 1 / B.
  template <class... Terms>
  double loss(const Terms&... terms) const {
    auto objective = closed(terms...);
    return objective.loss();
  }

  /// The values of one term, an item each: (B).
  template <class Term>
  std::vector<double> values(const Term& term) const {
    auto objective = closed(term);
    const auto all = objective.value(0);
    return {all.begin(), all.end()};
  }

  /// Of the loss: (B, M, D, S).
  template <class... Terms>
  array<double, 4> gradient(const Terms&... terms) const {
    auto objective = closed(terms...);
    array<double, 4> result(raw.extent(0), raw.extent(1), raw.extent(2), raw.extent(3));  // (B, M, D, S)
    objective.gradient(raw, 0, result.whole(), run_on);
    return result;
  }

  array<double, 3> marginals() const { return dimix::marginals<double>(head, x_t, raw, raw.extent(3), run_on); }  // (B, D, S)

 private:
  template <class... Terms>
  auto closed(const Terms&... terms) const {
    auto objective = dimix::make_objective<double>(head, x_t, raw.extent(1), raw.extent(3), {}, terms...);
    objective.observe(raw, 0, run_on);
    objective.close(run_on);
    return objective;
  }
};

template <class Head>
site(Head, view<const token, 2>, view<const double, 4>) -> site<Head>;

using correlation = dimix::correlation<double>;
using joint_negative_log_likelihood = dimix::joint_negative_log_likelihood<double>;
using marginal_divergence = dimix::marginal_divergence<double>;
using distillation_bound = dimix::distillation_bound<double>;
using item_weights = dimix::item_weights<double>;

}  // namespace golden
