// Bad input to processes, λ, samplers and tables.
#include <dimix/denoiser/tabular.hpp>
#include <dimix/sampler.hpp>

#include "core/refuses.hpp"

#include <vector>

using namespace dimix;
using namespace test_core;

namespace {

struct first_is_hidden {
  int operator()(index_t d) const { return d == 0 ? 0 : 1; }
};

const forward_process<absorbing<4>, log_linear> masked;
const forward_process<uniform<4>, log_linear> noisy;
const cpu one(1);

}  // namespace

TEST_CASE("bad input: times of a process") {
  refuses<invalid_argument>([] { masked.between(-0.1, 0.5); }, {"forward_process::between", "s = -0.1", "t = 0.5"});
  refuses<invalid_argument>([] { masked.between(0.5, 1.25); }, {"forward_process::between", "t = 1.25"});
  refuses<invalid_argument>([] { masked.between(0.75, 0.5); }, {"forward_process::between", "s = 0.75", "t = 0.5"});
  refuses<invalid_argument>([] { masked.between(0.5, not_a_number); }, {"forward_process::between", "t = nan"});
}

TEST_CASE("bad input: spaces") {
  for (double share : {0.0, 1.0, -0.5, not_a_number})
    refuses<invalid_argument>([&] { mask_and_replace<4>{share}; }, {"mask_and_replace: mask_share = "});
  refuses<invalid_argument>([] { mask_and_replace<>(2, 0.5); }, {"mask_and_replace: S = 2"});
  const int kinds[] = {0, 1, 2};
  const forward_process process(mixed(listed_kinds(view<const int, 1>(kinds, 3)), absorbing<4>{}, uniform<4>{}), log_linear{});
  array<token, 2> x_0(2, 4), x_t(2, 4), three(2, 3);  // (B, D)
  refuses<invalid_argument>([&] { corrupt(process, x_0, times(2, 0.5), rng{}, ids(2), x_t, one); },
                            {"listed_kinds: kinds of 3 positions", "D = 4"});
  refuses<invalid_argument>([&] { draw_initial(process, rng{}, ids(2), three); }, {"listed_kinds: kinds[2] = 2", "2 spaces"});
}

TEST_CASE("bad input: corrupt and draw_initial") {
  array<token, 2> x_0(2, 3), x_t(2, 3), small(2, 2);  // (B, D)
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(3, 0.5), rng{}, ids(2), x_t, one); },
                            {"corrupt", "t 3", "2 items"});
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 0.5), rng{}, ids(1), x_t, one); }, {"corrupt", "items 1"});
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 0.5), rng{}, ids(2), small, one); },
                            {"corrupt", "x_t", "(2, 2)", "(2, 3)"});
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 1.5), rng{}, ids(2), x_t, one); },
                            {"corrupt: t[0] = 1.5", "[0, 1]"});
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, not_a_number), rng{}, ids(2), x_t, one); },
                            {"corrupt: t[0] = nan"});
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 0.5), rng{}, ids(2), x_t, one, rng::max_draw); },
                            {"corrupt", "draw = 65536"});
  x_0(1, 2) = 4;
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 0.5), rng{}, ids(2), x_t, one); },
                            {"corrupt: x_0[1, 2] = 4", "[0, 4)"});
  x_0(1, 2) = -1;
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 0.5), rng{}, ids(2), x_t, one); }, {"corrupt: x_0[1, 2] = -1"});
  refuses<invalid_argument>([&] { draw_initial(masked, rng{}, ids(3), x_t); }, {"draw_initial", "2 items", "items 3"});
}

TEST_CASE("bad input: λ") {
  array<double, 3> none(2, 0, 1), wide(2, 4, 3), good(2, 4, 1);  // (B, M, L)
  refuses<invalid_argument>([&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(2), 0, none.whole()); },
                            {"draw_latents", "M = 0"});
  refuses<invalid_argument>([&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(2), 0, wide.whole()); },
                            {"draw_latents", "3 coordinates", "has 1"});
  refuses<invalid_argument>([&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(5), 0, good.whole()); },
                            {"draw_latents", "items 5"});
  refuses<invalid_argument>(
      [&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(2), rng::max_step, good.whole()); },
      {"draw_latents", "step = 262144"});
  refuses<invalid_argument>([&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(2), -1, good.whole()); },
                            {"draw_latents", "step = -1"});
  array<double, 3> many(1, rng::max_draw + 1, 1);  // (1, M, 1)
  refuses<invalid_argument>([&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(1), 0, many.whole()); },
                            {"draw_latents", "draw = 65536"});
}

