// Bad input to every public call of the core is refused with the right exception, and a sentence that names argument and value.
#include <dimix/denoiser/hybrid.hpp>
#include <dimix/denoiser/tabular.hpp>
#include <dimix/objective.hpp>
#include <dimix/objective/nelbo.hpp>
#include <dimix/sampler.hpp>

#include "laws/support.hpp"

using namespace dimix;

namespace {

constexpr double infinite = std::numeric_limits<double>::infinity();
const double not_a_number = std::nan("");

/// f must throw exactly Error, with every part in its message.
template <class Error, class F>
void refuses(const F& f, std::initializer_list<const char*> parts) {
  try {
    f();
    FAIL_CHECK("nothing was thrown");
  } catch (const error& e) {
    CHECK(dynamic_cast<const Error*>(&e) != nullptr);
    for (const char* part : parts) {
      INFO(e.what());
      CHECK(std::string(e.what()).find(part) != std::string::npos);
    }
  }
}

array<std::uint64_t, 1> ids(index_t count) { return array<std::uint64_t, 1>(count); }  // (B)
array<double, 1> times(index_t count, double t) {
  array<double, 1> result(count);  // (B)
  result.fill(t);
  return result;
}

/// Writes the same raw outputs at every position.
struct constant_net {
  std::vector<double> row;
  index_t outputs() const { return static_cast<index_t>(row.size()); }
  template <class Real>
  void operator()(const request<Real>&, view<Real, 4> raw) const {
    for (index_t i = 0; i < raw.size(); ++i) raw.data()[i] = static_cast<Real>(row[static_cast<std::size_t>(i) % row.size()]);
  }
};

const forward_process<absorbing<4>, log_linear> masked;
const forward_process<uniform<4>, log_linear> noisy;
const cpu one(1);

}  // namespace

TEST_CASE("bad input: times of a process") {
  refuses<invalid_argument>([] { masked.between(-0.1, 0.5); }, {"forward_process::between", "s = -0.1", "t = 0.5"});
  refuses<invalid_argument>([] { masked.between(0.5, 1.25); }, {"forward_process::between", "t = 1.25"});
  refuses<invalid_argument>([] { masked.between(0.75, 0.5); }, {"forward_process::between", "s = 0.75", "t = 0.5"});
  refuses<invalid_argument>([] { masked.between(0.5, not_a_number); }, {"forward_process::between", "t = nan"});
}

TEST_CASE("bad input: corrupt and draw_initial") {
  array<token, 2> x_0(2, 3), x_t(2, 3), small(2, 2);  // (B, D)
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(3, 0.5), rng{}, ids(2), x_t, one); },
                            {"corrupt", "t 3", "2 items"});
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 0.5), rng{}, ids(1), x_t, one); }, {"corrupt", "items 1"});
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 0.5), rng{}, ids(2), small, one); },
                            {"corrupt", "x_t", "(2, 2)", "(2, 3)"});
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 1.5), rng{}, ids(2), x_t, one); },
                            {"corrupt: t[0] = 1.5", "[0, 1]"});
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, not_a_number), rng{}, ids(2), x_t, one); },
                            {"corrupt: t[0] = nan"});
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 0.5), rng{}, ids(2), x_t, one, rng::max_draw); },
                            {"corrupt", "draw = 65536"});
  x_0(1, 2) = 4;
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 0.5), rng{}, ids(2), x_t, one); },
                            {"corrupt: x_0[1, 2] = 4", "[0, 4)"});
  x_0(1, 2) = -1;
  refuses<invalid_argument>([&] { corrupt(masked, x_0, times(2, 0.5), rng{}, ids(2), x_t, one); }, {"corrupt: x_0[1, 2] = -1"});
  refuses<invalid_argument>([&] { draw_initial(masked, rng{}, ids(3), x_t); }, {"draw_initial", "2 items", "items 3"});
}

