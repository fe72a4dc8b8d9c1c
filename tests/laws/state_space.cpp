// Every state space keeps the laws.
#include "laws/state_space.hpp"

using namespace dimix;

TEST_CASE("laws: state spaces") {
  laws::check_state_space(absorbing<18>{}, 2);
  laws::check_state_space(absorbing<2>{}, 1);
  laws::check_state_space(absorbing<>{300}, 2);
  laws::check_state_space(uniform<17>{}, 2);
  laws::check_state_space(uniform<>{3}, 1);
  laws::check_state_space(laws::skewed{}, 4);
  laws::check_state_space(ordinal(17), 1);
  laws::check_state_space(ordinal(6, {.rate_sigma = 2, .target_sigma = 1.5}), 1);
  laws::check_state_space(birth_death<5>{}, 1);
  laws::check_state_space(birth_death<>{9}, 1);
  laws::check_state_space(mask_and_replace<4>{}, 2);
  laws::check_state_space(mask_and_replace<>{30, 0.2}, 1);
  laws::check_state_space(laws::some_mixture(), 4);
}

TEST_CASE("laws: the prior of a space of rates is stationary") {
  const auto check = [](const auto& space) {
    const auto S = static_cast<token>(space.max_states());
    array<double, 2> rates(S, S);  // (S, S)
    laws::worst flow, found;
    for (token y = 0; y < S; ++y) {
      double in = 0, out = 0;
      for (token a = 0; a < S; ++a) {
        if (a == y) continue;
        rates(y, a) = space.base_rate(y, a);
        in += space.prior(0, a) * space.base_rate(a, y);
        out += space.prior(0, y) * space.base_rate(y, a);
      }
      flow.see(std::abs(in - out), "y =", y);
    }
    const auto law = stationary_law(rates);
    for (token s = 0; s < S; ++s) found.see(std::abs(law(s) / space.prior(0, s) - 1), "s =", s);
    flow.check("what flows in flows out", 1e-14);
    found.check("stationary_law finds it", 1e-12);
  };
  check(ordinal(17));
  check(ordinal(6, {.rate_sigma = 2, .target_sigma = 1.5}));
  check(birth_death<8>{});
}

TEST_CASE("laws: S at run time is S at compile time") {
  const absorbing<5> fixed;
  const absorbing<> chosen{5};
  CHECK(fixed.states(0) == chosen.states(0));
  CHECK(fixed.mask() == chosen.mask());
  CHECK(fixed.mask() == 4);
  for (index_t i = 0; i < 100; ++i) {
    const std::uint64_t bits = rng{1}(purpose::user, 0, 0, 0, i).first();
    CHECK(uniform<5>{}.draw_prior(0, bits) == uniform<>{5}.draw_prior(0, bits));
  }
}

TEST_CASE("laws: a uniform draw is floor(S bits / 2^64), to the last bit of a cell") {
  for (index_t S : {2, 3, 17, 256, 50257}) {
    const uniform<> space{S};
    for (token s = 1; s < S; s += static_cast<token>(S / 2 + 1)) {
      // the first word of cell s is ceil(s 2^64 / S), with 2^64 = whole S + rest
      const auto count = static_cast<std::uint64_t>(S), cell = static_cast<std::uint64_t>(s);
      const std::uint64_t rest = (~std::uint64_t{0} % count + 1) % count, whole = ~std::uint64_t{0} / count + (rest == 0);
      const std::uint64_t edge = cell * whole + (cell * rest + count - 1) / count;
      CHECK(space.draw_prior(0, edge) == s);
      CHECK(space.draw_prior(0, edge - 1) == s - 1);
    }
  }
}
