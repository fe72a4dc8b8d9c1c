// The order in which the rows of neighbouring positions are read: all positions of a component, then the next component. What is read in turn
// then lies side by side, and what comes soon can be asked for in time; component after component of one position would jump by D S outputs.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/math.hpp>
#include <dimix/head/concept.hpp>

namespace dimix {

/// Positions [from, to) of an item, with all components of a chunk.
struct position_walk {
  index_t item, from, to, components;

  static constexpr index_t ahead = 1024;  // outputs between what is asked for and what is read

  /// f(c, d) for every component c of the chunk and position d.
  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD void each(const F& f) const {
    for (index_t c = 0; c < components; ++c)
      for (index_t d = from; d < to; ++d) f(c, d);
  }
  /// The part of outputs (B, Mc, D, outputs) that comes `ahead` after the row of (c, d).
  template <class Storage>
  DIMIX_HD view<Storage, 1> soon(const view<Storage, 4>& outputs, index_t c, index_t d) const {
    const index_t length = outputs.extent(3);
    if (length >= ahead) return outputs.row(item, c, d).slice(ahead, length - ahead);
    const index_t n = to - from, last = components * n - 1, next = smaller(c * n + d - from + ahead / length, last);
    return outputs.row(item, next / n, from + next % n);
  }
};

/// 0 while every output of a row is finite, else NaN: what its head has seen, or one look at them that asks for what is read soon.
template <class State, class Real, class Group, class Storage>
DIMIX_HD Real doubt_of(const Group& group, const kept_row<State, Real>& seen, const view<const Storage, 1>& outputs,
                       const view<const Storage, 1>& soon) {
  if (seen.doubt != seen.unseen) return seen.doubt;
  return group.reduce(outputs.extent(0), Real(0), plus{}, [&](auto o) {
    expect(group, soon, o);
    return Real(0) * read<Real>(outputs, o);
  });
}

/// Positions that are walked together: a few kilobytes of outputs, so that tiles stay in the first cache; one where a row has a device's block.
template <class Backend>
constexpr index_t positions_together(index_t S) {
  return asynchronous<Backend> ? 1 : clamp<index_t>(4 * position_walk::ahead / larger<index_t>(1, S), 1, 16);
}

}  // namespace dimix