TEST_CASE("bad input: λ") {
  array<double, 3> none(2, 0, 1), wide(2, 4, 3), good(2, 4, 1);  // (B, M, L)
  refuses<invalid_argument>([&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(2), 0, none.whole()); },
                            {"draw_latents", "M = 0"});
  refuses<invalid_argument>([&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(2), 0, wide.whole()); },
                            {"draw_latents", "3 coordinates", "has 1"});
  refuses<invalid_argument>([&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(5), 0, good.whole()); },
                            {"draw_latents", "items 5"});
  refuses<invalid_argument>(
      [&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(2), rng::max_step, good.whole()); },
      {"draw_latents", "step = 262144"});
  refuses<invalid_argument>([&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(2), -1, good.whole()); },
                            {"draw_latents", "step = -1"});
  array<double, 3> many(1, rng::max_draw + 1, 1);  // (1, M, 1)
  refuses<invalid_argument>([&] { draw_latents(uniform_latent{}, latent_draws::iid, rng{}, ids(1), 0, many.whole()); },
                            {"draw_latents", "draw = 65536"});
}

TEST_CASE("bad input: shapes and tokens of the marginalisation") {
  array<token, 2> x_t(2, 3);                             // (B, D)
  array<double, 4> raw(2, 2, 3, 4), narrow(2, 2, 3, 3);  // (B, M, D, S)
  array<token, 3> targets(2, 1, 3), wrong(2, 1, 2);      // (B, K, D)
  array<double, 2> weights(2, 2), few(2, 1);             // (B, M)
  const auto run = [&](view<const double, 4> given, view<const token, 3> of, view<const double, 2> w) {
    return log_likelihood<double>(softmax{}, x_t, given, of, 4, one, w);
  };
  CHECK(run(raw, targets, weights).size() == 2);
  refuses<invalid_argument>([&] { run(narrow, targets, weights); }, {"observe", "(2, 2, 3, 3)", "(2, 2, 3, 4)"});
  refuses<invalid_argument>([&] { run(raw, wrong, weights); }, {"marginalisation: targets", "(2, 1, 2)", "(2, 1, 3)"});
  refuses<invalid_argument>([&] { run(raw, targets, few); }, {"marginalisation: log_weights", "(2, 1)", "(2, 2)"});
  array<double, 4> nothing(2, 0, 3, 4);  // (B, 0, D, S)
  refuses<invalid_argument>([&] { run(nothing, targets, {}); }, {"marginalisation", "M = 0"});
  targets(1, 0, 2) = 4;
  refuses<invalid_argument>([&] { run(raw, targets, weights); }, {"marginalisation: targets", "holds 4", "index 5", "[0, 4)"});
  targets(1, 0, 2) = -2;
  refuses<invalid_argument>([&] { run(raw, targets, weights); }, {"marginalisation: targets", "holds -2"});
  targets(1, 0, 2) = 0;
  x_t(0, 1) = 9;
  refuses<invalid_argument>([&] { run(raw, targets, weights); }, {"marginalisation: tokens", "holds 9", "index 1", "[0, 4)"});
  x_t(0, 1) = 0;
  weights(1, 0) = not_a_number;
  refuses<numeric_error>([&] { run(raw, targets, weights); }, {"log_weights of item 1", "nan"});
  weights(1, 0) = infinite;
  refuses<numeric_error>([&] { run(raw, targets, weights); }, {"log_weights of item 1"});
  weights(1, 0) = weights(1, 1) = -infinite;
  refuses<numeric_error>([&] { run(raw, targets, weights); }, {"log_weights of item 1", "-inf"});
}

