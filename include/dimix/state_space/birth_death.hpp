// birth_death<S>: S levels in order, noise goes up or down one level at rate 1 each; π is uniform. birth_death<> takes S at run time.
// Source: tauLDR (Campbell et al. 2022), tauldr models.py BirthDeathForwardBase.
#pragma once

#include <dimix/state_space.hpp>

namespace dimix {

template <index_t S = 0>
struct birth_death : state_count<S> {
  static constexpr bool ordered = true;

  DIMIX_HD constexpr index_t states(index_t) const { return this->count(); }
  DIMIX_HD constexpr index_t max_states() const { return this->count(); }
  DIMIX_HD constexpr double prior(index_t, token) const { return 1.0 / static_cast<double>(this->count()); }
  DIMIX_HD constexpr double base_rate(token a, token y) const { return a - y == 1 || y - a == 1 ? 1.0 : 0.0; }
};

static_assert(rate_space<birth_death<17>> && rate_space<birth_death<>> && ordered_space<birth_death<>>);
static_assert(std::is_empty_v<birth_death<17>>);

}  // namespace dimix
