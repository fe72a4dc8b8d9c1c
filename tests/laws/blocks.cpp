// Blocks: one is the plain sampler, steps add up, and nothing looks ahead.
#include <dimix/denoiser/time_independent.hpp>
#include <dimix/sampler/blocks.hpp>
#include <dimix/sampler/remasking/confident.hpp>

#include "laws/reveal.hpp"

using namespace dimix;

namespace {

const forward_process process(absorbing<4>{}, log_linear{0});
const laws::tested one = laws::on(1);

const auto by_reveals = [](const auto& forward, const auto& net, const auto& run_on) {
  return make_reveal_sampler<float>(forward, net, noisy_order{confidence_order{}, linear_decay{2}}, by_schedule{}, drawn{}, {},
                                    run_on);
};
const auto by_first_hits = []<class Process, class Net, class Backend>(const Process& forward, const Net& net,
                                                                       const Backend& run_on) {
  return first_hitting_sampler<float, Process, Net, Backend>(forward, net, latent_scope::per_path, run_on);
};
const auto by_confident_remasking = []<class Process, class Net, class Backend>(const Process& forward, const Net& net,
                                                                                const Backend& run_on) {
  return confident_remasking<float, Process, Net, remask_cap, Backend>(forward, net, remask_cap(0.4), {}, run_on);
};

/// Throws when a position is shown while one before it is masked in another block.
struct left_to_right {
  laws::some_net<absorbing<4>> net;
  index_t length;

  index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b) {
      index_t first_masked = 0;
      while (first_masked < asked.dims() && asked.tokens(b, first_masked) != 3) ++first_masked;
      for (index_t d = (first_masked / length + 1) * length; d < asked.dims(); ++d)
        expects(asked.tokens(b, d) == 3, "position ", d, " is shown too early");
    }
    net(asked, raw);
  }
};

/// Another network for the positions from `first` on of one sequence.
template <class Net>
struct inside {
  const Net& net;
  std::vector<token> around;  // (D)
  index_t first;

  index_t outputs() const { return net.outputs(); }
  template <class Real>
  void operator()(request<Real> asked, view<Real, 4> raw) const {
    const index_t B = asked.batch(), L = asked.dims(), D = static_cast<index_t>(around.size());
    array<token, 2> tokens(B, D);                   // (B, D)
    array<Real, 4> answer(B, 1, D, net.outputs());  // (B, 1, D, S)
    for (index_t b = 0; b < B; ++b) {
      std::copy(around.begin(), around.end(), tokens.whole().row(b).data());
      std::copy_n(asked.tokens.row(b).data(), L, &tokens(b, first));
    }
    asked.tokens = tokens;
    net(asked, answer.whole());
    for (index_t b = 0; b < B; ++b) std::copy_n(&answer(b, 0, first, 0), L * net.outputs(), &raw(b, 0, 0, 0));
  }
};

/// Three positions in blocks of two and one against the law of the one times that of the other given it; steps_of: of each. known makes the
/// sampler whose law is taken.
template <class Net, class Known, class Make>
void check_law(const std::string& what, const Net& net, const std::vector<index_t>& steps_of, const Known& known,
               const Make& make) {
  const index_t D = 3, S = 4, mask = 3;
  exact::joint_law law(exact::joint_states::of(process.space(), D));
  const inside<Net> first{net, {mask, mask, mask}, 0};
  auto first_steps = known(process, first, one);
  const auto pair = exact::law_after(first_steps, 2, uniform_grid(steps_of[0]));
  for (index_t i = 0; i < pair.size(); ++i) {
    if (pair[i] == 0) continue;
    const inside<Net> second{net, {pair.states.at(i, 0), pair.states.at(i, 1), mask}, 2};
    auto second_steps = known(process, second, one);
    const auto last = exact::law_after(second_steps, 1, uniform_grid(steps_of[1]));
    for (index_t a = 0; a < S; ++a) law[i * S + a] += pair[i] * last[a];
  }
  const auto x = sample_blocks<double>(
      process, net, {.batch = laws::draws(20000), .dims = D, .length = 2, .steps = steps_of[0] + steps_of[1], .seed = 5}, one,
      make);
  laws::check_frequencies(what, exact::sample_counts(law.states, x).counts, law.p);
}

}  // namespace

TEST_CASE("laws: one block is the plain sampler") {
  const laws::some_net<absorbing<4>> net{absorbing<4>{}, 1.0};
  const block_options options{.batch = 9, .dims = 7, .length = 7, .steps = 4, .seed = 3, .chunk = 4};
  CHECK(sample_blocks(process, net, options, one) == sample(process, net, {.batch = 9, .dims = 7, .steps = 4, .seed = 3}, one));
  CHECK(sample_blocks(process, net, options, one, by_reveals) ==
        sample_reveal(process, net, {.batch = 9, .dims = 7, .steps = 4, .seed = 3}, one,
                      noisy_order{confidence_order{}, linear_decay{2}}));
  CHECK(sample_blocks(process, net, options, one, by_first_hits) ==
        sample_first_hitting(process, net, {.batch = 9, .dims = 7, .seed = 3}, one));
  CHECK(sample_blocks(process, net, options, one, by_confident_remasking) ==
        sample_confident_remasking(process, net, {.batch = 9, .dims = 7, .steps = 4, .seed = 3}, remask_cap(0.4), one));
  block_options longer = options;
  longer.length = 50;
  CHECK(sample_blocks(process, net, longer, one) == sample_blocks(process, net, options, one));
}