TEST_CASE("bad input: chunks out of place") {
  array<token, 2> x_t(1, 2);           // (B, D)
  array<double, 4> chunk(1, 2, 2, 3);  // (B, Mc, D, S)
  const view<const double, 4> part = chunk;
  marginalisation<double, softmax> over(softmax{}, x_t, 4, 3);
  refuses<invalid_argument>([&] { over.observe(part, 3, one); }, {"observe", "[3, 5)", "M = 4"});
  refuses<invalid_argument>([&] { over.observe(part, -1, one); }, {"observe", "[-1, 1)"});
  refuses<invalid_argument>([&] { over.observe(part, 2, one); }, {"observe", "component 2", "follows the first 0"});
  over.observe(part, 0, one);
  refuses<invalid_argument>([&] { over.close(one); }, {"close", "2 of M = 4"});
  over.observe(part, 2, one);
  over.close(one);
  refuses<invalid_argument>([&] { over.close(one); }, {"close", "closed already"});

  array<double, 3> target(1, 2, 3);  // (B, D, S)
  target.fill(1.0 / 3);
  auto loss = make_objective<double>(softmax{}, x_t, 2, 3, {}, distillation_bound<double>{target});
  refuses<invalid_argument>([&] { loss.gradient(part, 0, chunk.whole(), one); }, {"gradient", "after close()"});
  loss.observe(part, 0, one);
  loss.close(one);
  array<double, 4> small(1, 2, 2, 2);  // wrong S
  refuses<invalid_argument>([&] { loss.gradient(part, 0, small.whole(), one); },
                            {"gradient: out", "(1, 2, 2, 2)", "(1, 2, 2, 3)"});
  refuses<invalid_argument>([&] { loss.gradient(part, 1, chunk.whole(), one); }, {"gradient", "[1, 3)", "M = 2"});
  array<double, 2> weights(1, 2);  // (B, M)
  refuses<invalid_argument>([&] { loss.log_weight_gradient(weights.whole()); }, {"log_weight_gradient", "not asked for"});
}

TEST_CASE("bad input: logits that are not finite are named with their place") {
  array<token, 2> x_t(2, 3);         // (B, D)
  array<token, 3> targets(2, 1, 3);  // (B, K, D)
  for (double bad : {not_a_number, infinite, -infinite}) {
    array<double, 4> raw(2, 2, 3, 4);  // (B, M, D, S)
    raw(1, 1, 2, 3) = bad;
    refuses<numeric_error>([&] { log_likelihood<double>(softmax{}, x_t, raw, targets, 4, one); },
                           {"logits[1, 1, 2, 3] = ", "not finite"});
    refuses<numeric_error>([&] { marginals<double>(softmax{}, x_t, raw, 4, one); }, {"logits[1, 1, 2, 3] = "});
    array<float, 4> raw32(2, 2, 3, 4);
    raw32(0, 1, 0, 0) = static_cast<float>(bad);
    refuses<numeric_error>([&] { log_likelihood<float>(softmax{}, x_t, view<const float, 4>(raw32), targets, 4, one); },
                           {"logits[0, 1, 0, 0] = "});
  }
}

TEST_CASE("bad input: a target that no component can be") {
  array<token, 2> x_t(1, 2);         // (B, D)
  array<token, 3> targets(1, 2, 2);  // (B, K, D)
  array<double, 4> raw(1, 2, 2, 4);  // (B, M, D, S)
  x_t(0, 0) = 3, x_t(0, 1) = 1;      // hidden, revealed as 1
  targets(0, 0, 1) = 1, targets(0, 1, 1) = 2;
  refuses<numeric_error>([&] { log_likelihood<double>(subs{3}, x_t, raw, targets, 4, one); },
                         {"target 1 of item 0", "probability zero"});
  auto loss = make_objective<double>(subs{3}, x_t, 2, 4, {}, correlation<double>{targets});
  refuses<numeric_error>([&] { value(loss, view<const double, 4>(raw), one); }, {"target 1 of item 0"});
}

