// The laws of nn/linear_head: what objectives and marginalisation say of explicit logits, without them.
#include "nn/linear_head.hpp"

using namespace dimix;
using namespace linear_head_tests;

namespace {

/// A term of a user's, which knows single states only: gamma sum_s P(s)^2, and the same of every component.
template <class Real, bool OfComponents>
struct purity {
  Real gamma;
  static constexpr bool uses_components = OfComponents, uses_marginals = !OfComponents, uses_joint = false;
  Real weight(index_t) const { return gamma; }
  slope_of<Real> component(index_t, index_t, index_t, Real log_p) const { return marginal(0, 0, 0, log_p); }
  slope_of<Real> marginal(index_t, index_t, index_t, Real log_p) const {
    const Real square = std::exp(2 * log_p);
    return {square, 2 * square};
  }
  void check(index_t, index_t, index_t, index_t) const {}
};

/// Values and gradients of terms are those over explicit logits, for any tiles and threads.
template <class Real, class Rows, class... Terms>
void same_as_explicit(const head_case<Real, Rows>& at, bool weighted, double tolerance, const Terms&... terms) {
  const cpu one(1);
  const objective_options<Real> options{.log_weights = weighted ? view<const Real, 2>(at.log_weights) : view<const Real, 2>{},
                                        .log_weight_gradient = true};
  const array<Real, 4> z = at.logits();      // (B, M, D, S)
  array<Real, 4> G(at.B, at.M, at.D, at.S);  // (B, M, D, S)
  auto expected = make_objective<Real>(at.rows, at.x_t, at.M, at.S, options, terms...);
  const Real total = value_and_gradient(expected, view<const Real, 4>(z), G.whole(), one);
  array<Real, 2> expected_weights(at.B, at.M), weights(at.B, at.M);  // (B, M)
  expected.log_weight_gradient(expected_weights.whole());
  const gradients<Real> wanted = chained(at, G);
  double size = 0;
  gradients<Real>(wanted).each([&](Real g) { size = std::max(size, std::abs(static_cast<double>(g))); });
  CHECK(size > 1e-3);

  for (const nn::linear_tiles& tiles : odd_tiles()) {
    auto loss = nn::make_linear_objective<Real>(at.head(tiles), at.x_t, at.M, options, terms...);
    gradients<Real> got(at);
    const Real value = value_and_gradient(loss, at.given(), got.out(), one);
    loss.log_weight_gradient(weights.whole());
    CHECK(std::abs(static_cast<double>(value - total)) <= tolerance * (1 + std::abs(static_cast<double>(total))));
    for (index_t j = 0; j < static_cast<index_t>(sizeof...(Terms)); ++j)
      for (index_t b = 0; b < at.B; ++b) {
        const auto in_words = static_cast<double>(expected.value(j)(b));
        CHECK(std::abs(loss.value(j)(b) - in_words) <= tolerance * (1 + std::abs(in_words)));
      }
    CHECK(distance(got, wanted) <= tolerance);
    worst of_weights;
    for (index_t i = 0; i < weights.size(); ++i)
      of_weights.see(std::abs(static_cast<double>(weights.data()[i] - expected_weights.data()[i])), i);
    of_weights.check("gradient of the log-weights", tolerance);

    for (int threads : {2, 3}) {
      auto again = nn::make_linear_objective<Real>(at.head(tiles), at.x_t, at.M, options, terms...);
      gradients<Real> other(at);
      CHECK(value_and_gradient(again, at.given(), other.out(), cpu(threads)) == value);
      CHECK(other == got);
    }
  }
}

/// Likelihoods alone, which need no marginals, and terms of every kind together.
template <class Real, class Rows>
void check_together(const head_case<Real, Rows>& at, double tolerance) {
  const view<const Real, 3> T = at.teacher;
  const view<const token, 3> x = at.targets;
  const item_weights<Real> weights{at.weights};
  for (bool weighted : {false, true}) {
    CAPTURE(weighted);
    same_as_explicit(at, weighted, tolerance, joint_negative_log_likelihood<Real>{x, weights});
    same_as_explicit(at, weighted, tolerance, consistency<Real>{{x, weights}, {T}}, correlation<Real>{x, {{}, Real(0.1)}},
                     marginal_divergence<Real>{T}, total_variation<Real>{T, weights},
                     distillation_bound<Real>{T, {{}, Real(2)}}, joint_negative_log_likelihood<Real>{x, {{}, Real(0.2)}});
  }
}

/// Every kind of term alone.
template <class Real, class Rows>
void check_alone(const head_case<Real, Rows>& at, double tolerance) {
  const view<const Real, 3> T = at.teacher;
  const view<const token, 3> x = at.targets;
  const item_weights<Real> weights{at.weights};
  same_as_explicit(at, true, tolerance, correlation<Real>{x, weights});
  same_as_explicit(at, true, tolerance, marginal_divergence<Real>{T, weights});
  same_as_explicit(at, true, tolerance, distillation_bound<Real>{T, weights});
  same_as_explicit(at, true, tolerance, squared_error<Real>{T}, jackknife_negative_log_likelihood<Real>{x});
  same_as_explicit(at, true, tolerance, purity<Real, true>{Real(0.7)}, purity<Real, false>{Real(0.3)});
}

}  // namespace

