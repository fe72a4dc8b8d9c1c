// Laws after N steps, through the samplers that users run: the toy tables, λ per step and per path, chi-square of samples.
//
// Which law the samples of each sampler are held to, by chi-square of whole paths, and where:
//   ancestral, analytic, Euler (both forms, both clocks, to the end)   exact::law_after                             here
//   tau-leaping, a single jump (both clocks, to the end)               exact::law_after                             here
//   argmax tail; hybrid; guided logits and rows; remasking and its loop exact::law_after                             here
//   λ with weights or continuous, per step and per path                exact::law_after, by components or points    here
//   visible evidence                                                   exact::push, known tokens written in         here
//   hidden evidence                                                    push of the weighted λ                       laws/evidence.cpp
//   the likeliest of several λ                                         push, and the λ that may be tried            laws/evidence.cpp
//   reveals: every order, allocation, proposal; evidence               exact::law_after                             exact/reveal.cpp
//   reveals that reconsider                                            exact::each_best_set of fixed rows           exact/reveal.cpp
//   first hitting; Gillespie, absorbing                                reveals one by one in random order           laws/first_hitting, gillespie
//   Gillespie, every noise                                             q_s of the exact denoiser                    laws/gillespie.cpp
//   tau-leaping, summed jumps, and its correctors                      clamped convolutions of Poisson laws         laws/sampler_jumps.cpp
//   predictor and corrector                                            exact::push of both in turn                  laws/sampler_corrector.cpp
//   blocks of ancestral steps, reveals, first hits                     law_after of a block given the last          laws/blocks.cpp
//   remasking by confidence                                            product rows where ψ is known from x_t       laws/remasking.cpp
//   queued paths                                                       the tokens of sample(), bit by bit           laws/queued_path.cpp
#include <dimix/dimix.hpp>

#include "core/refuses.hpp"
#include "laws/sampler.hpp"

using namespace dimix;
using exact::joint_law;

namespace {

template <class Method = ancestral, class Process, class Net>
joint_law law_after(const Process& process, const Net& net, index_t D, const time_grid& grid,
                    latent_scope scope = latent_scope::per_step, Method method = {}) {
  sampler<double, Process, Net, Method> steps(process, net, {.scope = scope}, method, cpu{1});
  return exact::law_after(steps, D, grid);
}

/// Samples of whole paths follow the exact law. Of the options, dims, grid and how a step draws.
template <class Method = ancestral, class Process, class Net>
void check_samples(const std::string& what, const Process& process, const Net& net, sample_options options,
                   Method method = {}) {
  sampler<double, Process, Net, Method> steps(process, net, sampler_options_of(options), method, cpu{1});
  const auto law = exact::law_after(steps, exact::prior_law(process, options.dims), options.grid);
  options.batch = laws::draws(20000), options.seed = 3;
  INFO(what);
  CHECK(exact::chi_square({law.states, sample<double>(process, net, options, cpu{1}, method)}, law) < 4);
}
template <class Method = ancestral, class Process, class Net>
void check_samples(const std::string& what, const Process& process, const Net& net, index_t D, const time_grid& grid,
                   latent_scope scope, Method method = {}) {
  check_samples(what, process, net, {.dims = D, .scope = scope, .grid = grid}, method);
}

/// The law with known tokens (D) written in, -1 where unknown: what sample() does before every step.
joint_law with_known(const joint_law& law, const std::vector<token>& known) {
  joint_law result(law.states);
  for (index_t i = 0; i < law.size(); ++i) {
    index_t to = i;
    for (index_t d = 0; d < law.states.dims(); ++d)
      if (const token y = known[static_cast<std::size_t>(d)]; y >= 0) to += (y - law.states.at(i, d)) * law.states.stride(d);
    result[to] += law[i];
  }
  return result;
}

}  // namespace

TEST_CASE("exact: samples of whole paths follow the law of every method, with λ per step and per path") {
  const forward_process<absorbing<3>, log_linear> hides(absorbing<3>{}, {0});
  const forward_process<uniform<3>, cosine> redraws;
  const time_grid grid{1, 0.6, 0.25, 0};
  const laws::some_net<uniform<3>> some{{}};
  check_samples("ancestral", redraws, some, 2, grid, latent_scope::per_step);
  check_samples<analytic>("analytic", redraws, some, 2, grid, latent_scope::per_step);
  check_samples<euler>("Euler", redraws, some, 2, grid, latent_scope::per_step);
  const laws::follow_latent mixture{3, 2};
  for (auto scope : {latent_scope::per_step, latent_scope::per_path})
    check_samples("a mixture", hides, mixture, 3, grid, scope);
  check_samples("a mixture, redrawn", redraws, laws::follow_latent{3, 3}, 2, grid, latent_scope::per_path);
  CHECK(exact::total_variation(law_after(redraws, some, 2, grid), law_after<analytic>(redraws, some, 2, grid)) < 1e-12);
}

