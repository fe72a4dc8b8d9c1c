// What the losses mean, by enumeration: bounds between divergences, exact gradients as averages, and the control variate.
#include "laws/objective.hpp"

using namespace dimix;

namespace {

/// All S^D sequences as the targets of as many items, every item with the raw outputs of item 0 of a site.
struct enumeration {
  index_t n, M, D, S;
  array<token, 2> x_t;      // (n, D)
  array<token, 3> targets;  // (n, 1, D)
  array<double, 4> raw;     // (n, M, D, S)

  explicit enumeration(const laws::site<double, softmax>& at) : n(1), M(at.M), D(at.D), S(at.S) {
    for (index_t d = 0; d < D; ++d) n *= S;
    x_t.resize(n, D);
    targets.resize(n, 1, D);
    raw.resize(n, M, D, S);
    index_t i = 0;
    laws::for_each_sequence(D, S, [&](const auto& x) {
      std::copy(x.begin(), x.end(), targets.whole().row(i, 0).data());
      std::copy_n(at.raw.data(), M * D * S, raw.whole()[i].data());
      ++i;
    });
  }

  /// sum_x weights(x) d term(x) / d raw: (1, M, D, S)
  template <class Term>
  array<double, 4> average_gradient(const array<double, 1>& weights, const Term& term, double* value_of_it = nullptr) const {
    auto loss = make_objective<double>(softmax{}, x_t, M, S, {}, term);
    array<double, 4> each(n, M, D, S), total(1, M, D, S);  // (n, M, D, S), (1, M, D, S)
    const laws::tested one = laws::on(1);
    const double sum = value_and_gradient(loss, view<const double, 4>(raw), each.whole(), one, gradient_mode::overwrite, 1.0);
    if (value_of_it) *value_of_it = sum;
    for (index_t i = 0; i < n; ++i)
      for (index_t j = 0; j < total.size(); ++j) total.data()[j] += each.data()[i * total.size() + j];
    CHECK(weights.size() == n);
    return total;
  }
};

array<token, 2> one_item(index_t D) { return array<token, 2>(1, D); }  // (1, D)

double entropy(const array<double, 1>& law) {
  double total = 0;
  for (double p : law) total -= p > 0 ? p * std::log(p) : 0;
  return total;
}

}  // namespace

// The sum of the marginal divergences bounds the joint one from below only where the mixture is a product: the teacher's product can
// lie closer to a correlated law than to its marginals.
TEST_CASE("laws: distillation bound >= joint divergence >= every marginal divergence") {
  int below_the_sum = 0;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const laws::site<double, softmax> at(softmax{}, one_item(3), 1 + static_cast<index_t>(seed % 4), 3, 1, seed);
    const laws::reference<double, softmax> formula{at, false};
    const laws::tested one = laws::on(1);
    auto bound = make_objective<double>(at.head, at.tokens, at.M, at.S, {}, distillation_bound<double>{at.teacher});
    auto marginal = make_objective<double>(at.head, at.tokens, at.M, at.S, {}, marginal_divergence<double>{at.teacher});
    double joint = 0;  // KL(product of T_d || mixture)
    laws::for_each_sequence(3, 3, [&](const std::vector<token>& x) {
      double p = 1;
      for (index_t d = 0; d < 3; ++d) p *= at.teacher(0, d, x[static_cast<std::size_t>(d)]);
      joint += p * std::log(p / formula.joint(0, [&](index_t d) { return x[static_cast<std::size_t>(d)]; }));
    });
    const double upper = value(bound, at.given(), one), sum = value(marginal, at.given(), one);
    CHECK(upper >= joint - 1e-14);
    CHECK(upper >= sum - 1e-14);
    for (index_t d = 0; d < 3; ++d) {
      double single = 0;
      for (index_t s = 0; s < 3; ++s) single += formula.divergence(at.teacher(0, d, s), formula.marginal(0, d, s));
      CHECK(joint >= single - 1e-14);
    }
    if (at.M == 1) {
      CHECK(upper == doctest::Approx(sum).epsilon(1e-13));
      CHECK(joint == doctest::Approx(sum).epsilon(1e-13));
    } else {
      CHECK(upper > joint + 1e-6);
      below_the_sum += joint < sum;
    }
  }
  CHECK(below_the_sum > 0);
}

