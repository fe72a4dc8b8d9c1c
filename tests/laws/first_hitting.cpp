// First hitting: the law of the times, the law of the data, and nothing around an item changes it.
#include <dimix/denoiser/time_independent.hpp>
#include <dimix/sampler/first_hitting.hpp>

#include "laws/reveal.hpp"

using namespace dimix;

namespace {

const laws::tested one = laws::on(1);

/// The times at which one item after the other is asked for, in a chunk of its own: (calls).
template <class Process>
std::vector<double> times_of(const Process& process, index_t D, std::uint64_t item) {
  const laws::some_net<absorbing<4>> net{};
  const laws::counted<laws::some_net<absorbing<4>>> asked{net};
  sample_first_hitting<double>(process, asked, {.dims = D, .seed = 3, .first_item = item}, one);
  return *asked.times;
}

}  // namespace

TEST_CASE("laws: the times of reveals are order statistics of the times at which positions unmask") {
  const auto check = [](const auto& schedule) {
    const forward_process process(absorbing<4>{}, schedule);
    const index_t D = 3, B = laws::draws(3000);
    const double hit_1 = move_chance(schedule, 1.0);
    // with v = (1 - alpha_t) / (1 - alpha_1), the k-th reveal of D is the k-th largest of D uniform numbers
    std::vector<std::vector<double>> counts(3, std::vector<double>(10));
    for (index_t b = 0; b < B; ++b) {
      const auto times = times_of(process, D, static_cast<std::uint64_t>(b));
      REQUIRE(times.size() == 3);
      for (std::size_t k = 0; k < 3; ++k) {
        if (k > 0) CHECK(times[k] <= times[k - 1]);
        ++counts[k][std::min<std::size_t>(9, static_cast<std::size_t>(10 * move_chance(schedule, times[k]) / hit_1))];
      }
    }
    const auto below = [](std::size_t k, double v) {
      return k == 0 ? v * v * v : k == 1 ? v * v * (3 - 2 * v) : 1 - (1 - v) * (1 - v) * (1 - v);
    };
    for (std::size_t k = 0; k < 3; ++k) {
      std::vector<double> law;
      for (int cell = 0; cell < 10; ++cell) law.push_back(below(k, (cell + 1) / 10.0) - below(k, cell / 10.0));
      laws::check_frequencies("reveal " + std::to_string(k), counts[k], law);
    }
  };
  check(log_linear{});
  check(cosine{});
  check(maskgit_arccos{});
  check(laws::only_alpha{});
}

TEST_CASE("laws: every masked position is revealed first equally often") {
  const forward_process process(absorbing<4>{}, log_linear{});
  const laws::some_net<absorbing<4>> net{};
  first_hitting_sampler<float, decltype(process), std::decay_t<decltype(net)>, laws::tested> steps(process, net,
                                                                                                   latent_scope::per_path, one);
  const index_t B = laws::draws(8000);
  array<token, 2> x(B, 5);  // (B, D)
  x.fill(3);
  for (index_t b = 0; b < B; ++b) x(b, 1) = 0;
  array<double, 1> t(B);  // (B)
  t.fill(1);
  sampler_state state{7, 0};
  CHECK(steps.step(state, x.whole(), t, laws::ids(B)) == B);
  std::vector<double> counts(5);
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < 5; ++d) counts[static_cast<std::size_t>(d)] += d != 1 && x(b, d) != 3;
  laws::check_frequencies("positions", counts, {0.25, 0, 0.25, 0.25, 0.25});
  CHECK(std::accumulate(counts.begin(), counts.end(), 0.0) == static_cast<double>(B));
}

TEST_CASE("laws: the time of a reveal at the ends") {
  CHECK(first_hitting_time(log_linear{0}, 0, 3, 0.5) == 0);
  CHECK(first_hitting_time(log_linear{0}, 1, 1, 0.25) == doctest::Approx(0.25).epsilon(1e-14));
  CHECK(first_hitting_time(log_linear{0}, 0.5, 2, 0.25) == doctest::Approx(0.25).epsilon(1e-14));
  // a schedule with noise at 0: what would be revealed below it is revealed at 0
  CHECK(first_hitting_time(linear{0.5, 4}, 0.5, 1, 1e-6) == 0);
  CHECK(first_hitting_time(log_linear{0}, 1, 5, 1 - 1e-16) <= 1);
}

