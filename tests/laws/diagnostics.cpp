// Diagnostics against their exact values by enumeration. Intervals are four standard errors: seeds are fixed, so that what passes passes for ever.
#include <dimix/denoiser/tabular.hpp>
#include <dimix/diagnostics.hpp>

#include "laws/sampler.hpp"

using namespace dimix;
using laws::array;

namespace {

/// A random law of 3 positions of 3 states: (27, 3) and (27).
struct random_table {
  array<token, 2> sequences;  // (27, 3)
  array<double, 1> law;       // (27)
  random_table() : sequences(27, 3), law(27) {
    double total = 0;
    for (index_t n = 0; n < 27; ++n) {
      sequences(n, 0) = static_cast<token>(n / 9), sequences(n, 1) = static_cast<token>(n / 3 % 3),
                   sequences(n, 2) = static_cast<token>(n % 3);
      total += law(n) = std::pow(laws::uniform_number(5, n), 6);
    }
    for (double& p : law) p /= total;
  }
  /// Entropy of the positions of a bit set.
  double entropy(int set) const {
    std::vector<double> marginal(27);
    for (index_t n = 0; n < 27; ++n) {
      std::size_t cell = 0;
      for (int d = 0; d < 3; ++d) cell = 3 * cell + (set >> d & 1 ? static_cast<std::size_t>(sequences(n, d)) : 0);
      marginal[cell] += law(n);
    }
    double sum = 0;
    for (double p : marginal) sum -= p > 0 ? p * std::log(p) : 0;
    return sum;
  }
  /// E over what shows (each position with 1 - hit_t) and what is revealed of the rest (to 1 - hit_s) of the total correlation.
  double gap(double hit_t, double hit_s) const {
    double sum = 0;
    for (int shown = 0; shown < 8; ++shown)
      for (int revealed = 0; revealed < 8; ++revealed) {
        if (shown & revealed) continue;
        double chance = 1, correlation = entropy(shown) - entropy(shown | revealed);
        for (int d = 0; d < 3; ++d) {
          const bool out = revealed >> d & 1;
          chance *= shown >> d & 1 ? 1 - hit_t : out ? hit_t - hit_s : hit_s;
          if (out) correlation += entropy(shown | 1 << d) - entropy(shown);
        }
        sum += chance * correlation;
      }
    return sum;
  }
  array<token, 2> sample(index_t B) const {
    array<token, 2> x(B, 3);  // (B, 3)
    for (index_t b = 0; b < B; ++b) {
      const token n = draw_categorical(
          27, [&](index_t i) { return std::log(law(i)); }, rng{77}(purpose::data, static_cast<std::uint64_t>(b), 0, 0, 0));
      for (index_t d = 0; d < 3; ++d) x(b, d) = sequences(n, d);
    }
    return x;
  }
};

const random_table data_law;
const forward_process masked(absorbing<4>{}, log_linear{0});
const tabular teacher(masked, data_law.sequences, data_law.law);
const forward_process redrawn(uniform<3>{}, log_linear{0});
const tabular redrawn_teacher(redrawn, data_law.sequences, data_law.law);

array<token, 2> all_masked(index_t B, index_t D, token mask) {
  array<token, 2> x(B, D);  // (B, D)
  std::fill(x.begin(), x.end(), mask);
  return x;
}

void check_covers(const std::string& what, const measured& seen, double exact) {
  INFO(what << ": " << seen.mean << " +- " << seen.standard_error << ", exact " << exact);
  CHECK(seen.covers(exact, 4));
  CHECK(seen.standard_error < 0.1 * (exact + 0.1));
}

/// Two positions, S = 2 and a mask: both 1 with chance λ. Of a uniform λ, or of three values with weights.
template <class Law>
struct same_chance {
  Law law;
  index_t outputs() const { return 3; }
  Law latent() const { return law; }
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t m = 0; m < asked.components(); ++m)
        for (index_t d = 0; d < asked.dims(); ++d) {
          Real chance = asked.latents(b, m, 0);
          if constexpr (requires { law.components(); }) chance = Real(0.2) + Real(0.3) * chance;
          raw(b, m, d, 0) = std::log1p(-chance), raw(b, m, d, 1) = std::log(chance), raw(b, m, d, 2) = Real(0);
        }
  }
};
const array<double, 1> three_weights = [] {
  array<double, 1> w(3);  // (3)
  w(0) = std::log(0.5), w(1) = std::log(0.3), w(2) = std::log(0.2);
  return w;
}();

}  // namespace

