// absorbing<S>: S - 1 values and the mask, which is the last state; noise hides a position for good. absorbing<> takes S at run time.
// Source: D3PM (Austin et al. 2021) "absorbing", MDLM, SEDD, MaskGIT.
#pragma once

#include <dimix/state_space.hpp>

namespace dimix {

template <index_t S = 0>
struct absorbing : state_count<S> {
  DIMIX_HD constexpr index_t states(index_t) const { return this->count(); }
  DIMIX_HD constexpr index_t max_states() const { return this->count(); }
  DIMIX_HD constexpr token mask() const { return static_cast<token>(this->count() - 1); }
  DIMIX_HD constexpr double prior(index_t, token s) const { return s == mask() ? 1.0 : 0.0; }
  DIMIX_HD constexpr token draw_prior(index_t, std::uint64_t) const { return mask(); }
};

static_assert(masked_space<absorbing<18>> && masked_space<absorbing<>>);
static_assert(std::is_empty_v<absorbing<18>>);

}  // namespace dimix
