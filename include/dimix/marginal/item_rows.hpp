// The row bodies of the marginalisation that walk over an item: what has to be right before the first read of the outputs, and what went wrong.
// A row body does not throw. It writes down the first fault of its item, and the host makes a sentence of it when it looks.
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/group.hpp>
#include <dimix/head.hpp>

namespace dimix {

/// The first faults of an item; -1 where there is none.
template <class Real>
struct item_faults {
  index_t token_at = -1, target_at = -1;  // d of x_t; k D + d of the targets
  token bad_token = 0, bad_target = 0;
  Real weight = Real(0);    // log of the sum of the weights, which has to be finite
  index_t damaged_at = -1;  // d of raw outputs that are not finite
  index_t impossible = -1;  // k of a target of probability zero
};

/// The smallest i in [0, n) with found(i), or n.
DIMIX_EXEC_CHECK_DISABLE
template <class Group, class Found>
DIMIX_HD index_t first_of(const Group& group, index_t n, const Found& found) {
  return group.reduce(n, n, minimum{}, [&](index_t i) { return found(i) ? i : n; });
}

/// Row b: normalised log-weights, and copies of the tokens in which those that are no states are 0, so that no later row looks outside.
/// Targets is a view (B, K, D) or any functor that makes them.
template <class Real, class Targets>
struct prepare_row {
  view<const token, 2> tokens;        // (B, D)
  Targets targets;                    // (b, k, d) -> token
  view<const Real, 2> log_weights;    // (B, M)  or empty: equal
  index_t states;                     // S
  token lowest_target;                // -1 where a target may be unknown
  view<token, 2> tokens_out;          // (B, D)
  view<token, 3> targets_out;         // (B, D, K)  those of a position side by side
  view<Real, 2> log_weights_out;      // (B, M)
  view<item_faults<Real>, 1> faults;  // (B)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t b) const {
    const index_t D = tokens_out.extent(1), cells = targets_out.extent(2) * D, M = log_weights_out.extent(1);
    const auto target = [&](index_t i) { return targets(b, i / D, i % D); };
    const auto is_token = [&](index_t d) { return tokens(b, d) >= 0 && tokens(b, d) < states; };
    const auto is_target = [&](index_t i) { return target(i) >= lowest_target && target(i) < states; };
    const auto weight = [&](index_t m) { return log_weights.empty() ? Real(0) : log_weights(b, m); };
    group.for_each(D, [&](index_t d) { tokens_out(b, d) = is_token(d) ? tokens(b, d) : token{0}; });
    group.for_each(cells, [&](index_t i) { targets_out(b, i % D, i / D) = is_target(i) ? target(i) : token{0}; });
    const Real total = log_sum_exp<Real>(group, M, weight);
    group.for_each(M, [&](index_t m) { log_weights_out(b, m) = weight(m) - total; });
    const index_t bad_token = first_of(group, D, [&](index_t d) { return !is_token(d); });
    const index_t bad_target = first_of(group, cells, [&](index_t i) { return !is_target(i); });
    if (!group.leader()) return;
    item_faults<Real> found;
    if (bad_token < D) found.token_at = bad_token, found.bad_token = tokens(b, bad_token);
    if (bad_target < cells) found.target_at = bad_target, found.bad_target = target(bad_target);
    found.weight = total;
    faults(b) = found;
  }
};

/// Row b: whether some position of the last chunk held a number that is not finite.
template <class Real>
struct damage_row {
  view<const unsigned char, 2> damaged;  // (B, D)
  view<item_faults<Real>, 1> faults;     // (B)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t b) const {
    const index_t D = damaged.extent(1), at = first_of(group, D, [&](index_t d) { return damaged(b, d) != 0; });
    if (group.leader() && at < D && faults(b).damaged_at < 0) faults(b).damaged_at = at;
  }
};

/// Row b: whether some target has probability zero under every component.
template <class Real>
struct impossible_row {
  view<const Real, 2> joint;          // (B, K)
  view<item_faults<Real>, 1> faults;  // (B)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t b) const {
    const index_t K = joint.extent(1), k = first_of(group, K, [&](index_t i) { return !(joint(b, i) > -infinity<Real>()); });
    if (group.leader()) faults(b).impossible = k < K ? k : -1;
  }
};

}  // namespace dimix
