// Sweeps over the bins of a row, without an exponential for each. Bins have the same width, so that v = e^-t of neighbours is a geometric
// sequence: in lanes of W bins the one next to μ has an exponential of its own, the anchor, and the others are its multiples by 1, r, ...,
// r^(W - 1), the rungs, which a row makes once. The anchors of W lanes are made side by side. Left of μ the rungs stand in reverse order:
// all of them are at most 1, nothing overflows, and a far tail becomes what exp makes of it.
// v departs from e^-t by 8 ulp, however long the row: three times the 2 of exp, a division and a product, half a one each, are 7; the
// rounding of t is that of a single bin. Two lanes share a division, which adds one more to p.
// Where lanes are wider than e^40 (a bin has 40 / W scales or more), and in other groups than a thread with lanes, every bin has its exponential.
// f takes an index or lanes of them and the bin there, f(s, bin), and is put into the loop as it is: nothing of it goes through memory.
#pragma once

#include <dimix/group.hpp>
#include <dimix/head/truncated_logistic/bin.hpp>

namespace dimix {

template <class At, class F, class Real>
concept index_of_bins = requires(const F f, At s, const logistic_bins<Real> bins) {
  f(s, divided(bins.at(s)));
};

DIMIX_EXEC_CHECK_DISABLE
template <class Real, class Group, class F>
DIMIX_HD void for_each_bin(const Group& group, const logistic_bins<Real>& bins, const F& f) {
  group.for_each(bins.to - bins.from, [&]<index_of_bins<F, Real> At>(At i) {
    const At s = offset_by(i, bins.from);
    f(s, divided(bins.at(s)));
  });
}

/// The two sums that f gives.
DIMIX_EXEC_CHECK_DISABLE
template <class Real, class Group, class F>
DIMIX_HD two_sums<Real> sum_of_bins(const Group& group, const logistic_bins<Real>& bins, const F& f) {
  return group.reduce(bins.to - bins.from, two_sums<Real>{Real(0), Real(0)}, plus{}, [&]<index_of_bins<F, Real> At>(At i) {
    const At s = offset_by(i, bins.from);
    return f(s, divided(bins.at(s)));
  });
}

inline namespace DIMIX_TARGET {

#if DIMIX_LANE_BYTES > 0

template <class Real>
struct bin_ladder {
  static constexpr int W = native_lanes<Real>;
  using number = lanes<Real, W>;

  const logistic_bins<Real>& bins;
  Real stride = bins.step * Real(W);  // from lanes to the next ones

  bool holds() const { return stride <= Real(40); }

  /// f over all whole lanes of the bins: left of μ, then those that hold μ or are right of it.
  template <class F>
  [[gnu::always_inline]] void climb(const F& f) const {
    const index_t n = (bins.to - bins.from) / W;
    const Real first = bins.first + static_cast<Real>(bins.from) * bins.step, before_mean = -first / stride - Real(0.5);
    const index_t left =
        before_mean > Real(0) ? before_mean < static_cast<Real>(n) ? static_cast<index_t>(before_mean) + 1 : n : 0;
    const number up = number(bins.step) * number(counted<Real, W>()), down = number(stride - bins.step) - up,
                 rungs_up = exp(-up), rungs_down = number(rungs_up[W - 1]) / rungs_up;
    Real end_of[together], anchor_of[together];
    for (index_t begin = 0; begin < n; begin += together) {
      const index_t end = smaller(together, n - begin), middle = clamp<index_t>(left - begin, 0, end);
      anchor(first + static_cast<Real>(begin) * stride, end, {end_of, together}, {anchor_of, together});
      const auto at = [&](index_t j) { return lane_index<W>{bins.from + (begin + j) * W}; };
      const auto climb_side = [&](index_t from, index_t to, number side, number offset, number rungs)
          __attribute__((always_inline)) {
        const auto bin = [&](index_t j) __attribute__((always_inline)) {
          return bins.bin(side, number(end_of[j]) + offset, number(anchor_of[j]) * rungs);
        };
        for (; from + 2 <= to; from += 2) {
          const auto both = divided(bin(from), bin(from + 1));
          f(at(from), both.first);
          f(at(from + 1), both.second);
        }
        if (from < to) f(at(from), divided(bin(from)));
      };
      climb_side(0, middle, Real(-1), down, rungs_down);
      climb_side(middle, end, Real(1), up, rungs_up);
    }
  }

 private:
  static constexpr index_t together = 4 * W;  // lanes that are anchored before the first of them is used

  /// Of n lanes, the first of which begin at `first`, the end next to μ: that of a bin as wide as all of them.
  [[gnu::always_inline]] void anchor(Real first, index_t n, view<Real, 1> ends, view<Real, 1> anchors) const {
    for (lane_index<W> j{0}; j.first < n; j.first += W) {
      const number a = number_of<Real>(j) * number(stride) + number(first), t = larger(a, -a - number(stride));
      write(ends, j, t);
      write(anchors, j, exp(-t));
    }
  }
};

template <class Real, class F>
[[gnu::always_inline]] inline void for_each_bin(const vector_group<Real>&, const logistic_bins<Real>& bins, const F& f) {
  constexpr int W = native_lanes<Real>;
  const index_t whole = bins.from + (bins.to - bins.from) / W * W;
  index_t s = bins.from;
  if constexpr (index_of_bins<lane_index<W>, F, Real>) {
    const bin_ladder<Real> ladder{bins};
    if (ladder.holds())
      ladder.climb(f), s = whole;
    else
      for (; s < whole; s += W) f(lane_index<W>{s}, divided(bins.at(lane_index<W>{s})));
  }
  // what is left has its exponentials side by side as well
  for (; s < bins.to; s += W) {
    const auto last = bins.at(lane_index<W>{s});
    for (int w = 0; w < W && s + w < bins.to; ++w) f(s + w, divided(bins.bin(last.side[w], last.t[w], last.v[w])));
  }
}

template <class Real, class F>
[[gnu::always_inline]] inline two_sums<Real> sum_of_bins(const vector_group<Real>& group, const logistic_bins<Real>& bins,
                                                         const F& f) {
  using number = typename bin_ladder<Real>::number;
  two_sums<number> of_lanes{Real(0), Real(0)};
  two_sums<Real> total{Real(0), Real(0)};
  for_each_bin(
      group, bins, [&]<index_of_bins<F, Real> At>(At s, const auto& bin) __attribute__((always_inline)) {
        if constexpr (several_indices<At>)
          of_lanes = of_lanes + f(s, bin);
        else
          total = total + f(s, bin);
      });
  add_lanes(total, of_lanes);
  return total;
}

#endif

}  // namespace DIMIX_TARGET
}  // namespace dimix
