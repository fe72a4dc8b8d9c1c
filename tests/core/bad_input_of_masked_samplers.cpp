// Bad input to samplers of masked diffusion and to the heads that reshape rows.
#include <dimix/head/reshaped.hpp>
#include <dimix/parity/maskgit.hpp>
#include <dimix/sampler/blocks.hpp>
#include <dimix/sampler/remasking/confident.hpp>
#include <dimix/sampler/reveal.hpp>

#include "core/refuses.hpp"

#include <vector>

using namespace dimix;
using namespace test_core;

namespace {

const forward_process<absorbing<4>, log_linear> masked;
const constant_net net{{0, 0, 0, 0}};
const cpu one(1);

/// Never makes up its mind.
struct no_order {
  template <class Row>
  double score(const Row&, index_t, token, random_block, double) const {
    return not_a_number;
  }
};

/// Two positions, the second of them without a third value.
struct uneven {
  index_t states(index_t d) const { return d == 0 ? 4 : 3; }
  index_t max_states() const { return 4; }
  token mask() const { return 2; }
  double prior(index_t, token s) const { return s == 2 ? 1.0 : 0.0; }
};

}  // namespace

TEST_CASE("bad input: temperatures, thresholds, counts and rates") {
  refuses<invalid_argument>([] { tempered(softmax{}, 0, 4); }, {"tempered: tau = 0", "positive"});
  refuses<invalid_argument>([] { tempered(softmax{}, -1, 4); }, {"tempered: tau = -1"});
  refuses<invalid_argument>([] { tempered(softmax{}, not_a_number, 4); }, {"tempered: tau = nan"});
  refuses<invalid_argument>([] { nucleus(softmax{}, 0, 4); }, {"nucleus: mass = 0", "(0, 1]"});
  refuses<invalid_argument>([] { nucleus(softmax{}, 1.5, 4); }, {"nucleus: mass = 1.5"});
  refuses<invalid_argument>([] { top_k(softmax{}, 0, 4); }, {"top_k: k = 0"});
  refuses<invalid_argument>([] { fixed_temperature(-0.5); }, {"fixed_temperature: tau = -0.5"});
  refuses<invalid_argument>([] { linear_decay{infinite}; }, {"linear_decay: tau = inf"});
  refuses<invalid_argument>([] { by_count(0); }, {"by_count: n = 0"});
  refuses<invalid_argument>([] { by_threshold(0); }, {"by_threshold: p = 0", "(0, 1]"});
  refuses<invalid_argument>([] { by_threshold(1.01); }, {"by_threshold: p = 1.01"});
  refuses<invalid_argument>([] { by_threshold{not_a_number}; }, {"by_threshold: p = nan"});
  refuses<invalid_argument>([] { remask_cap(-0.1); }, {"remask_cap: eta = -0.1", "[0, 1]"});
  refuses<invalid_argument>([] { remask_rescale(1.1); }, {"remask_rescale: eta = 1.1"});
  refuses<invalid_argument>([] { remask_between(masked, 0.3, 0.5, remask_cap(0.1)); },
                            {"remask_between", "t_on = 0.3", "t_off = 0.5"});
  refuses<invalid_argument>([] { loop_grid(0, 1, 1, 0.5); }, {"loop_grid: down = 0"});
  refuses<invalid_argument>([] { loop_grid(1, 1, 1, 1); }, {"loop_grid: held = 1"});
  refuses<invalid_argument>([] { maskgit::tokens_per_step<double>(maskgit_arccos{}, 16, 0); }, {"steps = 0"});
}

TEST_CASE("bad input: a reveal sampler's step") {
  auto steps = make_reveal_sampler<double>(masked, net, confidence_order{}, by_schedule{}, drawn{}, {}, one);
  array<token, 2> x(2, 3);  // (B, D)
  x.fill(3);
  reveal_state state;
  const auto run = [&](const array<double, 1>& s, const array<double, 1>& t, index_t items) {
    steps.step(state, x.whole(), s, t, ids(items));
  };
  run(times(2, 0.5), times(2, 1), 2);
  refuses<invalid_argument>([&] { run(times(1, 0.5), times(2, 1), 2); }, {"reveal_sampler::step: s", "(1)", "(2)"});
  refuses<invalid_argument>([&] { run(times(2, 0.5), times(3, 1), 2); }, {"reveal_sampler::step: t", "(3)"});
  refuses<invalid_argument>([&] { run(times(2, 0.25), times(2, 0.5), 1); }, {"reveal_sampler::step: items", "(1)"});
  refuses<invalid_argument>([&] { run(times(2, 0.75), times(2, 0.5), 2); }, {"s[0] = 0.75", "t[0] = 0.5"});
  refuses<invalid_argument>([&] { run(times(2, 0.5), times(2, 1.5), 2); }, {"reveal_sampler::step", "[0] = 1.5"});
  CHECK(state.step == 1);  // a refused step does not count
  reveal_state other{0, 0, {3, 3, 3}};
  refuses<invalid_argument>([&] { steps.step(other, x.whole(), times(2, 0.25), times(2, 0.5), ids(2)); },
                            {"state is that of 3 items", "2"});
  reveal_state far{0, rng::max_step};
  refuses<invalid_argument>([&] { steps.step(far, x.whole(), times(2, 0.25), times(2, 0.5), ids(2)); },
                            {"reveal_sampler::step", "step = 262144"});
  x(1, 1) = 4;
  refuses<invalid_argument>([&] { run(times(2, 0.25), times(2, 0.5), 2); }, {"reveal_sampler::step", "[1, 1] = 4"});
}

