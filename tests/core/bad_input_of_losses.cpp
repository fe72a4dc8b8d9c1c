// Bad input to the marginalisation, the objectives and the bound.
#include <dimix/objective.hpp>
#include <dimix/objective/nelbo.hpp>

#include "core/refuses.hpp"

using namespace dimix;
using namespace test_core;

namespace {

const forward_process<absorbing<4>, log_linear> masked;
const cpu one(1);

}  // namespace

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
  refuses<invalid_argument>([&] { loss.value(0); }, {"objective::value", "after close()"});
  loss.observe(part, 0, one);
  loss.close(one, false);  // for a gradient alone
  refuses<invalid_argument>([&] { loss.loss(); }, {"objective::loss", "with values"});
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

TEST_CASE("bad input: finite numbers") {
  array<float, 2> values(2, 2);
  values(1, 0) = std::numeric_limits<float>::infinity();
  refuses<numeric_error>([&] { expects_finite("weights", values.whole()); }, {"weights", "(2, 2)", "inf", "flat index 2"});
}
