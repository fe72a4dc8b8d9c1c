// Every method keeps the laws on every process: rows, draws, and the same tokens whatever the batch around them.
#include "laws/sampler.hpp"

using namespace dimix;

namespace {

template <class F>
void for_every_process(const F& f) {
  f(forward_process(absorbing<4>{}, log_linear{}));
  f(forward_process(uniform<4>{}, log_linear{}));
  f(forward_process(laws::skewed{}, cosine{}));
  f(forward_process(ordinal(4, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 4}));
  f(forward_process(mask_and_replace<4>{0.6}, log_linear{}));
  f(forward_process(laws::some_mixture(), log_linear{}));
}

}  // namespace

TEST_CASE("laws: rows of every method") {
  for_every_process([](const auto& process) {
    for (auto [s, t] : {std::pair{0.0, 0.4}, {0.3, 0.7}, {0.65, 0.7}, {0.5, 0.5}, {0.0, 0.9}}) {
      CAPTURE(s);
      CAPTURE(t);
      laws::check_rows<double>(process, s, t, 1e-14);
      laws::check_rows<float>(process, s, t, 2e-6);
    }
  });
}

TEST_CASE("laws: rows from a time at which alpha is 0") {
  const auto check = [](const auto& process) {
    for (double s : {0.0, 0.5, 0.99}) {
      laws::check_rows<double>(process, s, 1, 1e-14);
      laws::check_rows<float>(process, s, 1, 2e-6);
    }
  };
  check(forward_process(absorbing<4>{}, log_linear{0}));
  check(forward_process(absorbing<4>{}, cosine{}));
  check(forward_process(uniform<4>{}, log_linear{0}));
  check(forward_process(laws::skewed{}, cosine{}));
}

TEST_CASE("laws: steps draw from rows") {
  for_every_process([](const auto& process) {
    laws::check_step_draws<float, ancestral>(process, 0.3, 0.7);
    laws::check_step_draws<float, analytic>(process, 0.3, 0.7);
    laws::check_step_draws<float, analytic>(process, 0.4, 1);
    laws::check_step_draws<double, ancestral>(process, 0, 0.8);
  });
}

TEST_CASE("laws: absorbing unmasks or not, and then draws the token") {
  const forward_process process(absorbing<5>{}, log_linear{0});
  const laws::some_net<absorbing<5>> net{};
  laws::sampler<float, decltype(process), decltype(net)> steps(process, net, {}, {}, laws::on(1));
  const index_t B = laws::draws(40000);
  array<token, 2> x(B, 1), one(1, 1);  // (B, 1)
  x.fill(4), one.fill(4);
  array<double, 1> s(B), t(B), s1(1), t1(1);  // (B)
  s.fill(0.6), t.fill(0.75), s1.fill(0), t1.fill(0.75);
  const auto clean = steps.rows(one, s1, t1, laws::no_latents<float>(1));  // (1, 1, S)  p(x_0)
  sampler_state state{3, 0};
  steps.step(state, x.whole(), s, t, laws::ids(B));
  std::vector<double> masked(2), tokens(4), law;
  for (token value : x) {
    ++masked[value == 4];
    if (value != 4) ++tokens[static_cast<std::size_t>(value)];
  }
  for (index_t a = 0; a < 4; ++a) law.push_back(clean(0, 0, a));
  laws::check_frequencies("1 - s/t unmask", masked, {1 - 0.6 / 0.75, 0.6 / 0.75});
  laws::check_frequencies("unmasked tokens follow p(x_0)", tokens, law);
}

namespace {

struct listed_row {
  const double* log_p;
  double log_prob(index_t s) const { return log_p[s]; }
};

}  // namespace

TEST_CASE("laws: the unnormalised masked row is the row times the move chance at t") {
  const forward_process process(absorbing<4>{}, log_linear{});
  const auto kernel = process.between(0.3, 0.7);
  const double log_p[] = {std::log(0.5), std::log(0.3), std::log(0.2), -infinity<double>()};
  const auto row = kernel.reverse(0, 3, listed_row{log_p});
  for (token s = 0; s < 4; ++s)
    CHECK(masked_update_weight(kernel, s, log_p[s]) ==
          doctest::Approx(std::exp(row.log_prob(s)) * kernel.hit_t).epsilon(1e-13));
}

