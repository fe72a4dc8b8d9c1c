// What is proposed at a masked position: a token of its row p(x_0 | x_t; λ).
//
// concept proposal<P>: p.propose(row, S, bits) -> token, -1 where no state is possible
//   optional           p.propose(group, row, S, bits), the same with what works on the row
#pragma once

#include <dimix/head/row.hpp>

namespace dimix {

template <class Proposal, class Group, class Row>
DIMIX_HD token propose_by(const Proposal& proposal, const Group& group, const Row& row, index_t S, random_block bits) {
  if constexpr (requires { proposal.propose(group, row, S, bits); })
    return proposal.propose(group, row, S, bits);
  else
    return proposal.propose(row, S, bits);
}

/// A draw from the row.
struct drawn {
  template <class Group, class Row>
  DIMIX_HD token propose(const Group& group, const Row& row, index_t S, random_block bits) const {
    return draw_row(group, row, S, bits);
  }
  template <class Row>
  DIMIX_HD token propose(const Row& row, index_t S, random_block bits) const {
    return propose(serial_group{}, row, S, bits);
  }
};

/// The most probable token, the first of equals: greedy decoding.
struct most_probable {
  template <class Group, class Row>
  DIMIX_HD token propose(const Group& group, const Row& row, index_t S, random_block) const {
    const token best = most_probable_of(group, row, S);
    return row.log_prob(index_t{best}) > -infinity<decltype(row.log_prob(index_t{best}))>() ? best : token{-1};
  }
  template <class Row>
  DIMIX_HD token propose(const Row& row, index_t S, random_block bits) const {
    return propose(serial_group{}, row, S, bits);
  }
};

}  // namespace dimix
