// Exact draws from a categorical row, in float as in double, in one pass over it.
//
// A draw takes the row's log-probabilities (normalised or not) and 128 random bits. The row is cut into at most 64 parts of whole blocks of
// 64 states. The pass keeps of each part the sum of exponentials above the largest log-probability of the first block, or above that of the
// part where this sum would leave the range. The first 64 bits choose a part; it is weighed again, in blocks, and the second 64 bits choose
// a block and in it a state. Widths are 64-bit fixed-point shares of sums (core/few_weights.hpp), so that a state's realised probability is
// its softmax within 1e-5 relative down to 1e-12 (a running sum in float loses everything below 6e-8, a float Gumbel race everything below
// 1e-7; arXiv 2409.02908). The largest part, block and state get what the others leave.
// Written over a group (group.hpp): its members, and the lanes of a processor, weigh a part together. The order of a sum is theirs, so that
// another group draws another state only where the bits fall between the two roundings (tests/core/categorical_lanes.cpp).
#pragma once

#include <dimix/core/few_weights.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/core/weight_above.hpp>

namespace dimix {

inline namespace DIMIX_TARGET {
template <int W>
DIMIX_HD lane_index<W> offset_by(lane_index<W> i, index_t by) {
  return {i.first + by};
}
}  // namespace DIMIX_TARGET
DIMIX_HD constexpr index_t offset_by(index_t i, index_t by) { return i + by; }

/// The sum of n weights of a part. One thread alone adds in double, as it has one sum for all of them.
DIMIX_EXEC_CHECK_DISABLE
template <class Real, class Group, class Weight>
DIMIX_HD Real sum_of_weights(const Group& group, index_t n, const Weight& weight) {
  if constexpr (std::is_same_v<Group, serial_group>) {
    double sum = 0;
    for (index_t i = 0; i < n; ++i) sum += static_cast<double>(weight(i));
    return static_cast<Real>(sum);
  } else {
    return group.reduce(n, Real(0), plus{}, weight);
  }
}

/// Functors and no lambdas, so that nvcc lets a weight of the host through.
template <class Value>
struct values_from {
  const Value& value;
  index_t first;

  DIMIX_EXEC_CHECK_DISABLE
  template <index_into<Value> At>
  DIMIX_HD auto operator()(At i) const {
    return value(offset_by(i, first));
  }
};

/// Weights as logarithms, of any finite size: above(top) are their exponentials over e^top.
template <class Real, class LogProb>
struct log_weights {
  const LogProb& log_prob;

  struct exponentials {
    const LogProb& log_prob;
    Real top;

    DIMIX_EXEC_CHECK_DISABLE
    template <index_into<LogProb> At>
    DIMIX_HD auto operator()(At s) const {
      return weight_above(log_prob(s), top);
    }
  };

  /// The largest of n from `first` on; 0 where all are -infinity.
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group>
  DIMIX_HD Real top(const Group& group, index_t first, index_t n) const {
    const Real most = group.reduce(n, -infinity<Real>(), maximum{}, values_from<LogProb>{log_prob, first});
    return most == -infinity<Real>() ? Real(0) : most;
  }
  DIMIX_HD exponentials above(Real top) const { return {log_prob, top}; }
  /// Whether a part's sum above another part's top is too far from 1, or not a number.
  DIMIX_HD bool needs_own_top(Real sum) const { return !(sum > Real(0x1p-64) && sum < Real(0x1p64)); }
};

/// Weights as they are, whose sum stays inside the range of Real.
template <class Real, class Weight>
struct plain_weights {
  const Weight& weight;

