// Exact Poisson draws by inversion from the mode outwards: the probability of the mode by Stirling's series in Loader's saddle-point form
// (C. Loader, "Fast and accurate computation of binomial probabilities", 2000), its neighbours by the ratio mean / n. Widths are
// 64-bit fixed-point shares, counted from the top for every count but the mode, which gets what the others leave (core/rng.hpp): a
// count's realised probability is its own within 1e-10 relative, down to 1e-12 within 1e-7.
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/core/rng.hpp>

#include <numbers>

namespace dimix {

/// The probability of the count `mode` = floor(mean).
DIMIX_HD inline double poisson_at_mode(double mean, double mode) {
  using std::exp, std::sqrt;
  if (mode < 16) {
    double p = exp(-mean);
    for (double n = 1; n <= mode; n += 1) p *= mean / n;
    return p;
  }
  const double r = 1 / (mode * mode);
  const double stirling = (1.0 / 12 - r * (1.0 / 360 - r * (1.0 / 1260 - r / 1680))) / mode;
  return exp(-stirling - (mean - mode) * one_minus_log1p_over((mean - mode) / mode)) / sqrt(2 * std::numbers::pi * mode);
}

/// A whole number with the Poisson law of this mean, from 64 random bits; -1 unless mean >= 0. O(1 + sqrt(mean)) time. Above a
/// mean of 2^30 it is the mean, rounded and at most 2^60: the spread is then below 3e-5 of it.
DIMIX_HD inline double draw_poisson(double mean, std::uint64_t bits) {
  using std::floor;
  if (!(mean >= 0)) return -1;
  if (mean > 0x1p30) return floor(smaller(mean, 0x1p60) + 0.5);
  constexpr std::uint64_t rounding = std::uint64_t{1} << 32;  // more than all other widths can be off together
  const double mode = floor(mean), at_mode = poisson_at_mode(mean, mode);
  const std::uint64_t certain = share(at_mode);
  if (certain > rounding && bits < certain - rounding) return mode;
  std::uint64_t left = ~bits;
  double above = at_mode, below = at_mode;
  for (double away = 1;; away += 1) {
    above *= mean / (mode + away);
    below *= larger(mode - away + 1, 0.0) / larger(mean, 1.0);  // a mean below 1 has nothing below its mode
    const std::uint64_t up = share(above), down = share(below);
    if (left < up) return mode + away;
    left -= up;
    if (left < down) return mode - away;
    left -= down;
    if (up == 0 && down == 0) return mode;
  }
}

}  // namespace dimix
