// Laws after N steps, through the samplers that users run: the toy tables, λ per step and per path, chi-square of samples.
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

/// Samples of whole paths follow the exact law.
template <class Method = ancestral, class Process, class Net>
void check_samples(const char* what, const Process& process, const Net& net, index_t D, const time_grid& grid,
                   latent_scope scope, Method method = {}) {
  const auto law = law_after<Method>(process, net, D, grid, scope, method);
  const auto x = sample<double, Method>(
      process, net, {.batch = laws::draws(20000), .dims = D, .seed = 3, .scope = scope, .grid = grid}, cpu{1}, method);
  INFO(what);
  CHECK(exact::chi_square({law.states, x}, law) < 4);
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