  template <class Group>
  DIMIX_HD Real top(const Group&, index_t, index_t) const {
    return Real(0);
  }
  DIMIX_HD const Weight& above(Real) const { return weight; }
  DIMIX_HD bool needs_own_top(Real) const { return false; }
};

/// Single weights of n <= 64 states from `first` on.
DIMIX_EXEC_CHECK_DISABLE
template <class Real, class Group, class Weight>
DIMIX_HD void weigh_states(const Group& group, few_weights<Real>& few, index_t first, index_t n, const Weight& of) {
  few.count = n;
  const view<Real, 1> to(few.weight, n);
  one_member(group).for_each(n, [&]<index_into<Weight> At>(At i) { write(to, i, of(offset_by(i, first))); });
}
/// Sums of n states from `first` on in parts of `length`.
DIMIX_EXEC_CHECK_DISABLE
template <class Real, class Group, class Weight>
DIMIX_HD void weigh_parts(const Group& group, few_weights<Real>& few, index_t first, index_t n, index_t length,
                          const Weight& of) {
  few.count = 0;
  for (index_t begin = 0; begin < n; begin += length)
    few.weight[few.count++] = sum_of_weights<Real>(group, smaller(length, n - begin), values_from<Weight>{of, first + begin});
}

/// The length of at most 64 parts of n states, in whole blocks of 64.
DIMIX_HD constexpr index_t part_length(index_t n) { return 64 * ((n + 64 * 64 - 1) / (64 * 64)); }

/// The state among n from `first` on, which share a top, with all 64 bits of a word; -1 where no weight is positive and finite.
DIMIX_EXEC_CHECK_DISABLE
template <class Real, class Group, class Weight>
DIMIX_HD token draw_in_part(const Group& group, index_t first, index_t n, const Weight& weight, std::uint64_t bits) {
  few_weights<Real> few;
  double words = 0;
  std::uint64_t left = ~bits;
  for (;;) {
    const index_t length = n > few.most ? part_length(n) : 1;
    if (length == 1)
      weigh_states(group, few, first, n, weight);
    else
      weigh_parts(group, few, first, n, length, weight);
    if (words == 0) words = few.words(group);
    if (words == 0) return -1;
    const index_t begin = few.pick(group, words, left) * length;
    first += begin;
    if (length == 1) return static_cast<token>(first);
    n = smaller(length, n - begin);
  }
}

/// The draw, from log_weights or plain_weights. Parts are weighed above the top of the first block, so that none needs its own; but for one
/// that is so much larger or smaller that its sum would leave the range of Real.
DIMIX_EXEC_CHECK_DISABLE
template <class Real, class Group, class Weights>
DIMIX_HD token draw_weighed(const Group& group, index_t S, const Weights& weights, random_block bits) {
  few_weights<Real> parts;
  if (S < 1) return -1;
  if (S <= parts.most) return draw_in_part<Real>(group, 0, S, weights.above(weights.top(group, 0, S)), bits.second());
  const index_t length = part_length(S);
  const auto sum_above = [&](Real top, index_t begin, index_t n) {
    const auto weight = weights.above(top);
    return sum_of_weights<Real>(group, n, values_from<std::decay_t<decltype(weight)>>{weight, begin});
  };
  Real tops[few_weights<Real>::most], common = weights.top(group, 0, parts.most), highest = -infinity<Real>();
  for (index_t begin = 0; begin < S; begin += length) {
    const index_t n = smaller(length, S - begin);
    Real top = common, sum = sum_above(top, begin, n);
    if (weights.needs_own_top(sum)) {
      top = weights.top(group, begin, n);
      sum = sum_above(top, begin, n);
    }
    if (sum > Real(0)) highest = larger(highest, top);
    tops[parts.count] = top;
    parts.weight[parts.count++] = sum;
  }
  for (index_t i = 0; i < parts.count; ++i) {
    using std::exp;
    if (tops[i] != highest && parts.weight[i] != Real(0)) parts.weight[i] *= exp(tops[i] - highest);
  }
  const double words = parts.words(group);
  if (words == 0) return -1;
  std::uint64_t left = ~bits.first();
  const index_t i = parts.pick(group, words, left), first = i * length;
  return draw_in_part<Real>(group, first, smaller(length, S - first), weights.above(tops[i]), bits.second());
}

/// A state s in [0, S) with probability exp(log_prob(s)) / sum. log_prob: index_t -> Real, and lanes of them if it takes them; of any
/// finite size, not normalised, -infinity allowed; evaluated once a state, twice in the first 64, and again in the chosen part. Returns -1 where the sum is not positive and finite: no state is possible, or a log-probability is NaN or infinite. O(S), 1 kB.
DIMIX_EXEC_CHECK_DISABLE
template <class Group, class LogProb>
DIMIX_HD token draw_categorical(const Group& group, index_t S, const LogProb& log_prob, random_block bits) {
  using Real = std::decay_t<decltype(log_prob(index_t{0}))>;
  return draw_weighed<Real>(group, S, log_weights<Real, LogProb>{log_prob}, bits);
}
/// By one thread.
DIMIX_EXEC_CHECK_DISABLE
template <class LogProb>
DIMIX_HD token draw_categorical(index_t S, const LogProb& log_prob, random_block bits) {
  return draw_categorical(serial_group{}, S, log_prob, bits);
}

/// The same with probability weight(s) / sum: weight(s) >= 0, whose sum stays inside the range of its type.
DIMIX_EXEC_CHECK_DISABLE
template <class Group, class Weight>
DIMIX_HD token draw_by_weight(const Group& group, index_t S, const Weight& weight, random_block bits) {
  using Real = std::decay_t<decltype(weight(index_t{0}))>;
  return draw_weighed<Real>(group, S, plain_weights<Real, Weight>{weight}, bits);
}

/// The most probable state, the first of equals. One pass, and a second look at 1024 states.
DIMIX_EXEC_CHECK_DISABLE
template <class Group, class LogProb>
DIMIX_HD token argmax(const Group& group, index_t S, const LogProb& log_prob) {
  using Real = std::decay_t<decltype(log_prob(index_t{0}))>;
  constexpr index_t length = 1024;
  Real most = -infinity<Real>();
  index_t first = 0;
  for (index_t begin = 0; begin < S; begin += length) {
    const Real top =
        group.reduce(smaller(length, S - begin), -infinity<Real>(), maximum{}, values_from<LogProb>{log_prob, begin});
    if (top > most) most = top, first = begin;
  }
  for (index_t s = first; s < smaller(S, first + length); ++s)
    if (log_prob(s) == most) return static_cast<token>(s);
  return 0;
}
/// By one thread.
DIMIX_EXEC_CHECK_DISABLE
template <class LogProb>
DIMIX_HD token argmax(index_t S, const LogProb& log_prob) {
  return argmax(serial_group{}, S, log_prob);
}

/// The race of MDLM, SEDD and SDTT: argmax_s w(s) / (1e-10 - log(u(s) + 1e-10)), one uniform per state (sdtt
/// sampling/ancestral.py sample_categorical). Kept for parity with recorded uniforms; its tail is truncated, see above.
DIMIX_EXEC_CHECK_DISABLE
template <class Weight, class Uniform>
DIMIX_HD token draw_race(index_t S, const Weight& weight, const Uniform& uniform) {
  const auto arrival = [&](index_t s) {
    using std::log;
    using Real = decltype(weight(s) + uniform(s));
    return weight(s) / (Real(1e-10) - log(uniform(s) + Real(1e-10)));
  };
  return argmax(S, arrival);
}

}  // namespace dimix