TEST_CASE("bad input: terms whose targets do not fit") {
  array<token, 2> x_t(2, 3);                                                             // (B, D)
  array<double, 3> rows(2, 3, 4), short_rows(2, 3, 3);                                   // (B, D, S)
  array<double, 1> weights(2), many_weights(3);                                          // (B)
  array<token, 3> targets(2, 2, 3), none(2, 0, 3), other_batch(1, 2, 3), tall(2, 2, 4);  // (B, K, D)
  const auto make = [&](auto term) { make_objective<double>(softmax{}, x_t, 2, 4, {}, term); };
  refuses<invalid_argument>([&] { make(distillation_bound<double>{short_rows}); },
                            {"distillation_bound: target", "(2, 3, 3)", "(2, 3, 4)"});
  refuses<invalid_argument>([&] { make(marginal_divergence<double>{short_rows}); },
                            {"marginal_divergence: target", "(2, 3, 3)", "(2, 3, 4)"});
  refuses<invalid_argument>(
      [&] {
        make(distillation_bound<double>{rows, {many_weights}});
      },
      {"distillation_bound: weights", "(3)", "(2)"});
  refuses<invalid_argument>([&] { make(correlation<double>{none}); }, {"joint_likelihood", "K = 0"});
  refuses<invalid_argument>([&] { make(joint_negative_log_likelihood<double>{none}); }, {"joint_likelihood", "K = 0"});
  refuses<invalid_argument>([&] { make(correlation<double>{other_batch}); },
                            {"joint_likelihood: tokens", "(1, 2, 3)", "(2, 2, 3)"});
  refuses<invalid_argument>([&] { make(correlation<double>{tall}); }, {"joint_likelihood: tokens", "(2, 2, 4)"});
  refuses<invalid_argument>(
      [&] {
        make(consistency<double>{{targets}, {short_rows}});
      },
      {"marginal_divergence: target", "(2, 3, 3)"});
  refuses<invalid_argument>(
      [&] {
        make(consistency<double>{{targets, {many_weights}}, {rows}});
      },
      {"joint_likelihood: weights", "(3)"});
  refuses<invalid_argument>([&] { make_objective<double>(softmax{}, x_t, 0, 4, {}, distillation_bound<double>{rows}); },
                            {"M = 0"});
}

TEST_CASE("bad input: a teacher's row with a hole that is not finite") {
  array<token, 2> x_t(1, 1);         // (B, D)
  array<double, 3> rows(1, 1, 3);    // (B, D, S)
  array<double, 4> raw(1, 2, 1, 3);  // (B, M, D, S)
  rows(0, 0, 0) = not_a_number;
  auto loss = make_objective<double>(softmax{}, x_t, 2, 3, {}, marginal_divergence<double>{rows});
  refuses<numeric_error>([&] { value(loss, view<const double, 4>(raw), one); }, {"objective: term 0 of item 0 is nan"});
}

TEST_CASE("bad input: draws of tokens") {
  array<token, 2> x_t(1, 2);                         // (B, D)
  array<double, 4> raw(1, 2, 2, 3);                  // (B, M, D, S)
  array<token, 3> out(1, 2, 2), short_out(1, 1, 2);  // (B, M, D)
  const view<const double, 4> given = raw;
  const auto run = [&](view<token, 3> into, index_t items, index_t step) {
    draw_tokens(softmax{}, x_t, given, 3, rng{}, purpose::target, ids(items), step, into, one);
  };
  refuses<invalid_argument>([&] { run(short_out.whole(), 1, 0); }, {"draw_tokens: out", "(1, 1, 2)", "(1, 2, 2)"});
  refuses<invalid_argument>([&] { run(out.whole(), 2, 0); }, {"draw_tokens: items", "(2)", "(1)"});
  refuses<invalid_argument>([&] { run(out.whole(), 1, rng::max_step); }, {"draw_tokens", "step = 262144"});
  for (double bad : {not_a_number, infinite}) {
    raw(0, 1, 0, 1) = bad;
    refuses<numeric_error>([&] { run(out.whole(), 1, 0); }, {"draw_tokens", "flat index 2", "(1, 2, 2)"});
  }
}