TEST_CASE("laws: the same tokens for any batch, split, chunk and threads") {
  for_every_process([](const auto& process) {
    const laws::some_net<std::decay_t<decltype(process.space())>> net{process.space(), 1.0};
    const index_t B = 37, D = 6;
    const auto all = sample(process, net, {.batch = B, .dims = D, .steps = 5, .seed = 8}, laws::on(1));  // (B, D)
    CHECK(sample(process, net, {.batch = B, .dims = D, .steps = 5, .seed = 8}, laws::on(3)) == all);
    for (index_t chunk : {1, 5, 36, 37, 1000})
      CHECK(sample(process, net, {.batch = B, .dims = D, .steps = 5, .seed = 8, .chunk = chunk}, laws::on(2)) == all);
    const auto part = sample(process, net, {.batch = 10, .dims = D, .steps = 5, .seed = 8, .first_item = 20}, laws::on(1));
    CHECK(std::equal(part.begin(), part.end(), all.begin() + 20 * D));
    CHECK(sample(process, net, {.batch = B, .dims = D, .steps = 5, .seed = 9}, laws::on(1)) != all);
    CHECK(sample<double>(process, net, {.batch = B, .dims = D, .steps = 5, .seed = 8}, laws::on(1)).size() == B * D);
    for (index_t b = 0; b < B; ++b)
      for (index_t d = 0; d < D; ++d) CHECK((all(b, d) >= 0 && all(b, d) < process.space().states(d)));
  });
}

TEST_CASE("laws: a path can be written down and taken up again") {
  const forward_process process(uniform<4>{}, log_linear{});
  const laws::some_net<uniform<4>> net{};
  const auto whole = sample(process, net, {.batch = 5, .dims = 3, .steps = 4, .seed = 2}, laws::on(1));
  array<token, 2> x(5, 3);  // (B, D)
  draw_initial(process, rng{2}, laws::ids(5), x.whole());
  array<double, 1> s(5), t(5);  // (B)
  sampler_state state{2, 0};
  for (index_t n = 0; n < 4; ++n) {
    laws::sampler<float, decltype(process), decltype(net)> anew(process, net, {}, {}, laws::on(1));
    sampler_state taken_up{state.seed, state.step};
    t.fill(static_cast<double>(4 - n) / 4), s.fill(static_cast<double>(3 - n) / 4);
    anew.step(taken_up, x.whole(), s, t, laws::ids(5));
    state = taken_up;
  }
  CHECK(x == whole);
}

TEST_CASE("laws: evidence stays, and the network sees it from the first call") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  const laws::some_net<absorbing<4>> net{};
  array<token, 2> evidence(30, 5);  // (B, D)
  evidence.fill(-1);
  for (index_t b = 0; b < 30; ++b) evidence(b, b % 5) = static_cast<token>(b % 3);
  const auto x =
      sample(process, net, {.batch = 30, .dims = 5, .steps = 4, .seed = 1, .evidence = evidence, .chunk = 7}, laws::on(1));
  const auto without = sample(process, net, {.batch = 30, .dims = 5, .steps = 4, .seed = 1}, laws::on(1));
  index_t changed = 0;
  for (index_t b = 0; b < 30; ++b)
    for (index_t d = 0; d < 5; ++d) {
      if (d == b % 5) CHECK(x(b, d) == b % 3);
      changed += d != b % 5 && x(b, d) != without(b, d);
      CHECK(x(b, d) < 3);
    }
  CHECK(changed > 0);
}

TEST_CASE("laws: the argmax tail takes the most probable state of the last row") {
  for_every_process([](const auto& process) {
    const laws::some_net<std::decay_t<decltype(process.space())>> net{process.space(), 1.0};
    laws::sampler<float, std::decay_t<decltype(process)>, decltype(net)> steps(process, net, {.argmax_tail = true}, {},
                                                                               laws::on(1));
    const index_t B = 20, D = 4;
    auto x = laws::walk(process.space(), B, D);
    array<double, 1> s(B), t(B);  // (B)
    t.fill(0.5);
    const auto rows = steps.rows(x, s, t, laws::no_latents<float>(B));  // (B, D, S)
    sampler_state state{1, 0};
    auto drawn = x;
    steps.step(state, x.whole(), s, t, laws::ids(B));
    for (index_t b = 0; b < B; ++b)
      for (index_t d = 0; d < D; ++d)
        for (index_t a = 0; a < process.max_states(); ++a) CHECK(rows(b, d, x(b, d)) >= rows(b, d, a));
    // and before the last step it draws
    s.fill(0.25);
    laws::sampler<float, std::decay_t<decltype(process)>, decltype(net)> plain(process, net, {}, {}, laws::on(1));
    auto other = drawn;
    sampler_state first{1, 0}, second{1, 0};
    steps.step(first, drawn.whole(), s, t, laws::ids(B));
    plain.step(second, other.whole(), s, t, laws::ids(B));
    CHECK(drawn == other);
  });
}
