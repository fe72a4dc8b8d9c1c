// The slowest mode of noise: closed forms, and the rate at which what is left of x_0 dies out.
#include <dimix/forward_process/rate_matrix.hpp>

#include "laws/support.hpp"

#include <numbers>

using namespace dimix;

TEST_CASE("laws: relaxation times in closed form") {
  CHECK(relaxation_time(uniform<7>{}) == doctest::Approx(1).epsilon(1e-12));
  CHECK(relaxation_time(uniform<2>{}) == doctest::Approx(1).epsilon(1e-12));
  for (index_t S : {2, 5, 17})
    CHECK(relaxation_time(birth_death<>{{S}}) ==
          doctest::Approx(1 / (2 - 2 * std::cos(std::numbers::pi / static_cast<double>(S)))).epsilon(1e-10));
}

TEST_CASE("laws: infinite noise ends at a prior that is stationary and unique, and no other is taken for it") {
  array<double, 2> rates(3, 3);  // (S, S)  a cycle, which is not reversible
  rates(0, 1) = 1, rates(1, 2) = 0.5, rates(2, 0) = 2, rates(1, 0) = 0.25;
  const array<double, 1> law = stationary_law(rates);
  const auto row_at = [](const auto& space, double t) { return forward_process(space, log_linear{0}).between(0, t); };
  const rate_table good(rates, law);
  const auto end = row_at(good, 1), nearly = row_at(good, 1 - 1e-12);
  for (token x_0 = 0; x_0 < 3; ++x_0)
    for (token y = 0; y < 3; ++y)
      CHECK(end.marginal_t(0, x_0, y) == doctest::Approx(nearly.marginal_t(0, x_0, y)).epsilon(1e-8));

  array<double, 1> flat(3);  // (S)
  flat.fill(1.0 / 3);
  const rate_table other(rates, flat);
  CHECK(row_at(other, 0.999).marginal_t(0, 0, 0) > 0);  // a law of x_1 of one's own, where noise is finite
  CHECK_THROWS_WITH_AS(row_at(other, 1),
                       doctest::Contains("prior[0] = 0.333333333 is not stationary: by the rates 0.75 flow in"),
                       invalid_argument);
  CHECK_THROWS_WITH_AS(forward_process(other, log_linear{0}).between<float>(1, 1), doctest::Contains("stationary_law"),
                       invalid_argument);

  array<double, 2> split(4, 4);  // (S, S)  two classes that do not communicate: 0 <-> 1 and 2 <-> 3
  split(0, 1) = split(1, 0) = split(2, 3) = split(3, 2) = 1;
  array<double, 1> quarters(4);  // (S)
  quarters.fill(0.25);
  CHECK_THROWS_WITH_AS(row_at(rate_table(split, quarters), 1), doctest::Contains("state 2 never becomes state 0"),
                       invalid_argument);

  array<double, 2> hides(3, 3);  // (S, S)  a state that absorbs, from which no way leads back
  hides(0, 2) = hides(1, 2) = 1;
  array<double, 1> mask(3);  // (S)
  mask(2) = 1;
  CHECK(row_at(rate_table(hides, mask), 1).marginal_t(0, 0, 2) == 1);
}

TEST_CASE("laws: late noise falls by 1/e in one relaxation time") {
  const auto check = [](const auto& space) {
    const double relaxation = relaxation_time(space);
    const forward_process process(space, linear{0, 20 * relaxation});  // sigma = 20 relaxation times at t = 1
    const auto distance = [&](double t) {
      const auto kernel = process.between(0, t);
      double total = 0;
      for (token s = 0; s < space.max_states(); ++s) total += std::abs(kernel.marginal_t(0, 0, s) - space.prior(0, s));
      return total;
    };
    CHECK(distance(0.55) / distance(0.5) == doctest::Approx(std::exp(-1.0)).epsilon(1e-3));
  };
  check(ordinal(9, {.rate_sigma = 2, .target_sigma = 6}));
  check(ordinal(17));
  check(birth_death<6>{});
}
