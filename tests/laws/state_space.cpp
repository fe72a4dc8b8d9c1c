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
