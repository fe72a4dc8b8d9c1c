// Counts of draws against the law that they should follow.
#pragma once

#include <dimix/core/math.hpp>

#include <cmath>
#include <vector>

namespace dimix::exact {

/// Pearson's statistic of counts (n) against probabilities (n) up to a factor, as a standard normal number (Wilson and Hilferty 1931); cells
/// that expect fewer than 8 draws are merged. +infinity when something impossible was drawn; 0 where fewer than two cells are left.
inline double chi_square_deviation(const std::vector<double>& counts, const std::vector<double>& probabilities) {
  double total = 0, mass = 0;
  for (double count : counts) total += count;
  for (double p : probabilities) mass += p;
  double statistic = 0, rare_count = 0, rare_expected = 0;
  int cells = 0;
  const auto add = [&](double count, double expected) {
    statistic += (count - expected) * (count - expected) / expected;
    ++cells;
  };
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = total * probabilities[i] / mass;
    if (probabilities[i] == 0 && counts[i] > 0) return infinity<double>();
    if (expected < 8)
      rare_count += counts[i], rare_expected += expected;
    else
      add(counts[i], expected);
  }
  if (rare_expected >= 8) add(rare_count, rare_expected);
  if (cells < 2) return rare_expected < 8 && rare_count > 40 ? infinity<double>() : 0.0;
  const double freedom = cells - 1, v = 2 / (9 * freedom);
  return (std::cbrt(statistic / freedom) - (1 - v)) / std::sqrt(v);
}

}  // namespace dimix::exact
