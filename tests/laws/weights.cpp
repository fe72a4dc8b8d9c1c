// Laws of λ with unequal components, and draws of λ by Sobol points or by enumeration.
#include <dimix/latent.hpp>

#include "laws/latent.hpp"

#include <array>
#include <numbers>

using namespace dimix;

namespace {

/// The root of the mean squared error of the mean over M draws of a smooth function on four axes, over many items.
double error_of_mean(latent_draws how, index_t M) {
  constexpr index_t B = 300, L = 4;
  array<double, 3> out(B, M, L);  // (B, M, L)
  draw_latents(uniform_latent{L}, how, rng{7}, laws::item_ids(B), 0, out.whole());
  double squares = 0;
  for (index_t b = 0; b < B; ++b) {
    double mean = 0;
    for (index_t m = 0; m < M; ++m) {
      double f = 1;  // mean 1
      for (index_t axis = 0; axis < L; ++axis)
        f *= 1 + 0.5 * std::sin(2 * std::numbers::pi * out(b, m, axis)) * out(b, m, axis);
      mean += f / static_cast<double>(M);
    }
    const double truth = std::pow(1 - 0.25 / std::numbers::pi, L);
    squares += (mean - truth) * (mean - truth) / B;
  }
  return std::sqrt(squares);
}

}  // namespace

TEST_CASE("laws: draws of a weighted law follow its weights") {
  const double log_weights[] = {std::log(0.5), -infinity<double>(), std::log(0.2), std::log(0.3)};
  const weighted_latent<double> law{{log_weights, 4}};
  const index_t B = laws::draws(20000);
  for (auto how : {latent_draws::iid, latent_draws::stratified, latent_draws::sobol}) {
    array<double, 3> out(B / 4, 4, 1);  // (B, M, 1)
    draw_latents(law, how, rng{2}, laws::item_ids(B / 4), 0, out.whole());
    std::vector<double> counts(4);
    for (double m : out) ++counts.at(static_cast<std::size_t>(m));
    CHECK(counts[1] == 0);
    if (how == latent_draws::iid) laws::check_frequencies("components", counts, {0.5, 0, 0.2, 0.3});
    for (std::size_t m = 0; m < 4; ++m)
      CHECK(counts[m] / static_cast<double>(B) == doctest::Approx(std::exp(log_weights[m])).epsilon(0.06));
  }
  // the same law whatever constant is added, however far the weights are apart
  const float far[] = {-1000.0f, -1001.0f, -5000.0f};
  const weighted_latent<float> shifted{{far, 3}};
  const double first = 1 / (1 + std::exp(-1.0));
  CHECK(shifted.quantile(0, first - 1e-9) == 0);
  CHECK(shifted.quantile(0, first + 1e-9) == 1);
  CHECK(shifted.quantile(0, 1 - 1e-16) == 1);  // what rounding leaves is not a component of probability 0
}

TEST_CASE("laws: a weighted law with equal weights is the categorical one") {
  const float equal[] = {0.25f, 0.25f, 0.25f, 0.25f, 0.25f};
  const weighted_latent<float> law{{equal, 5}};
  for (auto how : {latent_draws::iid, latent_draws::stratified, latent_draws::sobol, latent_draws::enumerated}) {
    array<float, 3> weighted(30, 5, 1), plain(30, 5, 1);  // (B, M, 1)
    draw_latents(law, how, rng{3}, laws::item_ids(30), 1, weighted.whole());
    draw_latents(categorical_latent{5}, how, rng{3}, laws::item_ids(30), 1, plain.whole());
    CHECK(weighted == plain);
    if (how == latent_draws::enumerated)
      for (index_t i = 0; i < plain.size(); ++i) CHECK(plain.data()[i] == static_cast<float>(i % 5));
  }
}

TEST_CASE("laws: Sobol points are those of the published table") {
  // scipy.stats.qmc.Sobol(21, scramble=False), points 1 to 4 and 1000 of five axes, times 2^16
  struct known {
    std::uint32_t n;
    std::array<std::uint32_t, 5> points;  // of the axes 0, 1, 7, 15, 20
  };
  for (const known& k : std::vector<known>{{1, {32768, 32768, 32768, 32768, 32768}},
                                           {2, {49152, 16384, 49152, 16384, 16384}},
                                           {3, {16384, 49152, 16384, 49152, 49152}},
                                           {4, {24576, 24576, 57344, 57344, 8192}},
                                           {1000, {14400, 6336, 58944, 24256, 34240}}})
    for (std::size_t i = 0; i < 5; ++i)
      CHECK(sobol_axis::make(std::array<index_t, 5>{0, 1, 7, 15, 20}[i]).point(k.n) == k.points[i] << 16);
}

