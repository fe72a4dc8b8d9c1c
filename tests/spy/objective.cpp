// The sweeps and allocations that the docstrings of marginal.hpp and objective.hpp claim.
#include <dimix/core/memory.hpp>
#include <dimix/objective.hpp>

#include <doctest/doctest.h>

#include "laws/support.hpp"
#include "spy/claims.hpp"

using namespace dimix;

namespace {

constexpr index_t B = 3, M = 8, D = 5, S = 40, K = 4;
constexpr spy::claims::sizes all{B, M, D, S};

struct case_of {
  array<float, 4> raw{B, M, D, S}, gradient{B, M, D, S};  // (B, M, D, S)
  array<float, 3> teacher{B, D, S};                       // (B, D, S)
  array<token, 2> x_t{B, D};                              // (B, D)
  array<token, 3> x_0{B, K, D};                           // (B, K, D)
  spy::backend run_on;

  case_of() {
    laws::fill_noise(raw, 1, 2);
    teacher.fill(1.0f / S);
  }
  view<const float, 4> outputs() const { return raw; }

  template <class... Terms>
  auto objective_of(std::pmr::memory_resource* memory, const Terms&... terms) const {
    return make_objective<float>(softmax{}, view<const token, 2>(x_t), M, S, objective_options<float>{.memory = memory},
                                 terms...);
  }
  joint_negative_log_likelihood<float> joint() const { return {x_0}; }
  marginal_divergence<float> marginal() const { return {teacher}; }
  distillation_bound<float> component() const { return {teacher}; }
};

/// An objective in chunks of Mc components, twice. targets: of all joint terms.
template <class... Terms>
void check(case_of& at, index_t Mc, index_t targets, bool marginals, const Terms&... terms) {
  auto loss = at.objective_of(std::pmr::get_default_resource(), terms...);
  array<float, 4> part(B, Mc, D, S);  // (B, Mc, D, S)
  laws::fill_noise(part, 2, 2);
  at.run_on.sweep<float>(1, (2 + spy::claims::together(S)) * S, [](const auto&, auto, index_t) {});  // this thread has its tile
  for (int round = 0; round < 2; ++round) {
    for (index_t first = 0; first < M; first += Mc) {
      const auto asked = spy::during(at.run_on, [&] { loss.observe(view<const float, 4>(part), first, at.run_on); });
      CHECK(asked.launched == spy::claims::observe_objective(all, Mc, targets, marginals, first == 0));
      // the running sums of marginals in chunks
      CHECK(asked.allocations == (round == 0 && first == 0 && marginals && Mc < M ? 1 : 0));
    }
    const auto closing = spy::during(at.run_on, [&] { loss.close(at.run_on); });
    CHECK(closing.launched == spy::claims::close_objective(all, targets, marginals, Mc < M));
    CHECK(closing.allocations == (round == 0 ? spy::claims::first_close : 0));
    for (index_t first = 0; first < M; first += Mc) {
      const auto asked =
          spy::during(at.run_on, [&] { loss.gradient(view<const float, 4>(part), first, part.whole(), at.run_on); });
      CHECK(asked.launched == spy::claims::gradient(all));
      CHECK(asked.allocations == 0);
    }
  }
}

}  // namespace

TEST_CASE("spy: an objective's phases take the sweeps that are claimed, and no memory after the first round") {
  case_of at;
  for (index_t Mc : {M, M / 4}) {
    CAPTURE(Mc);
    check(at, Mc, K, true, at.joint(), at.marginal(), at.component());
    check(at, Mc, K, false, at.joint());
    check(at, Mc, 0, true, at.marginal());
    check(at, Mc, 0, false, at.component());
  }
}

TEST_CASE("spy: the workspace is what is claimed, and small arrays of B M, B K and B D numbers beside it") {
  case_of at;
  const auto numbers = [](index_t count) { return sizeof(float) * static_cast<std::size_t>(count); };
  const std::size_t small = numbers(B * (M + K + 8 * D) + 2 * B * M * K) + 20 * 64;  // blocks are multiples of 64 bytes
  {
    recycled_memory memory;
    const marginalisation<float, softmax> over(softmax{}, at.x_t, M, S, {.targets = at.x_0, .memory = &memory});
    const std::size_t claimed = numbers(2 * B * M * D + 3 * B * M * K + B * K * D + B * D * S);
    CHECK(memory.taken() >= claimed);
    CHECK(memory.taken() <= claimed + small);
  }
  {
    recycled_memory memory;
    auto loss = at.objective_of(&memory, at.joint(), at.marginal(), at.component());
    value_and_gradient(loss, at.outputs(), at.gradient.whole(), at.run_on);
    const std::size_t claimed = numbers(2 * B * M * D + 4 * B * M * K + B * D * S + 2 * B * K * D);
    CHECK(memory.taken() >= claimed);
    CHECK(memory.taken() <= claimed + small);
  }
}

TEST_CASE("spy: functions of the marginalisation take the sweeps that are claimed") {
  case_of at;
  const auto launched = [&](const auto& f) { return spy::during(at.run_on, f).launched; };
  CHECK(launched([&] { marginals<float>(softmax{}, at.x_t, at.outputs(), S, at.run_on); }) == spy::claims::marginals(all));
  CHECK(launched([&] { responsibilities<float>(softmax{}, at.x_t, at.outputs(), at.x_0, S, at.run_on); }) ==
        spy::claims::responsibilities(all, K));
  CHECK(launched([&] { log_likelihood<float>(softmax{}, at.x_t, at.outputs(), at.x_0, S, at.run_on); }) ==
        spy::claims::log_likelihood(all, K));
  const view<const float, 4> apart(at.raw.data(), B * M, 1, D, S);  // (B M, 1, D, S)
  const array<token, 2> zeros(B * M, D);                            // (B M, D)
  CHECK(launched([&] { mean_rows<float>(softmax{}, zeros, apart, M, S, at.run_on); }) == spy::claims::mean_rows(all));
  array<token, 3> draws(B, M, D);  // (B, M, D)
  const std::uint64_t items[B] = {1, 2, 3};
  const auto drawing = spy::during(at.run_on, [&] {
    draw_tokens<float>(softmax{}, at.x_t, at.outputs(), S, rng{1}, purpose::user, {items, B}, 0, draws.whole(), at.run_on);
  });
  CHECK(drawing.launched == spy::claims::draw_tokens(B, M, D));
  CHECK(drawing.allocations == 0);
}
