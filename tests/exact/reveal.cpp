// Laws of samplers that choose positions: sets by order and allocation, samples of whole paths.
#include <dimix/dimix.hpp>

#include "core/refuses.hpp"
#include "laws/reveal.hpp"

using namespace dimix;

namespace {

using process_type = forward_process<absorbing<3>, log_linear>;
const process_type process(absorbing<3>{}, {0});

template <class Ordering, class Allocation, class Proposal = drawn, class Net = laws::some_net<absorbing<3>>>
void check_samples(const std::string& what, Ordering order, Allocation allocate, Proposal propose = {},
                   const Net& net = {{}, 1.0}, latent_scope scope = latent_scope::per_step) {
  const index_t D = 4;
  const time_grid grid{1, 0.7, 0.3, 0};
  auto steps = make_reveal_sampler<double>(process, net, order, allocate, propose, {scope}, cpu{1});
  const auto law = exact::law_after(steps, D, grid);
  double total = 0;
  for (double p : law.p) total += p;
  INFO(what);
  CHECK(total == doctest::Approx(1).epsilon(1e-12));
  const auto x =
      sample_reveal<double>(process, net, {.batch = laws::draws(8000), .dims = D, .seed = 4, .scope = scope, .grid = grid},
                            cpu{1}, order, allocate, propose);
  CHECK(exact::chi_square({law.states, x}, law) < 4);
}

}  // namespace

TEST_CASE("exact: sets of the best by Plackett-Luce") {
  const std::vector<double> log_weight{0.3, -1, 0.8, 0};
  double total = 0, first = 0;
  exact::each_weighed_set(log_weight, 2, [&](exact::position_set set, double p) {
    total += p;
    const auto w = [&](std::size_t i) { return std::exp(log_weight[i]); };
    const double all = w(0) + w(1) + w(2) + w(3);
    if (set == 0b0101) first = p - (w(0) / all * w(2) / (all - w(0)) + w(2) / all * w(0) / (all - w(2)));
  });
  CHECK(total == doctest::Approx(1).epsilon(1e-14));
  CHECK(std::abs(first) < 1e-15);
  index_t sets = 0;
  total = 0;
  exact::each_equal_set(6, 3, [&](exact::position_set, double p) { ++sets, total += p; });
  CHECK(sets == 20);
  CHECK(total == doctest::Approx(1).epsilon(1e-14));
  exact::each_equal_set(3, 0, [&](exact::position_set set, double p) { CHECK((set == 0 && p == 1)); });
  exact::each_equal_set(3, 3, [&](exact::position_set set, double p) { CHECK((set == 7 && p == doctest::Approx(1))); });
}

TEST_CASE("exact: samples follow the law of every order, allocation and proposal") {
  const noisy_order confident{confidence_order{}, linear_decay{1.5}};
  check_samples("random", random_order{}, by_schedule{});
  check_samples("random, λ per path", random_order{}, by_count{1}, drawn{}, laws::follow_latent{3, 2}, latent_scope::per_path);
  check_samples("MaskGIT", confident, by_schedule{});
  check_samples("margin with noise", noisy_order{margin_order{}, fixed_temperature{0.5}}, by_count{2}, most_probable{});
  check_samples("Fast-dLLM", confidence_order{}, by_threshold{0.5});
  check_samples("margin", margin_order{}, by_schedule{0});
  check_samples("entropy", entropy_order{}, by_count{2});
  check_samples("entropy with noise", noisy_order{entropy_order{}, fixed_temperature{0.5}}, by_schedule{});
  check_samples("random, likeliest tokens", random_order{}, by_count{1}, most_probable{});
  check_samples("LLaDA", confidence_order{}, by_count{2}, most_probable{});  // nothing is left to chance: one sequence
  check_samples("MaskGIT by threshold", confident, by_threshold{0.6}, most_probable{});
  const laws::leaning<weighted_latent<double>> mixture{3, laws::unequal_latent()};
  for (auto scope : {latent_scope::per_step, latent_scope::per_path}) {
    check_samples("MaskGIT, a mixture", confident, by_schedule{}, drawn{}, mixture, scope);
    check_samples("margin, a mixture", margin_order{}, by_count{2}, drawn{}, mixture, scope);
  }
}