TEST_CASE("laws: the first 2^k Sobol points stand one in every stratum, on every axis and under every shift") {
  constexpr index_t B = 20, M = 64, L = sobol_axis::count;
  array<double, 3> out(B, M, L), one(1, M, L), fewer(1, M / 2, L);  // (B, M, L)
  draw_latents(uniform_latent{L}, latent_draws::sobol, rng{4}, laws::item_ids(B), 6, out.whole());
  for (index_t b = 0; b < B; ++b)
    for (index_t axis = 0; axis < L; ++axis) {
      std::vector<bool> seen(M);
      for (index_t m = 0; m < M; ++m) seen.at(static_cast<std::size_t>(out(b, m, axis) * M)) = true;
      CHECK(std::count(seen.begin(), seen.end(), true) == M);
    }
  // an item does not see the batch around it, and fewer draws are the first of more
  draw_latents(uniform_latent{L}, latent_draws::sobol, rng{4}, laws::item_ids(1, 17), 6, one.whole());
  CHECK(std::equal(one.begin(), one.end(), out.begin() + 17 * M * L));
  draw_latents(uniform_latent{L}, latent_draws::sobol, rng{4}, laws::item_ids(1, 17), 6, fewer.whole());
  CHECK(std::equal(fewer.begin(), fewer.end(), one.begin()));
  // on two axes: one point in each of 8 x 8 cells, and each single λ_m is uniform
  const index_t many = laws::draws(4000);
  array<double, 3> pairs(many, M, 2);  // (B, M, L)
  draw_latents(uniform_latent{2}, latent_draws::sobol, rng{4}, laws::item_ids(many), 0, pairs.whole());
  std::vector<double> cells(16), whole(64);
  for (index_t b = 0; b < many; ++b)
    ++cells[static_cast<std::size_t>(static_cast<index_t>(4 * pairs(b, 5, 0)) * 4 + static_cast<index_t>(4 * pairs(b, 5, 1)))];
  laws::check_frequencies("λ_5 alone on both axes", cells, std::vector<double>(16, 1.0 / 16));
  for (index_t m = 0; m < M; ++m)
    ++whole[static_cast<std::size_t>(static_cast<index_t>(8 * pairs(0, m, 0)) * 8 + static_cast<index_t>(8 * pairs(0, m, 1)))];
  CHECK(whole == std::vector<double>(64, 1));
}

TEST_CASE("laws: means over Sobol points vary less, the more so the more there are") {
  const double iid = error_of_mean(latent_draws::iid, 64), sobol = error_of_mean(latent_draws::sobol, 64);
  CHECK(sobol < iid / 4);
  CHECK(error_of_mean(latent_draws::sobol, 256) < sobol / 2.5);  // iid: / 2
  CHECK(sobol < error_of_mean(latent_draws::stratified, 64));
}

TEST_CASE("laws: draws of λ that cannot be are refused") {
  array<double, 3> four(1, 4, 1), wide(1, 4, 22);  // (B, M, L)
  const auto draw = [&](const auto& law, latent_draws how, array<double, 3>& out) {
    draw_latents(law, how, rng{}, laws::item_ids(1), 0, out.whole());
  };
  CHECK_THROWS_WITH_AS(draw(uniform_latent{}, latent_draws::enumerated, four), doctest::Contains("components()"),
                       invalid_argument);
  CHECK_THROWS_WITH_AS(draw(categorical_latent{3}, latent_draws::enumerated, four), doctest::Contains("M = 4 must be the 3"),
                       invalid_argument);
  CHECK_THROWS_WITH_AS(draw(uniform_latent{22}, latent_draws::sobol, wide), doctest::Contains("for 21 coordinates"),
                       invalid_argument);
  const double impossible[] = {-infinity<double>(), -infinity<double>()}, unknown[] = {0, std::nan("")};
  CHECK_THROWS_WITH_AS(draw(weighted_latent<double>{{impossible, 2}}, latent_draws::iid, four), doctest::Contains("-infinity"),
                       numeric_error);
  CHECK_THROWS_WITH_AS(draw(weighted_latent<double>{{unknown, 2}}, latent_draws::iid, four),
                       doctest::Contains("component 1 is nan"), numeric_error);
}