TEST_CASE("exact: samples follow the law of every form of a step that jumps at most once, and of an argmax tail") {
  const forward_process<uniform<3>, log_linear> redraws(uniform<3>{}, {0.05});  // no constant rate: the clocks differ
  const forward_process<absorbing<3>, log_linear> hides;
  const time_grid grid{1, 0.6, 0.25, 0};
  const auto check = [&](const std::string& what, auto method) {
    check_samples(what, redraws, laws::some_net<uniform<3>>{{}}, 2, grid, latent_scope::per_step, method);
    check_samples(what, hides, laws::some_net<absorbing<3>>{{}}, 3, grid, latent_scope::per_step, method);
  };
  check("Euler, linear", euler{.form = jump_form::linear});
  check("Euler, frozen rate", euler{.clock = jump_clock::frozen_rate});
  check("Euler to the end", euler{.denoise_last = false});
  check("a single jump", tau_leaping<single_jump>{});
  check("a single jump, frozen rate", tau_leaping<single_jump>{.clock = jump_clock::frozen_rate});
  check("a single jump to the end", tau_leaping<single_jump>{.denoise_last = false});
  for (auto scope : {latent_scope::per_step, latent_scope::per_path})
    check_samples("argmax tail", redraws, laws::leaning<weighted_latent<double>>{3, laws::unequal_latent()},
                  {.dims = 2, .scope = scope, .argmax_tail = true, .grid = grid});
}

TEST_CASE("exact: samples follow the law of a mixture with unequal weights or a continuous λ, of hybrids and of guidance") {
  const forward_process<absorbing<3>, log_linear> hides(absorbing<3>{}, {0});
  const forward_process<uniform<3>, cosine> redraws;
  const time_grid grid{1, 0.6, 0.25, 0};
  const laws::leaning<weighted_latent<double>> weighted{3, laws::unequal_latent()};
  const laws::leaning<uniform_latent> continuous{3, uniform_latent{1}};
  const auto check = [&](const auto& process, index_t D, latent_scope scope) {
    const laws::some_net<std::decay_t<decltype(process.space())>> teacher{{}};
    const auto head = head_of(teacher, process.space());
    check_samples("weights", process, weighted, D, grid, scope);
    check_samples("continuous λ", process, continuous, D, grid, scope);
    check_samples("student, then teacher", process, hybrid(weighted, teacher, 1), D, grid, scope);
    check_samples("guided", process, guided(weighted, teacher, step_ramp{2, 3}), D, grid, scope);
    check_samples("guided by time", process, guided(weighted, teacher, time_ramp{1.5}), D, grid, scope);
    check_samples("guided rows", process, paired(weighted, teacher, head), D, grid, scope, guided_rows<>{1.5});
    check_samples("guided rows of Euler", process, paired(weighted, teacher, head), D, grid, scope, guided_rows<euler>{2});
  };
  for (auto scope : {latent_scope::per_step, latent_scope::per_path}) {
    check(hides, 3, scope);
    check(redraws, 2, scope);
  }
}

TEST_CASE("exact: samples follow the law of remasking, also while it stays at a time") {
  const forward_process<absorbing<3>, log_linear> process(absorbing<3>{}, {0});
  const laws::leaning<weighted_latent<double>> net{3, laws::unequal_latent()};
  const time_grid grid{1, 0.7, 0.3, 0};
  for (auto scope : {latent_scope::per_step, latent_scope::per_path}) {
    check_samples("cap", process, net, 3, grid, scope, remasking{remask_cap(0.4)});
    check_samples("rescale", process, net, 3, grid, scope, remasking{remask_rescale(0.7)});
    check_samples("loop", process, net, 3, loop_grid(2, 2, 1, 0.4), scope,
                  remasking{remask_between(process, 0.4, 0.4, remask_cap(0.5))});
  }
}

