// The concept of a head, apart from its models, so that every file of this folder can be included alone; see head.hpp.
#pragma once

#include <dimix/group.hpp>
#include <dimix/state_space.hpp>

#include <concepts>
#include <type_traits>

namespace dimix {

/// Where a row stands.
struct place {
  index_t item;  // b
  index_t dim;   // d
  token now;     // x_t[b, d]
};

template <class H, class Real = float>
concept head =
    std::is_trivially_copyable_v<H> && std::is_trivially_copyable_v<typename H::template state<Real>> &&
    requires(const H h, serial_group g, view<const Real, 1> raw, place at, typename H::template state<Real> state, index_t s) {
      { h.outputs(s) } -> std::same_as<index_t>;
      { h.template observe<Real>(g, raw, at) } -> std::same_as<typename H::template state<Real>>;
      { h.template row<Real>(raw, at, state).fixed() } -> std::same_as<token>;
      { h.template row<Real>(raw, at, state).log_prob(s) } -> std::same_as<Real>;
    };

/// Whether a row's backward reads outputs that it has written already: then an objective keeps the gradient of a row in its tile until it
/// is whole, so that it may go where the outputs were. A head over another one forwards it.
template <class Head>
inline constexpr bool reads_other_outputs = [] {
  if constexpr (requires { Head::reads_other_outputs; })
    return bool(Head::reads_other_outputs);
  else
    return false;
}();

/// Whether the rows of a head are right on a space: said by heads that are meant for some spaces only.
template <class Head, class Space>
inline constexpr bool head_fits = true;

template <class Head, class Space>
constexpr void expects_head_fits() {
  static_assert(
      head_fits<Head, Space>,
      "head: this head does not fit this space. subs takes a visible token for certain, which holds only where noise does "
      "nothing but hide (revealing_space); softmax gives mass to the mask of mask_and_replace, where values_only does not; see "
      "head_fits in dimix/head.hpp");
}

}  // namespace dimix
