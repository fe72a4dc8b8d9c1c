// Exact draws from a categorical row, in float as in double.
//
// A draw takes the row's log-probabilities (normalised or not) and 128 random bits. The row is cut into blocks of 64; the first
// 64 bits choose a block and the second 64 a state in it. Widths are 64-bit fixed-point shares of sums in double, so that a
// state's realised probability is its softmax within 1e-5 relative down to 1e-12 (a running sum in float loses everything below
// 6e-8, a float Gumbel race everything below 1e-7; arXiv 2409.02908). The largest block and state get what the others leave: then
// the rounding of a width near 1, which is as wide as a probability of 1e-16, cannot eat into a small one.
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/denoiser.hpp>

namespace dimix {

/// The i in [0, n) in whose share of the 2^64 words `word` lies: weight(i) / total of them, counted from the top, and for `largest`
/// the rest. weight(i) >= 0, evaluated at most once per i. Most words of the largest are recognised without a walk.
template <class Weight>
DIMIX_HD index draw_share(index n, const Weight& weight, double total, index largest, double largest_weight, std::uint64_t word) {
  constexpr std::uint64_t rounding = std::uint64_t{1} << 32;  // more than n <= 2^20 widths can be off together
  const std::uint64_t certain = share(largest_weight / total);
  if (certain > rounding && word < certain - rounding) return largest;
  std::uint64_t left = ~word;
  for (index i = 0; i < n; ++i) {
    if (i == largest) continue;
    const std::uint64_t width = share(weight(i) / total);
    if (left < width) return i;
    left -= width;
  }
  return largest;
}

/// A state s in [0, S) with probability exp(log_prob(s)) / sum. log_prob: index_t -> Real, -infinity allowed, evaluated up to three
/// times per state. Returns -1 when no state has a positive probability. Cost: O(S), no memory.
template <class LogProb>
DIMIX_HD token draw_categorical(index_t S, const LogProb& log_prob, random_block bits) {
  constexpr index_t block = 64;
  const index_t blocks = (S + block - 1) / block;
  const auto weight = [&](index_t s) {
    using std::exp;
    return static_cast<double>(exp(log_prob(s)));
  };
  const auto block_sum = [&](index_t i) {
    double sum = 0;
    for (index_t s = i * block; s < smaller(S, (i + 1) * block); ++s) sum += weight(s);
    return sum;
  };

  double total = 0;
  for (index_t i = 0; i < blocks; ++i) total += block_sum(i);
  if (!(total > 0)) return -1;
  const index_t chosen = pick_by_share(blocks, total, bits.first(), block_sum), first = chosen * block;
  return static_cast<token>(first + pick_by_share(smaller(S - first, block), block_sum(chosen), bits.second(),
                                                  [&](index_t s) { return weight(first + s); }));
}

/// The most probable state, the first of equals.
template <class LogProb>
DIMIX_HD token argmax(index_t S, const LogProb& log_prob) {
  index_t best = 0;
  for (index_t s = 1; s < S; ++s)
    if (log_prob(s) > log_prob(best)) best = s;
  return static_cast<token>(best);
}

/// The race of MDLM, SEDD and SDTT: argmax_s w(s) / (1e-10 - log(u(s) + 1e-10)), one uniform per state (sdtt
/// sampling/ancestral.py sample_categorical). Kept for parity with recorded uniforms; its tail is truncated, see above.
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