TEST_CASE("bad input: a sampler's step") {
  const constant_net net{{0, 0, 0, 0}};
  sampler<double, decltype(noisy), constant_net> steps(noisy, net, {}, {}, one);
  array<token, 2> x(2, 3);  // (B, D)
  sampler_state state;
  const auto run = [&](const array<double, 1>& s, const array<double, 1>& t, index_t items) {
    steps.step(state, x.whole(), s, t, ids(items));
  };
  run(times(2, 0.5), times(2, 1), 2);
  refuses<invalid_argument>([&] { run(times(1, 0.5), times(2, 1), 2); }, {"sampler: s", "(1)", "(2)"});
  refuses<invalid_argument>([&] { run(times(2, 0.5), times(3, 1), 2); }, {"sampler: t", "(3)"});
  refuses<invalid_argument>([&] { run(times(2, 0.5), times(2, 1), 1); }, {"sampler::step: items", "(1)"});
  refuses<invalid_argument>([&] { run(times(2, 0.75), times(2, 0.5), 2); }, {"s = 0.75", "t = 0.5"});
  refuses<invalid_argument>([&] { run(times(2, 0.5), times(2, 1.01), 2); }, {"t = 1.01"});
  CHECK(state.step == 1);  // a refused step does not count
  sampler_state far{0, rng::max_step};
  refuses<invalid_argument>([&] { steps.step(far, x.whole(), times(2, 0.5), times(2, 1), ids(2)); },
                            {"sampler::step", "step = 262144"});
  array<double, 3> latents(2, 1, 1);  // (B, 1, L)
  refuses<invalid_argument>([&] { steps.rows(x, times(2, 0.5), times(2, 1), latents); },
                            {"sampler: latents", "(2, 1, 1)", "(2, 1, 0)"});
  x(1, 1) = 4;
  refuses<invalid_argument>([&] { run(times(2, 0.5), times(2, 1), 2); }, {"sampler: x_t[1, 1] = 4", "[0, 4)"});
}

TEST_CASE("bad input: a network that answers nonsense") {
  for (const std::vector<double>& row :
       {std::vector<double>{0, not_a_number, 0, 0}, {0, infinite, 0, 0}, {-infinite, -infinite, -infinite, -infinite}}) {
    const constant_net net{row};
    refuses<numeric_error>([&] { sample<double>(noisy, net, {.batch = 2, .dims = 3, .steps = 2}, one); },
                           {"sampler::step: item 0 position 0", "no state"});
    refuses<numeric_error>([&] { sample<float>(masked, net, {.batch = 2, .dims = 3, .steps = 1}, one); },
                           {"sampler::step: item 0 position 0", "no state"});
    refuses<numeric_error>([&] { sample<double, analytic>(noisy, net, {.batch = 2, .dims = 3, .steps = 2}, one); },
                           {"sampler::step: item 0 position 0"});
  }
}

