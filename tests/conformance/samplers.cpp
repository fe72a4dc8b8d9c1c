// Defects of samplers in other systems, each as a test that ours passes and that tells the defective formula apart.
#include <dimix/denoiser/tabular.hpp>
#include <dimix/dimix.hpp>

#include "laws/reveal.hpp"

using namespace dimix;

namespace {

const forward_process masked(absorbing<4>{}, log_linear{0});
const laws::some_net<absorbing<4>> net{absorbing<4>{}, 1.0};

using tokens = array<token, 2>;

/// The tokens of one sequence after another, each drawn alone.
template <class Sample>
bool same_alone(const Sample& of) {
  const tokens together = of(index_t{9}, std::uint64_t{5});
  for (index_t b = 0; b < 9; ++b) {
    const tokens alone = of(index_t{1}, 5 + static_cast<std::uint64_t>(b));
    if (!std::equal(alone.begin(), alone.end(), together.whole().row(b).begin())) return false;
  }
  return true;
}

/// The orders of four positions by a score of their rows, the first to be revealed first.
template <class Ordering>
std::vector<index_t> order_by(const Ordering& ordering, const std::vector<std::vector<double>>& rows, std::uint64_t seed = 0) {
  std::vector<double> scores;
  for (std::size_t d = 0; d < rows.size(); ++d) {
    std::vector<double> log_p;
    for (double p : rows[d]) log_p.push_back(std::log(p));
    const index_t S = static_cast<index_t>(log_p.size());
    const auto row = make_row<double>(serial_group{}, softmax{}, view<const double, 1>(log_p.data(), S), place{0, 0, 0});
    const auto bits = rng{seed}(purpose::order, 0, 0, 0, static_cast<index_t>(d));
    scores.push_back(ordering.score(row, S, most_probable_of(serial_group{}, row, S), bits, 0.5));
  }
  return selection({scores.data(), static_cast<index_t>(scores.size())}, static_cast<index_t>(scores.size()));
}

/// A mixture that says what λ it is asked with.
struct listening {
  std::shared_ptr<std::vector<float>> heard = std::make_shared<std::vector<float>>();
  index_t outputs() const { return 4; }
  uniform_latent latent() const { return {1}; }
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    for (index_t i = 0; i < asked.latents.size(); ++i) heard->push_back(static_cast<float>(asked.latents.data()[i]));
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t d = 0; d < asked.dims(); ++d)
        for (index_t s = 0; s < 4; ++s) raw(b, 0, d, s) = static_cast<Real>(3 * s) * asked.latents(b, 0, 0);
  }
};

/// Certain of state 1 everywhere.
struct to_one {
  index_t outputs() const { return 5; }
  template <class Real>
  void operator()(const request<Real>&, view<Real, 4> raw) const {
    for (index_t i = 0; i < raw.size(); ++i) raw.data()[i] = i % 5 == 1 ? Real(0) : -infinity<Real>();
  }
};

}  // namespace

// Fast-dLLM #39: the score of a benchmark changes with the batch size. bd3lms: first hitting for one sequence only.
TEST_CASE("conformance: a sequence does not depend on the batch around it") {
  CHECK(same_alone([](index_t batch, std::uint64_t first) {
    return sample(masked, net, {.batch = batch, .dims = 6, .steps = 3, .seed = 1, .first_item = first, .chunk = 4});
  }));
  CHECK(same_alone([](index_t batch, std::uint64_t first) {
    return sample_reveal(masked, net, {.batch = batch, .dims = 6, .steps = 3, .seed = 1, .first_item = first, .chunk = 4});
  }));
  CHECK(same_alone([](index_t batch, std::uint64_t first) {
    return sample_first_hitting(masked, net, {.batch = batch, .dims = 6, .seed = 1, .first_item = first, .chunk = 4});
  }));
  // one generator for the whole batch: what comes before moves what comes after
  CHECK_FALSE(same_alone([](index_t batch, std::uint64_t) {
    tokens x(batch, 6);  // (batch, 6)
    for (index_t i = 0; i < x.size(); ++i) x.data()[i] = static_cast<token>(4 * laws::uniform_number(1, i));
    return x;
  }));
}

// bionemo-moco MDLM.step: a temperature on unmasked tokens without renormalising changes how often a position is revealed.
TEST_CASE("conformance: temperature does not change how often a position is revealed") {
  const laws::fixed_rows flat{{{std::log(.6), std::log(.3), std::log(.1), 0}}};
  tokens x(1, 1);                        // (1, 1)
  array<double, 1> s(1), t(1);           // (1)
  array<double, 3> no_latents(1, 1, 0);  // (1, 1, 0)
  x.fill(3), s.fill(0.4), t.fill(0.8);
  for (const double tau : {0.5, 1.0, 2.0}) {
    const under_head tempered_net(flat, tempered{subs{3}, tau, 4});
    sampler<double, std::decay_t<decltype(masked)>, std::decay_t<decltype(tempered_net)>> steps(masked, tempered_net);
    const auto rows = steps.rows(x, s, t, no_latents);  // (1, 1, 4)
    CHECK(rows(0, 0, 3) == doctest::Approx(0.5));       // (1 - alpha_s) / (1 - alpha_t)
    double unnormalised = 0;
    for (const double p : {.6, .3, .1}) unnormalised += 0.5 * std::pow(p, 1 / tau);
    CHECK((unnormalised == doctest::Approx(0.5)) == (tau == 1.0));  // what moco leaves for the tokens
  }
}

