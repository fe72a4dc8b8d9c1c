// Reveal samplers: which positions, how many, and that nothing around an item changes it.
#include "laws/reveal.hpp"

using namespace dimix;

namespace {

using masked_process = forward_process<absorbing<4>, log_linear>;
const masked_process process(absorbing<4>{}, log_linear{0});
const laws::tested one = laws::on(1);

/// f with every ordering.
template <class F>
void for_every_order(const F& f) {
  f(confidence_order{});
  f(margin_order{});
  f(entropy_order{});
  f(random_order{});
  f(noisy_order{confidence_order{}, linear_decay{2}});
  f(noisy_order{margin_order{}, fixed_temperature{0.5}});
  f(noisy_order{entropy_order{}, [](double progress) { return progress < 0.5 ? 1.0 : 0.0; }});
}

/// A row given by its probabilities.
struct given_row {
  std::vector<double> p;
  token fixed() const { return -1; }
  double log_prob(index_t s) const { return std::log(p[static_cast<std::size_t>(s)]); }
};

template <class Ordering>
double score_of(const Ordering& order, std::vector<double> p, token proposed = 0) {
  return order.score(given_row{std::move(p)}, 3, proposed, rng{1}(purpose::order, 0, 0, 0, 0), 0.25);
}

}  // namespace

TEST_CASE("laws: selection takes the largest scores, the first of equals, and nothing of score -infinity") {
  array<double, 1> scores(6);  // (D)
  const double given[] = {1, 5, -infinity<double>(), 5, 2, 5};
  std::copy(std::begin(given), std::end(given), scores.begin());
  CHECK(selection(scores, 0).empty());
  CHECK(selection(scores, 2) == std::vector<index_t>{1, 3});
  CHECK(selection(scores, 4) == std::vector<index_t>{1, 3, 5, 4});
  CHECK(selection(scores, 100) == std::vector<index_t>{1, 3, 5, 4, 0});
  CHECK_THROWS_AS(selection(scores, -1), invalid_argument);
  scores(4) = std::nan("");
  CHECK_THROWS_AS(selection(scores, 1), numeric_error);
}

TEST_CASE("laws: scores of the orderings") {
  CHECK(score_of(confidence_order{}, {0.2, 0.5, 0.3}, 2) == doctest::Approx(std::log(0.3)));
  // the two largest probabilities, wherever they stand
  CHECK(score_of(margin_order{}, {0.2, 0.5, 0.3}) == doctest::Approx(0.2));
  CHECK(score_of(margin_order{}, {0.5, 0.3, 0.2}) == doctest::Approx(0.2));
  CHECK(score_of(margin_order{}, {0.4, 0.2, 0.4}) == 0);
  CHECK(score_of(margin_order{}, {1, 0, 0}) == 1);
  // the certain row first
  CHECK(score_of(entropy_order{}, {1, 0, 0}) == 0);
  CHECK(score_of(entropy_order{}, {0.2, 0.5, 0.3}) ==
        doctest::Approx(0.2 * std::log(0.2) + 0.5 * std::log(0.5) + 0.3 * std::log(0.3)));
  CHECK(score_of(entropy_order{}, {0.98, 0.01, 0.01}) > score_of(entropy_order{}, {0.4, 0.3, 0.3}));
  const double noise = gumbel(rng{1}(purpose::order, 0, 0, 0, 0).second());
  CHECK(score_of(noisy_order{margin_order{}, linear_decay{2}}, {0.2, 0.5, 0.3}) == doctest::Approx(0.2 + 1.5 * noise));
  CHECK(noisy_score(-infinity<double>(), 0, 3) == -infinity<double>());
}

TEST_CASE("laws: Gumbel numbers have their law") {
  std::vector<double> counts(8), law(8, 0.125);
  for (index_t i = 0; i < laws::draws(20000); ++i) {
    const double below = std::exp(-std::exp(-gumbel(rng{4}(purpose::order, 0, 0, 0, i).first())));
    ++counts[static_cast<std::size_t>(8 * below)];
  }
  laws::check_frequencies("exp(-exp(-G)) is uniform", counts, law);
}

