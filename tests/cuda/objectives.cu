// Objectives, the marginalisation and the rows of the bounds on the device, by warps, blocks and clusters.
#include <dimix/backend/cuda/graph.cuh>
#include <dimix/core/workspace.hpp>
#include <dimix/head/truncated_logistic.hpp>
#include <dimix/marginal.hpp>
#include <dimix/objective.hpp>

#include <tuple>

#include "cuda/on_device.cuh"
#include "laws/bound_rows.hpp"
#include "laws/objective.hpp"

using namespace dimix;
using namespace on_device;

namespace {

/// The same objective on the host and on the device, in a buffer as large as was said before, to be compared by laws::site of a small or a
/// large row.
template <class Real, class Head, class TermsOf>
void check_objective(const laws::site<Real, Head>& at, double bound, const TermsOf& terms_of) {
  const stream queue;
  device_memory pool(queue.handle);
  counted_memory counted(&pool);
  const gpu run_on(queue.handle, &counted);
  const index_t outputs = at.raw.extent(3);
  array<Real, 4> expected(at.B, at.M, at.D, outputs), found(at.B, at.M, at.D, outputs);  // (B, M, D, outputs)
  array<Real, 2> slopes(at.B, at.M), found_slopes(at.B, at.M);                           // (B, M)
  const auto make = [&](view<const token, 2> tokens, view<const Real, 2> log_weights, view<const token, 3> targets,
                        view<const Real, 3> teacher, view<const Real, 1> weights, std::pmr::memory_resource* memory) {
    return std::apply(
        [&](const auto&... term) {
          return make_objective<Real>(
              at.head, tokens, at.M, at.S,
              objective_options<Real>{.log_weights = log_weights, .log_weight_gradient = true, .memory = memory}, term...);
        },
        terms_of(targets, teacher, weights));
  };
  auto here = make(at.tokens, at.log_weights, at.targets, at.teacher, at.weights, std::pmr::get_default_resource());
  const Real value_here = value_and_gradient(here, at.given(), expected.whole(), cpu(1));
  here.log_weight_gradient(slopes.whole());

  const auto tokens = sent(run_on, at.tokens);
  const auto log_weights = sent(run_on, at.log_weights);
  const auto targets = sent(run_on, at.targets);
  const auto teacher = sent(run_on, at.teacher);
  const auto weights = sent(run_on, at.weights);
  const auto raw = sent(run_on, at.raw);
  array<Real, 4, device_space> out(run_on.memory(), at.B, at.M, at.D, outputs);  // (B, M, D, outputs)
  array<Real, 2, device_space> out_slopes(run_on.memory(), at.B, at.M);          // (B, M)
  const auto make_there = [&](std::pmr::memory_resource* memory) {
    return make(tokens.rows(), log_weights.rows(), targets.rows(), teacher.rows(), weights.rows(), memory);
  };
  const std::size_t bytes = workspace_bytes(make_there);
  array<unsigned char, 1, device_space> buffer(run_on.memory(), static_cast<index_t>(bytes));
  std::pmr::monotonic_buffer_resource exact(buffer.whole().data(), bytes, std::pmr::null_memory_resource());
  auto there = make_there(&exact);
  const auto step = [&] {
    there.observe(raw.whole(), 0, run_on);
    there.close(run_on);
    there.gradient(raw.whole(), 0, out.whole(), run_on);
    there.log_weight_gradient(out_slopes.whole(), run_on);
  };
  const auto compare = [&] {
    there.collect(run_on);
    CHECK(static_cast<double>(there.loss()) == doctest::Approx(static_cast<double>(value_here)).epsilon(bound));
    run_on.fetch(out.whole(), found.whole());
    run_on.fetch(out_slopes.whole(), found_slopes.whole());
    check_close<Real>({{found.begin(), found.end()}, {expected.begin(), expected.end()}}, bound);
    check_close<Real>({{found_slopes.begin(), found_slopes.end()}, {slopes.begin(), slopes.end()}}, bound);
  };
  step();
  compare();
  const index_t before = counted.allocations();
  const captured graph(run_on, step);  // the whole step, which waits for nothing and asks for no memory
  for (int round = 0; round < 2; ++round) graph.launch();
  compare();
  step();
  compare();
  CHECK(counted.allocations() == before);
}

/// Two items of three positions, some revealed.
array<token, 2> half_hidden(token mask) {
  array<token, 2> x_t(2, 3);  // (B, D)
  x_t.fill(mask);
  x_t(0, 1) = 2;
  return x_t;
}

template <class Real>
void check_heads(double bound) {
  const auto terms = [](auto x, auto T, auto w) {
    return std::tuple(consistency<Real>{{x, {w, Real(0.5)}}, {T}}, correlation<Real>{x, {w, Real(0.1)}},
                      marginal_divergence<Real>{T}, distillation_bound<Real>{T, {w, Real(2)}}, squared_error<Real>{T},
                      jackknife_negative_log_likelihood<Real>{x, {{}, Real(0.2)}});
  };
  check_objective(laws::site<Real, softmax>(softmax{}, half_hidden(0), 3, 17, 5), bound, terms);   // a warp a row
  check_objective(laws::site<Real, softmax>(softmax{}, half_hidden(0), 3, 300, 5), bound, terms);  // a block
  check_objective(laws::site<Real, softmax>(softmax{}, half_hidden(0), 3, 9001, 5), bound,
                  terms);  // tiles outside shared memory
  check_objective(laws::site<Real, softmax>(softmax{}, half_hidden(0), 3, 20001, 5), bound,
                  terms);  // a cluster, where there are some
  check_objective(laws::site<Real, subs>(subs{130}, half_hidden(130), 3, 131, 2), bound, terms);
  check_objective(laws::site<Real, truncated_logistic>(truncated_logistic{131}, half_hidden(0), 3, 131, 3), bound, terms);
}

}  // namespace

