// The jackknife of the mixture's log-likelihood: its derivative, its coefficients, its digits, and the orders of the bias by enumeration.
#include "core/refuses.hpp"
#include "laws/objective.hpp"

using namespace dimix;

namespace {

const laws::tested one = laws::on(1);

/// M l_M - (M - 1) mean_j l_{M without j}, written out.
template <class Real, class Head>
double left_out(const laws::reference<Real, Head>& formula, index_t b, index_t k) {
  const auto& at = formula.at;
  const auto x = [&](index_t d) { return at.targets(b, k, d); };
  double total = static_cast<double>(at.M) * std::log(formula.joint(b, x));
  for (index_t j = 0; j < at.M; ++j) {
    double p = 0, weight = 0;
    for (index_t m = 0; m < at.M; ++m)
      if (m != j) p += formula.pi(b, m) * formula.component(b, m, x), weight += formula.pi(b, m);
    total -= static_cast<double>(at.M - 1) / static_cast<double>(at.M) * std::log(p / weight);
  }
  return total;
}

template <class Real>
auto shares_of(const std::vector<Real>& log_shares) {
  return estimate_of<jackknife, Real>(static_cast<index_t>(log_shares.size()),
                                      [&](index_t m) { return log_shares[static_cast<std::size_t>(m)]; });
}

}  // namespace

TEST_CASE("laws: the jackknife's gradient is the central difference of its value, with and without control variates") {
  for (index_t M : {2, 3, 5}) {
    CAPTURE(M);
    laws::site<double, softmax> at(softmax{}, array<token, 2>(2, 3), M, 3, 2);
    for (bool weighted : {false, true}) {
      laws::check_objective(at, weighted, one, jackknife_negative_log_likelihood<double>{at.targets, {at.weights}});
      laws::check_objective(at, weighted, one, consistency<double, jackknife>{{at.targets, {at.weights}}, {at.teacher}},
                            joint_negative_log_likelihood<double>{at.targets, {{}, 0.3}}, laws::sharpness<double>{0.3},
                            joint_likelihood<double, true, jackknife>{at.targets, {{}, 0.2}});
    }
  }
  array<token, 2> x_t(2, 3);  // (B, D)
  x_t.fill(3);
  x_t(0, 1) = 2;
  laws::site<double, subs> hidden(subs{3}, x_t, 3, 4, 2);
  laws::check_objective(hidden, true, one, jackknife_negative_log_likelihood<double>{hidden.targets});
}

TEST_CASE("laws: the jackknife leaves out one component after another") {
  for (index_t M : {2, 3, 6})
    for (bool weighted : {false, true}) {
      const laws::site<double, softmax> at(softmax{}, array<token, 2>(2, 3), M, 3, 4);
      const laws::reference<double, softmax> formula{at, weighted};
      const view<const double, 2> weights = weighted ? view<const double, 2>(at.log_weights) : view<const double, 2>{};
      const auto value_of =
          log_likelihood<double, jackknife>(softmax{}, at.tokens, at.given(), at.targets, at.S, one, weights);  // (B, K)
      auto loss = make_objective<double>(at.head, at.tokens, M, at.S, {.log_weights = weights},
                                         jackknife_negative_log_likelihood<double>{at.targets});
      value(loss, at.given(), one);
      for (index_t b = 0; b < 2; ++b) {
        double mean = 0;
        for (index_t k = 0; k < 4; ++k) {
          CHECK(value_of(b, k) == doctest::Approx(left_out(formula, b, k)).epsilon(1e-13));
          mean += value_of(b, k) / 4;
        }
        CHECK(loss.value(0)(b) == doctest::Approx(-mean).epsilon(1e-13));
      }
    }
}

TEST_CASE("laws: coefficients of the jackknife are the closed form and sum to 1") {
  for (index_t M : {2, 3, 7}) {
    std::vector<double> log_shares;
    double total = 0;
    for (index_t m = 0; m < M; ++m) total += std::exp(3 * laws::uniform_number(4, m));
    for (index_t m = 0; m < M; ++m) log_shares.push_back(3 * laws::uniform_number(4, m) - std::log(total));
    const auto estimate = shares_of(log_shares);
    double sum = 0;
    for (index_t m = 0; m < M; ++m) {
      const auto share = [&](index_t j) { return std::exp(log_shares[static_cast<std::size_t>(j)]); };
      double others = 0;
      for (index_t j = 0; j < M; ++j)
        if (j != m) others += 1 / (1 - share(j));
      const double n = static_cast<double>(M);
      CHECK(estimate.coefficient(m) == doctest::Approx(share(m) * (n - (n - 1) / n * others)).epsilon(1e-12));
      sum += estimate.coefficient(m);
    }
    CHECK(sum == doctest::Approx(1).epsilon(1e-13));
  }
}

