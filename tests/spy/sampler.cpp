// The sweeps and allocations that the docstrings of sampler.hpp and distiller.hpp claim.
#include <dimix/dimix.hpp>

#include <doctest/doctest.h>

#include "laws/sampler.hpp"
#include "spy/spy_backend.hpp"

using namespace dimix;

TEST_CASE("spy: a step is one call and one sweep") {
  const index_t B = 6, D = 5;
  const forward_process process(uniform<4>{}, log_linear{});
  const laws::some_net<uniform<4>> net{uniform<4>{}};
  const spy::backend run_on;
  dimix::sampler<float, decltype(process), decltype(net), ancestral, spy::backend> steps(process, net, {}, {}, run_on);
  array<token, 2> x(B, D);           // (B, D)
  array<double, 1> s(B), t(B);       // (B)
  const auto items = laws::ids(B);   // (B)
  sampler_state state{1, 0};
  for (int n = 0; n < 3; ++n) {
    t.fill(1 - 0.25 * n), s.fill(0.75 - 0.25 * n);
    const auto asked = spy::during(run_on, [&] { steps.step(state, x.whole(), s, t, items); });
    CHECK(asked.launched == spy::sweeps{{B * D}});
    MESSAGE(asked.allocations);
  }
  for (index_t N : {1, 4, 8}) {
    const auto asked = spy::during(run_on, [&] { sample(process, net, {.batch = 10, .dims = D, .steps = N, .chunk = 6}, run_on); });
    CHECK(asked.launched.size() == static_cast<std::size_t>(2 * N));
    MESSAGE(N, " ", asked.allocations);
  }
}
