// A state space: which values a position can take, and the law that noise draws from.
//
// concept state_space<X>:
//   x.states(d)       number of states S_d of position d, >= 2, the mask included where there is one
//   x.max_states()    the largest of them: the S of arrays (B, D, S)
//   x.prior(d, s)     probability of state s in the noise law π_d, a double in [0, 1]
// optional:
//   x.mask()          the state that means "hidden"; then π is all on it
//   x.draw_prior(d, bits)   a state from π_d, from 64 random bits; by a walk over prior(d, s) where it is missing
//   X::ordered        static constexpr bool, true where states are levels: their differences are distances
// Host-device, pure, O(1), trivially copyable, no bytes when everything is known at compile time.
// Laws (tests/laws/state_space.hpp): sum_s prior(d, s) = 1; draw_prior follows prior (chi-square).
//
// The forward process of a space jumps to a draw of π at the schedule's rate: q_{t|s} = r I + (1 - r) 1 π^T with r = alpha_t / alpha_s.
// Absorbing has π = [mask], uniform π = 1/S, and a user's space any π. A space with base_rate(a, y) has jumps of its own (rate_space).
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/denoiser.hpp>

#include <concepts>
#include <type_traits>

namespace dimix {

template <class X>
concept state_space = std::is_trivially_copyable_v<X> && requires(const X x, index_t d, token s) {
  { x.states(d) } -> std::convertible_to<index_t>;
  { x.max_states() } -> std::convertible_to<index_t>;
  { x.prior(d, s) } -> std::same_as<double>;
};

/// A space with a hidden state.
template <class X>
concept masked_space = state_space<X> && requires(const X x) {
  { x.mask() } -> std::same_as<token>;
};

/// A space whose noise jumps between neighbours rather than to a draw of π: base_rate(a, y) >= 0 is the rate of a -> y, a != y, the
/// same at every position, before the schedule's factor. Its π should be stationary: sum_a π(a) base_rate(a, y) = π(y) sum_a base_rate(y, a).
template <class X>
concept rate_space = state_space<X> && requires(const X x, token a) {
  { x.base_rate(a, a) } -> std::same_as<double>;
};

/// A space whose states are levels, so that the distance between two of them means something: static constexpr bool ordered = true.
template <class X>
concept ordered_space = state_space<X> && requires {
  requires X::ordered;
};

/// A state from the noise law of position d.
template <state_space X>
DIMIX_HD token draw_prior(const X& space, index_t d, std::uint64_t bits) {
  if constexpr (requires { space.draw_prior(d, bits); }) {
    return space.draw_prior(d, bits);
  } else {
    const auto weight = [&](index_t s) { return space.prior(d, static_cast<token>(s)); };
    return static_cast<token>(pick_by_share(space.states(d), 1.0, bits, weight, largest_of(space.states(d), weight)));
  }
}

/// S at compile time, or at run time for S = 0; then it takes the bytes of one index.
template <index_t S>
struct state_count {
  static_assert(S >= 2, "a state space needs at least 2 states");
  DIMIX_HD constexpr index_t count() const { return S; }
};
template <>
struct state_count<0> {
  index_t S;
  DIMIX_HD constexpr index_t count() const { return S; }
};

}  // namespace dimix

#include <dimix/state_space/absorbing.hpp>
#include <dimix/state_space/birth_death.hpp>
#include <dimix/state_space/ordinal.hpp>
#include <dimix/state_space/rate_table.hpp>
#include <dimix/state_space/uniform.hpp>
