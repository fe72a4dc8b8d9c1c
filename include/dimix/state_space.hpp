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
//   X::states_vary    false where every position has max_states() states, so that heads need not ask (without it they ask)
//   x.at_position(d, f)     f(the space of position d), where positions differ in kind: state_space/mixed.hpp
// Host-device, pure, O(1), trivially copyable, no bytes when everything is known at compile time.
// Laws (tests/laws/state_space.hpp): sum_s prior(d, s) = 1; draw_prior follows prior (chi-square).
//
// The forward process of a space jumps to a draw of π at the schedule's rate: q_{t|s} = r I + (1 - r) 1 π^T with r = alpha_t / alpha_s.
// Absorbing has π = [mask], uniform π = 1/S, and a user's space any π. A space with base_rate(a, y) has jumps of its own (rate_space), and
// one with mask_share() is redrawn or masked (replacing_space).
#pragma once

#include <dimix/core/check.hpp>
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

/// A space whose noise jumps by rates of its own (between neighbours, say) rather than to a draw of π: base_rate(a, y) >= 0 is the rate of
/// a -> y, a != y, any rates, the same at every position, before the schedule's factor. π is the law of x_1. A kernel of infinite noise
/// demands that it is where the rates lead, sum_a π(a) base_rate(a, y) = π(y) sum_a base_rate(y, a), and throws otherwise; of finite noise
/// nothing is demanded of π, and x_1 follows it only as far as the schedule goes.
template <class X>
concept rate_space = state_space<X> && requires(const X x, token a) {
  { x.base_rate(a, a) } -> std::same_as<double>;
};

/// A space whose states are levels, so that the distance between two of them means something: static constexpr bool ordered = true.
template <class X>
concept ordered_space = state_space<X> && requires {
  requires X::ordered;
};

/// A space whose noise masks for good in a share of its hits, and else redraws a value uniformly: mask_share() in (0, 1). See
/// state_space/mask_and_replace.hpp.
template <class X>
concept replacing_space = masked_space<X> && requires(const X x) {
  { x.mask_share() } -> std::same_as<double>;
};

/// A space whose noise does nothing but hide: a token that is not the mask is x_0 for certain.
template <class X>
concept revealing_space = masked_space<X> && !rate_space<X> && !replacing_space<X>;

/// A space that says at compile time that every position has max_states() states.
template <class X>
concept equal_states = state_space<X> && requires { requires !X::states_vary; };

/// f(the space of position d): of a mixed space one of its members, of another the space itself. The same for kernels.
DIMIX_EXEC_CHECK_DISABLE
template <class X, class F>
DIMIX_HD decltype(auto) at_position(const X& space, index_t d, const F& f) {
  if constexpr (requires { space.at_position(d, f); })
    return space.at_position(d, f);
  else
    return f(space);
}

/// Whether s means "hidden" at position d.
template <state_space X>
DIMIX_HD bool is_mask(const X& space, index_t d, token s) {
  return at_position(space, d, [s](const auto& own) {
    if constexpr (masked_space<std::decay_t<decltype(own)>>)
      return s == own.mask();
    else
      return false;
  });
}

/// Whether a token of position d that is not the mask is x_0 for certain.
template <state_space X>
DIMIX_HD bool reveals(const X& space, index_t d) {
  return at_position(space, d, [](const auto& own) { return revealing_space<std::decay_t<decltype(own)>>; });
}

/// The rate of jumps a -> y, a != y, of position d before the schedule's factor.
template <state_space X>
DIMIX_HD double base_rate(const X& space, index_t d, token a, token y) {
  return at_position(space, d, [d, a, y](const auto& own) {
    using own_space = std::decay_t<decltype(own)>;
    if constexpr (rate_space<own_space>) {
      return own.base_rate(a, y);
    } else if constexpr (replacing_space<own_space>) {
      const double redrawn = (1 - own.mask_share()) / static_cast<double>(own.states(d) - 1);
      return a == own.mask() ? 0.0 : y == own.mask() ? own.mask_share() : redrawn;
    } else {
      return own.prior(d, y);
    }
  });
}

/// Throws unless every token of (B, D) can be data: a state, and not the mask.
template <state_space Space>
void expects_data(const char* name, view<const token, 2> tokens, const Space& space) {
  expects_tokens(name, tokens, space);
  for (index_t b = 0; b < tokens.extent(0); ++b)
    for (index_t d = 0; d < tokens.extent(1); ++d)
      expects(!is_mask(space, d, tokens(b, d)), name, "[", b, ", ", d, "] = ", tokens(b, d),
              " is the mask, which no data holds");
}

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
  static constexpr bool states_vary = false;
  DIMIX_HD constexpr index_t count() const { return S; }
};
template <>
struct state_count<0> {
  static constexpr bool states_vary = false;
  index_t S;
  DIMIX_HD constexpr index_t count() const { return S; }
};

}  // namespace dimix

#include <dimix/state_space/absorbing.hpp>
#include <dimix/state_space/birth_death.hpp>
#include <dimix/state_space/mask_and_replace.hpp>
#include <dimix/state_space/mixed.hpp>
#include <dimix/state_space/ordinal.hpp>
#include <dimix/state_space/rate_table.hpp>
#include <dimix/state_space/uniform.hpp>
