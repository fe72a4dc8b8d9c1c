// The laws of marginal.hpp and objective.hpp, for any head and any terms. A `site` is a small random case; a reference writes out
// every formula in double as a plain sum over components, states and sequences.
#pragma once

#include <dimix/objective.hpp>

#include "laws/backends.hpp"
#include "laws/support.hpp"

#include <functional>

namespace laws {

/// x_t (B, D), raw outputs (B, M, D, outputs), log-weights (B, M), the teacher's rows T (B, D, S), targets (B, K, D), item weights (B).
template <class Real, class Head>
struct site {
  Head head;
  index_t B, M, D, S, K;
  array<token, 2> tokens;
  array<Real, 4> raw;
  array<Real, 2> log_weights;
  array<Real, 3> teacher;
  array<token, 3> targets;
  array<Real, 1> weights;

  /// At positions where the head's row is certain, teacher and targets say the same.
  site(const Head& h, const array<token, 2>& x_t, index_t components, index_t states, index_t target_count,
       std::uint64_t seed = 1)
      : head(h),
        B(x_t.extent(0)),
        M(components),
        D(x_t.extent(1)),
        S(states),
        K(target_count),
        tokens(x_t),
        raw(B, M, D, h.outputs(S)),
        log_weights(B, M),
        teacher(B, D, S),
        targets(B, K, D),
        weights(B) {
    fill_noise(raw, seed, 2);
    fill_noise(log_weights, seed + 1, 1);
    for (index_t b = 0; b < B; ++b) {
      weights(b) = static_cast<Real>(0.5 + static_cast<double>(b));
      for (index_t d = 0; d < D; ++d) {
        // teacher and targets live where the components do
        double total = 0;
        for (index_t s = 0; s < S; ++s) {
          const bool possible = log_row(b, 0, d, s) > -dimix::infinity<Real>();
          teacher(b, d, s) =
              possible ? static_cast<Real>(std::exp(3 * uniform_number(seed + 2, (b * D + d) * S + s))) : Real(0);
          total += static_cast<double>(teacher(b, d, s));
        }
        for (index_t s = 0; s < S; ++s) teacher(b, d, s) = static_cast<Real>(static_cast<double>(teacher(b, d, s)) / total);
        for (index_t k = 0; k < K; ++k) {
          auto x = static_cast<token>(uniform_number(seed + 3, (b * K + k) * D + d) * static_cast<double>(S));
          while (teacher(b, d, x) == 0) x = static_cast<token>((x + 1) % S);
          targets(b, k, d) = x;
        }
      }
    }
  }

  view<const Real, 4> given() const { return raw; }

  Real log_row(index_t b, index_t m, index_t d, index_t s) const {
    const dimix::place at{b, d, tokens(b, d)};
    const view<const Real, 1> outputs = given().row(b, m, d);
    return head.template row<Real>(outputs, at, head.template observe<Real>(dimix::serial_group{}, outputs, at)).log_prob(s);
  }
};

/// The formulas of paper section 3, written out.
template <class Real, class Head>
struct reference {
  const site<Real, Head>& at;
  bool weighted;

  double p(index_t b, index_t m, index_t d, index_t s) const { return std::exp(static_cast<double>(at.log_row(b, m, d, s))); }
  double pi(index_t b, index_t m) const {
    if (!weighted) return 1.0 / static_cast<double>(at.M);
    double total = 0;
    for (index_t n = 0; n < at.M; ++n) total += std::exp(static_cast<double>(at.log_weights(b, n)));
    return std::exp(static_cast<double>(at.log_weights(b, m))) / total;
  }
  double marginal(index_t b, index_t d, index_t s) const {
    double total = 0;
    for (index_t m = 0; m < at.M; ++m) total += pi(b, m) * p(b, m, d, s);
    return total;
  }
  template <class Sequence>
  double component(index_t b, index_t m, const Sequence& x) const {
    double product = 1;
    for (index_t d = 0; d < at.D; ++d) product *= p(b, m, d, x(d));
    return product;
  }
  template <class Sequence>
  double joint(index_t b, const Sequence& x) const {
    double total = 0;
    for (index_t m = 0; m < at.M; ++m) total += pi(b, m) * component(b, m, x);
    return total;
  }
  static double divergence(double t, double p) { return t == 0 ? 0 : t * std::log(t / p); }