// di4c, maskgit tree: indice / (len(scheduler) - 1); bionemo-moco step_confidence: num_steps - 1. Both divide by zero in one step.
TEST_CASE("conformance: one step is legal everywhere, and reveals everything") {
  const auto all_shown = [](const tokens& x) { return std::count(x.begin(), x.end(), 3) == 0; };
  CHECK(all_shown(sample(masked, net, {.batch = 3, .dims = 5, .steps = 1})));
  CHECK(all_shown(sample_reveal(masked, net, {.batch = 3, .dims = 5, .steps = 1}, cpu{},
                                noisy_order{confidence_order{}, linear_decay{4.5}})));
  CHECK(std::isfinite(step_ramp{3, 1}(0, 1.0)));
  CHECK(linear_decay{4.5}(1) == 0);
  CHECK(std::isnan(0.0 / static_cast<double>(1 - 1)));  // indice / (len - 1) of the only step
}

// remdm ports (ParallelBench #7): counts off by some. llama.cpp: asserts steps % blocks == 0 and length % block == 0.
TEST_CASE("conformance: any number of steps reveals all of any length, and asks the network that often") {
  for (const index_t dims : {1, 7, 12})
    for (const index_t steps : {1, 3, 5, 12}) {
      const laws::counted<laws::some_net<absorbing<4>>> counting{net};
      const tokens x = sample_reveal(masked, counting, {.batch = 2, .dims = dims, .steps = steps});
      CHECK(std::count(x.begin(), x.end(), 3) == 0);
      CHECK(*counting.calls == std::min(steps, dims));
      const laws::counted<laws::some_net<absorbing<4>>> of_sample{net};
      sample(masked, of_sample, {.batch = 2, .dims = dims, .steps = steps});
      CHECK(*of_sample.calls == steps);
    }
  const tokens in_blocks = sample_blocks(masked, net, {.batch = 2, .dims = 7, .length = 3, .steps = 5});
  CHECK(std::count(in_blocks.begin(), in_blocks.end(), 3) == 0);
}

// llama.cpp ENTROPY_BASED returns +H: the least certain position goes first. MARGIN_BASED reads data[0] - data[1] unsorted; bionemo-moco draws two
// tokens for the margin, and takes the logarithm of what can be negative.
TEST_CASE("conformance: entropy and margin reveal the most certain position first") {
  const std::vector<std::vector<double>> rows = {{.4, .3, .3}, {.01, .02, .97}, {.15, .7, .15}, {.34, .33, .33}};
  const std::vector<index_t> certain_first{1, 2, 0, 3};
  CHECK(order_by(entropy_order{}, rows) == certain_first);
  CHECK(order_by(margin_order{}, rows) == certain_first);
  std::vector<double> turned, unsorted;
  for (const auto& row : rows) {
    double entropy = 0;
    for (double p : row) entropy -= p * std::log(p);
    turned.push_back(entropy), unsorted.push_back(row[0] - row[1]);
  }
  CHECK(selection({turned.data(), 4}, 4) != certain_first);
  CHECK(selection({unsorted.data(), 4}, 4) != certain_first);
  CHECK(*std::min_element(unsorted.begin(), unsorted.end()) < 0);
}

// llama.cpp: temperature 0 still samples.
TEST_CASE("conformance: at temperature 0 nothing is left to chance") {
  const auto greedy = [](std::uint64_t seed) {
    return sample_reveal(masked, net, {.batch = 2, .dims = 6, .steps = 3, .seed = seed}, cpu{},
                         noisy_order{confidence_order{}, fixed_temperature{0}}, by_schedule{}, most_probable{});
  };
  const auto warm = [](std::uint64_t seed) {
    return sample_reveal(masked, net, {.batch = 2, .dims = 6, .steps = 3, .seed = seed}, cpu{},
                         noisy_order{confidence_order{}, linear_decay{2}});
  };
  CHECK(greedy(1) == greedy(2));
  CHECK_FALSE(warm(1) == warm(2));
  CHECK_THROWS_AS(tempered(subs{3}, 0.0, 4), invalid_argument);  // most_probable says it
}

