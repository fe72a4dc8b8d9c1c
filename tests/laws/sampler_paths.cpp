// Whole paths: λ per path and per step, and hybrids of two denoisers. Their exact laws: tests/exact.
#include "laws/sampler.hpp"

using namespace dimix;

TEST_CASE("laws: one position is exact at any number of steps, also of uneven length") {
  array<token, 2> sequences(3, 1);  // (n, 1)
  array<double, 1> law(3);          // (n)
  const double p[] = {0.2, 0.5, 0.3};
  for (index_t n = 0; n < 3; ++n) sequences(n, 0) = static_cast<token>(n), law(n) = p[n];
  const auto check = [&](const auto& process) {
    const tabular<std::decay_t<decltype(process)>> net(process, sequences, law);
    for (const time_grid& grid : {uniform_grid(1), uniform_grid(7), time_grid{1, 0.9, 0.2, 0.15, 0}}) {
      const auto reached = laws::exact_law(process, net, grid, 1);
      for (std::size_t s = 0; s < 3; ++s) CHECK(std::abs(reached[s] - p[s]) < 1e-13);
    }
  };
  check(forward_process(absorbing<4>{}, log_linear{0}));
  check(forward_process(uniform<3>{}, log_linear{0}));
  check(forward_process(laws::skewed{}, laws::only_alpha{}));
}

TEST_CASE("laws: λ once per path keeps the mixture, λ per step mixes it along the path") {
  const forward_process process(absorbing<3>{}, log_linear{0});
  const laws::follow_latent net{3, 2};
  const index_t B = laws::draws(20000);
  for (auto scope : {latent_scope::per_path, latent_scope::per_step}) {
    const auto x = sample(process, net, {.batch = B, .dims = 2, .steps = 2, .seed = 4, .scope = scope}, laws::on(1));
    std::vector<double> counts(4);
    for (index_t b = 0; b < B; ++b) ++counts.at(static_cast<std::size_t>(2 * x(b, 0) + x(b, 1)));
    // per step the two positions get different λ when they are unmasked in different steps: probability 1/2, and half of them differ
    const double differ = scope == latent_scope::per_path ? 0 : 0.125;
    laws::check_frequencies("pairs", counts, {0.5 - differ, differ, differ, 0.5 - differ});
    if (scope == latent_scope::per_path) CHECK(counts[1] + counts[2] == 0);
  }
  // one call: both scopes are the same
  CHECK(sample(process, net, {.batch = 50, .dims = 4, .steps = 1, .seed = 4, .scope = latent_scope::per_path}, laws::on(1)) ==
        sample(process, net, {.batch = 50, .dims = 4, .steps = 1, .seed = 4, .scope = latent_scope::per_step}, laws::on(1)));
}

TEST_CASE("laws: a hybrid is the student, then the teacher") {
  const forward_process process(absorbing<4>{}, log_linear{});
  const laws::follow_latent student{4, 3};
  const laws::some_net<absorbing<4>> teacher{};
  const sample_options options{.batch = 40, .dims = 5, .steps = 4, .seed = 6};
  const auto by_student = sample(process, student, options, laws::on(1)),
             by_teacher = sample(process, teacher, options, laws::on(1));
  CHECK(sample(process, hybrid(student, teacher, 0), options, laws::on(1)) == by_teacher);
  CHECK(sample(process, hybrid(student, teacher, 4), options, laws::on(1)) == by_student);
  const auto both = sample(process, hybrid(student, teacher, 2), options, laws::on(1));
  CHECK(both != by_student);
  CHECK(both != by_teacher);
  // a denoiser followed by itself is itself
  const auto early = sample(process, hybrid(student, student, 2), options, laws::on(1));
  CHECK(early == by_student);
  CHECK(mixture_denoiser<hybrid<laws::follow_latent, laws::some_net<absorbing<4>>>, float>);
  CHECK(!mixture_denoiser<hybrid<laws::some_net<absorbing<4>>, laws::some_net<absorbing<4>>>, float>);
}

TEST_CASE("laws: the exact denoiser is Bayes' rule over the table") {
  const forward_process process(uniform<2>{}, log_linear{0});
  const laws::bit_pairs data({0.4, 0.1, 0.2, 0.3});
  const tabular<forward_process<uniform<2>, log_linear>> net(process, data.sequences, data.law);
  array<token, 2> x_t(4, 2);  // (B, D)
  array<double, 1> t(4);      // (B)
  t.fill(0.6);
  for (index_t b = 0; b < 4; ++b) x_t(b, 0) = static_cast<token>(b / 2), x_t(b, 1) = static_cast<token>(b % 2);
  array<double, 4> raw(4, 1, 2, 2);  // (B, 1, D, S)
  net(request<double>{x_t, t, laws::no_latents<double>(4), {}, 0}, raw.whole());
  const auto kernel = process.between(0, 0.6);
  for (index_t b = 0; b < 4; ++b) {
    double total = 0, ones[2] = {0, 0};
    for (index_t n = 0; n < 4; ++n) {
      const double p = data.law(n) * kernel.marginal_t(0, data.sequences(n, 0), x_t(b, 0)) *
                       kernel.marginal_t(1, data.sequences(n, 1), x_t(b, 1));
      total += p;
      for (index_t d = 0; d < 2; ++d) ones[d] += data.sequences(n, d) * p;
    }
    for (index_t d = 0; d < 2; ++d) CHECK(std::exp(raw(b, 0, d, 1)) == doctest::Approx(ones[d] / total).epsilon(1e-13));
  }
}

TEST_CASE("laws: grids of times") {
  const auto grid = uniform_grid(4);
  CHECK(grid == time_grid{1, 0.75, 0.5, 0.25, 0});
  const forward_process process(uniform<4>{}, log_linear{});
  const laws::some_net<uniform<4>> net{};
  CHECK(sample(process, net, {.batch = 9, .dims = 3, .steps = 99, .seed = 1, .grid = grid}, laws::on(1)) ==
        sample(process, net, {.batch = 9, .dims = 3, .steps = 4, .seed = 1}, laws::on(1)));
}

TEST_CASE("laws: every time grid falls from 1 to 0 in as many steps") {
  for (index_t steps : {1, 2, 7, 64})
    for (const time_grid& grid : {uniform_grid(steps), power_grid(steps, 2), power_grid(steps, 0.5), cosine_grid(steps),
                                  logarithmic_grid(steps, 0.01)}) {
      CHECK(static_cast<index_t>(grid.size()) == steps + 1);
      CHECK(grid.front() == 1);
      CHECK_NOTHROW(expects_grid("grid", grid));
    }
  CHECK(power_grid(5, 1) == uniform_grid(5));
  CHECK(cosine_grid(3)[1] == doctest::Approx(std::cos(std::numbers::pi / 6)));
  const time_grid log_grid = logarithmic_grid(3, 0.01);
  CHECK(log_grid[1] == doctest::Approx(0.1));
  CHECK(log_grid[2] == doctest::Approx(0.01));
  CHECK_THROWS_AS(power_grid(3, 0), invalid_argument);
  CHECK_THROWS_AS(logarithmic_grid(3, 1), invalid_argument);
  CHECK_THROWS_AS(cosine_grid(0), invalid_argument);
}
