// Objectives over truncated_logistic rows keep the laws; slopes that backward makes of p are those that a sweep makes before it.
#include "laws/objective.hpp"

using namespace dimix;

namespace {

template <class Real>
laws::site<Real, truncated_logistic> levels(tails beyond, index_t S, index_t K) {
  array<token, 2> now(2, 3);  // (B, D)
  for (index_t i = 0; i < now.size(); ++i) now.data()[i] = static_cast<token>(i * (S - 1) / 5);
  return {truncated_logistic{S, beyond}, now, 3, S, K};
}

}  // namespace

TEST_CASE("laws: objectives over truncated_logistic") {
  for (tails beyond : {tails::cut, tails::to_ends}) {
    auto at = levels<double>(beyond, 5, 2);
    laws::check_terms_alone(at, laws::on(1));
    laws::check_terms_together(at, laws::on(1));
    laws::check_values(at, laws::on(1), 1e-13);
  }
}

TEST_CASE_TEMPLATE("laws: the gradient of a truncated logistic by p is that by log p", Real, float, double) {
  for (tails beyond : {tails::cut, tails::to_ends})
    for (index_t S : {5, 40}) {
      const auto at = levels<Real>(beyond, S, 4);
      const view<const token, 3> x = at.targets;
      const view<const Real, 3> T = at.teacher;
      const auto gradient_of = [&](bool by_log_p) {
        array<Real, 4> gradient(at.B, at.M, at.D, 2);  // (B, M, D, outputs)
        // a gradient of the log-weights wants the sweep
        auto loss =
            make_objective<Real>(at.head, at.tokens, at.M, S, {.log_weights = at.log_weights, .log_weight_gradient = by_log_p},
                                 correlation<Real>{x, {at.weights, Real(0.1)}}, consistency<Real>{{x}, {T}},
                                 marginal_divergence<Real>{T, {at.weights}});
        value_and_gradient(loss, at.given(), gradient.whole(), laws::on(1));
        return gradient;
      };
      const auto by_p = gradient_of(false), by_log_p = gradient_of(true);
      laws::worst apart;
      double largest = 0;
      for (index_t i = 0; i < by_p.size(); ++i) {
        apart.see(std::abs(static_cast<double>(by_p.data()[i]) - static_cast<double>(by_log_p.data()[i])), i);
        largest = std::max(largest, std::abs(static_cast<double>(by_p.data()[i])));
      }
      CHECK(largest > 0.1);
      apart.check("gradient by p = gradient by log p", 64 * std::numeric_limits<Real>::epsilon() * largest);
    }
}
