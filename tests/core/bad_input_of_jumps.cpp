// Bad input to samplers that jump.
#include <dimix/parity/tauldr_sampling.hpp>
#include <dimix/sampler/gillespie.hpp>
#include <dimix/sampler/predictor_corrector.hpp>

#include "core/refuses.hpp"

using namespace dimix;
using namespace test_core;

namespace {

const forward_process<absorbing<4>, log_linear> masked;
const forward_process<uniform<4>, log_linear> noisy;
const forward_process endless(birth_death<4>{}, log_linear{0});  // infinite noise at t = 1
const forward_process<birth_death<4>, linear> levels;
const constant_net flat{{0, 0, 0, 0}}, broken{{0, not_a_number, 0, 0}};
const cpu one(1);

template <class Method, class Process>
auto sampler_of(const Process& process) {
  return sampler<double, Process, constant_net, Method>(process, flat, {}, {}, one);
}

}  // namespace

TEST_CASE("bad input: tau-leaping") {
  refuses<invalid_argument>([] { sample<double, tau_leaping<>>(endless, flat, {.dims = 2, .steps = 3}, one); },
                            {"tau_leaping", "t = 1", "infinite"});
  const forward_process many(tauldr::as_ordered<uniform<>>{{{rng::max_draw + 1}}}, linear{});
  refuses<invalid_argument>([&] { tau_leaping<>{}.between(many, 0.25, 0.5); }, {"tau_leaping", "S = 65537", "65536"});
}

TEST_CASE("bad input: correctors") {
  auto steps = sampler_of<euler>(noisy);
  array<token, 2> x(2, 3);  // (B, D)
  sampler_state state;
  const auto correct = [&](const array<double, 1>& t, const array<double, 1>& noise, index_t items) {
    steps.correct(state, x.whole(), t, noise, ids(items));
  };
  correct(times(2, 0.5), times(2, 0.1), 2);
  refuses<invalid_argument>([&] { correct(times(2, 0), times(2, 0.1), 2); }, {"sampler::correct: t[0] = 0"});
  refuses<invalid_argument>([&] { correct(times(2, 1.5), times(2, 0.1), 2); }, {"t = 1.5"});
  refuses<invalid_argument>([&] { correct(times(2, 0.5), times(2, -1), 2); }, {"sampler::correct: noise[0] = -1"});
  refuses<invalid_argument>([&] { correct(times(2, 0.5), times(2, infinite), 2); }, {"sampler::correct: noise[0] = inf"});
  refuses<invalid_argument>([&] { correct(times(2, 0.5), times(3, 0.1), 2); }, {"sampler::correct: noise", "(3)", "(2)"});
  refuses<invalid_argument>([&] { correct(times(1, 0.5), times(2, 0.1), 2); }, {"sampler::correct: t", "(1)"});
  refuses<invalid_argument>([&] { correct(times(2, 0.5), times(2, 0.1), 1); }, {"items", "(1)"});
  CHECK(state.step == 1);
  const auto both = [&](const corrector_options& options) {
    step_and_correct(steps, state, x.whole(), 0.25, 0.5, ids(2), options);
  };
  refuses<invalid_argument>([&] { both({.steps = -1}); }, {"step_and_correct: steps = -1"});
  refuses<invalid_argument>([&] { both({.size = -0.5}); }, {"step_and_correct: size = -0.5"});
  refuses<invalid_argument>([&] { both({.size = not_a_number}); }, {"step_and_correct: size = nan"});
}

TEST_CASE("bad input: a network that answers nonsense to a sampler that jumps") {
  const sample_options options{.batch = 2, .dims = 3, .steps = 2};
  const auto sentence = {"sampler::step: item 0 position 0", "no state"};
  refuses<numeric_error>([&] { sample<double, euler>(noisy, broken, options, one); }, sentence);
  refuses<numeric_error>([&] { sample<float, euler>(masked, broken, options, one); }, sentence);
  refuses<numeric_error>([&] { sample<float, tau_leaping<single_jump>>(noisy, broken, options, one); }, sentence);
  refuses<numeric_error>([&] { sample<float, tau_leaping<>>(levels, broken, options, one); }, sentence);
}

TEST_CASE("bad input: gillespie") {
  array<token, 2> x(2, 3);  // (B, D)
  const auto run = [&](const auto& process, const constant_net& net, const array<double, 1>& s, const array<double, 1>& t,
                       index_t items) { gillespie(process, net, rng{}, x.whole(), s, t, ids(items)); };
  run(noisy, flat, times(2, 0.5), times(2, 0.6), 2);
  refuses<invalid_argument>([&] { run(noisy, flat, times(2, 0), times(2, 0.6), 2); }, {"gillespie", "s[0] = 0"});
  refuses<invalid_argument>([&] { run(noisy, flat, times(2, 0.7), times(2, 0.6), 2); },
                            {"gillespie", "s[0] = 0.7", "t[0] = 0.6"});
  refuses<invalid_argument>([&] { run(noisy, flat, times(2, 0.7), times(2, 1.5), 2); }, {"gillespie", "t[0] = 1.5"});
  refuses<invalid_argument>([&] { run(noisy, flat, times(2, not_a_number), times(2, 1), 2); }, {"gillespie", "s[0] = nan"});
  refuses<invalid_argument>([&] { run(noisy, flat, times(1, 0.5), times(2, 1), 2); }, {"gillespie: s", "(1)"});
  refuses<invalid_argument>([&] { run(noisy, flat, times(2, 0.5), times(1, 1), 2); }, {"gillespie: t", "(1)"});
  refuses<invalid_argument>([&] { run(noisy, flat, times(2, 0.5), times(2, 1), 3); }, {"gillespie: items", "(3)"});
  refuses<invalid_argument>([&] { run(endless, flat, times(2, 0.5), times(2, 1), 2); }, {"gillespie", "noise at t[0] = 1"});
  refuses<numeric_error>([&] { run(noisy, broken, times(2, 0.1), times(2, 0.9), 2); },
                         {"gillespie: item 0 position", "not finite"});
  x(1, 1) = 4;
  refuses<invalid_argument>([&] { run(noisy, flat, times(2, 0.5), times(2, 0.6), 2); }, {"gillespie: tokens[1, 1] = 4"});
}

TEST_CASE("bad input: tauLDR's grids") {
  refuses<invalid_argument>([] { tauldr::tau_leaping_grid(1, 0.01); }, {"equal_times", "n = 1"});
}