TEST_CASE("linear head: objectives are those of explicit logits, softmax") {
  const head_case<double, softmax> at(softmax{}, 2, 3, 4, 37, 6, 2);
  check_alone(at, 1e-13);
  check_together(at, 1e-13);
  check_together(head_case<float, softmax>(softmax{}, 2, 3, 4, 37, 6, 2), 4e-6);
}

TEST_CASE("linear head: objectives are those of explicit logits, subs: what is certain is skipped") {
  check_together(head_case<double, subs>(subs{36}, 2, 3, 5, 37, 6, 2), 1e-13);
  check_together(head_case<double, subs>(subs{7}, 2, 3, 5, 37, 6, 2), 1e-13);
  check_together(head_case<float, subs>(subs{20}, 2, 3, 5, 37, 6, 2), 4e-6);
  check_together(head_case<double, values_only>(values_only{3}, 2, 3, 5, 37, 6, 2), 1e-13);
}

TEST_CASE("linear head: a shape of many tiles and panels") {
  const head_case<float, softmax> at(softmax{}, 1, 4, 70, 900, 24, 4);
  same_as_explicit(at, false, 2e-5, correlation<float>{at.targets}, marginal_divergence<float>{at.teacher});
}

TEST_CASE("linear head: gradients of hidden vectors, matrix and bias are central differences") {
  const cpu one(1);
  head_case<double, subs> at(subs{5}, 2, 2, 3, 11, 4, 2);
  const auto make = [&] {
    return nn::make_linear_objective<double>(at.head({1, 4, 2, 1}), at.x_t, at.M, {.log_weights = at.log_weights},
                                             consistency<double>{{at.targets, {at.weights}}, {at.teacher}},
                                             distillation_bound<double>{at.teacher});
  };
  auto loss = make();
  gradients<double> gradient(at);
  value_and_gradient(loss, at.given(), gradient.out(), one);
  worst derivative;
  const auto compare = [&](auto& numbers, const auto& gradients_of) {
    for (index_t i = 0; i < numbers.size(); ++i) {
      double& x = numbers.data()[i];
      const double h = 1e-5, kept = x;
      const auto at_x = [&](double moved) {
        x = moved;
        auto again = make();
        return value(again, at.given(), one);
      };
      const double above = at_x(kept + h), below = at_x(kept - h);
      x = kept;
      derivative.see(std::abs((above - below) / (2 * h) - gradients_of.data()[i]), i);
    }
  };
  compare(at.hidden, gradient.hidden);
  compare(at.matrix, gradient.matrix);
  compare(at.bias, gradient.bias);
  derivative.check("gradient = central difference", 1e-7);
}