TEST_CASE("bad input: the bound of a teacher") {
  array<token, 2> x_0(1, 2), x_t(1, 2), other(1, 3);  // (B, D)
  array<double, 4> raw(1, 1, 2, 4), two(1, 2, 2, 4);  // (B, 1, D, S)
  const auto run = [&](const array<token, 2>& clean, const array<double, 1>& t, const array<double, 4>& outputs) {
    nelbo<double>(masked, subs{3}, clean, x_t, t, outputs, one);
  };
  x_t.fill(3);
  run(x_0, times(1, 0.5), raw);
  refuses<invalid_argument>([&] { run(other, times(1, 0.5), raw); }, {"nelbo: x_0", "(1, 3)", "(1, 2)"});
  refuses<invalid_argument>([&] { run(x_0, times(2, 0.5), raw); }, {"nelbo: t", "(2)", "(1)"});
  refuses<invalid_argument>([&] { run(x_0, times(1, 0.5), two); }, {"nelbo: raw", "(1, 2, 2, 4)"});
  refuses<invalid_argument>([&] { run(x_0, times(1, 0), raw); }, {"nelbo: t[0] = 0", "(0, 1]"});
  refuses<invalid_argument>([&] { run(x_0, times(1, 1.5), raw); }, {"nelbo: t[0] = 1.5"});
  raw(0, 0, 1, 0) = not_a_number;
  refuses<numeric_error>([&] { run(x_0, times(1, 0.5), raw); }, {"nelbo: item 0", "t = 0.5"});
  raw(0, 0, 1, 0) = 0;
  x_0(0, 1) = 7;
  refuses<invalid_argument>([&] { run(x_0, times(1, 0.5), raw); }, {"nelbo: x_0[0, 1] = 7", "[0, 4)"});
  refuses<invalid_argument>([&] { prior_divergence(masked, x_0); }, {"prior_divergence: x_0[0, 1] = 7"});
}

TEST_CASE("bad input: a sampler's step") {
  const constant_net net{{0, 0, 0, 0}};
  sampler<double, decltype(noisy), constant_net> steps(noisy, net, {}, {}, one);
  array<token, 2> x(2, 3);  // (B, D)
  sampler_state state;
  const auto run = [&](const array<double, 1>& s, const array<double, 1>& t, index_t items) {
    steps.step(state, x.whole(), s, t, ids(items));
  };
  run(times(2, 0.5), times(2, 1), 2);
  refuses<invalid_argument>([&] { run(times(1, 0.5), times(2, 1), 2); }, {"sampler: s", "(1)", "(2)"});
  refuses<invalid_argument>([&] { run(times(2, 0.5), times(3, 1), 2); }, {"sampler: t", "(3)"});
  refuses<invalid_argument>([&] { run(times(2, 0.5), times(2, 1), 1); }, {"sampler::step: items", "(1)"});
  refuses<invalid_argument>([&] { run(times(2, 0.75), times(2, 0.5), 2); }, {"s = 0.75", "t = 0.5"});
  refuses<invalid_argument>([&] { run(times(2, 0.5), times(2, 1.01), 2); }, {"t = 1.01"});
  CHECK(state.step == 1);  // a refused step does not count
  sampler_state far{0, rng::max_step};
  refuses<invalid_argument>([&] { steps.step(far, x.whole(), times(2, 0.5), times(2, 1), ids(2)); },
                            {"sampler::step", "step = 262144"});
  array<double, 3> latents(2, 1, 1);  // (B, 1, L)
  refuses<invalid_argument>([&] { steps.rows(x, times(2, 0.5), times(2, 1), latents); },
                            {"sampler: latents", "(2, 1, 1)", "(2, 1, 0)"});
  x(1, 1) = 4;
  refuses<invalid_argument>([&] { run(times(2, 0.5), times(2, 1), 2); }, {"sampler: x_t[1, 1] = 4", "[0, 4)"});
}

TEST_CASE("bad input: a network that answers nonsense") {
  for (const std::vector<double>& row :
       {std::vector<double>{0, not_a_number, 0, 0}, {0, infinite, 0, 0}, {-infinite, -infinite, -infinite, -infinite}}) {
    const constant_net net{row};
    refuses<numeric_error>([&] { sample<double>(noisy, net, {.batch = 2, .dims = 3, .steps = 2}, one); },
                           {"sampler::step: item 0 position 0", "no state"});
    refuses<numeric_error>([&] { sample<float>(masked, net, {.batch = 2, .dims = 3, .steps = 1}, one); },
                           {"sampler::step: item 0 position 0", "no state"});
    refuses<numeric_error>([&] { sample<double, analytic>(noisy, net, {.batch = 2, .dims = 3, .steps = 2}, one); },
                           {"sampler::step: item 0 position 0"});
  }
}