TEST_CASE("laws: samples in blocks follow the law of one block given the block before it") {
  const laws::some_net<absorbing<4>> net{absorbing<4>{}, 1.5};
  const std::vector<index_t> steps_of = block_steps(4, 3, 2);
  check_law("ancestral", net, steps_of, ancestral_blocks<double>{}, ancestral_blocks<double>{});
  check_law("by reveals", net, steps_of, by_reveals, by_reveals);
  const auto one_by_one = [](const auto& forward, const auto& of_block, const auto& run_on) {
    return make_reveal_sampler<double>(forward, of_block, random_order{}, by_count{1}, drawn{}, {}, run_on);
  };
  check_law("by first hits", time_independent(net), {2, 1}, one_by_one, by_first_hits);
}

TEST_CASE("laws: steps of blocks add up, and none is 0") {
  for (index_t D : {1, 7, 10, 64})
    for (index_t length : {1, 3, 10, 64})
      for (index_t more : {0, 1, 5, 100}) {
        const index_t blocks = (D + length - 1) / length;
        const auto steps = block_steps(blocks + more, D, length);
        CHECK(static_cast<index_t>(steps.size()) == blocks);
        CHECK(std::accumulate(steps.begin(), steps.end(), index_t{0}) == blocks + more);
        CHECK(*std::min_element(steps.begin(), steps.end()) >= 1);
      }
  CHECK(block_steps(8, 16, 4) == std::vector<index_t>{2, 2, 2, 2});
  CHECK(block_steps(9, 10, 4) == std::vector<index_t>{3, 4, 2});
}

TEST_CASE("laws: blocks are decoded from left to right, with evidence seen from the first") {
  const laws::some_net<absorbing<4>> net{};
  const auto check = [&](const auto& make) {
    for (index_t length : {1, 3, 4}) {
      const auto x = sample_blocks(process, left_to_right{net, length}, {.batch = 5, .dims = 10, .length = length, .steps = 13},
                                   one, make);
      CHECK(std::count(x.begin(), x.end(), 3) == 0);
    }
  };
  check(ancestral_blocks<float>{});
  check(by_reveals);
  check(by_first_hits);
  check(by_confident_remasking);

  array<token, 2> evidence(6, 8);  // (B, D)
  evidence.fill(-1);
  for (index_t b = 0; b < 6; ++b) evidence(b, 7) = static_cast<token>(b % 3), evidence(b, 1) = 2;
  const block_options options{.batch = 6, .dims = 8, .length = 4, .steps = 6, .evidence = evidence, .chunk = 4};
  const auto stays = [&](const auto& make) {
    const auto x = sample_blocks(process, net, options, one, make);
    for (index_t b = 0; b < 6; ++b) CHECK((x(b, 7) == b % 3 && x(b, 1) == 2));
    CHECK(std::count(x.begin(), x.end(), 3) == 0);
  };
  stays(ancestral_blocks<float>{});
  stays(by_first_hits);
  stays([]<class Process, class Net, class Backend>(const Process& forward, const Net& inside, const Backend& run_on) {
    return sampler<float, Process, Net, remasking<remask_rescale>, Backend>(forward, inside, {}, {remask_rescale(1)}, run_on);
  });
  CHECK_THROWS_AS(sample_blocks(process, left_to_right{net, 4}, options, one), invalid_argument);
}

TEST_CASE("laws: blocks of one position are exact with an exact denoiser, and the network is asked as often as steps say") {
  const laws::bit_pairs data({0.4, 0.05, 0.15, 0.4});
  // alpha(1) > 0, so that the table knows what to do with a position that is shown at t = 1
  const forward_process bits(absorbing<3>{}, log_linear{});
  const tabular<forward_process<absorbing<3>, log_linear>> net(bits, data.sequences, data.law);
  const laws::counted<decltype(net)> asked{net};
  const index_t B = laws::draws(20000);
  const auto x =
      sample_blocks<double>(bits, asked, {.batch = B, .dims = 2, .length = 1, .steps = 2, .seed = 6, .chunk = B}, one);
  CHECK(*asked.calls == 2);
  laws::check_frequencies("pairs", laws::count_pairs(x), {0.4, 0.05, 0.15, 0.4});
}

TEST_CASE("laws: blocks draw other bits each, with λ of the path, whatever the chunk and threads") {
  const laws::some_net<absorbing<4>> net{absorbing<4>{}, 0.0};
  const index_t B = laws::draws(9000);
  const auto x = sample_blocks(process, net, {.batch = B, .dims = 2, .length = 1, .steps = 2, .seed = 6}, one);
  std::vector<double> counts(9);
  for (index_t b = 0; b < B; ++b) ++counts.at(static_cast<std::size_t>(3 * x(b, 0) + x(b, 1)));
  laws::check_frequencies("independent positions", counts, std::vector<double>(9, 1.0 / 9));

  const laws::follow_latent mixture{4, 3};
  const auto y = sample_blocks(process, mixture, {.batch = 200, .dims = 4, .length = 2, .steps = 3}, one);
  for (index_t b = 0; b < 200; ++b) CHECK((y(b, 1) == y(b, 0) && y(b, 3) == y(b, 0)));

  const auto run = [&](index_t chunk, int threads) {
    return sample_blocks(process, net, {.batch = 20, .dims = 7, .length = 3, .steps = 5, .first_item = 11, .chunk = chunk},
                         laws::on(threads), by_first_hits);
  };
  CHECK(run(512, 1) == run(3, 2));
}
