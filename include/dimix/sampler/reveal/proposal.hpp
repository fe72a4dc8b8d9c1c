// What is proposed at a masked position: a token of its row p(x_0 | x_t; λ).
//
// concept proposal<P>: p.propose(row, S, bits) -> token, -1 where no state is possible
#pragma once

#include <dimix/head/row.hpp>

namespace dimix {

/// A draw from the row.
struct drawn {
  template <class Row>
  DIMIX_HD token propose(const Row& row, index_t S, random_block bits) const {
    return draw_row(row, S, bits);
  }
};

/// The most probable token, the first of equals: greedy decoding.
struct most_probable {
  template <class Row>
  DIMIX_HD token propose(const Row& row, index_t S, random_block) const {
    const token best = argmax(S, [&](index_t s) { return row.log_prob(s); });
    return row.log_prob(best) > -infinity<decltype(row.log_prob(best))>() ? best : token{-1};
  }
};

}  // namespace dimix
