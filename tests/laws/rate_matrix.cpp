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
