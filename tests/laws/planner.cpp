// Plans: the least of all grids, what is known of two positions, less total variation than equal steps; and the text of a plan.
#include <dimix/denoiser/tabular.hpp>
#include <dimix/diagnostics.hpp>
#include <dimix/sampler/reveal.hpp>

#include "laws/support.hpp"

using namespace dimix;

namespace {

/// A law of D bits with exact costs of absorbing steps.
struct bit_law {
  array<token, 2> sequences;  // (2^D, D)
  array<double, 1> law;       // (2^D)
  bit_law(index_t D, const std::vector<double>& p) : sequences(index_t{1} << D, D), law(index_t{1} << D) {
    for (index_t n = 0; n < law.size(); ++n) {
      law(n) = p[static_cast<std::size_t>(n)];
      for (index_t d = 0; d < D; ++d) sequences(n, d) = static_cast<token>(n >> d & 1);
    }
  }
  int positions() const { return static_cast<int>(sequences.extent(1)); }
  /// p of the bits in `set` of sequence n.
  double marginal(int set, int n) const {
    double sum = 0;
    for (int other = 0; other < static_cast<int>(law.size()); ++other) sum += (other & set) == (n & set) ? law(other) : 0;
    return sum;
  }
  double cost(double hit_t, double hit_s, gap_measure by) const {
    const int sets = 1 << positions();
    double sum = 0;
    for (int shown = 0; shown < sets; ++shown)
      for (int revealed = 0; revealed < sets; ++revealed) {
        if (shown & revealed) continue;
        double chance = 1;
        for (int d = 0; d < positions(); ++d) chance *= shown >> d & 1 ? 1 - hit_t : revealed >> d & 1 ? hit_t - hit_s : hit_s;
        for (int n = 0; n < sets; ++n) {
          if ((n & (shown | revealed)) != n) continue;
          const double given = marginal(shown, n), joint = marginal(shown | revealed, n);
          double product = given;
          for (int d = 0; d < positions() && given > 0; ++d)
            if (revealed >> d & 1) product *= marginal(shown | 1 << d, n) / given;
          sum += chance * (by == gap_measure::variation ? std::abs(joint - product) / 2
                           : joint > 0                  ? joint * std::log(joint / product)
                                                        : 0);
        }
      }
    return sum;
  }
  /// Costs (K + 1, K + 1) of log_linear{0}, whose 1 - alpha is t.
  array<double, 2> costs(const time_grid& grid, gap_measure by) const {
    const index_t count = static_cast<index_t>(grid.size());
    array<double, 2> result(count, count);  // (K + 1, K + 1)
    for (index_t i = 0; i < count; ++i)
      for (index_t j = i + 1; j < count; ++j)
        result(i, j) = cost(grid[static_cast<std::size_t>(i)], grid[static_cast<std::size_t>(j)], by);
    return result;
  }
};

const forward_process masked(absorbing<3>{}, log_linear{0});

/// The total variation between the data and the ancestral sampler along a grid, through its rows.
double exact_variation(const bit_law& data, const time_grid& grid) {
  const index_t D = data.positions(), count = D == 2 ? 9 : 27;
  const tabular net(masked, data.sequences, data.law);
  sampler<double, std::decay_t<decltype(masked)>, std::decay_t<decltype(net)>> steps(masked, net);
  array<token, 2> x(count, D);          // (3^D, D)
  array<double, 1> s(count), t(count);  // (3^D)
  index_t n = 0;
  laws::for_each_sequence(
      D, 3, [&](const std::vector<token>& each) { std::copy(each.begin(), each.end(), x.whole().row(n++).begin()); });
  std::vector<double> law(static_cast<std::size_t>(count));
  law.back() = 1;  // all masked
  for (std::size_t k = 0; k + 1 < grid.size(); ++k) {
    t.fill(grid[k]), s.fill(grid[k + 1]);
    const auto rows = steps.rows(x, s, t, view<const double, 3>(nullptr, count, 1, 0));  // (3^D, D, 3)
    std::vector<double> next(law.size());
    for (index_t from = 0; from < count; ++from)
      for (index_t to = 0; to < count; ++to) {
        double p = law[static_cast<std::size_t>(from)];
        for (index_t d = 0; d < D; ++d) p *= rows(from, d, x(to, d));
        next[static_cast<std::size_t>(to)] += p;
      }
    law = next;
  }
  double sum = 0;
  for (index_t i = 0; i < count; ++i) {
    double p = 0;
    for (index_t m = 0; m < data.law.size(); ++m)
      if (std::equal(x.whole().row(i).begin(), x.whole().row(i).end(), data.sequences.whole().row(m).begin())) p = data.law(m);
    sum += std::abs(p - law[static_cast<std::size_t>(i)]) / 2;
  }
  return sum;
}

const bit_law eq3(3, {.5, 0, 0, 0, 0, 0, 0, .5});
const bit_law par3(3, {.25, 0, 0, .25, 0, .25, .25, 0});  // even parity

}  // namespace

TEST_CASE("planner: the least of all grids") {
  const index_t K = 9;
  array<double, 2> costs(K + 1, K + 1);  // (K + 1, K + 1)
  laws::fill_noise(costs, 8, 1.0);
  const time_grid candidates = uniform_grid(K);
  for (index_t steps = 1; steps <= K; ++steps) {
    double least = infinity<double>();
    for (int inner = 0; inner < 1 << (K - 1); ++inner) {
      if (__builtin_popcount(static_cast<unsigned>(inner)) != steps - 1) continue;
      double sum = 0;
      index_t from = 0;
      for (index_t j = 1; j <= K; ++j)
        if (j == K || (inner >> (j - 1) & 1)) sum += costs(from, j), from = j;
      least = std::min(least, sum);
    }
    const sampling_plan plan = best_plan(candidates, costs, steps);
    CHECK(plan.cost() == doctest::Approx(least).epsilon(1e-12));
    CHECK(plan.steps() == steps);
    CHECK_NOTHROW(expects_grid("plan", plan.times));
  }
  CHECK_THROWS_AS(best_plan(candidates, costs, K + 1), invalid_argument);
}

