// A head's row in use: made from the raw outputs of one position, and drawn from.
#pragma once

#include <dimix/core/categorical.hpp>
#include <dimix/head/concept.hpp>

namespace dimix {

/// The row of one position: one reduction over its raw outputs (outputs).
template <class Real, class Group, head<Real> Head, class Storage>
DIMIX_HD auto make_row(const Group& group, const Head& head, view<const Storage, 1> raw, const place& at) {
  return head.template row<Real>(raw, at, head.template observe<Real>(group, raw, at));
}

/// The same up to a constant in log_prob: for draws, and without a reduction where the head allows.
template <class Real, class Group, head<Real> Head, class Storage>
DIMIX_HD auto make_unnormalised_row(const Group& group, const Head& head, view<const Storage, 1> raw, const place& at) {
  if constexpr (draws_unobserved<Head, Real>)
    return head.template row<Real>(raw, at, head.template unobserved<Real>(at));
  else
    return make_row<Real>(group, head, raw, at);
}

/// A draw from anything with log_prob(s), normalised or not; -1 where no state has a positive probability. From 1024 states on,
/// a row is asked for ahead of the walk, if it can.
template <class Group, class Law>
DIMIX_HD token draw_law(const Group& group, const Law& law, index_t S, random_block bits) {
  if constexpr (asks_ahead<Law, Group>)
    if (S >= 1024)
      return draw_categorical(
          group, S,
          [&]<index_of<Law> At>(At s) {
            law.expect(group, s);
            return law.log_prob(s);
          },
          bits);
  return draw_categorical(
      group, S, [&]<index_of<Law> At>(At s) { return law.log_prob(s); }, bits);
}

/// A draw from a row of S states, normalised or not; -1 where no state has a positive probability. A certain state costs nothing.
template <class Group, class Row>
DIMIX_HD token draw_row(const Group& group, const Row& row, index_t S, random_block bits) {
  return row.fixed() >= 0 ? row.fixed() : draw_law(group, row, S, bits);
}
/// By one thread.
template <class Row>
DIMIX_HD token draw_row(const Row& row, index_t S, random_block bits) {
  return draw_row(serial_group{}, row, S, bits);
}

/// The most probable state of a row, the first of equals.
template <class Group, class Row>
DIMIX_HD token most_probable_of(const Group& group, const Row& row, index_t S) {
  return argmax(group, S, [&]<index_of<Row> At>(At s) { return row.log_prob(s); });
}

}  // namespace dimix