TEST_CASE("bad input: options of sample") {
  const constant_net net{{0, 0, 0, 0}};
  const auto run = [&](const sample_options& options) { sample(masked, net, options, one); };
  refuses<invalid_argument>([&] { run({.steps = 0}); }, {"steps = 0"});
  refuses<invalid_argument>([&] { run({.steps = -2}); }, {"steps = -2"});
  refuses<invalid_argument>([&] { run({.batch = 0}); }, {"sample: batch = 0"});
  refuses<invalid_argument>([&] { run({.dims = 0}); }, {"dims = 0"});
  refuses<invalid_argument>([&] { run({.chunk = 0}); }, {"sample: chunk = 0"});
  refuses<invalid_argument>([&] { run({.grid = {1}}); }, {"sample", "at least 2 times", "has 1"});
  refuses<invalid_argument>([&] { run({.grid = {1, 0.5}}); }, {"sample", "down to 0", "0.5"});
  refuses<invalid_argument>([&] { run({.grid = {1.5, 0}}); }, {"sample", "from 1.5"});
  refuses<invalid_argument>([&] { run({.grid = {1, 0.5, 0.5, 0}}); }, {"sample", "must fall", "grid[2] = 0.5"});
  refuses<invalid_argument>([&] { run({.grid = {1, not_a_number, 0}}); }, {"sample", "must fall", "grid[1] = nan"});
  array<token, 2> evidence(2, 3), other(1, 3);  // (B, D)
  evidence.fill(-1);
  const forward_process two_kinds(mixed(first_is_hidden{}, absorbing<4>{}, uniform<4>{}), log_linear{});
  evidence(0, 0) = 1, evidence(1, 2) = 3;
  const auto x = sample(two_kinds, net, {.batch = 2, .dims = 3, .evidence = evidence}, one);  // (B, D)
  CHECK(x(0, 0) == 1);
  CHECK(x(1, 2) == 3);
  evidence.fill(-1);
  refuses<invalid_argument>([&] { run({.batch = 2, .dims = 3, .evidence = other}); }, {"sample: evidence", "(1, 3)", "(2, 3)"});
  evidence(1, 2) = 4;
  refuses<invalid_argument>([&] { run({.batch = 2, .dims = 3, .evidence = evidence}); },
                            {"sample: evidence[1, 2] = 4", "[0, 4)"});
  evidence(1, 2) = 3;
  refuses<invalid_argument>([&] { run({.batch = 2, .dims = 3, .evidence = evidence}); }, {"evidence[1, 2] = 3 is the mask"});
  evidence(1, 2) = -2;
  refuses<invalid_argument>([&] { run({.batch = 2, .dims = 3, .evidence = evidence}); }, {"sample: evidence[1, 2] = -2"});
}

TEST_CASE("bad input: tables") {
  array<token, 2> sequences(2, 2);    // (n, D)
  array<double, 1> law(2), three(3);  // (n)
  sequences(1, 0) = 1;
  law(0) = 0.5, law(1) = 0.4;
  refuses<invalid_argument>([&] { tabular net(masked, sequences.whole(), law.whole()); },
                            {"tabular: probabilities sum to 0.9"});
  refuses<invalid_argument>([&] { tabular net(masked, sequences.whole(), three.whole()); },
                            {"tabular: probabilities", "(3)", "(2)"});
  law(0) = 1.5, law(1) = -0.5;
  refuses<invalid_argument>([&] { tabular net(masked, sequences.whole(), law.whole()); }, {"tabular", "-0.5"});
  law(0) = law(1) = 0.5;
  sequences(1, 1) = 4;
  refuses<invalid_argument>([&] { tabular net(masked, sequences.whole(), law.whole()); }, {"tabular: sequences[1, 1] = 4"});
  sequences(1, 1) = 0;
  const tabular net(masked, view<const token, 2>(sequences), view<const double, 1>(law));
  refuses<invalid_argument>([&] { sample(masked, net, {.dims = 5}, one); }, {"tabular", "D = 5", "has 2"});
}

TEST_CASE("bad input: spaces with rates of their own") {
  refuses<invalid_argument>([] { ordinal(1); }, {"ordinal: S = 1"});
  refuses<invalid_argument>([] { ordinal(5, {.rate_sigma = 0}); }, {"rate_sigma = 0"});
  refuses<invalid_argument>([] { ordinal(5, {.target_sigma = -1}); }, {"target_sigma = -1"});
  array<double, 2> rates(3, 3);  // (S, S)
  array<double, 1> law(3);       // (S)
  law.fill(1.0 / 3);
  const auto make = [&] { rate_table(rates, law); };
  rates(0, 1) = -2;
  refuses<invalid_argument>(make, {"rate_table: rates[0, 1] = -2"});
  rates(0, 1) = not_a_number;
  refuses<invalid_argument>(make, {"rate_table: rates[0, 1]"});
  rates(0, 1) = 0;
  refuses<invalid_argument>([&] { forward_process(rate_table(rates, law), log_linear{}); }, {"every rate is 0"});
  refuses<invalid_argument>([&] { stationary_law(rates); }, {"stationary_law: state 2 cannot reach"});
  law(0) = 0.5;
  refuses<invalid_argument>(make, {"rate_table: prior sums to"});
  array<double, 2> wide(3, 4);  // (S, S + 1)
  refuses<invalid_argument>([&] { rate_table(wide, law); }, {"rate_table: rates has shape (3, 4)"});
  const forward_process levels(birth_death<5>{}, linear{0, 4});
  refuses<invalid_argument>([&] { levels.between(0.5, 0.2); }, {"s = 0.5", "t = 0.2"});
}