TEST_CASE("diagnostics: the factorization gap of every step is the expected total correlation") {
  const index_t B = laws::draws(4000);
  const time_grid times{1, 0.7, 0.3, 0};
  const auto gaps = factorization_gaps<double>(masked, teacher, all_masked(B, 3, 3), times, {{.seed = 3}});
  for (index_t i = 0; i < 3; ++i)
    for (index_t j = i + 1; j < 4; ++j)
      check_covers("gap", gaps(i, j).divergence,
                   data_law.gap(times[static_cast<std::size_t>(i)], times[static_cast<std::size_t>(j)]));
}

TEST_CASE("diagnostics: by count, a step that reveals one position loses nothing") {
  const auto gaps = factorization_gaps<double>(masked, teacher, all_masked(laws::draws(2000), 3, 3),
                                               counting_grid(log_linear{0}, 3), {{.seed = 3}, true});
  for (index_t i = 0; i < 3; ++i) {
    CHECK(gaps(i, i + 1).divergence.mean < 1e-12);
    CHECK(gaps(i, i + 1).variation.mean < 1e-12);
  }
  const auto together = [](int set) {
    double sum = -data_law.entropy(set);
    for (int d = 0; d < 3; ++d) sum += set >> d & 1 ? data_law.entropy(1 << d) : 0;
    return sum;
  };
  check_covers("all three", gaps(0, 3).divergence, together(7));
  check_covers("two of three", gaps(0, 2).divergence, (together(3) + together(5) + together(6)) / 3);
}

TEST_CASE("diagnostics: the variation of a step is the total variation of the two laws") {
  // both bits alike: a product of coins is off by 1/2, with a mixture of the two constants by nothing
  array<token, 2> pairs(2, 2);  // (2, 2)
  pairs(1, 0) = pairs(1, 1) = 1;
  array<double, 1> half(2);  // (2)
  half.fill(0.5);
  const forward_process process(absorbing<3>{}, log_linear{0});
  const tabular twins(process, pairs, half);
  const step_gap gap = factorization_gap<double>(process, twins, all_masked(100, 2, 2), 1, 0);
  CHECK(gap.variation.mean == doctest::Approx(0.5));
  CHECK(gap.divergence.mean == doctest::Approx(std::log(2)));
}

TEST_CASE("diagnostics: a mixture is compared with its own step, whose chain rule asks it again") {
  // The network does not look at x_t, so that the second position is drawn from its marginal: the joint of the chain is a product of
  // P(1) = E λ, and the divergence from E_λ prod_d p(x_d; λ) is exact over 4 outcomes.
  const forward_process process(absorbing<3>{}, log_linear{0});
  const same_chance<weighted_latent<double>> net{{three_weights}};
  const double w[3] = {0.5, 0.3, 0.2}, c[3] = {0.2, 0.5, 0.8};
  double one = 0, both[3] = {0, 0, 0};  // P(1), and P of 0, 1, 2 ones in one order
  for (int m = 0; m < 3; ++m) {
    one += w[m] * c[m];
    both[0] += w[m] * (1 - c[m]) * (1 - c[m]), both[1] += w[m] * c[m] * (1 - c[m]), both[2] += w[m] * c[m] * c[m];
  }
  double exact = 0;
  for (int ones = 0; ones < 3; ++ones) {
    const double chain = std::pow(one, ones) * std::pow(1 - one, 2 - ones);
    exact += (ones == 1 ? 2 : 1) * chain * std::log(chain / both[ones]);
  }
  const step_gap gap = factorization_gap<double>(process, net, all_masked(laws::draws(8000), 2, 2), 1, 0);
  INFO(gap.divergence.mean << " +- " << gap.divergence.standard_error << ", exact " << exact);
  CHECK(gap.divergence.covers(exact, 4));
}