TEST_CASE("laws: confidence with Gumbel noise reveals Plackett-Luce sets") {
  const index_t D = 5, count = 2, B = laws::draws(40000);
  const double tau = 0.8;
  laws::fixed_rows net;
  std::vector<double> weight;  // (D)
  for (index_t d = 0; d < D; ++d) {
    const double p = 0.4 + 0.11 * static_cast<double>(d);
    net.log_p.push_back({std::log(p), std::log(0.7 * (1 - p)), std::log(0.3 * (1 - p)), 0});
    weight.push_back(std::pow(std::max({p, 0.7 * (1 - p)}), 1 / tau));
  }
  auto steps = make_reveal_sampler<double>(process, net, noisy_order{confidence_order{}, fixed_temperature{tau}},
                                           by_count{count}, most_probable{}, {}, one);
  array<token, 2> x(B, D);  // (B, D)
  x.fill(3);
  reveal_state state{5};
  laws::step_all(steps, state, x, 0.5, 1);
  std::vector<double> sets(1 << D), law(1 << D);
  for (index_t b = 0; b < B; ++b) {
    std::size_t set = 0;
    for (index_t d = 0; d < D; ++d) set |= static_cast<std::size_t>(x(b, d) != 3) << d;
    ++sets[set];
  }
  const double total = std::accumulate(weight.begin(), weight.end(), 0.0);
  for (std::size_t first = 0; first < weight.size(); ++first)
    for (std::size_t second = 0; second < weight.size(); ++second)
      if (second != first)
        law[std::size_t{1} << first | std::size_t{1} << second] +=
            weight[first] / total * weight[second] / (total - weight[first]);
  laws::check_frequencies("sets", sets, law);
}

TEST_CASE("laws: a random order reveals every set equally often") {
  const index_t D = 4, B = laws::draws(20000);
  const laws::some_net<absorbing<4>> net{};
  auto steps = make_reveal_sampler<float>(process, net, random_order{}, by_count{2}, drawn{}, {}, one);
  array<token, 2> x(B, D);  // (B, D)
  x.fill(3);
  reveal_state state{6};
  laws::step_all(steps, state, x, 0.5, 1);
  std::vector<double> sets(1 << D), law(1 << D);
  for (index_t b = 0; b < B; ++b) {
    std::size_t set = 0;
    for (index_t d = 0; d < D; ++d) set |= static_cast<std::size_t>(x(b, d) != 3) << d;
    ++sets[set];
  }
  for (std::size_t set : {3u, 5u, 9u, 6u, 10u, 12u}) law[set] = 1;
  laws::check_frequencies("sets", sets, law);
}

TEST_CASE("laws: with an exact denoiser and one position a step, orders that look at rows keep the law of the data") {
  const laws::bit_pairs data({0.4, 0.05, 0.15, 0.4});
  const forward_process bits(absorbing<3>{}, log_linear{0});
  const tabular<forward_process<absorbing<3>, log_linear>> net(bits, data.sequences, data.law);
  const reveal_options options{.batch = laws::draws(20000), .dims = 2, .steps = 2, .seed = 3};
  const std::vector<double> law(data.law.begin(), data.law.end());
  const auto counts = [&](const auto& order) {
    return laws::count_pairs(sample_reveal<double>(bits, net, options, one, order, by_count{1}));
  };
  laws::check_frequencies("margin", counts(margin_order{}), law);
  laws::check_frequencies("entropy", counts(entropy_order{}), law);
  laws::check_frequencies("random", counts(random_order{}), law);
  laws::check_frequencies("noisy margin", counts(noisy_order{margin_order{}, fixed_temperature{1}}), law);

  // confidence takes the likelier of the two drawn tokens, the first of equals
  std::vector<double> by_confidence(4);
  const double p[2] = {0.45, 0.55}, q[2] = {0.55, 0.45};  // of a 0 and a 1: position 0 and 1
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < 2; ++j) {
      const bool first = p[i] >= q[j];
      for (std::size_t k = 0; k < 2; ++k) {
        const std::size_t pair = first ? 2 * i + k : 2 * k + j;
        by_confidence[pair] += p[i] * q[j] * law[pair] / (first ? p[i] : q[j]);
      }
    }
  laws::check_frequencies("confidence", counts(confidence_order{}), by_confidence);
  CHECK(laws::chi_square_deviation(counts(confidence_order{}), law) > 8);
}

