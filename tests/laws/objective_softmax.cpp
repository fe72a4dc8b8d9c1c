// Objectives over softmax rows keep the laws.
#include "laws/objective.hpp"

using namespace dimix;

namespace {

array<token, 2> tokens_of(index_t B, index_t D) { return array<token, 2>(B, D); }  // (B, D), all zero

}  // namespace

TEST_CASE("laws: objectives over softmax") {
  laws::site<double, softmax> at(softmax{}, tokens_of(2, 3), 3, 4, 2);
  laws::check_terms_together(at, laws::on(1));
}

TEST_CASE("laws: values and marginalisation over softmax, by enumeration") {
  const laws::tested one = laws::on(1);
  for (std::uint64_t seed : {1u, 2u, 3u}) {
    const laws::site<double, softmax> at(softmax{}, tokens_of(2, 3), 4, 3, 5, seed);
    laws::check_values(at, one, 1e-13);
    laws::check_marginalisation(at, one, 1e-14);
    const laws::site<float, softmax> rough(softmax{}, tokens_of(2, 3), 4, 3, 5, seed);
    laws::check_values(rough, one, 2e-6);
    laws::check_marginalisation(rough, one, 2e-6);
  }
}

TEST_CASE("laws: gradients in float are those in double within 2e-6") {
  const index_t B = 2, M = 5, D = 6, S = 17, K = 4;
  const laws::site<double, softmax> fine(softmax{}, tokens_of(B, D), M, S, K);
  const laws::site<float, softmax> rough(softmax{}, tokens_of(B, D), M, S, K);
  const laws::tested one = laws::on(1);
  const auto gradient_of = [&](const auto& at, auto real) {
    using Real = decltype(real);
    array<Real, 4> gradient(B, M, D, S);  // (B, M, D, S)
    auto loss = make_objective<Real>(at.head, at.tokens, M, S, {.log_weights = at.log_weights},
                                     distillation_bound<Real>{at.teacher}, marginal_divergence<Real>{at.teacher},
                                     correlation<Real>{at.targets}, joint_negative_log_likelihood<Real>{at.targets});
    value_and_gradient(loss, at.given(), gradient.whole(), one);
    return gradient;
  };
  const auto exact = gradient_of(fine, double{});
  const auto rounded = gradient_of(rough, float{});
  laws::worst difference;
  for (index_t i = 0; i < exact.size(); ++i)
    difference.see(std::abs(exact.data()[i] - static_cast<double>(rounded.data()[i])), i);
  difference.check("float gradient = double gradient", 2e-6);
  CHECK(difference.error > 0);
}

TEST_CASE("laws: one component is a factorized model") {
  const laws::site<double, softmax> at(softmax{}, tokens_of(3, 4), 1, 5, 2);
  const laws::tested one = laws::on(1);
  array<double, 4> bound_gradient(3, 1, 4, 5), marginal_gradient(3, 1, 4, 5), correlation_gradient(3, 1, 4, 5);  // (B, 1, D, S)
  auto bound = make_objective<double>(at.head, at.tokens, 1, 5, {}, distillation_bound<double>{at.teacher});
  auto marginal = make_objective<double>(at.head, at.tokens, 1, 5, {}, marginal_divergence<double>{at.teacher});
  auto correlated = make_objective<double>(at.head, at.tokens, 1, 5, {}, correlation<double>{at.targets});
  const double bound_value = value_and_gradient(bound, at.given(), bound_gradient.whole(), one);
  const double marginal_value = value_and_gradient(marginal, at.given(), marginal_gradient.whole(), one);
  const double correlated_value = value_and_gradient(correlated, at.given(), correlation_gradient.whole(), one);
  CHECK(bound_value == doctest::Approx(marginal_value).epsilon(1e-14));
  CHECK(std::abs(correlated_value) < 1e-14);
  laws::worst same, zero, cross_entropy;
  for (index_t b = 0; b < 3; ++b)
    for (index_t d = 0; d < 4; ++d)
      for (index_t s = 0; s < 5; ++s) {
        same.see(std::abs(bound_gradient(b, 0, d, s) - marginal_gradient(b, 0, d, s)), b, d, s);
        zero.see(std::abs(correlation_gradient(b, 0, d, s)), b, d, s);
        cross_entropy.see(std::abs(bound_gradient(b, 0, d, s) - (std::exp(at.log_row(b, 0, d, s)) - at.teacher(b, d, s)) / 3),
                          b, d, s);
      }
  same.check("distillation and marginal have the same gradient for M = 1", 1e-15);
  zero.check("the correlation term has no gradient for M = 1", 1e-15);
  cross_entropy.check("the gradient of the divergence is p - T", 1e-15);
}

TEST_CASE("laws: equal components are one component") {
  laws::site<double, softmax> at(softmax{}, tokens_of(2, 3), 4, 4, 2);
  for (index_t b = 0; b < 2; ++b)
    for (index_t m = 1; m < 4; ++m) std::copy_n(at.raw.whole().row(b, 0, 0).data(), 3 * 4, at.raw.whole().row(b, m, 0).data());
  const laws::tested one = laws::on(1);
  array<double, 4> gradient(2, 4, 3, 4);  // (B, M, D, S)
  auto loss =
      make_objective<double>(at.head, at.tokens, 4, 4, {.log_weights = at.log_weights}, correlation<double>{at.targets});
  CHECK(std::abs(value_and_gradient(loss, at.given(), gradient.whole(), one)) < 1e-14);
  for (double g : gradient) CHECK(std::abs(g) < 1e-15);
}

TEST_CASE("laws: responsibilities of long sequences in float are those of double: the sum over positions rounds nothing away") {
  const index_t B = 1, M = 4, D = 4096, S = 4, K = 2;
  array<float, 4> raw(B, M, D, S);  // (B, M, D, S)
  laws::fill_noise(raw, 1, 3);
  array<double, 4> wide(B, M, D, S);  // (B, M, D, S)
  std::copy(raw.begin(), raw.end(), wide.begin());
  // the same targets whatever the component, and components that differ in few positions, so that none of them takes all
  for (index_t m = 1; m < M; ++m)
    for (index_t d = m; d < D; ++d)
      for (index_t s = 0; s < S; ++s) raw(0, m, d, s) = raw(0, 0, d, s), wide(0, m, d, s) = wide(0, 0, d, s);
  array<token, 2> x_t(B, D);         // (B, D)
  array<token, 3> targets(B, K, D);  // (B, K, D)
  for (index_t i = 0; i < targets.size(); ++i) targets.data()[i] = static_cast<token>(laws::uniform_number(2, i) * S);
  const laws::tested one = laws::on(1);
  const auto narrow = responsibilities<float>(softmax{}, x_t, view<const float, 4>(raw), targets.whole(), S, one);
  const auto exact = responsibilities<double>(softmax{}, x_t, view<const double, 4>(wide), targets.whole(), S, one);
  double worst = 0, least = 1;
  for (index_t i = 0; i < exact.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(narrow.data()[i]) - exact.data()[i]));
    least = std::min(least, exact.data()[i]);
  }
  CHECK(least > 1e-5);
  CHECK(worst < 1e-5);
}
