// uniform<S>: S values, noise replaces a position by any of them with probability 1/S. uniform<> takes S at run time.
// Source: D3PM "uniform", multinomial diffusion (Hoogeboom et al. 2021), tauLDR UniformRate, SEDD uniform, UDLM.
#pragma once

#include <dimix/state_space.hpp>

namespace dimix {

template <index_t S = 0>
struct uniform : state_count<S> {
  DIMIX_HD constexpr index_t states(index_t) const { return this->count(); }
  DIMIX_HD constexpr index_t max_states() const { return this->count(); }
  DIMIX_HD constexpr double prior(index_t, token) const { return 1.0 / static_cast<double>(this->count()); }
  /// floor(S * bits / 2^64), from the two halves of the word: no state is off by more than 2^-64.
  DIMIX_HD constexpr token draw_prior(index_t, std::uint64_t bits) const {
    const auto S64 = static_cast<std::uint64_t>(this->count());
    const std::uint64_t low = (bits & 0xffffffffu) * S64, high = (bits >> 32) * S64;
    return static_cast<token>((high + (low >> 32)) >> 32);
  }
};

static_assert(state_space<uniform<17>> && state_space<uniform<>> && !masked_space<uniform<17>>);
static_assert(std::is_empty_v<uniform<17>>);

}  // namespace dimix
