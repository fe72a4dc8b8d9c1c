// Bad input to a linear head.
#include "core/refuses.hpp"
#include "nn/linear_head.hpp"

using namespace dimix;
using namespace linear_head_tests;
using namespace test_core;

namespace {

const cpu one(1);

}  // namespace

TEST_CASE("bad input: what a linear head is") {
  const head_case<double, subs> at(subs{6}, 2, 2, 3, 7, 4, 1);
  const auto make = [&](const auto& head) {
    nn::make_linear_objective<double>(head, at.x_t, at.M, {}, correlation<double>{at.targets});
  };
  make(at.head());
  array<double, 1> few(6), broken(7);  // (S)
  broken(3) = infinite;
  refuses<invalid_argument>(
      [&] {
        make(nn::linear_head<double, subs>{at.matrix, few, subs{6}});
      },
      {"linear_head: bias", "(6)", "(7)"});
  refuses<numeric_error>(
      [&] {
        make(nn::linear_head<double, subs>{at.matrix, broken, subs{6}});
      },
      {"linear_head: bias", "inf", "flat index 3"});
  refuses<invalid_argument>([&] { make(nn::linear_head<double, subs>{{}, {}, subs{6}}); }, {"matrix has shape (0, 0)"});
  refuses<invalid_argument>([&] { make(nn::linear_head<double, subs>{at.matrix, {}, subs{7}}); }, {"mask 7", "S = 7"});
  refuses<invalid_argument>(
      [&] {
        make(nn::linear_head<double, subs>{at.matrix, {}, subs{6, -1e6}});
      },
      {"subs excludes with -1000000"});
  refuses<invalid_argument>([&] { make(at.head({0, -1, 0, 0})); }, {"number of its tiles is -1"});
}

TEST_CASE("bad input: what an objective of a linear head is given") {
  const head_case<double, softmax> at(softmax{}, 2, 2, 3, 7, 4, 1);
  const auto make = [&](index_t M = 2) {
    return nn::make_linear_objective<double>(at.head(), at.x_t, M, {.log_weights = at.log_weights},
                                             correlation<double>{at.targets});
  };
  auto loss = make();
  gradients<double> out(at);
  refuses<invalid_argument>([&] { loss.gradient(at.given(), out.out(), one); }, {"gradient", "after observe()"});
  refuses<invalid_argument>([&] { loss.value(0); }, {"value", "after observe()"});
  refuses<invalid_argument>([&] { loss.loss(); }, {"loss", "after observe()"});
  array<double, 4> narrow(2, 2, 3, 3);  // (B, M, D, H)
  const view<const double, 4> wrong = narrow;
  refuses<invalid_argument>([&] { loss.observe(wrong, one); }, {"hidden has shape (2, 2, 3, 3)", "(2, 2, 3, 4)"});
  loss.observe(at.given(), one);
  refuses<invalid_argument>([&] { loss.gradient(wrong, out.out(), one); }, {"hidden has shape (2, 2, 3, 3)"});
  refuses<invalid_argument>([&] { loss.gradient(at.given(), {.hidden = narrow}, one); },
                            {"out.hidden", "(2, 2, 3, 3)", "(2, 2, 3, 4)"});
  array<double, 2> short_matrix(6, 4), weights(2, 2);  // (S, H), (B, M)
  refuses<invalid_argument>([&] { loss.gradient(at.given(), {.matrix = short_matrix}, one); },
                            {"out.matrix", "(6, 4)", "(7, 4)"});
  array<double, 1> short_bias(6);  // (S)
  refuses<invalid_argument>([&] { loss.gradient(at.given(), {.bias = short_bias}, one); }, {"out.bias", "(6)", "(7)"});
  refuses<invalid_argument>([&] { loss.log_weight_gradient(weights.whole()); }, {"log_weight_gradient", "asked for"});
  auto plain =
      nn::make_linear_objective<double>(nn::linear_head<double>{at.matrix}, at.x_t, 2, {}, correlation<double>{at.targets});
  plain.observe(at.given(), one);
  refuses<invalid_argument>([&] { plain.gradient(at.given(), {.bias = out.bias}, one); }, {"out.bias", "no bias"});

  refuses<invalid_argument>([&] { make(0); }, {"M = 0"});
  refuses<invalid_argument>([&] { make(3); }, {"log_weights", "(2, 2)", "(2, 3)"});
  array<token, 3> far = at.targets;  // (B, K, D)
  far(1, 0, 2) = 7;
  const auto with = [&](const array<token, 2>& x_t, auto term) {
    nn::make_linear_objective<double>(at.head(), x_t, 2, {}, term);
  };
  refuses<invalid_argument>([&] { with(at.x_t, correlation<double>{far}); }, {"targets holds 7", "index 5", "[0, 7)"});
  array<token, 2> beyond = at.x_t;  // (B, D)
  beyond(0, 1) = -3;
  refuses<invalid_argument>([&] { with(beyond, correlation<double>{at.targets}); }, {"tokens holds -3", "index 1"});
  array<double, 3> rows(2, 3, 6);  // (B, D, S)
  refuses<invalid_argument>([&] { with(at.x_t, marginal_divergence<double>{rows}); }, {"marginal_divergence: target"});
}