TEST_CASE("laws: the average of likelihood gradients is the gradient of the exact divergence") {
  const laws::site<double, softmax> at(softmax{}, one_item(3), 3, 3, 1);
  const laws::reference<double, softmax> formula{at, false};
  const enumeration all(at);
  array<double, 1> law(all.n);  // (n) any law of sequences
  double total = 0;
  for (index_t i = 0; i < all.n; ++i) total += law(i) = std::pow(laws::uniform_number(9, i), 3);
  for (double& p : law) p /= total;

  double value = 0;
  const auto average = all.average_gradient(law, joint_negative_log_likelihood<double>{all.targets, {law}}, &value);
  // p_mds Γ_m - sum over x with x_d = s of P(x) γ_m(x)
  array<double, 4> expected(1, 3, 3, 3);  // (1, M, D, S)
  double divergence = 0;
  for (index_t i = 0; i < all.n; ++i) {
    const auto x = [&](index_t d) { return all.targets(i, 0, d); };
    divergence += law(i) * std::log(law(i) / formula.joint(0, x));
    for (index_t m = 0; m < 3; ++m) {
      const double gamma = formula.component(0, m, x) / 3 / formula.joint(0, x);
      for (index_t d = 0; d < 3; ++d)
        for (index_t s = 0; s < 3; ++s) expected(0, m, d, s) += law(i) * gamma * (formula.p(0, m, d, s) - (x(d) == s));
    }
  }
  CHECK(value - entropy(law) == doctest::Approx(divergence).epsilon(1e-13));
  laws::worst difference;
  for (index_t j = 0; j < expected.size(); ++j) difference.see(std::abs(expected.data()[j] - average.data()[j]), j);
  difference.check("average of gradients = gradient of the divergence", 1e-14);
}

TEST_CASE("laws: with the control variate the mean is the same, value and gradient") {
  for (std::uint64_t seed : {1u, 2u, 3u}) {
    // targets from a fixed product law T, as the student's draws at one x_u and λ'
    const laws::site<double, softmax> at(softmax{}, one_item(3), 4, 3, 1, seed);
    const enumeration all(at);
    array<double, 1> law(all.n);  // (n)
    for (index_t i = 0; i < all.n; ++i) {
      law(i) = 1;
      for (index_t d = 0; d < 3; ++d) law(i) *= at.teacher(0, d, all.targets(i, 0, d));
    }
    double plain = 0, varied = 0;
    const auto gradient = all.average_gradient(law, joint_negative_log_likelihood<double>{all.targets, {law}}, &plain);
    const auto with_variate = all.average_gradient(law, correlation<double>{all.targets, {law}}, &varied);
    auto marginal = make_objective<double>(at.head, at.tokens, at.M, at.S, {}, marginal_divergence<double>{at.teacher});
    array<double, 4> marginal_gradient(1, 4, 3, 3);  // (1, M, D, S)
    const double divergence = value_and_gradient(marginal, at.given(), marginal_gradient.whole(), laws::on(1));
    CHECK(plain == doctest::Approx(varied + divergence + entropy(law)).epsilon(1e-13));
    laws::worst difference;
    for (index_t j = 0; j < gradient.size(); ++j)
      difference.see(std::abs(gradient.data()[j] - with_variate.data()[j] - marginal_gradient.data()[j]), j);
    difference.check("E grad -log p = E grad L_cor + grad sum_d KL(T_d || P_d)", 1e-14);
  }
}

TEST_CASE("laws: near a product model the control variate takes the variance away") {
  // trace of the variance of the gradient over x ~ T, without over with; components that nearly agree
  for (double noise : {0.1, 0.5}) {
    laws::site<double, softmax> at(softmax{}, one_item(3), 4, 3, 1, 5);
    for (index_t j = 0; j < at.raw.size(); ++j) at.raw.data()[j] *= noise / 2;
    const enumeration all(at);
    array<double, 1> law(all.n), ones(all.n);  // (n)
    ones.fill(1);
    for (index_t i = 0; i < all.n; ++i) {
      law(i) = 1;
      for (index_t d = 0; d < 3; ++d) law(i) *= at.teacher(0, d, all.targets(i, 0, d));
    }
    const auto variance = [&](auto term) {
      auto loss = make_objective<double>(softmax{}, all.x_t, all.M, all.S, {}, term);
      array<double, 4> each(all.n, all.M, all.D, all.S);  // (n, M, D, S)
      value_and_gradient(loss, view<const double, 4>(all.raw), each.whole(), laws::on(1), gradient_mode::overwrite, 1.0);
      double trace = 0;
      for (index_t j = 0; j < all.M * all.D * all.S; ++j) {
        double mean = 0, square = 0;
        for (index_t i = 0; i < all.n; ++i) {
          const double g = each.data()[i * all.M * all.D * all.S + j];
          mean += law(i) * g;
          square += law(i) * g * g;
        }
        trace += square - mean * mean;
      }
      return trace;
    };
    CHECK(variance(joint_negative_log_likelihood<double>{all.targets}) > 2 * variance(correlation<double>{all.targets}));
  }
}