TEST_CASE("laws: an exact denoiser gives the law of the data, in D calls") {
  const forward_process process(absorbing<4>{}, cosine{});
  array<token, 2> sequences(5, 3);  // (n, D)
  array<double, 1> law(5);          // (n)
  const token given[5][3] = {{0, 0, 0}, {1, 1, 1}, {2, 2, 2}, {0, 1, 2}, {2, 0, 2}};
  const double p[5] = {0.3, 0.25, 0.1, 0.2, 0.15};
  for (index_t n = 0; n < 5; ++n) {
    law(n) = p[n];
    for (index_t d = 0; d < 3; ++d) sequences(n, d) = given[n][d];
  }
  const tabular<forward_process<absorbing<4>, cosine>> net(process, sequences, law);
  const laws::counted<decltype(net)> asked{net};
  const index_t B = laws::draws(20000);
  const auto x = sample_first_hitting<double>(process, asked, {.batch = B, .dims = 3, .seed = 1, .chunk = B}, one);
  CHECK(*asked.calls == 3);
  std::vector<double> counts(27), wanted(27);
  for (index_t b = 0; b < B; ++b) ++counts.at(static_cast<std::size_t>(x(b, 0) + 3 * x(b, 1) + 9 * x(b, 2)));
  for (const auto& s : {0, 1, 2, 3, 4})
    wanted[static_cast<std::size_t>(given[s][0] + 3 * given[s][1] + 9 * given[s][2])] = p[s];
  laws::check_frequencies("sequences", counts, wanted);
}

TEST_CASE("laws: any denoiser without time is revealed one position after another, λ per path or per step, from evidence on") {
  const forward_process process(absorbing<3>{}, cosine{});
  const laws::leaning<weighted_latent<double>> mixture{3, laws::unequal_latent()};
  const time_independent net(mixture);
  const index_t B = laws::draws(20000), D = 3;
  exact::joint_law start(exact::joint_states::of(process.space(), D));
  array<token, 2> evidence(B, D);  // (B, D)
  for (const index_t known : {-1, 1})
    for (auto scope : {latent_scope::per_path, latent_scope::per_step}) {
      std::fill(start.p.begin(), start.p.end(), 0.0);
      token shown[] = {2, 2, 2};
      std::fill(evidence.begin(), evidence.end(), -1);
      if (known >= 0) {
        shown[known] = 0;
        for (index_t b = 0; b < B; ++b) evidence(b, known) = 0;
      }
      start[start.states.index({shown, D})] = 1;
      const auto x = sample_first_hitting<double>(
          process, net, {.batch = B, .dims = D, .seed = 4, .scope = scope, .evidence = evidence}, one);
      const auto law = laws::law_after_reveals(process, net, start, known >= 0 ? D - 1 : D, scope);
      laws::check_frequencies("sequences", exact::sample_counts(law.states, x).counts, law.p);
    }
}

TEST_CASE("laws: items that are done cost nothing, evidence stays") {
  const forward_process process(absorbing<4>{}, log_linear{});
  const laws::some_net<absorbing<4>> net{};
  const laws::counted<laws::some_net<absorbing<4>>> asked{net};
  array<token, 2> evidence(4, 5);  // (B, D)
  evidence.fill(-1);
  for (index_t b = 0; b < 4; ++b)
    for (index_t d = 0; d <= b; ++d) evidence(b, d) = 2;
  const auto x = sample_first_hitting(process, asked, {.batch = 4, .dims = 5, .evidence = evidence}, one);
  CHECK(*asked.calls == 4);
  CHECK(asked.times->size() == 4 + 3 + 2 + 1);
  for (index_t b = 0; b < 4; ++b)
    for (index_t d = 0; d < 5; ++d) {
      CHECK((x(b, d) >= 0 && x(b, d) < 3));
      if (d <= b) CHECK(x(b, d) == 2);
    }
}

TEST_CASE("laws: first hitting is the same for any batch, chunk and threads, with items at times of their own") {
  const forward_process process(absorbing<4>{}, cosine{});
  const laws::some_net<absorbing<4>> net{absorbing<4>{}, 1.0};
  const auto run = [&](first_hitting_options options, int threads) {
    options.dims = 6, options.seed = 8;
    return sample_first_hitting(process, net, options, laws::on(threads));
  };
  const auto all = run({.batch = 37}, 1);  // (B, D)
  CHECK(run({.batch = 37}, 3) == all);
  for (index_t chunk : {1, 5, 36}) CHECK(run({.batch = 37, .chunk = chunk}, 2) == all);
  const auto part = run({.batch = 10, .first_item = 20}, 1);
  CHECK(std::equal(part.begin(), part.end(), all.begin() + 20 * 6));
}

TEST_CASE("laws: λ once per path holds for first hitting") {
  const forward_process process(absorbing<4>{}, log_linear{});
  const laws::follow_latent net{4, 3};
  const auto equal_pairs = [&](latent_scope scope) {
    const auto x = sample_first_hitting(process, net, {.batch = 400, .dims = 2, .scope = scope}, one);
    index_t equal = 0;
    for (index_t b = 0; b < 400; ++b) equal += x(b, 0) == x(b, 1);
    return equal;
  };
  CHECK(equal_pairs(latent_scope::per_path) == 400);
  CHECK(equal_pairs(latent_scope::per_step) < 200);
}