TEST_CASE("bad input: numbers of a linear head that are not finite, and targets that cannot be") {
  for (double bad : {not_a_number, infinite, -infinite}) {
    head_case<double, softmax> at(softmax{}, 2, 2, 3, 7, 4, 1);
    const auto run = [&] { nn::log_likelihood<double>(at.head(), at.x_t, at.given(), at.targets, one); };
    run();
    at.hidden(1, 0, 2, 3) = bad;
    refuses<numeric_error>(run, {"linear_head: hidden", "flat index 35"});
    at.hidden(1, 0, 2, 3) = 0, at.matrix(2, 1) = bad;
    refuses<numeric_error>(run, {"linear_head: matrix", "flat index 9"});
  }
  head_case<float, softmax> large(softmax{}, 1, 2, 3, 7, 4, 1);
  large.hidden.fill(1e30f), large.matrix.fill(1e30f);
  refuses<numeric_error>([&] { nn::marginals<float>(large.head(), large.x_t, large.given(), one); },
                         {"logits of item 0, component 0, position 0"});
  head_case<double, subs> at(subs{6}, 1, 2, 3, 7, 4, 1);
  at.targets(0, 0, 0) = (at.x_t(0, 0) + 1) % 6;  // position 0 is visible
  refuses<numeric_error>([&] { nn::responsibilities<double>(at.head(), at.x_t, at.given(), at.targets, one); },
                         {"target 0 of item 0", "probability zero"});
  head_case<double, softmax> holes(softmax{}, 1, 2, 3, 7, 4, 1);
  holes.teacher(0, 1, 2) = not_a_number;
  auto loss = nn::make_linear_objective<double>(holes.head(), holes.x_t, 2, {}, marginal_divergence<double>{holes.teacher});
  refuses<numeric_error>([&] { loss.observe(holes.given(), one); }, {"term 0 of item 0 is ", "nan"});
}

TEST_CASE("bad input: draws through a linear head") {
  head_case<double, softmax> at(softmax{}, 1, 2, 3, 7, 4, 1);
  array<token, 3> out(1, 2, 3), few(1, 1, 3);  // (B, M, D)
  const auto run = [&](view<token, 3> into, index_t items, index_t step, nn::linear_tiles tiles) {
    nn::draw_tokens(at.head(tiles), at.x_t, at.given(), rng{}, purpose::target, ids(items), step, into, one);
  };
  run(out, 1, 0, {});
  refuses<invalid_argument>([&] { run(few, 1, 0, {}); }, {"draw_tokens: out", "(1, 1, 3)", "(1, 2, 3)"});
  refuses<invalid_argument>([&] { run(out, 2, 0, {}); }, {"draw_tokens: items", "(2)", "(1)"});
  refuses<invalid_argument>([&] { run(out, 1, rng::max_step, {}); }, {"draw_tokens", "step = 262144"});
  refuses<invalid_argument>([&] { run(out, 1, 0, {1, 32, 1, 1}); }, {"tiles of 32 states", "multiple of 64"});
  at.hidden(0, 1, 0, 1) = not_a_number;
  refuses<numeric_error>([&] { run(out, 1, 0, {}); }, {"draw_tokens", "flat index 3", "(1, 2, 3)"});
}
