// Paths that are queued as a whole are those of sample().
#include <dimix/sampler/queued_path.hpp>

#include "core/refuses.hpp"
#include "laws/fibres.hpp"
#include "laws/path_network.hpp"

using namespace dimix;

namespace {

const cpu one(1);

template <class Method, class Process>
void check_path(const Process& process, const sample_options& options) {
  const laws::path_network<cpu> net{one, process.max_states()};
  auto path = queue_path<float, Method>(process, net, options, one);
  path.run();
  const auto expected = sample<float, Method>(process, net, options, one);
  CHECK(path.result() == expected);
  path.run();  // again, from x_1 on
  CHECK(path.result() == expected);
}

}  // namespace

TEST_CASE("laws: a queued path has the tokens of sample()") {
  const forward_process masked(absorbing<5>{}, log_linear{});
  const forward_process noisy(uniform<5>{}, cosine{});
  const forward_process ordered(birth_death<5>{}, linear{0, 4});
  for (latent_scope scope : {latent_scope::per_path, latent_scope::per_step}) {
    const sample_options options{.batch = 7, .dims = 6, .steps = 4, .seed = 3, .first_item = 11, .scope = scope};
    check_path<ancestral>(masked, options);
    check_path<analytic>(noisy, options);
    check_path<ancestral>(ordered, options);
  }
  check_path<ancestral>(masked, {.batch = 7, .dims = 6, .seed = 3, .argmax_tail = true, .grid = {1, 0.6, 0}});
}

TEST_CASE("laws: a queued path by teams, with a network on the device, differs only where a boundary rounds" *
          doctest::skip(laws::fibres_are_watched)) {
  laws::for_each_team([](const auto& team) {
    const forward_process process(absorbing<5>{}, log_linear{});
    const sample_options options{.batch = 6, .dims = 5, .steps = 3, .seed = 4};
    const laws::path_network<std::decay_t<decltype(team)>> net{team, process.max_states()};
    auto path = queue_path(process, net, options, team);
    const index_t allocations = team.allocations(), sweeps = team.sweeps();
    path.run();
    CHECK(team.allocations() == allocations);
    CHECK(team.sweeps() - sweeps == 1 + 2 * options.steps);  // x_1; the network and the draw of every step
    const auto here = sample(process, laws::path_network<cpu>{one, process.max_states()}, options, one), there = path.result();
    index_t different = 0;
    for (index_t i = 0; i < here.size(); ++i) different += here.data()[i] != there.data()[i];
    CHECK(different <= 1);  // of 30
  });
}

TEST_CASE("bad input: what a queued path cannot decide") {
  const forward_process process(absorbing<5>{}, log_linear{});
  const laws::path_network<cpu> net{one, 5};
  const auto make = [&](const sample_options& options) { queue_path(process, net, options, one); };
  test_core::refuses<invalid_argument>([&] { make({.batch = 0}); }, {"queued_path: batch = 0"});
  test_core::refuses<invalid_argument>([&] { make({.batch = 1, .dims = 2, .last_candidates = 4}); },
                                       {"last_candidates", "sample()"});
  test_core::refuses<invalid_argument>([&] { make({.batch = 1, .dims = 2, .grid = {0.5, 0.7, 0}}); }, {"queued_path"});
}