TEST_CASE("laws: masked positions fall as the schedule says, to 0") {
  const laws::some_net<absorbing<4>> net{};
  const auto check = [&](const auto& schedule) {
    const forward_process scheduled(absorbing<4>{}, schedule);
    for (index_t D : {1, 5, 16})
      for (index_t N : {1, 2, 3, 16, 40})
        for (index_t at_least : {0, 1}) {
          CAPTURE(D);
          CAPTURE(N);
          auto steps = make_reveal_sampler<float>(scheduled, net, confidence_order{}, by_schedule{at_least}, drawn{}, {}, one);
          array<token, 2> x(2, D);  // (B, D)
          x.fill(3);
          if (D > 1) x(1, 0) = 1;  // evidence
          reveal_state state{2};
          const auto grid = uniform_grid(N);
          for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
            const array<token, 2> before = x;
            laws::step_all(steps, state, x, grid[n + 1], grid[n]);
            for (index_t b = 0; b < 2; ++b) {
              const index_t was = laws::masked_in(before.whole().row(b), 3), is = laws::masked_in(x.whole().row(b), 3);
              const double hidden = grid[n + 1] == 0 ? 0 : (1 - alpha(schedule, grid[n + 1])) / (1 - alpha(schedule, 1.0));
              const auto scheduled_count =
                  static_cast<index_t>(std::floor(static_cast<double>(D - (D > 1 && b == 1)) * hidden + 0.5 + 1e-9));
              CHECK(is == std::max<index_t>(0, std::min(scheduled_count, was - (was > 0 ? at_least : 0))));
              for (index_t d = 0; d < D; ++d)
                if (before(b, d) != 3) CHECK(x(b, d) == before(b, d));
            }
          }
          CHECK(std::count(x.begin(), x.end(), 3) == 0);
        }
  };
  check(log_linear{0});
  check(log_linear{});
  check(maskgit_arccos{});
  check(cosine{});
}

TEST_CASE("laws: a threshold reveals all likely tokens, and at least one") {
  laws::fixed_rows net;
  for (double p : {0.95, 0.5, 0.91, 0.89}) net.log_p.push_back({std::log(p), std::log(1 - p), -800, 0});
  const auto revealed = [&](double threshold) {
    auto steps =
        make_reveal_sampler<double>(process, net, confidence_order{}, by_threshold{threshold}, most_probable{}, {}, one);
    array<token, 2> x(1, 4);  // (B, D)
    x.fill(3);
    reveal_state state{1};
    laws::step_all(steps, state, x, 0.5, 1);
    return std::vector<token>(x.begin(), x.end());
  };
  CHECK(revealed(0.9) == std::vector<token>{0, 3, 0, 3});
  CHECK(revealed(0.3) == std::vector<token>{0, 0, 0, 0});
  CHECK(revealed(1) == std::vector<token>{0, 3, 3, 3});
  // and the last step reveals the rest
  CHECK(sample_reveal<double>(process, net, {.dims = 4, .steps = 2}, one, confidence_order{}, by_threshold{1},
                              most_probable{}) == array<token, 2>(1, 4));
}

TEST_CASE("laws: revealed positions that are reconsidered can go back to the mask, and s = 0 reveals all") {
  laws::fixed_rows net;
  for (double p : {0.9, 0.2, 0.8, 0.7}) net.log_p.push_back({std::log(p), std::log(1 - p), -800, 0});
  auto steps =
      make_reveal_sampler<double>(process, net, confidence_order{}, by_schedule{}, most_probable{}, {.reconsider = true}, one);
  array<token, 2> x(1, 4);  // (B, D)
  x.fill(3);
  x(0, 1) = 0;  // probability 0.2: worse than every proposal
  reveal_state state{1, 0, {4}};
  laws::step_all(steps, state, x, 0.5, 0.75);
  CHECK(std::vector<token>(x.begin(), x.end()) == std::vector<token>{0, 3, 0, 3});
  x(0, 1) = 2;  // next to impossible
  laws::step_all(steps, state, x, 0, 0.5);
  CHECK(std::vector<token>(x.begin(), x.end()) == std::vector<token>{0, 2, 0, 0});

  const laws::some_net<absorbing<4>> other{};
  array<token, 2> evidence(9, 5);  // (B, D)
  evidence.fill(-1);
  for (index_t b = 0; b < 9; ++b) evidence(b, b % 5) = 2;
  const auto y =
      sample_reveal(process, other, {.batch = 9, .dims = 5, .steps = 4, .reconsider = true, .evidence = evidence}, one);
  for (index_t b = 0; b < 9; ++b) CHECK(y(b, b % 5) == 2);
  CHECK(std::count(y.begin(), y.end(), 3) == 0);
}

TEST_CASE("laws: what shows before the first step is kept, and counts and competes nowhere") {
  const index_t B = 9, D = 7;
  laws::fixed_rows net;  // the evidence, state 2, is the least likely of all
  for (index_t d = 0; d < D; ++d) net.log_p.push_back({0.3 * static_cast<double>(d), 1, -20, 0});
  auto steps = make_reveal_sampler<double>(process, net, confidence_order{}, by_schedule{}, drawn{}, {.reconsider = true}, one);
  array<token, 2> x(B, D);  // (B, D)
  x.fill(3);
  for (index_t b = 0; b < B; ++b) x(b, b % D) = x(b, (b + 3) % D) = 2;
  const auto evidence = x;
  reveal_state state{4};
  bool went_back = false;
  for (index_t n = 0; n < 5; ++n) {
    const auto before = x;
    laws::step_all(steps, state, x, static_cast<double>(4 - n) / 5, static_cast<double>(5 - n) / 5);
    for (index_t b = 0; b < B; ++b) {
      CHECK(laws::masked_in(x.whole().row(b), 3) == 4 - n);  // of 5, for t_0 = 1 and 1 - alpha_t = t
      for (index_t d = 0; d < D; ++d) {
        if (evidence(b, d) == 2) CHECK(x(b, d) == 2);
        went_back = went_back || (before(b, d) != 3 && x(b, d) == 3);
      }
    }
  }
  CHECK(went_back);

  state = {4, 0, std::vector<double>(B, 5), array<token, 2>(B, D - 1)};
  CHECK_THROWS_WITH_AS(laws::step_all(steps, state, x = evidence, 0.8, 1), doctest::Contains("state.kept"), invalid_argument);
}

