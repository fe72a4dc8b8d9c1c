// Exact draws from a categorical row, in float as in double.
//
// A draw takes the row's log-probabilities (normalised or not) and 128 random bits. The row is cut into blocks of 64; the first
// 64 bits choose a block and the second 64 a state in it. Widths are 64-bit fixed-point shares of sums in double, so that a
// state's realised probability is its softmax within 1e-5 relative down to 1e-12 (a running sum in float loses everything below
// 6e-8, a float Gumbel race everything below 1e-7; arXiv 2409.02908). What rounding leaves over goes to the largest block or state.
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/denoiser.hpp>

namespace dimix {

/// A state s in [0, S) with probability exp(log_prob(s)) / sum. log_prob: index -> Real, -infinity allowed, evaluated up to three
/// times per state; it need not be normalised, but exp of it must stay inside the range of Real. Returns -1 when the sum is not
/// positive and finite: no state is possible, or a log-probability is NaN or too large. Cost: O(S), no memory.
template <class LogProb>
DIMIX_HD token draw_categorical(index_t S, const LogProb& log_prob, random_block bits) {
  constexpr index_t block = 64;
  const auto weight = [&](index_t s) {
    using std::exp;
    return static_cast<double>(exp(log_prob(s)));
  };
  const auto block_sum = [&](index_t first) {
    double sum = 0;
    for (index_t s = first; s < smaller(S, first + block); ++s) sum += weight(s);
    return sum;
  };

  double total = 0;
  for (index_t first = 0; first < S; first += block) total += block_sum(first);
  if (!(total > 0 && total < infinity<double>())) return -1;

  index_t chosen = 0;
  double chosen_sum = 0, largest = -1;
  std::uint64_t reach = 0;
  for (index_t first = 0; first < S; first += block) {
    const double sum = block_sum(first);
    const std::uint64_t width = share(sum / total);
    const bool hit = bits.first() - reach < width;
    if (hit || sum > largest) chosen = first, chosen_sum = largest = sum;
    if (hit) break;
    reach += width;
  }

  index_t state = chosen;
  reach = 0;
  largest = -1;
  for (index_t s = chosen; s < smaller(S, chosen + block); ++s) {
    const double p = weight(s);
    const std::uint64_t width = share(p / chosen_sum);
    const bool hit = bits.second() - reach < width;
    if (hit || p > largest) state = s, largest = p;
    if (hit) break;
    reach += width;
  }
  return static_cast<token>(state);
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
