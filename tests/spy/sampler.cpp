// The sweeps and allocations that the docstrings of sampler.hpp, sample.hpp and distiller.hpp claim.
#include <dimix/dimix.hpp>

#include <doctest/doctest.h>

#include "laws/sampler.hpp"
#include "spy/claims.hpp"

using namespace dimix;

namespace {

constexpr index_t B = 6, D = 5;

/// Allocations of the steps after the first; every step is one sweep.
template <class Process, class Net>
void check_steps(const Process& process, const Net& net) {
  const spy::backend run_on;
  dimix::sampler<float, Process, Net, ancestral, spy::backend> steps(process, net, {}, {}, run_on);
  array<token, 2> x(B, D);      // (B, D)
  array<double, 1> s(B), t(B);  // (B)
  const auto items = laws::ids(B);
  sampler_state state{1, 0};
  x.fill(static_cast<token>(process.max_states() - 1));
  for (int n = 0; n < 3; ++n) {
    t.fill(1 - 0.25 * n), s.fill(0.75 - 0.25 * n);
    const auto asked = spy::during(run_on, [&] { steps.step(state, x.whole(), s, t, items); });
    CHECK(asked.launched == spy::sweeps{{B * D}});
    if (n > 0) CHECK(asked.allocations == 0);
  }
}

/// Gives every component logits of its own and forgets its gradient.
struct idle_student {
  index_t states;
  categorical_latent latent() const { return {4}; }
  index_t outputs() const { return states; }
  void operator()(const request<float>& asked, view<float, 4> raw) const {
    for (index_t i = 0; i < raw.size(); ++i)
      raw.data()[i] = 0.1f * static_cast<float>(i % states) * asked.latents.data()[i / (raw.extent(2) * states)];
  }
  void forward(const request<float>& asked, view<float, 4> raw) { (*this)(asked, raw); }
  void backward(view<const float, 4>) {}
};

}  // namespace

TEST_CASE("spy: a step is one sweep, and asks for no memory after the first") {
  check_steps(forward_process(uniform<4>{}, log_linear{}), laws::some_net<uniform<4>>{uniform<4>{}});
  check_steps(forward_process(absorbing<4>{}, cosine{}), laws::some_net<absorbing<4>>{absorbing<4>{}});
  check_steps(forward_process(absorbing<4>{}, cosine{}), laws::follow_latent{4, 3});
}

TEST_CASE("spy: N steps of a chunk are N sweeps, and as many allocations as one step") {
  const forward_process process(uniform<4>{}, log_linear{});
  const laws::some_net<uniform<4>> net{uniform<4>{}};
  const spy::backend run_on;
  const auto in_steps = [&](index_t N) {
    const time_grid grid = uniform_grid(N);
    return spy::during(run_on, [&] { sample(process, net, {.batch = 10, .dims = D, .grid = grid, .chunk = 6}, run_on); });
  };
  const auto one = in_steps(1), many = in_steps(8);
  CHECK(one.launched == spy::sweeps{{6 * D}, {4 * D}});
  CHECK(many.launched == spy::sweeps(8, {6 * D}) + spy::sweeps(8, {4 * D}));
  CHECK(many.allocations == one.allocations);
}

TEST_CASE("spy: a distiller's step takes the sweeps that are claimed") {
  const index_t M = 4, K = 3, R = 2, S = 4;
  const forward_process process(uniform<S>{}, log_linear{});
  const laws::some_net<uniform<S>> teacher{uniform<S>{}};
  idle_student student{S};
  const spy::backend run_on;
  array<token, 2> x_0(B, D);  // (B, D)
  const auto step = [&](distiller_options options) {
    options.components = M, options.targets = K;
    auto distil = make_distiller<float>(process, teacher, student, detached{}, options, run_on);
    const auto first = spy::during(run_on, [&] { distil.step(x_0, 0); });
    const auto second = spy::during(run_on, [&] { distil.step(x_0, B); });
    const auto third = spy::during(run_on, [&] { distil.step(x_0, 2 * B); });
    CHECK(first.launched == second.launched);
    CHECK(second.allocations == third.allocations);
    CHECK(third.allocations < first.allocations);
    return first.launched;
  };
  namespace claims = spy::claims;
  const auto sized = [&](index_t rows, index_t components) { return claims::sizes{rows, components, D, S}; };
  const spy::sweeps to_x_u = spy::sweeps{{B}} + claims::marginals(sized(B, 1)) + spy::sweeps{{B * K}};  // corrupt, T, x_u
  const spy::sweeps x_s = claims::draw_tokens(B * K, 1, D), x_s_and_P = claims::mean_rows(sized(B, K));
  const spy::sweeps with_marginals = claims::objective(sized(B, M), K + 1, true),
                    joint = claims::objective(sized(B, M), K + 1, false);
  const spy::sweeps distillation =
      spy::sweeps{{B * R}} + claims::marginals(sized(B * R, 1)) + claims::objective(sized(B * R, 1), 0, false);
  CHECK(step({.distillation_rows = 0}) == to_x_u + x_s_and_P + with_marginals);
  CHECK(step({.control_variates = false, .distillation_rows = 0}) == to_x_u + x_s + joint);
  CHECK(step({.distillation_rows = R}) == to_x_u + x_s_and_P + with_marginals + distillation);
}