TEST_CASE("laws: a share near 1 costs the jackknife no digits") {
  // γ = (1 - e - f, e, f) with e and f far below the rounding of 1: the limits of the closed form
  const double e = 1e-40, f = 3e-41;
  const std::vector<double> near_one{std::log1p(-e - f), std::log(e), std::log(f)};
  const auto fine = shares_of(near_one);
  CHECK(fine.coefficient(0) == doctest::Approx(3 - 2.0 / 3 * 2).epsilon(1e-14));
  CHECK(fine.coefficient(1) == doctest::Approx(-2.0 / 3 * e / (e + f)).epsilon(1e-13));
  CHECK(fine.coefficient(2) == doctest::Approx(-2.0 / 3 * f / (e + f)).epsilon(1e-13));
  CHECK(fine.coefficient(0) + fine.coefficient(1) + fine.coefficient(2) == doctest::Approx(1).epsilon(1e-14));
  CHECK(fine.correction() == doctest::Approx(-2.0 / 3 * (std::log(e + f) - e - f)).epsilon(1e-14));
  const std::vector<float> is_one{0.0f, std::log(1e-20f), std::log(3e-21f)};
  const auto rough = shares_of(is_one);
  CHECK(rough.coefficient(1) == doctest::Approx(-2.0 / 3 / 1.3).epsilon(1e-5));
  CHECK(rough.coefficient(0) + rough.coefficient(1) + rough.coefficient(2) == doctest::Approx(1).epsilon(1e-6));
  // values and gradients of an objective in float are those in double
  laws::site<double, softmax> at(softmax{}, array<token, 2>(2, 4), 4, 5, 2);
  laws::site<float, softmax> low(softmax{}, array<token, 2>(2, 4), 4, 5, 2);
  const auto gradient_of = [](const auto& site, auto real) {
    using Real = decltype(real);
    array<Real, 4> gradient(2, 4, 4, 5);  // (B, M, D, S)
    auto loss = make_objective<Real>(site.head, site.tokens, 4, 5, {}, jackknife_negative_log_likelihood<Real>{site.targets});
    value_and_gradient(loss, site.given(), gradient.whole(), one);
    return gradient;
  };
  const auto exact = gradient_of(at, double{});
  const auto rounded = gradient_of(low, float{});
  laws::worst difference;
  for (index_t i = 0; i < exact.size(); ++i)
    difference.see(std::abs(exact.data()[i] - static_cast<double>(rounded.data()[i])), i);
  difference.check("float gradient = double gradient", 5e-6);
}

// E over M independent draws of λ from two equally likely values, by all 2^M tuples, each an item of one call.
TEST_CASE("laws: plain is biased by O(1/M), the jackknife by O(1/M^2)") {
  const index_t D = 2, S = 2;
  array<double, 3> logits(2, D, S);  // (λ, D, S)
  laws::fill_noise(logits, 3, 0.8);
  const auto biases = [&](index_t M) {
    const index_t n = index_t{1} << M;
    array<token, 2> x_t(n, D);         // (n, D)
    array<token, 3> targets(n, 1, D);  // (n, 1, D)  all zero
    array<double, 4> raw(n, M, D, S);  // (n, M, D, S)
    for (index_t i = 0; i < n; ++i)
      for (index_t m = 0; m < M; ++m)
        std::copy_n(logits.whole().row(i >> m & 1, 0).data(), D * S, raw.whole().row(i, m, 0).data());
    const auto low = log_likelihood<double>(softmax{}, x_t, raw, targets, S, one);                // (n, 1)
    const auto better = log_likelihood<double, jackknife>(softmax{}, x_t, raw, targets, S, one);  // (n, 1)
    const view<const double, 4> both(logits.data(), 1, 2, D, S);                                  // (1, 2, D, S)
    const double truth = log_likelihood<double>(softmax{}, view<const token, 2>(x_t.data(), 1, D), both,
                                                view<const token, 3>(targets.data(), 1, 1, D), S, one)(0, 0);
    double mean = 0, mean_better = 0;
    for (index_t i = 0; i < n; ++i)
      mean += low(i, 0) / static_cast<double>(n), mean_better += better(i, 0) / static_cast<double>(n);
    return std::pair(mean - truth, mean_better - truth);
  };
  const auto [plain_8, better_8] = biases(8);
  const auto [plain_16, better_16] = biases(16);
  CHECK(plain_16 < 0);
  CHECK(std::log2(plain_8 / plain_16) == doctest::Approx(1).epsilon(0.15));
  CHECK(std::log2(better_8 / better_16) == doctest::Approx(2).epsilon(0.15));
  CHECK(std::abs(better_8) < 0.2 * std::abs(plain_8));
}

TEST_CASE("bad input: a jackknife of too few components") {
  laws::site<double, softmax> at(softmax{}, array<token, 2>(2, 3), 1, 3, 2);
  const auto make = [&](auto term) { make_objective<double>(softmax{}, at.tokens, 1, 3, {}, term); };
  const jackknife_negative_log_likelihood<double> likelihood{at.targets};
  test_core::refuses<invalid_argument>([&] { make(likelihood); }, {"joint_likelihood", "M = 1", "at least two"});
  const consistency<double, jackknife> consistent{{at.targets}, {at.teacher}};
  test_core::refuses<invalid_argument>([&] { make(consistent); }, {"M = 1"});
  test_core::refuses<invalid_argument>(
      [&] { log_likelihood<double, jackknife>(softmax{}, at.tokens, at.given(), at.targets, 3, one); },
      {"log_likelihood", "M = 1"});
}

TEST_CASE("bad input: a jackknife where one component has all the weight") {
  array<token, 2> x_t(1, 1);         // (B, D)
  array<token, 3> targets(1, 1, 1);  // (B, K, D)
  array<double, 4> raw(1, 2, 1, 2);  // (B, M, D, S)
  array<double, 2> weights(1, 2);    // (B, M)
  weights(0, 1) = -infinity<double>();
  const jackknife_negative_log_likelihood<double> term{targets};
  auto loss = make_objective<double>(softmax{}, x_t, 2, 2, {.log_weights = weights}, term);
  test_core::refuses<numeric_error>([&] { value(loss, view<const double, 4>(raw), one); },
                                    {"target 0 of item 0", "only one component"});
  test_core::refuses<numeric_error>([&] { log_likelihood<double, jackknife>(softmax{}, x_t, raw, targets, 2, one, weights); },
                                    {"target 0 of item 0", "only one"});
}