TEST_CASE("linear head: modes, scale, gradients that are not wanted, no bias, in place, an object used again") {
  const cpu one(1);
  const head_case<double, subs> at(subs{36}, 2, 3, 5, 37, 6, 2);
  const nn::linear_tiles tiles{1, 8, 2, 2};
  auto loss = nn::make_linear_objective<double>(at.head(tiles), at.x_t, at.M, {}, correlation<double>{at.targets});
  gradients<double> whole(at), twice(at, 1), scaled(at), part(at), again(at);
  const double total = value_and_gradient(loss, at.given(), whole.out(), one);
  loss.gradient(at.given(), twice.out(), one, gradient_mode::accumulate);
  twice.each([](double& g) { g -= 1; });
  CHECK(distance(twice, whole) < 1e-14);
  loss.gradient(at.given(), scaled.out(), one, gradient_mode::overwrite, 0.25);
  scaled.each([](double& g) { g *= 2; });  // B = 2
  CHECK(distance(scaled, whole) < 1e-15);

  loss.gradient(at.given(), {.hidden = part.hidden}, one);
  CHECK(part.hidden == whole.hidden);
  CHECK(part.matrix(0, 0) == 99);
  loss.gradient(at.given(), {.matrix = part.matrix}, one);
  CHECK(part.matrix == whole.matrix);
  CHECK(part.bias(0) == 99);
  loss.gradient(at.given(), {.bias = part.bias}, one);
  CHECK(part.bias == whole.bias);

  CHECK(value_and_gradient(loss, at.given(), again.out(), one) == total);
  CHECK(again == whole);
  array<double, 4> in_place = at.hidden;  // (B, M, D, H)
  const view<const double, 4> on_itself = in_place;
  loss.gradient(on_itself, {.hidden = in_place}, one);
  CHECK(in_place == whole.hidden);

  head_case<double, subs> flat = at;
  flat.bias.fill(0);
  auto with_zeros =
      nn::make_linear_objective<double>(flat.head(tiles), flat.x_t, flat.M, {}, correlation<double>{flat.targets});
  auto without = nn::make_linear_objective<double>(nn::linear_head<double, subs>{flat.matrix, {}, subs{36}, tiles}, flat.x_t,
                                                   flat.M, {}, correlation<double>{flat.targets});
  CHECK(value(with_zeros, flat.given(), one) == value(without, flat.given(), one));
}

TEST_CASE("linear head: where all is certain there is nothing to learn, and nothing is multiplied") {
  const cpu one(1);
  head_case<double, subs> at(subs{4}, 1, 2, 3, 5, 4, 1);
  at.x_t.fill(2), at.targets.fill(2), at.teacher.fill(0);
  for (index_t d = 0; d < 3; ++d) at.teacher(0, d, 2) = 1;
  at.hidden.fill(std::nan(""));
  auto loss = nn::make_linear_objective<double>(at.head(), at.x_t, at.M, {}, consistency<double>{{at.targets}, {at.teacher}});
  gradients<double> gradient(at);
  CHECK(value_and_gradient(loss, at.given(), gradient.out(), one) == 0);
  gradient.each([](double g) { CHECK(g == 0); });
}

TEST_CASE("linear head: components of weight zero and probabilities that underflow") {
  const cpu one(1);
  head_case<double, softmax> at(softmax{}, 1, 3, 4, 37, 6, 2);
  at.log_weights(0, 1) = -infinity<double>();
  same_as_explicit(at, true, 1e-13, consistency<double>{{at.targets}, {at.teacher}}, distillation_bound<double>{at.teacher});
  head_case<float, softmax> steep(softmax{}, 1, 3, 4, 37, 6, 2);
  for (float& w : steep.matrix) w *= 200;  // logits of hundreds: e^-200 is no float, and gradients have entries of W as factors
  const array<float, 4> z = steep.logits();
  CHECK(*std::max_element(z.begin(), z.end()) - *std::min_element(z.begin(), z.end()) > 400);
  same_as_explicit(steep, false, 5e-3, consistency<float>{{steep.targets}, {steep.teacher}});
}