TEST_CASE("laws: reveals are the same for any batch, split, chunk and threads, and can be taken up again") {
  const laws::some_net<absorbing<4>> net{absorbing<4>{}, 1.0};
  const index_t B = 37, D = 6;
  for_every_order([&](const auto& order) {
    const auto run = [&](reveal_options options, int threads) {
      options.dims = D, options.steps = 4, options.seed = 8;
      return sample_reveal(process, net, options, laws::on(threads), order);
    };
    const auto all = run({.batch = B}, 1);  // (B, D)
    CHECK(run({.batch = B}, 3) == all);
    for (index_t chunk : {1, 5, 36}) CHECK(run({.batch = B, .chunk = chunk}, 2) == all);
    const auto part = run({.batch = 10, .first_item = 20}, 1);
    CHECK(std::equal(part.begin(), part.end(), all.begin() + 20 * D));
    CHECK(std::count(all.begin(), all.end(), 3) == 0);

    array<token, 2> x(B, D);  // (B, D)
    x.fill(3);
    reveal_state state{8};
    for (index_t n = 0; n < 4; ++n) {
      auto anew = make_reveal_sampler<float>(process, net, order, by_schedule{}, drawn{}, {}, one);
      reveal_state taken_up{state.seed, state.step, state.scheduled};
      laws::step_all(anew, taken_up, x, static_cast<double>(3 - n) / 4, static_cast<double>(4 - n) / 4);
      state = taken_up;
    }
    CHECK(x == all);
  });
}

TEST_CASE("laws: the network is asked once a step, and not when nothing is masked") {
  const laws::some_net<absorbing<4>> net{};
  const laws::counted<laws::some_net<absorbing<4>>> asked{net};
  const auto x = sample_reveal(process, asked, {.batch = 3, .dims = 4, .steps = 9}, one, confidence_order{}, by_count{2});
  CHECK(*asked.calls == 2);
  CHECK(*asked.times == std::vector<double>{1, 1, 1, 8.0f / 9, 8.0f / 9, 8.0f / 9});
  sample_reveal(process, asked, {.batch = 3, .dims = 4, .steps = 9, .reconsider = true}, one, confidence_order{}, by_count{2});
  CHECK(*asked.calls == 4);  // and without a mask there is nothing to change places with
}

TEST_CASE("laws: λ once per path holds for reveals") {
  const laws::follow_latent net{4, 3};
  const auto equal_pairs = [&](latent_scope scope) {
    const auto x = sample_reveal(process, net, {.batch = 400, .dims = 2, .steps = 2, .scope = scope}, one, random_order{});
    index_t equal = 0;
    for (index_t b = 0; b < 400; ++b) equal += x(b, 0) == x(b, 1);
    return equal;
  };
  CHECK(equal_pairs(latent_scope::per_path) == 400);
  CHECK(equal_pairs(latent_scope::per_step) < 200);
}

TEST_CASE("laws: scores in float and in double") {
  const laws::some_net<absorbing<4>> net{};
  array<token, 2> x(1, 7);  // (B, D)
  x.fill(3);
  array<double, 1> t(1);  // (B)
  t.fill(1);
  const auto scores = [&]<class Real>(Real, const auto& order) {
    denoiser_call<Real, masked_process, laws::some_net<absorbing<4>>, laws::tested> call(process, net, one);
    call.ask("test", 1, 0, latent_scope::per_path, x, t, laws::ids(1));
    std::vector<double> result(7);
    call.each_position(x, [&](const place& at, const auto& row_of) {
      result[static_cast<std::size_t>(at.dim)] = order.score(row_of(at), 4, 1, rng{1}(purpose::order, 0, 0, 0, at.dim), 0.5);
    });
    return result;
  };
  for_every_order([&](const auto& order) {
    const auto narrow = scores(0.0f, order), wide = scores(0.0, order);
    for (std::size_t d = 0; d < 7; ++d) CHECK(std::abs(narrow[d] - wide[d]) < 2e-6);
  });
}