TEST_CASE("diagnostics: the same gaps for any chunk") {
  const auto one = factorization_gap<double>(masked, teacher, all_masked(30, 3, 3), 1, 0.2, {{.seed = 1, .chunk = 7}});
  const auto other = factorization_gap<double>(masked, teacher, all_masked(30, 3, 3), 1, 0.2, {{.seed = 1, .chunk = 30}});
  CHECK(one.divergence.mean == other.divergence.mean);
  CHECK(one.variation.standard_error == other.variation.standard_error);
}

TEST_CASE("diagnostics: the nested gap lies between its bounds, and is zero for one position") {
  const double t = 1, u = 0.5, s = 0.1;
  const auto rows = [&](view<const token, 1> x, double to, double from) {
    sampler<double, std::decay_t<decltype(redrawn)>, std::decay_t<decltype(redrawn_teacher)>> steps(redrawn, redrawn_teacher);
    array<double, 1> at_s(1), at_t(1);
    at_s(0) = to, at_t(0) = from;
    return steps.rows(view<const token, 2>(x.data(), 1, x.extent(0)), at_s, at_t, view<const double, 3>(nullptr, 1, 1, 0));
  };
  const token x_t[3] = {0, 1, 2};
  const auto once = rows({x_t, 3}, s, t), first = rows({x_t, 3}, u, t);  // (1, D, S)
  const auto product = [](const array<double, 3>& of, const std::vector<token>& x) {
    return of(0, 0, x[0]) * of(0, 1, x[1]) * of(0, 2, x[2]);
  };
  std::vector<double> twice;  // P2, in the order of sequences
  laws::for_each_sequence(3, 3, [&](const auto&) { twice.push_back(0); });
  laws::for_each_sequence(3, 3, [&](const std::vector<token>& x_u) {
    const auto second = rows({x_u.data(), 3}, s, u);
    std::size_t i = 0;
    laws::for_each_sequence(3, 3, [&](const auto& x) { twice[i++] += product(first, x_u) * product(second, x); });
  });
  double exact = 0;
  std::size_t i = 0;
  laws::for_each_sequence(3, 3, [&](const auto& x) { exact += twice[i] * std::log(twice[i] / product(once, x)), ++i; });
  const index_t B = laws::draws(1600);
  array<token, 2> many(B, 3);  // (B, 3)
  for (index_t b = 0; b < B; ++b) std::copy_n(x_t, 3, many.whole().row(b).data());
  const auto bounds = nested_gap<double>(redrawn, redrawn_teacher, many, t, u, s, {{.seed = 2}, 128});
  INFO("exact " << exact << " in " << bounds.low.mean << " +- " << bounds.low.standard_error << ", " << bounds.high.mean
                << " +- " << bounds.high.standard_error);
  CHECK(exact > 0.01);
  CHECK(bounds.low.low(4) < exact);
  CHECK(bounds.high.high(4) > exact);
  CHECK(bounds.high.mean - bounds.low.mean < 0.5 * exact + 2 * bounds.low.standard_error);

  array<token, 2> single(3, 1), x(B, 1);  // (3, 1), (B, 1)
  array<double, 1> law(3);                // (3)
  for (index_t n = 0; n < 3; ++n) single(n, 0) = static_cast<token>(n), law(n) = n == 0 ? 0.6 : 0.2;
  const auto of_one = nested_gap<double>(redrawn, tabular(redrawn, single, law), x, t, u, s, {{.seed = 2}, 24});
  CHECK(of_one.low.low(4) < 0);
  CHECK(of_one.high.high(4) > 0);
}

TEST_CASE("diagnostics: the path bound is the entropy and what the steps lose") {
  const auto x = data_law.sample(laws::draws(6000));
  const auto bound = mean_of(path_bound<double>(masked, teacher, x, {1, 0.6, 0.2, 0}, {{.seed = 4}, 2}));
  check_covers("three steps", bound,
               data_law.entropy(7) + data_law.gap(1, 0.6) + data_law.gap(0.6, 0.2) + data_law.gap(0.2, 0));
  // noise that redraws: never below the entropy, and near it with many steps
  const auto few = data_law.sample(300);
  const auto redraws = mean_of(path_bound<double>(redrawn, redrawn_teacher, few, uniform_grid(32), {{.seed = 4}, 2}));
  CHECK(redraws.high(4) > data_law.entropy(7));
  CHECK(redraws.mean < data_law.entropy(7) + 0.25);
}