TEST_CASE("bad input: options of sample") {
  const constant_net net{{0, 0, 0, 0}};
  const auto run = [&](const sample_options& options) { sample(masked, net, options, one); };
  refuses<invalid_argument>([&] { run({.steps = 0}); }, {"steps = 0"});
  refuses<invalid_argument>([&] { run({.steps = -2}); }, {"steps = -2"});
  refuses<invalid_argument>([&] { run({.batch = 0}); }, {"sample: batch = 0"});
  refuses<invalid_argument>([&] { run({.dims = 0}); }, {"dims = 0"});
  refuses<invalid_argument>([&] { run({.chunk = 0}); }, {"sample: chunk = 0"});
  refuses<invalid_argument>([&] { run({.grid = {1}}); }, {"sample", "at least 2 times", "has 1"});
  refuses<invalid_argument>([&] { run({.grid = {1, 0.5}}); }, {"sample", "down to 0", "0.5"});
  refuses<invalid_argument>([&] { run({.grid = {1.5, 0}}); }, {"sample", "from 1.5"});
  refuses<invalid_argument>([&] { run({.grid = {1, 0.5, 0.5, 0}}); }, {"sample", "must fall", "grid[2] = 0.5"});
  refuses<invalid_argument>([&] { run({.grid = {1, not_a_number, 0}}); }, {"sample", "must fall", "grid[1] = nan"});
  array<token, 2> evidence(2, 3), other(1, 3);  // (B, D)
  evidence.fill(-1);
  refuses<invalid_argument>([&] { sample(noisy, net, {.batch = 2, .dims = 3, .evidence = evidence}, one); },
                            {"sample: evidence", "mask"});
  refuses<invalid_argument>([&] { run({.batch = 2, .dims = 3, .evidence = other}); }, {"sample: evidence", "(1, 3)", "(2, 3)"});
  evidence(1, 2) = 4;
  refuses<invalid_argument>([&] { run({.batch = 2, .dims = 3, .evidence = evidence}); },
                            {"sample: evidence[1, 2] = 4", "[0, 4)"});
  evidence(1, 2) = -2;
  refuses<invalid_argument>([&] { run({.batch = 2, .dims = 3, .evidence = evidence}); }, {"sample: evidence[1, 2] = -2"});
}

TEST_CASE("bad input: tables") {
  array<token, 2> sequences(2, 2);    // (n, D)
  array<double, 1> law(2), three(3);  // (n)
  sequences(1, 0) = 1;
  law(0) = 0.5, law(1) = 0.4;
  refuses<invalid_argument>([&] { tabular net(masked, sequences.whole(), law.whole()); },
                            {"tabular: probabilities sum to 0.9"});
  refuses<invalid_argument>([&] { tabular net(masked, sequences.whole(), three.whole()); },
                            {"tabular: probabilities", "(3)", "(2)"});
  law(0) = 1.5, law(1) = -0.5;
  refuses<invalid_argument>([&] { tabular net(masked, sequences.whole(), law.whole()); }, {"tabular", "-0.5"});
  law(0) = law(1) = 0.5;
  sequences(1, 1) = 4;
  refuses<invalid_argument>([&] { tabular net(masked, sequences.whole(), law.whole()); }, {"tabular: sequences[1, 1] = 4"});
  sequences(1, 1) = 0;
  const tabular net(masked, view<const token, 2>(sequences), view<const double, 1>(law));
  refuses<invalid_argument>([&] { sample(masked, net, {.dims = 5}, one); }, {"tabular", "D = 5", "has 2"});
}

TEST_CASE("bad input: finite numbers") {
  array<float, 2> values(2, 2);
  values(1, 0) = std::numeric_limits<float>::infinity();
  refuses<numeric_error>([&] { expects_finite("weights", values.whole()); }, {"weights", "(2, 2)", "inf", "flat index 2"});
}
