// The row bodies of the functions in marginal/functions.hpp: what they make of a closed marginalisation.
#pragma once

#include <dimix/core/rng.hpp>
#include <dimix/head.hpp>
#include <dimix/marginal/estimator.hpp>
#include <dimix/marginal/position_walk.hpp>

namespace dimix {

/// Row (b, k): the estimate of log p(x_k).
template <class Real, class Estimator>
struct estimate_row {
  view<const Real, 2> log_weights;         // (B, M)
  view<const Real, 3> log_responsibility;  // (B, M, K)
  view<const Real, 2> joint;               // (B, K)
  view<Real, 2> out;                       // (B, K)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t row_index) const {
    if (!group.leader()) return;
    const index_t b = row_index / joint.extent(1), k = row_index % joint.extent(1), M = log_weights.extent(1);
    const auto weights = estimate_of<Estimator, Real>(M, [&](index_t m) { return log_weights(b, m); });
    const auto shares = estimate_of<Estimator, Real>(M, [&](index_t m) { return log_responsibility(b, m, k); });
    out(b, k) = joint(b, k) + (shares.correction() - weights.correction());
  }
};

/// Row i: the exponentials of its numbers.
template <class Real>
struct exp_row {
  view<const Real, 2> from;  // (rows, n)
  view<Real, 2> out;         // (rows, n)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t i) const {
    group.for_each(from.extent(1), [&](auto j) {
      using std::exp;
      write(out.row(i), j, exp(read<Real>(from.row(i), j)));
    });
  }
};

/// Row (b, positions): the mean of the rows of K draws that stand side by side, and a token from each row where `out` is not empty. tile: the
/// weights of a row, then the sums of every position (S each).
template <class Real, class Head>
struct mean_row {
  Head head;
  view<const token, 2> tokens;     // (B K, D)
  view<const Real, 4> raw;         // (B, K, D, outputs)
  index_t positions;               // that are walked together
  view<Real, 3> mean;              // (B, D, S)
  view<unsigned char, 2> damaged;  // (B, D)  whether an output is not finite
  rng random;
  purpose what;
  view<const std::uint64_t, 1> items;  // (B K)
  index_t step;
  view<token, 2> out;  // (B K, D)

  /// Reals of tile.
  static index_t tile_size(index_t S, index_t positions) { return (1 + positions) * S; }

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1> tile, index_t row_index) const {
    const index_t D = tokens.extent(1), S = mean.extent(2), K = raw.extent(1), rows = (D + positions - 1) / positions,
                  b = row_index / rows, from = row_index % rows * positions;
    const position_walk through{b, from, smaller(D, from + positions), K};
    const view<Real, 1> weights = tile.slice(0, S);  // (S)
    const auto sum = [&](index_t d) { return tile.slice((1 + d - from) * S, S); };
    typename Head::template state<Real> before;
    bool first = true;
    through.each([&](index_t k, index_t d) {
      const index_t draw = b * K + k;
      const view<const Real, 1> outputs = raw.row(b, k, d), soon = through.soon(raw, k, d);
      const place at{draw, d, tokens(draw, d)};
      const auto seen = keep_row(group, head, outputs, at, weights, first ? nullptr : &before);
      group.sync();
      const token fixed = head.template row<Real>(outputs, at, seen.state).fixed();
      if (fixed < 0) before = seen.state, first = false;
      if (!out.empty()) {
        const token x =
            fixed >= 0 ? fixed
                       : draw_by_weight(
                             group, S, [&](auto s) { return read<Real>(weights, s); }, random(what, items(draw), step, 0, d));
        if (group.leader()) out(draw, d) = x;
      }
      const Real share = seen.each / static_cast<Real>(K);
      const view<Real, 1> so_far = sum(d);  // (S)
      group.for_each(S, [&](auto s) {
        using number = decltype(read<Real>(weights, s));
        expect(group, soon, s);
        const number part_before = k == 0 ? number(Real(0)) : read<Real>(so_far, s);
        write(so_far, s, part_before + (fixed < 0 ? read<Real>(weights, s) * number(share) : number(Real(0))));
      });
      group.sync();
      if (fixed >= 0 && group.leader()) so_far[fixed] += share;
      const Real doubt = fixed < 0 ? doubt_of(group, seen, outputs, soon) : Real(0);
      if (group.leader()) damaged(b, d) = (k > 0 && damaged(b, d)) || doubt != Real(0);
      group.sync();
    });
    for (index_t d = from; d < through.to; ++d)
      group.for_each(S, [&](auto s) { write(mean.row(b, d), s, read<Real>(sum(d), s)); });
  }
};

/// Row (b, m, d): a draw from p_md.
template <class Real, class Head>
struct draw_token_row {
  Head head;
  view<const token, 2> x_t;  // (B, D)
  view<const Real, 4> raw;   // (B, M, D, outputs)
  index_t states;            // S
  rng random;
  purpose what;
  view<const std::uint64_t, 1> items;  // (B)
  index_t step;
  view<token, 3> out;  // (B, M, D)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t row_index) const {
    const index_t M = out.extent(1), D = out.extent(2), b = row_index / (M * D), m = row_index / D % M, d = row_index % D;
    const auto row = make_unnormalised_row<Real>(group, head, raw.row(b, m, d), place{b, d, x_t(b, d)});
    const token drawn = draw_row(group, row, states, random(what, items(b), step, m, d));
    if (group.leader()) out(b, m, d) = drawn;
  }
};

}  // namespace dimix
