// Objectives over subs rows keep the laws: revealed positions are certain and take no part.
#include "laws/objective.hpp"

using namespace dimix;

namespace {

/// Two items of three positions, S = 4 with the mask 3: half hidden, and all hidden.
array<token, 2> half_hidden() {
  array<token, 2> x_t(2, 3);  // (B, D)
  x_t.fill(3);
  x_t(0, 1) = 2;
  return x_t;
}

}  // namespace

TEST_CASE("laws: objectives over subs") {
  laws::site<double, subs> at(subs{3}, half_hidden(), 3, 4, 2);
  laws::check_terms_together(at, laws::on(1));
}

TEST_CASE("laws: values and marginalisation over subs, by enumeration") {
  const laws::tested one = laws::on(1);
  for (std::uint64_t seed : {1u, 2u, 3u}) {
    const laws::site<double, subs> at(subs{3}, half_hidden(), 4, 4, 5, seed);
    laws::check_values(at, one, 1e-13);
    laws::check_marginalisation(at, one, 1e-14);
    const laws::site<float, subs> rough(subs{3}, half_hidden(), 4, 4, 5, seed);
    laws::check_values(rough, one, 2e-6);
    laws::check_marginalisation(rough, one, 2e-6);
  }
}

TEST_CASE("laws: what stands at revealed positions does not matter, not even infinities") {
  laws::site<double, subs> at(subs{3}, half_hidden(), 3, 4, 2);
  const laws::tested one = laws::on(1);
  array<double, 4> gradient(2, 3, 3, 4), again(2, 3, 3, 4);  // (B, M, D, S)
  const auto run = [&](array<double, 4>& into) {
    auto loss = make_objective<double>(at.head, at.tokens, 3, 4, {}, consistency<double>{{at.targets}, {at.teacher}},
                                       distillation_bound<double>{at.teacher});
    return value_and_gradient(loss, at.given(), into.whole(), one);
  };
  const double before = run(gradient);
  at.raw(0, 1, 1, 2) = infinity<double>();
  at.raw(0, 2, 1, 0) = std::nan("");
  CHECK(run(again) == before);
  CHECK(again == gradient);
  for (index_t m = 0; m < 3; ++m)
    for (index_t s = 0; s < 4; ++s) CHECK(gradient(0, m, 1, s) == 0);
}