namespace {

/// The path bound of one sequence x_0 (D), exactly: over all ways of noise from t = 1 to x_0, which q gives, their log-likelihood less that
/// of the same way back; with the law of λ along it or in every step.
template <class Process, class Net>
double exact_path_bound(const Process& process, const Net& net, view<const token, 1> x_0, const time_grid& grid,
                        latent_scope scope) {
  sampler<double, Process, Net> steps(process, net);
  const auto states = exact::joint_states::of(process.space(), x_0.extent(0));
  const auto over = exact::latents_of(steps);
  const std::size_t N = grid.size() - 1;
  std::vector<std::vector<exact::joint_law>> back(N);  // (N, M n) p(. | x_t; λ_m)
  for (std::size_t n = 0; n < N; ++n)
    for (index_t m = 0; m < over.count(); ++m)
      for (index_t i = 0; i < states.size(); ++i) {
        exact::joint_law at(states);
        at[i] = 1;
        back[n].push_back(exact::push(steps, at, {grid[n + 1], grid[n]}, over.point(m)));
      }
  const auto product = [&](const auto& of_position) {
    double p = 1;
    for (index_t d = 0; d < x_0.extent(0); ++d) p *= of_position(d);
    return p;
  };
  double bound = 0;
  const auto walk = [&](const auto& self, std::size_t n, index_t at, double chance, double log_q,
                        const std::vector<double>& along) -> void {
    if (chance == 0) return;
    if (n == N) {
      double p = 0;
      for (index_t m = 0; m < over.count(); ++m) p += over.weight(m) * along[static_cast<std::size_t>(m)];
      bound += chance * (log_q - (scope == latent_scope::per_path ? std::log(p) : 0));
      return;
    }
    const auto kernel = process.template between<double>(grid[n + 1], grid[n]);
    for (index_t next = 0; next < states.size(); ++next) {
      const double q = product([&](index_t d) { return kernel.posterior(d, x_0[d], states.at(at, d), states.at(next, d)); });
      if (q == 0) continue;
      double p = 0;
      std::vector<double> further = along;
      for (index_t m = 0; m < over.count(); ++m) {
        const double of_one = back[n][static_cast<std::size_t>(m * states.size() + at)][next];
        p += over.weight(m) * of_one;
        further[static_cast<std::size_t>(m)] *= of_one;
      }
      self(self, n + 1, next, chance * q, log_q + std::log(q) - (scope == latent_scope::per_step ? std::log(p) : 0), further);
    }
  };
  const auto first = process.template between<double>(0, grid[0]);
  for (index_t i = 0; i < states.size(); ++i)
    walk(walk, 0, i, product([&](index_t d) { return first.marginal_t(d, x_0[d], states.at(i, d)); }), 0,
         std::vector<double>(static_cast<std::size_t>(over.count()), 1.0));
  return bound;
}

}  // namespace

TEST_CASE(
    "diagnostics: the path bound of a mixture, with λ along the path or in every step, lies above -log p of its sampler") {
  const time_grid grid{1, 0.6, 0.3, 0};
  const laws::leaning<weighted_latent<double>> net{3, laws::unequal_latent()};
  const auto check = [&](const auto& process) {  // noise is complete at t = 1: no part of the bound is the prior's
    sampler<double, std::decay_t<decltype(process)>, std::decay_t<decltype(net)>> kept(process, net),
        anew(process, net, {.scope = latent_scope::per_step});
    const auto law_kept = exact::law_after(kept, 2, grid), law_anew = exact::law_after(anew, 2, grid);
    double scopes_apart = 0;
    for (const auto& x : {std::vector<token>{0, 0}, {0, 1}, {1, 1}}) {
      const view<const token, 1> x_0(x.data(), 2);
      array<token, 2> many(laws::draws(4000), 2);  // (B, D)
      for (index_t b = 0; b < many.extent(0); ++b) std::copy(x.begin(), x.end(), many.whole().row(b).data());
      double bounds[2];
      for (auto scope : {latent_scope::per_path, latent_scope::per_step}) {
        const bool along = scope == latent_scope::per_path;
        const double bound = exact_path_bound(process, net, x_0, grid, scope);
        check_covers(along ? "one λ" : "λ of every step",
                     mean_of(path_bound<double>(process, net, many, grid, {{.seed = 8}, 1, scope})), bound);
        CHECK(bound > -std::log((along ? law_kept : law_anew).of(x_0)));
        bounds[along] = bound;
      }
      scopes_apart = std::max(scopes_apart, std::abs(bounds[0] - bounds[1]));
    }
    CHECK(scopes_apart > 0.1);  // far more than the errors: an estimate of the other scope would not pass
  };
  check(forward_process(absorbing<3>{}, log_linear{0}));
  check(forward_process(uniform<3>{}, log_linear{0}));
}