TEST_CASE("bad input: networks and orders that answer nonsense") {
  for (const std::vector<double>& row :
       {std::vector<double>{0, not_a_number, 0, 0}, {0, infinite, 0, 0}, {-infinite, -infinite, -infinite, -infinite}}) {
    const constant_net nonsense{row};
    refuses<numeric_error>([&] { sample_reveal<double>(masked, nonsense, {.batch = 2, .dims = 3, .steps = 2}, one); },
                           {"reveal_sampler::step: item 0 position 0", "no state"});
    refuses<numeric_error>([&] { sample_first_hitting<float>(masked, nonsense, {.batch = 2, .dims = 1}, one); },
                           {"first_hitting_sampler::step: item 0 position 0", "no state"});
    refuses<numeric_error>(
        [&] { sample<float>(masked, nonsense, {.batch = 2, .dims = 3, .steps = 1}, one, remasking{remask_cap(0.1)}); },
        {"sampler::step: item 0 position 0", "no state"});
  }
  const constant_net impossible{{-infinite, -infinite, -infinite, 0}};
  refuses<numeric_error>(
      [&] {
        sample_reveal<double>(masked, impossible, {.dims = 3, .steps = 2}, one, confidence_order{}, by_schedule{},
                              most_probable{});
      },
      {"reveal_sampler::step: item 0 position 0", "no state"});
  refuses<numeric_error>([&] { sample_reveal(masked, net, {.dims = 3, .steps = 2}, one, no_order{}); },
                         {"selection: the score of position 0"});
}

TEST_CASE("bad input: options of whole paths") {
  refuses<invalid_argument>([&] { sample_reveal(masked, net, {.steps = 0}, one); }, {"steps = 0"});
  refuses<invalid_argument>([&] { sample_reveal(masked, net, {.batch = 0}, one); }, {"sample_reveal: batch = 0"});
  refuses<invalid_argument>(
      [&] {
        sample_reveal(masked, net, {.grid = {1, 0.5, 0.5, 0}}, one);
      },
      {"sample_reveal", "must fall"});
  refuses<invalid_argument>([&] { sample_first_hitting(masked, net, {.dims = 0}, one); }, {"sample_first_hitting", "dims = 0"});
  refuses<invalid_argument>([&] { sample_first_hitting(masked, net, {.chunk = 0}, one); }, {"sample_first_hitting: chunk = 0"});
  refuses<invalid_argument>([&] { sample_blocks(masked, net, {.dims = 4, .length = 0}, one); }, {"length = 0", "at least 1"});
  refuses<invalid_argument>([&] { sample_blocks(masked, net, {.dims = 4, .length = 1, .steps = 3}, one); },
                            {"steps = 3", "4 blocks of length 1"});
  const forward_process<uneven, log_linear> other;
  refuses<invalid_argument>([&] { sample_blocks(other, net, {.dims = 2, .length = 1, .steps = 2}, one); },
                            {"sample_blocks: position 1 has 3 states"});
  array<token, 2> evidence(2, 3);  // (B, D)
  evidence.fill(9);
  refuses<invalid_argument>([&] { sample_reveal(masked, net, {.batch = 2, .dims = 3, .evidence = evidence}, one); },
                            {"sample_reveal: evidence[0, 0] = 9"});
  refuses<invalid_argument>([&] { sample_confident_remasking(masked, net, {.grid = {1}}, remask_cap(0.1), one); },
                            {"sample_confident_remasking", "at least 2 times"});
  const auto confident = [&](const sample_options& options) {
    sample_confident_remasking(masked, net, options, remask_cap(0.1), one);
  };
  array<token, 1> classes(3);  // (B)
  evidence.fill(-1);
  refuses<invalid_argument>([&] { confident({.batch = 2, .dims = 3, .evidence = evidence, .hidden_evidence = true}); },
                            {"sample_confident_remasking: hidden_evidence"});
  refuses<invalid_argument>([&] { confident({.batch = 2, .classes = classes}); },
                            {"sample_confident_remasking: classes", "(3)", "(2)"});
  refuses<invalid_argument>([&] { confident({.last_candidates = -1}); }, {"last_candidates = -1"});
  refuses<invalid_argument>([&] { confident({.evidence_candidates = 0}); }, {"evidence_candidates = 0"});
  confident_remasking<float, decltype(masked), constant_net, remask_cap> steps(masked, net, remask_cap(0.1), {}, one);
  array<token, 2> x(2, 3);  // (B, D)
  confident_state state;
  state.decoded.resize(1, 3);  // (1, D)
  refuses<invalid_argument>([&] { steps.step(state, x.whole(), times(2, 0.5), times(2, 1), ids(2)); },
                            {"state.decoded", "(1, 3)", "(2, 3)"});
  confident_state fresh;
  refuses<invalid_argument>([&] { steps.step(fresh, x.whole(), times(2, 0.5), times(2, 1), ids(2), {.evidence = evidence}); },
                            {"confident_remasking::step: given.evidence"});
}

TEST_CASE("bad input: a first-hitting sampler's step") {
  first_hitting_sampler<float, decltype(masked), constant_net> steps(masked, net, latent_scope::per_path, one);
  array<token, 2> x(2, 3);  // (B, D)
  x.fill(3);
  sampler_state state;
  auto wrong = times(1, 1), late = times(2, 1.5), good = times(2, 1);
  refuses<invalid_argument>([&] { steps.step(state, x.whole(), wrong, ids(2)); }, {"first_hitting_sampler::step: t", "(1)"});
  refuses<invalid_argument>([&] { steps.step(state, x.whole(), late, ids(2)); }, {"first_hitting_sampler::step: t[0] = 1.5"});
  refuses<invalid_argument>([&] { steps.step(state, x.whole(), good, ids(1)); }, {"first_hitting_sampler::step: items", "(1)"});
  CHECK(state.step == 0);
}
