// The row bodies of the functions in marginal/functions.hpp: what they make of a closed marginalisation.
#pragma once

#include <dimix/core/rng.hpp>
#include <dimix/head.hpp>
#include <dimix/marginal/estimator.hpp>

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
    group.for_each(from.extent(1), [&](index_t j) {
      using std::exp;
      out(i, j) = exp(from(i, j));
    });
  }
};

/// Row b: the mean of the rows of K draws that stand side by side.
template <class Real>
struct mean_row {
  view<const Real, 3> rows;  // (B K, D, S)
  view<Real, 3> mean;        // (B, D, S)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t b) const {
    const index_t cells = mean.extent(1) * mean.extent(2), K = rows.extent(0) / mean.extent(0);
    group.for_each(cells, [&](index_t cell) {
      Real sum = Real(0);
      for (index_t k = 0; k < K; ++k) sum += rows.data()[(b * K + k) * cells + cell];
      mean.data()[b * cells + cell] = sum / static_cast<Real>(K);
    });
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