  double distillation(index_t b) const {
    double total = 0;
    for (index_t m = 0; m < at.M; ++m)
      for (index_t d = 0; d < at.D; ++d)
        for (index_t s = 0; s < at.S; ++s)
          total += pi(b, m) * divergence(static_cast<double>(at.teacher(b, d, s)), p(b, m, d, s));
    return total;
  }
  double marginals(index_t b) const {
    double total = 0;
    for (index_t d = 0; d < at.D; ++d)
      for (index_t s = 0; s < at.S; ++s) total += divergence(static_cast<double>(at.teacher(b, d, s)), marginal(b, d, s));
    return total;
  }
  double negative_log_likelihood(index_t b) const {
    double total = 0;
    for (index_t k = 0; k < at.K; ++k)
      total -= std::log(joint(b, [&](index_t d) { return at.targets(b, k, d); })) / static_cast<double>(at.K);
    return total;
  }
  double correlation(index_t b) const {
    double total = negative_log_likelihood(b);
    for (index_t k = 0; k < at.K; ++k)
      for (index_t d = 0; d < at.D; ++d) total += std::log(marginal(b, d, at.targets(b, k, d))) / static_cast<double>(at.K);
    return total;
  }
};

/// A user's term: the entropy of every component and the square of the marginals, with slopes.
template <class Real>
struct sharpness {
  Real strength;
  static constexpr bool uses_components = true, uses_marginals = true, uses_joint = false;
  DIMIX_HD Real weight(index_t) const { return strength; }
  DIMIX_HD dimix::slope_of<Real> component(index_t, index_t, index_t, Real log_p) const {
    using std::exp;
    if (log_p == -dimix::infinity<Real>()) return {Real(0), Real(0)};
    const Real p = exp(log_p);
    return {-p * log_p, -p * (log_p + Real(1))};
  }
  DIMIX_HD dimix::slope_of<Real> marginal(index_t, index_t, index_t, Real log_p) const {
    using std::exp;
    const Real square = exp(2 * log_p);
    return {square, 2 * square};
  }
  void check(index_t, index_t, index_t, index_t) const {}
};

/// The gradient with respect to raw outputs and log-weights is the central difference of the loss; the modes of writing agree; chunks
/// and threads change nothing; rows of softmax sum to zero.
template <class Head, class... Terms>
void check_objective(site<double, Head>& at, bool weighted, const tested& one, const Terms&... terms) {
  using dimix::gradient_mode;
  const double tolerance = 1e-7;
  const dimix::objective_options<double> options{
      .log_weights = weighted ? view<const double, 2>(at.log_weights) : view<const double, 2>{}, .log_weight_gradient = true};
  const auto make = [&] { return dimix::make_objective<double>(at.head, at.tokens, at.M, at.S, options, terms...); };
  const auto raw = at.given();
  const index_t outputs = raw.extent(3);
  array<double, 4> gradient(at.B, at.M, at.D, outputs);  // (B, M, D, outputs)
  gradient.fill(99);                                     // every output must be written
  auto loss = make();
  const double total = dimix::value_and_gradient(loss, raw, gradient.whole(), one);
  array<double, 2> weight_gradient(at.B, at.M);  // (B, M)
  loss.log_weight_gradient(weight_gradient.whole());

  worst derivative, weight_derivative, sums;
  const auto loss_now = [&] {
    auto again = make();
    return dimix::value(again, at.given(), one);
  };
  const auto difference = [&](double& x) {
    const double h = 1e-5, kept = x;
    x = kept + h;
    const double above = loss_now();
    x = kept - h;
    const double below = loss_now();
    x = kept;
    return (above - below) / (2 * h);
  };
  for (index_t i = 0; i < at.raw.size(); ++i)
    derivative.see(std::abs(difference(at.raw.data()[i]) - gradient.data()[i]), "flat index", i, "of (B, M, D, outputs)");
  derivative.check("gradient = central difference", tolerance);
  if (weighted)
    for (index_t i = 0; i < at.log_weights.size(); ++i)
      weight_derivative.see(std::abs(difference(at.log_weights.data()[i]) - weight_gradient.data()[i]), "flat index", i,
                            "of (B, M)");
  weight_derivative.check("log-weight gradient = central difference", tolerance);
  for (index_t row = 0; row < at.B * at.M * at.D; ++row) {
    double sum = 0;
    for (index_t o = 0; o < outputs; ++o) sum += gradient.data()[row * outputs + o];
    sums.see(std::abs(sum), "row", row);
  }
  if (dimix::reads_logits<Head>)
    sums.check("gradient rows sum to zero: a constant added to the outputs changes nothing", 1e-14);

  // modes and scale
  array<double, 4> twice(at.B, at.M, at.D, outputs), in_place = at.raw;  // (B, M, D, outputs)
  auto same = make();
  dimix::value_and_gradient(same, raw, twice.whole(), one, gradient_mode::overwrite, 0.25);
  worst scaled;
  for (index_t i = 0; i < twice.size(); ++i)
    scaled.see(std::abs(twice.data()[i] - 0.25 * static_cast<double>(at.B) * gradient.data()[i]), i);
  scaled.check("scale multiplies", 1e-14);
  twice = gradient;
  same.gradient(raw, 0, twice.whole(), one, gradient_mode::accumulate);
  worst accumulated;
  for (index_t i = 0; i < twice.size(); ++i) accumulated.see(std::abs(twice.data()[i] - 2 * gradient.data()[i]), i);
  accumulated.check("accumulate adds", 1e-15);
  auto overwriting = make();
  const view<const double, 4> on_itself = in_place;
  dimix::value_and_gradient(overwriting, on_itself, in_place.whole(), one);
  CHECK(in_place == gradient);

  // chunks in any split, and an object used again
  for (const std::vector<index_t>& split :
       std::vector<std::vector<index_t>>{{1, at.M - 1}, std::vector<index_t>(static_cast<std::size_t>(at.M), 1)}) {
    auto streamed = make();
    for (int round = 0; round < 2; ++round) {
      std::vector<array<double, 4>> chunks;
      for (index_t first = 0, i = 0; i < static_cast<index_t>(split.size()); first += split[static_cast<std::size_t>(i++)]) {
        chunks.emplace_back(at.B, split[static_cast<std::size_t>(i)], at.D, outputs);  // (B, Mc, D, outputs)
        for (index_t b = 0; b < at.B; ++b)
          std::copy_n(at.raw.whole()[b].row(first, 0).data(), chunks.back().size() / at.B, chunks.back().whole()[b].data());
      }
      index_t first = 0;
      for (const auto& chunk : chunks) {
        streamed.observe(chunk.whole(), first, one);
        first += chunk.extent(1);
      }
      streamed.close(one);
      CHECK(std::abs(streamed.loss() - total) <= 1e-13 * std::abs(total));
      first = 0;
      worst apart;
      for (auto& chunk : chunks) {
        const view<const double, 4> part = chunk;
        streamed.gradient(part, first, chunk.whole(), one);  // in place
        for (index_t b = 0; b < at.B; ++b)
          for (index_t i = 0; i < chunk.size() / at.B; ++i)
            apart.see(std::abs(chunk.whole()[b].data()[i] - gradient.whole()[b].row(first, 0).data()[i]), b, first, i);
        first += chunk.extent(1);
      }
      apart.check("chunks do not matter", 1e-14);
    }
  }

  // threads
  for (int threads : {2, 3}) {
    const tested several = on(threads);
    auto parallel = make();
    array<double, 4> other(at.B, at.M, at.D, outputs);  // (B, M, D, outputs)
    CHECK(dimix::value_and_gradient(parallel, raw, other.whole(), several) == total);
    CHECK(other == gradient);
  }
}

/// Every term alone.
template <class Head>
void check_terms_alone(site<double, Head>& at, const tested& one) {
  using namespace dimix;
  const view<const double, 3> T = at.teacher;
  const view<const token, 3> x = at.targets;
  const item_weights<double> weights{at.weights};
  for (bool weighted : {false, true}) {
    CAPTURE(weighted);
    check_objective(at, weighted, one, distillation_bound<double>{T, weights});
    check_objective(at, weighted, one, marginal_divergence<double>{T, weights});
    check_objective(at, weighted, one, correlation<double>{x, weights});
    check_objective(at, weighted, one, joint_negative_log_likelihood<double>{x});
    check_objective(at, weighted, one, consistency<double>{{x, weights}, {T}});
    check_objective(at, weighted, one, sharpness<double>{0.7});
  }
}

/// All terms together.
template <class Head>
void check_terms_together(site<double, Head>& at, const tested& one) {
  using namespace dimix;
  const view<const double, 3> T = at.teacher;
  const view<const token, 3> x = at.targets;
  for (bool weighted : {false, true}) {
    CAPTURE(weighted);
    check_objective(at, weighted, one, consistency<double>{{x, {at.weights, 0.5}}, {T}},
                    correlation<double>{x, {at.weights, 0.1}}, sharpness<double>{0.3}, marginal_divergence<double>{T},
                    distillation_bound<double>{T, {at.weights, 2}}, joint_negative_log_likelihood<double>{x, {{}, 0.2}});
  }
}

/// Values of every term against the formulas written out.
template <class Real, class Head>
void check_values(const site<Real, Head>& at, const tested& one, double tolerance) {
  using namespace dimix;
  for (bool weighted : {false, true}) {
    const reference<Real, Head> formula{at, weighted};
    auto loss = make_objective<Real>(
        at.head, at.tokens, at.M, at.S, {.log_weights = weighted ? view<const Real, 2>(at.log_weights) : view<const Real, 2>{}},
        distillation_bound<Real>{at.teacher, {at.weights}}, marginal_divergence<Real>{at.teacher, {{}, Real(2)}},
        joint_negative_log_likelihood<Real>{at.targets}, correlation<Real>{at.targets, {at.weights, Real(0.5)}},
        consistency<Real>{{at.targets}, {at.teacher}});
    const Real total = value(loss, at.given(), one);
    worst values;
    double sum = 0;
    for (index_t b = 0; b < at.B; ++b) {
      const double expected[] = {formula.distillation(b), formula.marginals(b), formula.negative_log_likelihood(b),
                                 formula.correlation(b), formula.correlation(b) + formula.marginals(b)};
      const double weight[] = {static_cast<double>(at.weights(b)), 2, 1, 0.5 * static_cast<double>(at.weights(b)), 1};
      for (index_t j = 0; j < 5; ++j) {
        values.see(std::abs(static_cast<double>(loss.value(j)(b)) - expected[j]) / (1 + std::abs(expected[j])), "term", j,
                   "item", b);
        sum += weight[j] * expected[j] / static_cast<double>(at.B);
      }
    }
    values.see(std::abs(static_cast<double>(total) - sum) / (1 + std::abs(sum)), "loss");
    values.check("values are the formulas", tolerance);
  }
}

/// Whether a head, or one that it is over, holds something for each item: the kernels of stepped.
template <class Head>
inline constexpr bool knows_items = requires(const Head head) { head.kernels; } ||
    []<class... Inner>(dimix::heads<Inner...>) { return (knows_items<Inner> || ...); }(dimix::heads_under<Head>());

/// The marginalisation against sums over all S^D sequences.
template <class Real, class Head>
void check_marginalisation(const site<Real, Head>& at, const tested& one, double tolerance) {
  for (bool weighted : {false, true}) {
    const reference<Real, Head> formula{at, weighted};
    const view<const Real, 2> weights = weighted ? view<const Real, 2>(at.log_weights) : view<const Real, 2>{};
    // the sequences that each item can be (a target of probability zero is an error), filled up with its first
    std::vector<std::vector<std::vector<token>>> all(static_cast<std::size_t>(at.B));
    for_each_sequence(at.D, at.S, [&](const std::vector<token>& x) {
      for (index_t b = 0; b < at.B; ++b) {
        bool possible = true;
        for (index_t d = 0; d < at.D; ++d) possible = possible && at.teacher(b, d, x[static_cast<std::size_t>(d)]) > 0;
        if (possible) all[static_cast<std::size_t>(b)].push_back(x);
      }
    });
    const auto own = [&](index_t b) { return static_cast<index_t>(all[static_cast<std::size_t>(b)].size()); };
    index_t K = 0;
    for (index_t b = 0; b < at.B; ++b) K = std::max(K, own(b));
    array<token, 3> sequences(at.B, K, at.D);  // (B, K, D)
    for (index_t b = 0; b < at.B; ++b)
      for (index_t k = 0; k < K; ++k) {
        const auto& x = all[static_cast<std::size_t>(b)][static_cast<std::size_t>(k < own(b) ? k : 0)];
        std::copy(x.begin(), x.end(), sequences.whole().row(b, k).data());
      }
    const auto log_joint =
        dimix::log_likelihood<Real>(at.head, at.tokens, at.given(), sequences.whole(), at.S, one, weights);  // (B, K)
    const auto rows = dimix::marginals<Real>(at.head, at.tokens, at.given(), at.S, one, weights);            // (B, D, S)
    const auto gamma =
        dimix::responsibilities<Real>(at.head, at.tokens, at.given(), sequences.whole(), at.S, one, weights);  // (B, M, K)
    worst joints, by_summing, mass, shares;
    for (index_t b = 0; b < at.B; ++b) {
      double total = 0;
      array<double, 2> summed(at.D, at.S);  // (D, S)
      for (index_t k = 0; k < own(b); ++k) {
        const auto x = [&](index_t d) { return sequences(b, k, d); };
        const double p = std::exp(static_cast<double>(log_joint(b, k)));
        joints.see(std::abs(p - formula.joint(b, x)), "item", b, "sequence", k);
        total += p;
        for (index_t d = 0; d < at.D; ++d) summed(d, x(d)) += p;
        double sum = 0;
        for (index_t m = 0; m < at.M; ++m) {
          sum += static_cast<double>(gamma(b, m, k));
          shares.see(std::abs(static_cast<double>(gamma(b, m, k)) -
                              formula.pi(b, m) * formula.component(b, m, x) / formula.joint(b, x)),
                     "item", b, "component", m);
        }
        shares.see(std::abs(sum - 1), "sum of item", b, "target", k);
      }
      mass.see(std::abs(total - 1), "item", b);
      for (index_t d = 0; d < at.D; ++d)
        for (index_t s = 0; s < at.S; ++s)
          by_summing.see(std::abs(static_cast<double>(rows(b, d, s)) - summed(d, s)), "item", b, "d =", d, "s =", s);
    }
    joints.check("joint likelihood = sum of products", tolerance);
    mass.check("the joint law sums to 1", 16 * tolerance);
    by_summing.check("marginals are the sums of the joint law", 16 * tolerance);
    shares.check("responsibilities are Bayes' rule over components and sum to 1", 16 * tolerance);

    if constexpr (knows_items<Head>) continue;    // B of them, not B M
    array<token, 2> repeated(at.B * at.M, at.D);  // (B M, D)
    for (index_t row = 0; row < at.B * at.M; ++row)
      std::copy_n(at.tokens.whole().row(row / at.M).data(), at.D, repeated.whole().row(row).data());
    const view<const Real, 4> apart(at.given().data(), at.B * at.M, 1, at.D, at.given().extent(3));  // (B M, 1, D, outputs)
    const auto mean = dimix::mean_rows<Real>(at.head, repeated, apart, at.M, at.S, one),
               mixed = dimix::marginals<Real>(at.head, at.tokens, at.given(), at.S, one);  // (B, D, S)
    worst means;
    for (index_t i = 0; i < mean.size(); ++i)
      means.see(std::abs(static_cast<double>(mean.data()[i] - mixed.data()[i])), "i =", i);
    means.check("marginals of equal weights are the mean of the components' rows", 16 * tolerance);

    array<std::uint64_t, 1> items(at.B * at.M);                                            // (B M)
    array<token, 2> with_mean(at.B * at.M, at.D);                                          // (B M, D)
    array<token, 3> apart_drawn(at.B * at.M, 1, at.D);                                     // (B M, 1, D)
    for (index_t i = 0; i < items.size(); ++i) items(i) = static_cast<std::uint64_t>(7 * i);
    index_t others = 0;
    for (index_t step = 0; step < 50; ++step) {
      CHECK(dimix::draw_with_mean_rows<Real>(at.head, repeated, apart, at.M, at.S, dimix::rng{5}, dimix::purpose::target, items,
                                             step, with_mean.whole(), one) == mean);
      dimix::draw_tokens<Real>(at.head, repeated, apart, at.S, dimix::rng{5}, dimix::purpose::target, items, step,
                               apart_drawn.whole(), one);
      for (index_t i = 0; i < with_mean.size(); ++i) others += with_mean.data()[i] != apart_drawn.data()[i];
    }
    CAPTURE(others);
    CHECK(others <= 1);  // of thousands: where bits fall between two roundings
  }
}

}  // namespace laws
