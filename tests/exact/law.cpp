// Joint states, measures of laws, points of λ, and measures from samples.
#include <dimix/exact.hpp>

#include "core/refuses.hpp"
#include "laws/support.hpp"

using namespace dimix;
using namespace dimix::exact;

namespace {

/// A law with noise for probabilities.
joint_law some_law(const joint_states& states, std::uint64_t seed) {
  joint_law law(states);
  double total = 0;
  for (index_t i = 0; i < law.size(); ++i) total += law[i] = -std::log(laws::uniform_number(seed, i));
  for (double& p : law.p) p /= total;
  return law;
}

}  // namespace

TEST_CASE("exact: the number of a sequence and its tokens are inverse to each other, in the order of words") {
  const joint_states states({3, 2, 4});
  CHECK(states.size() == 24);
  array<token, 1> x(3), last(3);
  for (index_t i = 0; i < states.size(); ++i) {
    states.tokens(i, x);
    CHECK(states.index(view<const token, 1>(x)) == i);
    if (i > 0) CHECK(std::lexicographical_compare(last.begin(), last.end(), x.begin(), x.end()));
    last = x;
  }
}

TEST_CASE("exact: distances of laws, and total correlation as the divergence from the product of the marginals") {
  const joint_states states({3, 2, 3});
  for (std::uint64_t seed : {1u, 2u, 3u}) {
    const joint_law p = some_law(states, seed), q = some_law(states, seed + 10);
    const joint_law product = product_of_marginals(p);
    CHECK(total_correlation(p) == doctest::Approx(kl_divergence(p, product)).epsilon(1e-12));
    CHECK(total_correlation(product) < 1e-14);
    CHECK(exact::total_variation(p, q) <= std::sqrt(kl_divergence(p, q) / 2));
    CHECK(exact::total_variation(p, p) == 0);
  }
  joint_law point(states), other(states);
  point[3] = other[4] = 1;
  CHECK(kl_divergence(point, other) == infinity<double>());
  CHECK(exact::total_variation(point, other) == 1);
  CHECK(total_correlation(point) == 0);
}

TEST_CASE("exact: points of λ integrate") {
  const auto mean = [](const latent_points& points, auto f) {
    double sum = 0;
    for (index_t m = 0; m < points.count(); ++m)
      sum += points.weights[static_cast<std::size_t>(m)] * f(points.values.whole().row(m));
    return sum;
  };
  for (index_t n : {1, 2, 5, 32}) {
    const double degree = static_cast<double>(2 * n - 1);
    CHECK(mean(points_of(uniform_latent{1}, n), [&](auto z) { return std::pow(z[0], degree); }) ==
          doctest::Approx(1 / (degree + 1)).epsilon(1e-13));
  }
  const auto plane = points_of(uniform_latent{2}, 20);
  CHECK(mean(plane, [](auto z) { return std::exp(z[0] * z[1]); }) == doctest::Approx(1.3179021514544038).epsilon(1e-13));
  CHECK(mean(points_of(gaussian_latent{1}, 200), [](auto z) { return z[0] * z[0]; }) == doctest::Approx(1).epsilon(2e-3));
  const double log_weights[] = {std::log(2.0), -infinity<double>(), std::log(6.0)};
  const auto weighted = points_of(weighted_latent<double>{view<const double, 1>(log_weights, 3)});
  CHECK(weighted.weights[0] == doctest::Approx(0.25));
  CHECK(weighted.weights[1] == 0);
  CHECK(mean(weighted, [](auto z) { return z[0]; }) == doctest::Approx(1.5));
  CHECK(points_of(categorical_latent{4}).weights[3] == 0.25);
}

TEST_CASE("exact: intervals from samples hold the exact value as often as they say") {
  const joint_states states({2, 3});
  const joint_law p = some_law(states, 5), q = some_law(states, 6);
  const index_t B = 400, rounds = 200;
  int held[4] = {};
  for (index_t round = 0; round < rounds; ++round) {
    array<token, 2> x(B, 2);
    for (index_t b = 0; b < B; ++b) {
      const index_t i = draw_categorical(
          p.size(), [&](index_t s) { return std::log(p[s]); },
          rng{9}(purpose::user, static_cast<std::uint64_t>(b), round, 0, 0));
      states.tokens(i, x.whole().row(b));
    }
    const sample_counts samples(states, x);
    held[0] += marginal(samples, 1, 2, 0.9).holds(exact::marginals(p)(1, 2));
    held[1] += kl_divergence(samples, q, 0.9).holds(kl_divergence(p, q));
    held[2] += total_correlation(samples, 0.9).holds(total_correlation(p));
    held[3] += exact::total_variation(samples, q, 0.9).holds(exact::total_variation(p, q));
    CHECK(std::abs(exact::chi_square(samples, p)) < 4.5);
    CHECK(exact::chi_square(samples, q) > 4.5);
  }
  for (int i : {0, 1, 2}) CHECK(std::abs(held[i] - 180) <= 14);  // 0.9 of 200, three and a half standard deviations
  CHECK(held[3] >= 180);                                         // a bound
}

TEST_CASE("bad input: what cannot be enumerated is refused with its number") {
  test_core::refuses<invalid_argument>([] { joint_states::of(absorbing<3>{}, 20); },
                                       {"D = 20", "3.4867844e+09", "at most 1000000"});
  test_core::refuses<invalid_argument>([] { joint_states::of(uniform<3>{}, 9); }, {"D = 9", "19683", "at most 10000"});
  test_core::refuses<invalid_argument>([] { joint_states(std::vector<index_t>{}); }, {"D = 0"});
  const joint_states states({2, 2}), others({4});
  const token outside[] = {0, 2};
  test_core::refuses<invalid_argument>([&] { states.index(view<const token, 1>(outside, 2)); }, {"x[1] = 2", "[0, 2)"});
  test_core::refuses<invalid_argument>([&] { exact::total_variation(joint_law(states), joint_law(others)); },
                                       {"different sequences"});
  test_core::refuses<invalid_argument>([] { points_of(uniform_latent{5}, 32); }, {"32 points", "5 axes", "100000"});
  const array<token, 2> x(3, 2);
  const sample_counts samples(states, x);
  joint_law excludes(states);
  excludes[1] = 1;
  test_core::refuses<numeric_error>([&] { kl_divergence(samples, excludes); }, {"sequence 0", "3 times", "excludes"});
  test_core::refuses<invalid_argument>([&] { marginal(samples, 0, 1, 1.0); }, {"confidence = 1"});
}
