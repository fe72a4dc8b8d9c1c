// Every law of λ keeps the laws, and draws cover it evenly.
#include "laws/latent.hpp"

using namespace dimix;

namespace {

/// A user's law: λ exponential with mean 1 on the first axis, symmetric triangle on the second.
struct exponential_and_triangle {
  index_t dims() const { return 2; }
  double quantile(index_t axis, double u) const {
    if (axis == 0) return -std::log1p(-u);
    return u < 0.5 ? std::sqrt(2 * u) - 1 : 1 - std::sqrt(2 - 2 * u);
  }
};
static_assert(latent_law<exponential_and_triangle>);

/// Counts of 20 equal cells of (0, 1) over all items and components.
std::vector<double> cells_of(const array<double, 3>& latents, index_t axis) {
  std::vector<double> counts(20);
  for (index_t b = 0; b < latents.extent(0); ++b)
    for (index_t m = 0; m < latents.extent(1); ++m) ++counts.at(static_cast<std::size_t>(latents(b, m, axis) * 20));
  return counts;
}

}  // namespace

TEST_CASE("laws: laws of λ") {
  for (index_t M : {1, 3, 16}) {
    laws::check_latent(uniform_latent{}, M);
    laws::check_latent(uniform_latent{3}, M);
    laws::check_latent(exponential_and_triangle{}, M);
    laws::check_latent(gaussian_latent{}, M);
    laws::check_latent(gaussian_latent{4}, M);
  }
  laws::check_latent(categorical_latent{64}, 64);
  laws::check_latent(categorical_latent{5}, 10);
}

TEST_CASE("laws: normal_quantile inverts the normal distribution function") {
  laws::worst error;
  const auto below = [](long double x) { return 0.5L * std::erfc(-x / std::sqrt(2.0L)); };
  for (int i = -300; i < 0; ++i) {
    const double u = 0.5 * std::pow(10.0, i / 10.0);  // 5e-31 ... 0.4
    const long double x = normal_quantile(u);
    const long double slope = std::exp(-0.5L * x * x) / std::sqrt(2 * std::numbers::pi_v<long double>);
    error.see(static_cast<double>(std::abs((below(x) - u) / slope / x)), "u =", u);  // relative error of x, by Newton
    if (u > 1e-3) CHECK(normal_quantile(1 - u) == doctest::Approx(-normal_quantile(u)).epsilon(1e-12));
  }
  error.check("relative error of the quantile", 1e-15);
  CHECK(normal_quantile(0.5) == 0);
  CHECK(normal_quantile(0.975) == doctest::Approx(1.959963984540054).epsilon(1e-15));
}

TEST_CASE("laws: all draws together are uniform on every axis, iid, stratified and Sobol") {
  for (auto how : {latent_draws::iid, latent_draws::stratified, latent_draws::sobol}) {
    const index_t B = laws::draws(4000), M = 5, L = 3;
    array<double, 3> out(B, M, L);  // (B, M, L)
    draw_latents(uniform_latent{L}, how, rng{5}, laws::item_ids(B), 0, out.whole());
    for (index_t axis = 0; axis < L; ++axis)
      laws::check_frequencies("axis", cells_of(out, axis), std::vector<double>(20, 0.05));
    if (how == latent_draws::stratified) {
      // the strata of the second axis are shuffled: each single λ_m is uniform there
      array<double, 3> third(B, 1, L);  // (B, 1, L)
      for (index_t b = 0; b < B; ++b)
        for (index_t axis = 0; axis < L; ++axis) third(b, 0, axis) = out(b, 2, axis);
      laws::check_frequencies("λ_2 alone, axis 1", cells_of(third, 1), std::vector<double>(20, 0.05));
      laws::check_frequencies("λ_2 alone, axis 2", cells_of(third, 2), std::vector<double>(20, 0.05));
      // and independent of the first axis: pairs of strata
      std::vector<double> pairs(25);
      for (index_t b = 0; b < B; ++b)
        ++pairs[static_cast<std::size_t>(static_cast<index_t>(out(b, 1, 1) * 5) * 5 + static_cast<index_t>(out(b, 1, 2) * 5))];
      laws::check_frequencies("strata of axes 1 and 2", pairs, std::vector<double>(25, 0.04));
    }
  }
}

TEST_CASE("laws: a finite law is enumerated exactly, in float too") {
  for (index_t M : {1, 2, 7, 64, 1000}) {
    array<float, 3> out(20, M, 1);  // (B, M, 1)
    draw_latents(categorical_latent{M}, latent_draws::stratified, rng{9}, laws::item_ids(20), 2, out.whole());
    bool every = true;
    for (index_t b = 0; b < 20; ++b)
      for (index_t m = 0; m < M; ++m) every = every && out(b, m, 0) == static_cast<float>(m);
    CHECK(every);
  }
}

TEST_CASE("laws: no stratum is left by rounding, however many there are") {
  const auto check = [](auto real, index_t M) {
    using Real = decltype(real);
    const index_t B = sanitized ? 5 : 40;
    array<Real, 3> out(B, M, 2);  // (B, M, L)
    draw_latents(uniform_latent{2}, latent_draws::stratified, rng{3}, laws::item_ids(B), 0, out.whole());
    const auto count = static_cast<double>(M);
    index_t outside = 0;
    for (index_t b = 0; b < B; ++b) {
      std::vector<double> second;
      for (index_t m = 0; m < M; ++m) {
        const auto u = static_cast<double>(out(b, m, 0)), stratum = static_cast<double>(m);
        outside += !(u >= stratum / count && u < (stratum + 1) / count && u < 1);
        second.push_back(static_cast<double>(out(b, m, 1)));
      }
      std::sort(second.begin(), second.end());
      for (index_t m = 0; m < M; ++m)
        outside += !(second[static_cast<std::size_t>(m)] >= static_cast<double>(m) / count &&
                     second[static_cast<std::size_t>(m)] < (static_cast<double>(m) + 1) / count);
    }
    CHECK(outside == 0);
  };
  for (index_t M : {1000, 4096, 65535, 65536}) check(0.0f, M), check(0.0, M);  // a float next to 1 is 2^-24 apart
  CHECK(kept_inside(1 - 0x1p-30, 0.75, 1) == 1 - 0x1p-24);
  CHECK(kept_inside(0.5 - 0x1p-40, 0.25, 0.5) == 0.5 - 0x1p-25);
  CHECK(kept_inside(1.0 / 3, 1.0 / 3, 0.5) >= 1.0 / 3);
  CHECK(kept_inside(0.3, 0.25, 0.5) == 0.3);
}

TEST_CASE("laws: strata make averages even") {
  const index_t B = 400, M = 16;
  double spread[2] = {0, 0};
  for (auto how : {latent_draws::iid, latent_draws::stratified}) {
    array<double, 3> out(B, M, 1);  // (B, M, 1)
    draw_latents(uniform_latent{}, how, rng{1}, laws::item_ids(B), 0, out.whole());
    for (index_t b = 0; b < B; ++b) {
      double mean = 0;
      for (index_t m = 0; m < M; ++m) mean += out(b, m, 0) / static_cast<double>(M);
      spread[how == latent_draws::stratified] += (mean - 0.5) * (mean - 0.5) / static_cast<double>(B);
    }
  }
  CHECK(spread[0] == doctest::Approx(1.0 / (12 * M)).epsilon(0.25));          // 1 / (12 M)
  CHECK(spread[1] == doctest::Approx(1.0 / (12 * M * M * M)).epsilon(0.25));  // 1 / (12 M^3)
}