TEST_CASE("cuda: objectives on the device are those of the host, queued and as a graph") {
  SKIP_WITHOUT_DEVICE();
  check_heads<float>(2e-5);
  check_heads<double>(1e-11);
}

TEST_CASE("cuda: what is wrong on the device is thrown where the host looks") {
  SKIP_WITHOUT_DEVICE();
  const gpu run_on;
  laws::site<double, softmax> at(softmax{}, half_hidden(0), 3, 6, 2);
  at.targets(1, 1, 0) = 6;
  const auto tokens = sent(run_on, at.tokens);
  const auto targets = sent(run_on, at.targets);
  const auto raw = sent(run_on, at.raw);
  auto loss = make_objective<double>(softmax{}, tokens.rows(), at.M, at.S, objective_options<double>{.memory = run_on.memory()},
                                     correlation<double>{targets.rows()});
  CHECK_THROWS_WITH_AS(value(loss, raw.whole(), run_on), doctest::Contains("targets holds 6 at flat index 9"),
                       invalid_argument);
}

TEST_CASE("cuda: tokens drawn on the device are the host's but where a boundary rounds") {
  SKIP_WITHOUT_DEVICE();
  const gpu run_on;
  const index_t B = 16, M = 8, D = 64, S = 257;
  array<float, 4> raw(B, M, D, S);                // (B, M, D, S)
  array<std::uint64_t, 1> items(B);               // (B)
  array<token, 3> here(B, M, D), found(B, M, D);  // (B, M, D)
  const array<token, 2> x_t(B, D);                // (B, D)
  laws::fill_noise(raw, 1, 3);
  for (index_t b = 0; b < B; ++b) items(b) = static_cast<std::uint64_t>(100 + b);
  draw_tokens(softmax{}, x_t, view<const float, 4>(raw), S, rng{3}, purpose::target, items, 2, here.whole(), cpu());
  const auto given = sent(run_on, raw);
  const auto tokens = sent(run_on, x_t);
  const auto ids = sent(run_on, items);
  array<token, 3, device_space> there(run_on.memory(), B, M, D);  // (B, M, D)
  draw_tokens(softmax{}, tokens.whole(), given.whole(), S, rng{3}, purpose::target, ids.whole(), 2, there.whole(), run_on);
  run_on.fetch(there.whole(), found.whole());
  check_tokens(found, here, 2);  // a boundary moves by about 1e-7
}

TEST_CASE("cuda: rows of the bounds: nelbo, one jump, score entropy") {
  SKIP_WITHOUT_DEVICE();
  laws::check_bounds(both_sides{}, 2e-5);
}
