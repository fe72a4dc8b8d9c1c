// Randomness as a value: a counter-based generator (Philox 4x32-10; Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as
// easy as 1, 2, 3", SC 2011). There is no state: the bits of a draw are a function of what the draw is for. The same seed gives
// the same tokens whatever the batch size, the split of a batch, the number of threads, or the device.
//
// Layout, fixed for ever and pinned by known-answer tests:
//   key      word 0, 1 = seed, low and high half
//   counter  word 0, 1 = item id, low and high half
//            word 2, 3 = low and high half of   purpose (6 bits) | step (18) | draw (16) | position (24), highest first
#pragma once

#include <dimix/config.hpp>
#include <dimix/core/view.hpp>

#include <cstdint>

namespace dimix {

/// What a draw is for. Numbers are part of the layout: append, never renumber. User code takes those from `user` to 63.
enum class purpose : std::uint32_t {
  initial = 0,     // x_1 from the prior
  latent = 1,      // λ
  denoise = 2,     // x_0 from a denoiser's row
  transition = 3,  // x_s given x_0 and x_t, or from a row of p(x_s|x_t)
  corrupt = 4,     // x_t from q(x_t|x_0)
  time = 5,        // t of a training item
  target = 6,      // targets drawn from the student at u
  data = 7,        // shuffles and splits
  weights = 8,     // network initialisation
  dropout = 9,
  jump = 10,       // numbers and times of jumps
  corrector = 11,  // the same in a corrector step
  order = 12,      // which positions are revealed first
  remask = 13,     // which are hidden again
  hitting = 14,    // the time of the next reveal
  component = 15,  // which λ, given evidence
  teacher = 16,    // draws of a teacher beyond x_u
  noising = 17,    // x~_t from x_t: a jump of the forward process, for a bound
  user = 48
};

/// One Philox block: 128 random bits, as four words or two 64-bit words.
struct random_block {
  std::uint32_t word[4];

  DIMIX_HD constexpr std::uint64_t first() const { return word[0] | static_cast<std::uint64_t>(word[1]) << 32; }
  DIMIX_HD constexpr std::uint64_t second() const { return word[2] | static_cast<std::uint64_t>(word[3]) << 32; }
};

/// Ten rounds of Philox 4x32.
DIMIX_HD constexpr random_block philox(random_block counter, std::uint32_t key0, std::uint32_t key1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53u} * counter.word[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57u} * counter.word[2];
    counter = {{static_cast<std::uint32_t>(b >> 32) ^ counter.word[1] ^ key0, static_cast<std::uint32_t>(b),
                static_cast<std::uint32_t>(a >> 32) ^ counter.word[3] ^ key1, static_cast<std::uint32_t>(a)}};
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return counter;
}

/// The random bits of one seed. Ranges: step < 2^18, draw < 2^16, position < 2^24 (checked by the public entry points).
struct rng {
  std::uint64_t seed = 0;

  static constexpr index_t max_step = index_t{1} << 18;
  static constexpr index_t max_draw = index_t{1} << 16;
  static constexpr index_t max_position = index_t{1} << 24;

  DIMIX_HD constexpr random_block operator()(purpose what, std::uint64_t item, index_t step, index_t draw,
                                             index_t position) const {
    const std::uint64_t place = static_cast<std::uint64_t>(what) << 58 | static_cast<std::uint64_t>(step) << 40 |
                                static_cast<std::uint64_t>(draw) << 24 | static_cast<std::uint64_t>(position);
    return philox({{static_cast<std::uint32_t>(item), static_cast<std::uint32_t>(item >> 32), static_cast<std::uint32_t>(place),
                    static_cast<std::uint32_t>(place >> 32)}},
                  static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  }
};

/// 64 random bits -> a uniform number in (0, 1): the midpoints of 2^52 cells, which a double holds exactly, so that neither end is
/// ever returned.
DIMIX_HD constexpr double unit(std::uint64_t bits) { return (static_cast<double>(bits >> 12) + 0.5) * 0x1.0p-52; }

/// The width of a probability in 64-bit fixed point: share(p) of the 2^64 values of a word stand for p in [0, 1].
/// Rounding is below 2^-64 absolute and 2^-53 relative, so that 1e-12 is still realised to 1e-7.
DIMIX_HD constexpr std::uint64_t share(double p) {
  if (!(p > 0.0)) return 0;
  if (p >= 1.0) return ~std::uint64_t{0};
  return static_cast<std::uint64_t>(p * 0x1.0p64);
}

/// True with probability p. Exact at both ends: never for p <= 0, always for p >= 1.
DIMIX_HD constexpr bool bernoulli(double p, std::uint64_t bits) { return p >= 1.0 || bits < share(p); }

/// The i in [0, n) of a largest weight, the first of equals.
DIMIX_EXEC_CHECK_DISABLE
template <class Weight>
DIMIX_HD constexpr index_t largest_of(index_t n, const Weight& weight) {
  index_t largest = 0;
  double most = -1;
  for (index_t i = 0; i < n; ++i)
    if (const double w = weight(i); w > most) largest = i, most = w;
  return largest;
}

/// The i in [0, n) in whose share of the 2^64 words the bits lie: weight(i) / total of them, counted from the top, and for `largest`
/// all that the others leave. So a width near 1, whose rounding is as wide as a probability of 1e-16, never eats into a small one.
/// weight(i) >= 0, evaluated at most once per i; most words of the largest are recognised without a walk.
DIMIX_EXEC_CHECK_DISABLE
template <class Weight>
DIMIX_HD constexpr index_t pick_by_share(index_t n, double total, std::uint64_t bits, const Weight& weight, index_t largest) {
  constexpr std::uint64_t rounding = std::uint64_t{1} << 32;  // more than n <= 2^20 widths can be off together
  const std::uint64_t certain = share(weight(largest) / total);
  if (certain > rounding && bits < certain - rounding) return largest;
  std::uint64_t left = ~bits;
  for (index_t i = 0; i < n; ++i) {
    if (i == largest) continue;
    const std::uint64_t width = share(weight(i) / total);
    if (left < width) return i;
    left -= width;
  }
  return largest;
}

}  // namespace dimix