TEST_CASE("planner: two absorbing positions take equal steps in alpha, whatever the schedule and the measure") {
  const bit_law cor2(2, {.45, .05, .05, .45});
  for (const auto by : {gap_measure::divergence, gap_measure::variation}) {
    const auto costs = cor2.costs(uniform_grid(12), by);
    CHECK(best_plan(uniform_grid(12), costs, 4).times == time_grid{1, 9.0 / 12, 6.0 / 12, 3.0 / 12, 0});
    // the same alphas of another schedule
    time_grid times;
    for (double hit : uniform_grid(12)) times.push_back(hit == 1 ? 1 : inverse_alpha(cosine{}, 1 - hit));
    times.back() = 0;
    const sampling_plan plan = best_plan(times, costs, 3);
    for (std::size_t n = 0; n < 4; ++n)
      CHECK(hit_share(cosine{}, plan.times[n]) == doctest::Approx(1 - static_cast<double>(n) / 3).epsilon(2e-3));
  }
}

TEST_CASE("planner: two steps of three positions beat equal steps in exact total variation") {
  const auto plan_of = [](const bit_law& data, gap_measure by) {
    const time_grid candidates = uniform_grid(64);
    return best_plan(candidates, data.costs(candidates, by), 2);
  };
  CHECK(exact_variation(eq3, uniform_grid(2)) == doctest::Approx(.3750).epsilon(1e-9));
  CHECK(exact_variation(par3, uniform_grid(2)) == doctest::Approx(.3125).epsilon(1e-9));
  CHECK(std::abs(exact_variation(eq3, plan_of(eq3, gap_measure::variation)) - .3539) < 5e-5);
  CHECK(std::abs(exact_variation(par3, plan_of(par3, gap_measure::variation)) - .2778) < 5e-5);
  CHECK(std::abs(exact_variation(eq3, plan_of(eq3, gap_measure::divergence)) - .3556) < 5e-5);
  CHECK(std::abs(exact_variation(par3, plan_of(par3, gap_measure::divergence)) - .2778) < 5e-5);
}

TEST_CASE("planner: so do plans of measured gaps") {
  for (const bit_law* data : {&eq3, &par3}) {
    const tabular net(masked, data->sequences, data->law);
    array<token, 2> x(laws::draws(3000), 3);  // (B, 3)
    std::fill(x.begin(), x.end(), 2);
    const auto gaps = factorization_gaps<double>(masked, net, x, uniform_grid(16));
    for (const auto by : {gap_measure::divergence, gap_measure::variation}) {
      const auto costs = costs_of(gaps, by), exact = data->costs(uniform_grid(16), by);
      for (index_t j = 1; j <= 16; ++j) CHECK(std::abs(costs(0, j) - exact(0, j)) < 0.05);
      const sampling_plan plan = best_plan(uniform_grid(16), costs, 2);
      const double equal = exact_variation(*data, uniform_grid(2)), planned = exact_variation(*data, plan);
      INFO("first step to " << plan.times[1] << ": " << equal << " -> " << planned);
      CHECK(planned < equal - 0.01);
    }
  }
}

TEST_CASE("planner: a plan is a line of text, and every sampler takes it") {
  const sampling_plan plan{{1, 0.7, 1.0 / 3, 0}, {0.25, 1e-300, 0.1}};
  CHECK(parse_plan(to_text(plan)) == plan);
  CHECK(parse_plan(to_text(sampling_plan{{0.5, 0}, {}})).times == time_grid{0.5, 0});
  for (const char* text : {"", "dimix-plan 2 1 1 0 0", "dimix-plan 1 1 1 0x 0", "dimix-plan 1 2 1 0 0", "dimix-plan 1 1 0 1 0",
                           "dimix-plan 1 1 1 0 0 7"})
    CHECK_THROWS_AS(parse_plan(text), error);
  const tabular net(masked, par3.sequences, par3.law);
  const sample_options options{.batch = 5, .dims = 3, .seed = 3, .grid = plan};
  const sample_options by_times{.batch = 5, .dims = 3, .seed = 3, .grid = plan.times};
  CHECK(sample<double>(masked, net, options) == sample<double>(masked, net, by_times));
  // counts: 6 positions, of which a plan through counting_grid leaves 6, 3, 2, 0
  const time_grid counting = counting_grid(log_linear{0}, 6);
  CHECK(hidden_counts(log_linear{0}, counting, 6) == std::vector<index_t>{6, 5, 4, 3, 2, 1, 0});
  const sampling_plan by_count{{1, counting[3], counting[4], 0}, {}};
  bit_law coins(6, std::vector<double>(64, 1.0 / 64));
  const tabular net6(masked, coins.sequences, coins.law);
  auto steps = make_reveal_sampler<double>(masked, net6, random_order{});
  reveal_state state{1};
  array<token, 2> x(2, 6);  // (2, 6)
  std::fill(x.begin(), x.end(), 2);
  array<std::uint64_t, 1> items(2);  // (2)
  std::vector<index_t> left;
  array<double, 1> s(2), t(2);  // (2)
  for (std::size_t n = 0; n < 3; ++n) {
    t.fill(by_count.times[n]), s.fill(by_count.times[n + 1]);
    steps.step(state, x, s, t, items);
    left.push_back(std::count(x.begin(), x.begin() + 6, 2));
  }
  CHECK(left == std::vector<index_t>{3, 2, 0});
}