TEST_CASE("exact: samples follow the law given visible evidence, also where a step may hide it again") {
  const forward_process<absorbing<3>, log_linear> process(absorbing<3>{}, {0});
  const laws::leaning<weighted_latent<double>> net{3, laws::unequal_latent()};
  const time_grid grid{1, 0.7, 0.3, 0};
  const std::vector<token> known{-1, 1, -1};
  const index_t B = laws::draws(20000);
  array<token, 2> evidence(B, 3);  // (B, D)
  for (index_t b = 0; b < B; ++b) std::copy(known.begin(), known.end(), evidence.whole().row(b).data());
  const auto check = [&]<class Method>(const std::string& what, Method method) {
    sampler<double, std::decay_t<decltype(process)>, std::decay_t<decltype(net)>, Method> steps(
        process, net, {.scope = latent_scope::per_step}, method, cpu{1});
    auto law = with_known(exact::prior_law(process, 3), known);
    for (std::size_t n = 0; n + 1 < grid.size(); ++n)
      law =
          with_known(exact::push(steps, law, {grid[n + 1], grid[n], static_cast<index_t>(n)}, exact::latents_of(steps)), known);
    const auto x = sample<double>(
        process, net, {.batch = B, .dims = 3, .seed = 3, .scope = latent_scope::per_step, .grid = grid, .evidence = evidence},
        cpu{1}, method);
    INFO(what);
    CHECK(exact::chi_square({law.states, x}, law) < 4);
  };
  check("ancestral", ancestral{});
  check("remasking", remasking{remask_rescale(0.7)});
}

TEST_CASE("exact: λ per path is the average of the chains with λ kept, λ per step their composition") {
  const forward_process<absorbing<3>, log_linear> process(absorbing<3>{}, {0});
  const laws::follow_latent mixture{3, 2};
  const index_t D = 2;
  // kept: every path agrees with its λ, half 00, half 11; drawn anew: two steps agree with chance 1/2 + 1/2 (P(one step reveals both))
  const auto kept = law_after(process, mixture, D, uniform_grid(2), latent_scope::per_path);
  CHECK(kept[0] == doctest::Approx(0.5));
  CHECK(kept[4] == doctest::Approx(0.5));
  const auto anew = law_after(process, mixture, D, uniform_grid(2), latent_scope::per_step);
  CHECK(anew[0] + anew[4] == doctest::Approx(0.75));
  CHECK(exact::total_variation(law_after(process, mixture, D, uniform_grid(1), latent_scope::per_path),
                               law_after(process, mixture, D, uniform_grid(1), latent_scope::per_step)) < 1e-15);
}

TEST_CASE("exact: a path in two halves is the path, one step is its transition, a matrix is its rows") {
  const forward_process<uniform<3>, log_linear> process;
  const laws::some_net<uniform<3>> net{{}};
  sampler<double, decltype(process), decltype(net)> steps(process, net, {}, {}, cpu{1});
  const auto whole = exact::law_after(steps, 2, {1, 0.7, 0.2, 0});
  const auto first = exact::law_after(steps, exact::prior_law(process, 2), {1, 0.7});
  CHECK(exact::total_variation(whole, exact::law_after(steps, first, {0.7, 0.2, 0}, 32, 1)) < 1e-15);
  const auto matrix = exact::transition_matrix(steps, 2, {0.2, 0.7});
  const token x_t[] = {2, 1};
  const auto row = exact::transition(steps, view<const token, 1>(x_t, 2), {0.2, 0.7});
  for (index_t i = 0; i < 9; ++i) CHECK(row[i] == matrix(7, i));
}

TEST_CASE("exact: an argmax tail is a point, the best of many has no rows") {
  const forward_process<absorbing<3>, log_linear> process;
  const laws::some_net<absorbing<3>> net{{}};
  sampler<double, decltype(process), decltype(net)> steps(process, net, {.argmax_tail = true}, {}, cpu{1});
  const auto law = exact::law_after(steps, 2, uniform_grid(1));
  const auto x = sample<double>(process, net, {.batch = 4, .dims = 2, .argmax_tail = true}, cpu{1});
  CHECK(law.of(x.whole().row(0)) == 1);
  sampler<double, decltype(process), decltype(net)> best(process, net, {.last_candidates = 3}, {}, cpu{1});
  test_core::refuses<invalid_argument>([&] { exact::law_after(best, 2, uniform_grid(1)); }, {"last_candidates = 3"});
}

TEST_CASE("exact: where noise only hides, 531441 sequences of 12 positions") {
  const forward_process<absorbing<3>, log_linear> process(absorbing<3>{}, {0});
  const laws::follow_latent mixture{3, 2};
  const auto law = law_after(process, mixture, 12, uniform_grid(1), latent_scope::per_path);
  CHECK(law[0] == doctest::Approx(0.5));
  CHECK(exact::total_correlation(law) == doctest::Approx(11 * std::log(2.0)));
}
