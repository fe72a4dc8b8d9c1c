// Exact draws from a categorical row, in float as in double.
//
// A draw takes the row's log-probabilities (normalised or not) and 128 random bits. The row is cut into blocks of 64; the first
// 64 bits choose a block and the second 64 a state in it. Widths are 64-bit fixed-point shares of sums in double, so that a
// state's realised probability is its softmax within 1e-5 relative down to 1e-12 (a running sum in float loses everything below
// 6e-8, a float Gumbel race everything below 1e-7; arXiv 2409.02908). The largest block and state get what the others leave.
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/denoiser.hpp>

namespace dimix {

/// exp(log_prob(s)) in double. A functor and no lambda, so that nvcc lets a log_prob of the host through.
template <class LogProb>
struct weight_of {
  const LogProb& log_prob;

  DIMIX_EXEC_CHECK_DISABLE
  DIMIX_HD double operator()(index_t s) const {
    using std::exp;
    return static_cast<double>(exp(log_prob(s)));
  }
};

/// A state s in [0, S) with probability exp(log_prob(s)) / sum. log_prob: index_t -> Real, -infinity allowed, evaluated up to three
/// times per state and six times in one block; it need not be normalised, but exp of it must stay inside the range of Real. Returns
/// -1 when the sum is not positive and finite: no state is possible, or a log-probability is NaN or too large. O(S), no memory.
DIMIX_EXEC_CHECK_DISABLE
template <class LogProb>
DIMIX_HD token draw_categorical(index_t S, const LogProb& log_prob, random_block bits) {
  constexpr index_t block = 64;
  const index_t blocks = (S + block - 1) / block;
  const weight_of<LogProb> weight{log_prob};
  const auto block_sum = [&](index_t i) {
    double sum = 0;
    for (index_t s = i * block; s < smaller(S, (i + 1) * block); ++s) sum += weight(s);
    return sum;
  };

  double total = 0, most = -1;
  index_t largest = 0;
  for (index_t i = 0; i < blocks; ++i) {
    const double sum = block_sum(i);
    total += sum;
    if (sum > most) largest = i, most = sum;
  }
  if (!(total > 0 && total < infinity<double>())) return -1;
  const index_t chosen = pick_by_share(blocks, total, bits.first(), block_sum, largest), first = chosen * block;
  const index_t count = smaller(S - first, block);
  const auto in_block = [&](index_t i) { return weight(first + i); };
  return static_cast<token>(first +
                            pick_by_share(count, block_sum(chosen), bits.second(), in_block, largest_of(count, in_block)));
}

/// The most probable state, the first of equals.
DIMIX_EXEC_CHECK_DISABLE
template <class LogProb>
DIMIX_HD token argmax(index_t S, const LogProb& log_prob) {
  index_t best = 0;
  for (index_t s = 1; s < S; ++s)
    if (log_prob(s) > log_prob(best)) best = s;
  return static_cast<token>(best);
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