TEST_CASE("diagnostics: the any-order bound of an exact denoiser is -log p of each sequence") {
  const index_t walks = laws::draws(4000);
  for (const index_t n : {4, 13, 26}) {
    array<token, 2> x(walks, 3);  // (walks, 3)
    for (index_t b = 0; b < walks; ++b) std::copy_n(data_law.sequences.whole().row(n).data(), 3, x.whole().row(b).data());
    const measured seen = mean_of(any_order_bound<double>(masked, teacher, x, {{.seed = 5}, 2}));
    INFO(n << ": " << seen.mean << " +- " << seen.standard_error << ", exact " << -std::log(data_law.law(n)));
    CHECK(seen.covers(-std::log(data_law.law(n)), 4));
  }
}

TEST_CASE("diagnostics: log-likelihood of a mixture in one step") {
  const forward_process process(absorbing<3>{}, log_linear{0});
  array<token, 2> ones(200, 2);  // (200, 2)
  std::fill(ones.begin(), ones.end(), 1);
  SUBCASE("a finite law has no error") {
    const auto seen = one_step_likelihood<double>(process, same_chance<weighted_latent<double>>{{three_weights}},
                                                  ones.whole().slice(0, 1), {});
    CHECK(seen[0].plain == doctest::Approx(std::log(0.5 * 0.04 + 0.3 * 0.25 + 0.2 * 0.64)).epsilon(1e-12));
    CHECK(seen[0].jackknife == seen[0].plain);
    CHECK(seen[0].standard_error == 0);
  }
  SUBCASE("drawn λ: E λ^2 = 1/3, the jackknife is nearer, the error is that of the scatter") {
    const auto seen = one_step_likelihood<double>(process, same_chance<uniform_latent>{uniform_latent{1}}, ones,
                                                  {.seed = 6, .components = 40});
    running_mean plain, jack, error;
    for (const auto& one : seen) plain.add(one.plain), jack.add(one.jackknife), error.add(one.standard_error);
    CHECK(plain.result().mean < std::log(1.0 / 3));
    CHECK(std::abs(jack.result().mean - std::log(1.0 / 3)) < std::abs(plain.result().mean - std::log(1.0 / 3)));
    CHECK(jack.result().covers(std::log(1.0 / 3), 4));
    CHECK(error.result().mean == doctest::Approx(plain.result().standard_error * std::sqrt(200.0)).epsilon(0.2));
  }
  SUBCASE("where noise redraws, over x_1 as well") {
    array<token, 2> x(200, 3), x_1(27, 3);  // (200, 3), (27, 3)
    for (index_t b = 0; b < 200; ++b) x(b, 0) = 1, x(b, 1) = 2;
    double exact = 0;
    const forward_process remembers(uniform<3>{}, log_linear{0.3});  // at t = 1 three in ten are untouched
    const tabular net(remembers, data_law.sequences, data_law.law);
    sampler<double, std::decay_t<decltype(remembers)>, std::decay_t<decltype(net)>> steps(remembers, net);
    array<double, 1> zero(27), one(27);  // (27)
    one.fill(1);
    const auto rows = steps.rows(data_law.sequences, zero, one, view<const double, 3>(nullptr, 27, 1, 0));  // (27, 3, 3)
    for (index_t n = 0; n < 27; ++n) exact += rows(n, 0, 1) * rows(n, 1, 2) * rows(n, 2, 0) / 27;
    running_mean jack;
    for (const auto& seen : one_step_likelihood<double>(remembers, net, x, {.seed = 7, .components = 64}))
      jack.add(seen.jackknife);
    INFO(jack.result().mean << " +- " << jack.result().standard_error << ", exact " << std::log(exact));
    CHECK(jack.result().standard_error > 1e-4);
    CHECK(jack.result().covers(std::log(exact), 4));
  }
}