TEST_CASE("linear head: hidden vectors and gradients of them in half the bytes") {
  const cpu one(1);
  const head_case<float, softmax> at(softmax{}, 1, 3, 4, 37, 6, 2);
  array<bfloat16, 4> narrow(1, 3, 4, 6), narrow_gradient(1, 3, 4, 6);  // (B, M, D, H)
  head_case<float, softmax> rounded = at;
  for (index_t i = 0; i < narrow.size(); ++i) {
    narrow.data()[i] = bfloat16(at.hidden.data()[i]);
    rounded.hidden.data()[i] = narrow.data()[i];
  }
  auto loss = nn::make_linear_objective<float>(at.head(), at.x_t, at.M, {}, correlation<float>{at.targets});
  gradients<float> from_narrow(at), from_wide(at);
  const view<const bfloat16, 4> given = narrow;
  const nn::linear_gradients<float, bfloat16> out{narrow_gradient, from_narrow.matrix, from_narrow.bias};
  const float total = value_and_gradient(loss, given, out, one);
  CHECK(value_and_gradient(loss, rounded.given(), from_wide.out(), one) == total);
  CHECK(from_narrow.matrix == from_wide.matrix);
  for (index_t i = 0; i < narrow.size(); ++i)
    CHECK(narrow_gradient.data()[i].bits == bfloat16(from_wide.hidden.data()[i]).bits);
}

TEST_CASE("linear head: likelihoods, responsibilities and marginals are those of explicit logits") {
  const cpu one(1), three(3);
  const auto check = [&](const auto& at, double tolerance) {
    using Real = typename std::decay_t<decltype(at.hidden)>::value_type;
    const array<Real, 4> logits = at.logits();
    const view<const Real, 4> z = logits;
    array<token, 3> open = at.targets;  // (B, K, D)
    for (index_t b = 0; b < at.B; ++b) open(b, 0, 1) = -1;
    const auto joint = log_likelihood<Real>(at.rows, at.x_t, z, open.whole(), at.S, one, at.log_weights.whole());
    const auto shares = responsibilities<Real>(at.rows, at.x_t, z, open.whole(), at.S, one, at.log_weights.whole());
    const auto rows = marginals<Real>(at.rows, at.x_t, z, at.S, one, at.log_weights.whole());
    const auto compare = [&](const auto& expected, const auto& of) {
      for (const nn::linear_tiles& tiles : odd_tiles()) {
        const auto got = of(at.head(tiles), one);
        worst difference;
        for (index_t i = 0; i < got.size(); ++i)
          difference.see(std::abs(static_cast<double>(got.data()[i] - expected.data()[i])), i);
        difference.check("linear = explicit", tolerance);
        CHECK(of(at.head(tiles), three) == got);
      }
    };
    compare(joint, [&](const auto& head, const cpu& on) {
      return nn::log_likelihood<Real>(head, at.x_t, at.given(), open, on, at.log_weights);
    });
    compare(shares, [&](const auto& head, const cpu& on) {
      return nn::responsibilities<Real>(head, at.x_t, at.given(), open, on, at.log_weights);
    });
    compare(rows,
            [&](const auto& head, const cpu& on) { return nn::marginals<Real>(head, at.x_t, at.given(), on, at.log_weights); });
  };
  check(head_case<double, softmax>(softmax{}, 2, 3, 5, 37, 6, 2), 1e-13);
  check(head_case<double, subs>(subs{0}, 2, 3, 5, 37, 6, 2), 1e-13);
  check(head_case<float, subs>(subs{36}, 2, 3, 5, 37, 6, 2), 1e-5);
}