// llama.cpp add_gumbel_noise: noise for row 0 alone.
TEST_CASE("conformance: every position has noise of its own") {
  const laws::fixed_rows flat{std::vector<std::vector<double>>(5, {0, 0, 0, 0})};
  const tokens x = sample(masked, flat, {.batch = 300, .dims = 5, .steps = 1, .seed = 4});
  for (index_t d = 0; d < 5; ++d) {
    std::vector<double> counts(3), pairs(9);
    for (index_t b = 0; b < 300; ++b) {
      ++counts.at(static_cast<std::size_t>(x(b, d)));
      ++pairs.at(static_cast<std::size_t>(3 * x(b, d) + x(b, (d + 1) % 5)));
    }
    laws::check_frequencies("position", counts, {1. / 3, 1. / 3, 1. / 3});
    laws::check_frequencies("neighbours", pairs, std::vector<double>(9, 1. / 9));
  }
}

// bionemo-moco _subs_parameterization: the caller's logits are changed in place.
TEST_CASE("conformance: the network's outputs are read and left alone") {
  array<double, 2> raw(2, 4);  // (2, 4)
  laws::fill_noise(raw, 3, 2.0);
  const array<double, 2> before = raw;
  for (const token now : {1, 3}) {
    const auto row = make_row<double>(serial_group{}, subs{3}, view<const double, 2>(raw).row(0), place{0, 0, now});
    draw_row(row, 4, rng{1}(purpose::denoise, 0, 0, 0, 0));
  }
  CHECK(raw == before);
}

// di4c, sdtt tree: λ is drawn inside forward with the global generator: it cannot be fixed, shared, spread evenly or replayed.
TEST_CASE("conformance: λ is an argument: the seed says it, and what was heard can be given again") {
  const listening one, again;
  const sample_options options{.batch = 4, .dims = 6, .steps = 2, .seed = 8, .scope = latent_scope::per_step};
  CHECK(sample(masked, one, options) == sample(masked, again, options));
  REQUIRE(one.heard->size() == 8);
  CHECK(*one.heard == *again.heard);
  CHECK(std::adjacent_find(one.heard->begin(), one.heard->end()) == one.heard->end());

  // the same steps with λ given, drawn from another seed's law
  listening replayed;
  sampler<float, std::decay_t<decltype(masked)>, listening> steps(masked, replayed, {latent_scope::per_step});
  sampler_state state{8};
  tokens x(4, 6);                                      // (4, 6)
  array<double, 1> s(4), t(4);                         // (4)
  array<float, 3> latents(4, 1, 1);                    // (4, 1, 1)
  const array<std::uint64_t, 1> items = laws::ids(4);  // (4)
  x.fill(3);
  for (index_t n = 0; n < 2; ++n) {
    std::copy_n(one.heard->begin() + 4 * n, 4, latents.begin());
    t.fill(1 - 0.5 * static_cast<double>(n)), s.fill(0.5 - 0.5 * static_cast<double>(n));
    steps.step(state, x, s, t, items, {.latents = latents});
  }
  CHECK(x == sample(masked, one, options));
  CHECK(*replayed.heard == std::vector<float>(one.heard->begin(), one.heard->begin() + 8));
}

// tauLDR TauLeaping: jumps are summed and clamped also where states have no order; reject_multiple_jumps is in the conditional class alone.
TEST_CASE("conformance: summed jumps belong to ordered states, elsewhere only a single jump counts") {
  // jumps to 0 and to 4 from 2 cancel, two to 4 end at the edge: a third state each time that no jump went to
  CHECK(landing(2, 5, [](index_t a) { return a == 0 || a == 4 ? 1.0 : 0.0; }) == 2);
  CHECK(landing(3, 5, [](index_t a) { return a == 1 ? 1.0 : a == 4 ? 3.0 : 0.0; }) == 4);
  CHECK(landing(1, 5, [](index_t a) { return a == 2 ? 2.0 : 0.0; }) == 3);
  // by names instead of distances: from x = 0, with rates to 1 alone, no other state is reached
  const forward_process letters(uniform<5>{}, log_linear{0});
  const to_one certain;
  sampler<double, std::decay_t<decltype(letters)>, to_one, tau_leaping<single_jump>> jumping(letters, certain);
  sampler_state state{3};
  tokens x(400, 1);                 // (400, 1)
  array<double, 1> s(400), t(400);  // (400)
  s.fill(0.001), t.fill(0.02);
  jumping.step(state, x, s, t, laws::ids(400));
  const auto at = [&](token a) { return std::count(x.begin(), x.end(), a); };
  CHECK(at(1) > 20);
  CHECK(at(0) > 20);  // two jumps or none
  CHECK(at(0) + at(1) >= 390);
}

// flow_matching: div_free > 0 divides by kappa = 0 at the data.
TEST_CASE("conformance: a corrector where rates are unbounded is refused, not computed") {
  sampler<double, std::decay_t<decltype(masked)>, laws::some_net<absorbing<4>>, euler> steps(masked, net);
  sampler_state state{1};
  tokens x(2, 3);                   // (2, 3)
  array<double, 1> t(2), noise(2);  // (2)
  x.fill(1), noise.fill(0.1);
  CHECK_THROWS_AS(steps.correct(state, x, t, noise, laws::ids(2)), invalid_argument);
  t.fill(1);
  steps.correct(state, x, t, noise, laws::ids(2));
  for (token each : x) CHECK((each >= 0 && each < 4));
}