TEST_CASE("exact: samples of reveals given evidence follow the law of paths that start from it") {
  const laws::some_net<absorbing<3>> net{{}};
  const index_t B = laws::draws(8000), D = 4;
  array<token, 2> evidence(B, D);  // (B, D)
  std::fill(evidence.begin(), evidence.end(), -1);
  for (index_t b = 0; b < B; ++b) evidence(b, 2) = 1;
  exact::joint_law start(exact::joint_states::of(process.space(), D));
  const token shown[] = {2, 2, 1, 2};
  start[start.states.index({shown, D})] = 1;
  const time_grid grid{1, 0.5, 0};
  const auto check = [&](auto order, auto allocate) {
    auto steps = make_reveal_sampler<double>(process, net, order, allocate, drawn{}, {}, cpu{1});
    const auto x = sample_reveal<double>(process, net, {.batch = B, .dims = D, .seed = 4, .grid = grid, .evidence = evidence},
                                         cpu{1}, order, allocate);
    CHECK(exact::chi_square({start.states, x}, exact::law_after(steps, start, grid)) < 4);
  };
  check(random_order{}, by_schedule{});
  check(noisy_order{confidence_order{}, linear_decay{1.5}}, by_count{2});
}

TEST_CASE("exact: samples that reconsider follow the law of proposals and tokens that compete") {
  // Rows are the same for every x_t, so that a token that shows has the probability it was proposed with.
  const index_t D = 3, B = laws::draws(20000);
  const double p[3][2] = {{0.7, 0.3}, {0.55, 0.45}, {0.9, 0.1}};
  laws::fixed_rows net;
  for (const auto& row : p) net.log_p.push_back({std::log(row[0]), std::log(row[1]), 0});
  const time_grid grid{1, 0.7, 0.4, 0};
  const auto check = [&](const auto& order) {
    exact::joint_law law = exact::prior_law(process, D);
    for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
      const double s = grid[n + 1];
      const auto hidden = static_cast<index_t>(std::floor(3 * s + 0.5));  // of 3, 1 - alpha_s = s
      exact::joint_law next(law.states);
      for (index_t i = 0; i < law.size(); ++i)
        laws::for_each_sequence(D, 2, [&](const std::vector<token>& proposed) {
          double chance = law[i];
          std::vector<token> x(3);
          std::vector<double> score(3);
          for (std::size_t d = 0; d < 3; ++d) {
            const token now = law.states.at(i, static_cast<index_t>(d));
            x[d] = now == 2 ? proposed[d] : now;
            score[d] = std::log(p[d][x[d]]);
            if (now == 2)
              chance *= p[d][x[d]];
            else if (proposed[d] != 0)
              chance = 0;  // proposes nothing: counted once
          }
          if (chance == 0) return;
          exact::each_best_set(
              order, 1 - s, D - hidden, [&](const auto&) { return score; },
              [&](exact::position_set set, double of_set) {
                std::vector<token> to = x;
                for (std::size_t d = 0; d < 3; ++d)
                  if (!(set >> d & 1)) to[d] = 2;
                next[law.states.index({to.data(), D})] += chance * of_set;
              });
        });
      law = next;
    }
    const auto x = sample_reveal<double>(process, net, {.batch = B, .dims = D, .seed = 4, .reconsider = true, .grid = grid},
                                         cpu{1}, order);
    CHECK(exact::chi_square({law.states, x}, law) < 4);
  };
  check(confidence_order{});
  check(noisy_order{confidence_order{}, linear_decay{1.5}});
}

TEST_CASE("exact: one position a step is the law of the data for an order that looks at rows alone, and not for confidence") {
  laws::bit_pairs data({0.45, 0.05, 0.15, 0.35});
  const tabular<process_type> net(process, data.sequences, data.law);
  const auto wanted = exact::law_of(exact::joint_states::of(process.space(), 2), data.sequences, data.law);
  const auto error = [&](auto order) {
    auto steps = make_reveal_sampler<double>(process, net, order, by_count{1}, drawn{}, {}, cpu{1});
    return exact::total_variation(exact::law_after(steps, 2, uniform_grid(2)), wanted);
  };
  CHECK(error(random_order{}) < 1e-12);
  CHECK(error(entropy_order{}) < 1e-12);
  CHECK(error(confidence_order{}) > 0.01);
}

TEST_CASE("bad input: what a reveal sampler remembers or cannot be enumerated") {
  const laws::some_net<absorbing<3>> net{{}};
  auto again =
      make_reveal_sampler<double>(process, net, confidence_order{}, by_count{1}, drawn{}, {.reconsider = true}, cpu{1});
  test_core::refuses<invalid_argument>([&] { exact::law_after(again, 2, uniform_grid(2)); }, {"reconsiders"});
  auto many = make_reveal_sampler<double>(process, net, confidence_order{}, by_count{1}, drawn{}, {}, cpu{1});
  test_core::refuses<invalid_argument>([&] { exact::law_after(many, 7, uniform_grid(2)); }, {"D = 7", "at most 6"});
  auto steps = make_reveal_sampler<double>(process, net, random_order{}, by_count{1}, drawn{}, {}, cpu{1});
  auto mixed_start = exact::prior_law(process, 2);
  mixed_start[0] = mixed_start[8] = 0.5;
  test_core::refuses<invalid_argument>([&] { exact::law_after(steps, mixed_start, {1, 0}); }, {"with 0 and with 2"});
}
