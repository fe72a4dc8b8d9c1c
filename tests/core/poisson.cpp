// Poisson draws: frequencies by chi-square, and the realised widths of single counts, in the tail too.
#include <dimix/core/poisson.hpp>

#include "laws/support.hpp"

using namespace dimix;

namespace {

double poisson(double mean, double n) { return std::exp(n * std::log(mean) - mean - std::lgamma(n + 1)); }

/// The number of 64-bit words, of all 2^64, that draw `n`, over 2^64; words counted from the top walk outwards from the mode.
double realised(double mean, double n) {
  const double mode = std::floor(mean);
  // counts in the order of the walk: mode + 1, mode - 1, mode + 2, ...
  const auto rank = [&](double count) {
    return count > mode ? 2 * (count - mode) - 1 : count < mode ? 2 * (mode - count) : 1e18;
  };
  const auto first_after = [&](double limit) {  // the smallest `left` whose count has a rank above the limit
    std::uint64_t low = 0, high = ~std::uint64_t{0};
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (rank(draw_poisson(mean, ~middle)) > limit)
        high = middle;
      else
        low = middle + 1;
    }
    return low;
  };
  return static_cast<double>(first_after(rank(n)) - first_after(rank(n) - 1)) * 0x1p-64;
}

}  // namespace

TEST_CASE("poisson: frequencies") {
  for (double mean : {1e-6, 1e-3, 0.1, 0.7, 3.0, 15.5, 16.0, 40.25, 300.0, 1000.0}) {
    CAPTURE(mean);
    std::vector<double> counts, law;
    const index_t n = laws::draws(40000);
    for (double k = 0; k < mean + 12 * std::sqrt(mean) + 12; k += 1) law.push_back(poisson(mean, k));
    counts.resize(law.size());
    for (index_t i = 0; i < n; ++i)
      ++counts.at(static_cast<std::size_t>(draw_poisson(mean, rng{4}(purpose::jump, 0, 0, 0, i).first())));
    laws::check_frequencies("counts", counts, law);
  }
}

TEST_CASE("poisson: every count has its own width, in the tail too") {
  laws::worst common, rare;
  for (double mean : {1e-6, 1e-3, 0.7, 3.0, 15.99, 16.0, 40.25, 1000.0, 1e6})
    for (double away : {-7.0, -3.0, -1.0, 1.0, 2.0, 5.0, 8.0}) {
      const double n = std::floor(mean) + away * std::max(1.0, std::floor(std::sqrt(mean)));
      if (n < 0) continue;
      const double p = poisson(mean, n);
      if (p < 1e-12) continue;
      // lgamma itself is right to 1e-16 of about mean log mean
      (p < 1e-8 ? rare : common).see(std::abs(realised(mean, n) / p - 1), "mean =", mean, "n =", n);
    }
  common.check("realised probability, relative", 3e-9);
  rare.check("realised probability of a rare count, relative", 1e-7);
}

TEST_CASE("poisson: the probability of the mode") {
  laws::worst error;
  for (double mean = 0.25; mean < 3000; mean *= 1.3) {
    const double mode = std::floor(mean);
    error.see(std::abs(poisson_at_mode(mean, mode) / poisson(mean, mode) - 1), "mean =", mean);
  }
  error.check("against lgamma", 1e-11);
}

TEST_CASE("poisson: ends") {
  for (std::uint64_t bits : {std::uint64_t{0}, ~std::uint64_t{0}, std::uint64_t{1} << 63}) {
    CHECK(draw_poisson(0, bits) == 0);
    CHECK(draw_poisson(-1, bits) == -1);
    CHECK(draw_poisson(std::nan(""), bits) == -1);
    CHECK(draw_poisson(0x1p31 + 0.4, bits) == 0x1p31);
    CHECK(draw_poisson(infinity<double>(), bits) == 0x1p60);
    CHECK(std::abs(draw_poisson(0x1p30, bits) - 0x1p30) < 10 * 0x1p15);
    CHECK(draw_poisson(1e-300, bits) == 0);
  }
}
