// The same measures from samples, with intervals: for samplers without rows, and for what is too large to enumerate but can be sampled.
//   marginal            share of samples with x_d = s; Wilson's interval
//   total_variation     1/2 sum |p^ - q|. Biased up by at most 1/2 sum sqrt(p (1 - p) / n), which the lower end takes off (with p^ for p); and
//                       within sqrt(log(2 / (1 - c)) / (2 n)) of its mean with confidence c (McDiarmid)
//   kl_divergence, total_correlation   of p^, bias and spread by the delete-one jackknife over samples: O(cells D). Near 0, where the spread is
//                       of second order, the interval is too short: test with chi_square
//   chi_square          whether the samples follow the law: a standard normal number if they do
// Laws (tests/exact/empirical.cpp): intervals hold the exact value as often as they say.
#pragma once

#include <dimix/exact/chi_square.hpp>
#include <dimix/exact/law.hpp>
#include <dimix/latent/gaussian.hpp>

#include <algorithm>

namespace dimix::exact {

struct estimate {
  double value = 0, low = 0, high = 0;
  bool holds(double x) const { return low <= x && x <= high; }
};

/// How often every sequence was drawn.
struct sample_counts {
  joint_states states;
  std::vector<double> counts;  // (n)
  double total = 0;

  /// x (B, D), B >= 2. Throws for tokens that are no states.
  sample_counts(const joint_states& all, view<const token, 2> x)
      : states(all), counts(static_cast<std::size_t>(all.size())), total(static_cast<double>(x.extent(0))) {
    expects(x.extent(0) >= 2, "exact::sample_counts: ", x.extent(0), " samples; at least 2 are needed");
    for (index_t b = 0; b < x.extent(0); ++b) ++counts[static_cast<std::size_t>(states.index(x.row(b)))];
  }
  /// p^
  joint_law law() const {
    joint_law result(states);
    for (std::size_t i = 0; i < counts.size(); ++i) result.p[i] = counts[i] / total;
    return result;
  }
};

/// z with P(|Z| <= z) = confidence, in (0, 1).
inline double normal_range(double confidence) {
  expects(confidence > 0 && confidence < 1, "exact: confidence = ", confidence, " lies outside (0, 1)");
  return normal_quantile((1 + confidence) / 2);
}

/// Wilson (1927).
inline estimate share_of(double count, double total, double confidence = 0.95) {
  const double z = normal_range(confidence), p = count / total, widened = 1 + z * z / total;
  const double middle = (p + z * z / (2 * total)) / widened,
               half = z * std::sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / widened;
  return {p, middle - half, middle + half};
}
inline estimate marginal(const sample_counts& samples, index_t d, token s, double confidence = 0.95) {
  double count = 0;
  for (index_t i = 0; i < samples.states.size(); ++i)
    if (samples.states.at(i, d) == s) count += samples.counts[static_cast<std::size_t>(i)];
  return share_of(count, samples.total, confidence);
}

inline estimate total_variation(const sample_counts& samples, const joint_law& law, double confidence = 0.95) {
  normal_range(confidence);
  const joint_law drawn = samples.law();
  const double n = samples.total, value = total_variation(drawn, law),
               most = std::sqrt(std::log(2 / (1 - confidence)) / (2 * n));
  double bias = 0;
  for (double p : drawn.p) bias += std::sqrt(p * (1 - p) / n) / 2;
  return {value, larger(0.0, value - bias - most), smaller(1.0, value + most)};
}

/// The delete-one jackknife of a number that depends on counts: without(cell) is its value without one sample of that cell.
template <class Without>
estimate jackknife_over_samples(const sample_counts& samples, double value, double confidence, const Without& without) {
  const double n = samples.total, z = normal_range(confidence);
  double mean = 0, spread = 0;
  std::vector<double> left_out(samples.counts.size());
  for (std::size_t i = 0; i < left_out.size(); ++i) {
    if (samples.counts[i] == 0) continue;
    left_out[i] = without(static_cast<index_t>(i));
    mean += samples.counts[i] * left_out[i] / n;
  }
  for (std::size_t i = 0; i < left_out.size(); ++i)
    if (samples.counts[i] > 0) spread += samples.counts[i] * (left_out[i] - mean) * (left_out[i] - mean);
  const double corrected = n * value - (n - 1) * mean, half = z * std::sqrt((n - 1) / n * spread);
  return {corrected, corrected - half, corrected + half};
}

namespace detail {
inline double times_log(double x) { return x > 0 ? x * std::log(x) : 0; }
}  // namespace detail

/// Throws where something was drawn that the law excludes: the divergence is infinite.
inline estimate kl_divergence(const sample_counts& samples, const joint_law& law, double confidence = 0.95) {
  expects(samples.states == law.states, "exact::kl_divergence: samples and law are over different sequences");
  const double n = samples.total;
  double sum = 0;  // sum_i c_i log(c_i / q_i)
  for (index_t i = 0; i < law.size(); ++i) {
    const double count = samples.counts[static_cast<std::size_t>(i)];
    expects<numeric_error>(count == 0 || law[i] > 0, "exact::kl_divergence: sequence ", i, " was drawn ", count,
                           " times, but the law excludes it");
    if (count > 0) sum += detail::times_log(count) - count * std::log(law[i]);
  }
  return jackknife_over_samples(samples, sum / n - std::log(n), confidence, [&](index_t i) {
    const double count = samples.counts[static_cast<std::size_t>(i)];
    const double less = sum - detail::times_log(count) + detail::times_log(count - 1) + std::log(law[i]);
    return less / (n - 1) - std::log(n - 1);
  });
}

inline estimate total_correlation(const sample_counts& samples, double confidence = 0.95) {
  const joint_states& states = samples.states;
  const index_t D = states.dims();
  array<double, 2> rows = marginals(samples.law());  // (D, S)
  for (double& each : rows) each *= samples.total;   // counts
  double sum = 0;                                    // sum_i c log c - sum_d sum_s c_ds log c_ds
  for (double count : samples.counts) sum += detail::times_log(count);
  for (double count : rows) sum -= detail::times_log(count);
  const auto value = [D](double each, double n) { return each / n + static_cast<double>(D - 1) * std::log(n); };
  return jackknife_over_samples(samples, value(sum, samples.total), confidence, [&](index_t i) {
    const double count = samples.counts[static_cast<std::size_t>(i)];
    double less = sum - detail::times_log(count) + detail::times_log(count - 1);
    for (index_t d = 0; d < D; ++d) {
      const double of_row = rows(d, states.at(i, d));
      less += detail::times_log(of_row) - detail::times_log(of_row - 1);
    }
    return value(less, samples.total - 1);
  });
}

/// As chi_square_deviation.
inline double chi_square(const sample_counts& samples, const joint_law& law) {
  expects(samples.states == law.states, "exact::chi_square: samples and law are over different sequences");
  return chi_square_deviation(samples.counts, law.p);
}

}  // namespace dimix::exact
