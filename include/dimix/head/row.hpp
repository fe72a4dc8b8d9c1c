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

/// A draw from a row of S states; -1 where no state has a positive probability.
template <class Row>
DIMIX_HD token draw_row(const Row& row, index_t S, random_block bits) {
  if (row.fixed() >= 0) return row.fixed();
  return draw_categorical(
      S, [&](index_t s) { return row.log_prob(s); }, bits);
}

}  // namespace dimix
