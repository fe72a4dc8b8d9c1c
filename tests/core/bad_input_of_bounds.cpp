// Bad input to the bounds of single networks: the jump, the bound from one jump, score entropy.
#include <dimix/objective/ct_elbo.hpp>
#include <dimix/objective/score_entropy.hpp>

#include "core/refuses.hpp"

using namespace dimix;
using namespace test_core;

namespace {

const forward_process<absorbing<4>, log_linear> masked;
const forward_process<uniform<4>, log_linear> endless(uniform<4>{}, log_linear{0});  // an infinite rate at t = 1
const cpu one(1);

}  // namespace

TEST_CASE("bad input: a jump") {
  array<token, 2> x_t(2, 3), x_tilde(2, 3), wide(2, 4);  // (B, D)
  const auto run = [&](const array<token, 2>& from, index_t items, array<token, 2>& to, index_t draw = 0) {
    draw_jump(masked, from, rng{1}, ids(items), to.whole(), one, draw);
  };
  run(x_t, 2, x_tilde);
  refuses<invalid_argument>([&] { run(x_t, 3, x_tilde); }, {"draw_jump: items", "(3)", "(2)"});
  refuses<invalid_argument>([&] { run(x_t, 2, wide); }, {"draw_jump: x_tilde", "(2, 4)", "(2, 3)"});
  refuses<invalid_argument>([&] { run(x_t, 2, x_tilde, -1); }, {"draw_jump: draw = -1"});
  x_t(1, 2) = 4;
  refuses<invalid_argument>([&] { run(x_t, 2, x_tilde); }, {"draw_jump: x_t[1, 2] = 4", "[0, 4)"});
}

TEST_CASE("bad input: the bound from one jump") {
  array<token, 2> x_0(1, 2), x_t(1, 2), x_tilde(1, 2), other(1, 3);                        // (B, D)
  array<double, 4> raw(1, 1, 2, 4), two(1, 2, 2, 4), slope(1, 1, 2, 4), wide(1, 1, 2, 5);  // (B, 1, D, S)
  const asked_at<double> before{x_t, raw}, after{x_tilde, raw};
  const auto run = [&](const array<token, 2>& clean, const array<double, 1>& t, const asked_at<double>& at_x_t,
                       const asked_at<double>& at_x_tilde) {
    ct_elbo<double>(masked, subs{3}, clean, t, at_x_t, at_x_tilde, one);
  };
  const auto half = times(1, 0.5);
  x_t(0, 1) = 3;
  x_tilde.fill(3);
  run(x_0, half, before, after);
  run(x_0, half, {x_t, {}}, after);  // one forward pass
  refuses<invalid_argument>([&] { run(other, half, before, after); }, {"ct_elbo: before.x", "(1, 2)", "(1, 3)"});
  refuses<invalid_argument>([&] { run(x_0, times(2, 0.5), before, after); }, {"ct_elbo: t", "(2)", "(1)"});
  refuses<invalid_argument>([&] { run(x_0, times(1, 0), before, after); }, {"ct_elbo: t[0] = 0", "(0, 1]"});
  refuses<invalid_argument>([&] { run(x_0, half, {x_t, two}, after); }, {"ct_elbo: before.raw", "(1, 2, 2, 4)"});
  refuses<invalid_argument>([&] { run(x_0, half, before, {x_tilde, {}}); }, {"ct_elbo: after.raw"});
  refuses<invalid_argument>([&] { run(x_0, half, {x_t, raw, wide}, after); }, {"ct_elbo: before.gradient", "(1, 1, 2, 5)"});
  refuses<invalid_argument>([&] { run(x_0, half, before, {x_tilde, raw, wide}); }, {"ct_elbo: after.gradient"});
  refuses<invalid_argument>([&] { run(x_0, half, {x_t, {}, slope}, after); }, {"ct_elbo: before.gradient", "before.raw"});
  refuses<invalid_argument>(
      [&] {
        ct_elbo<double>(endless, softmax{}, x_0, times(1, 1), {x_t, raw}, {x_tilde, raw}, one);
      },
      {"ct_elbo: t[0] = 1", "rate inf", "finite"});

  using kernel = decltype(masked)::kernel<double>;
  const std::vector<kernel> kernels(1, masked.between(0, 0.5));
  const auto given = [&](index_t n, const array<double, 1>& beta) {
    ct_elbo<double, kernel>({kernels.data(), n}, beta, subs{3}, x_0, before, after, one);
  };
  given(1, times(1, 2));
  refuses<invalid_argument>([&] { given(0, times(1, 2)); }, {"ct_elbo: x_0 has 1 items", "0 kernels"});
  refuses<invalid_argument>([&] { given(1, times(2, 2)); }, {"ct_elbo: beta", "(2)", "(1)"});
  refuses<invalid_argument>([&] { given(1, times(1, -2)); }, {"ct_elbo: the rate of item 0 is -2"});
  refuses<invalid_argument>([&] { given(1, times(1, not_a_number)); }, {"ct_elbo: the rate of item 0"});

  x_t.fill(0);
  refuses<invalid_argument>([&] { run(x_0, half, before, after); },
                            {"after.x differs from before.x at 2 positions of item 0", "one jump"});
  x_t(0, 1) = 3;
  raw(0, 0, 1, 0) = not_a_number;
  refuses<numeric_error>([&] { run(x_0, half, before, after); }, {"ct_elbo: item 0"});
  raw(0, 0, 1, 0) = 0;
  x_t(0, 1) = 4;
  refuses<invalid_argument>([&] { run(x_0, half, before, after); }, {"ct_elbo: before.x[0, 1] = 4", "[0, 4)"});
  x_t(0, 1) = 3, x_tilde(0, 0) = -1;
  refuses<invalid_argument>([&] { run(x_0, half, before, after); }, {"ct_elbo: after.x[0, 0] = -1"});
  x_tilde(0, 0) = 3, x_0(0, 1) = 7;
  refuses<invalid_argument>([&] { run(x_0, half, before, after); }, {"ct_elbo: x_0[0, 1] = 7"});
}

TEST_CASE("bad input: a jump that x_0 cannot have made") {
  array<double, 2> rates(4, 4);  // (S, S)  two classes that do not communicate: 0 <-> 1 and 2 <-> 3
  rates(0, 1) = rates(1, 0) = rates(2, 3) = rates(3, 2) = 1;
  array<double, 1> prior(4);  // (S)
  prior.fill(0.25);
  const forward_process split(rate_table(rates, prior), linear{0, 1});
  array<token, 2> x_0(1, 1), x_t(1, 1), x_tilde(1, 1);  // (B, D)
  array<double, 4> raw(1, 1, 1, 4);                     // (B, 1, D, S)
  const auto run = [&] { ct_elbo<double>(split, softmax{}, x_0, times(1, 0.5), {x_t, raw}, {x_tilde, raw}, one); };
  x_tilde(0, 0) = 1;
  run();
  x_t(0, 0) = 2, x_tilde(0, 0) = 3;
  refuses<numeric_error>(run, {"ct_elbo: x_0 of item 0 cannot have become after.x"});
}

TEST_CASE("bad input: score entropy") {
  array<token, 2> x_0(1, 2), x_t(1, 2), other(1, 3);                      // (B, D)
  array<double, 4> raw(1, 1, 2, 4), narrow(1, 1, 2, 3), two(1, 2, 2, 4);  // (B, 1, D, S)
  const auto run = [&](const array<token, 2>& clean, const array<double, 1>& t, const array<double, 4>& scores) {
    score_entropy<double>(masked, clean, x_t, t, scores, one);
  };
  const auto half = times(1, 0.5);
  x_t.fill(3);
  run(x_0, half, raw);
  refuses<invalid_argument>([&] { run(other, half, raw); }, {"score_entropy: x_0", "(1, 3)", "(1, 2)"});
  refuses<invalid_argument>([&] { run(x_0, times(2, 0.5), raw); }, {"score_entropy: t", "(2)", "(1)"});
  refuses<invalid_argument>([&] { run(x_0, times(1, 1.5), raw); }, {"score_entropy: t[0] = 1.5", "(0, 1]"});
  refuses<invalid_argument>([&] { run(x_0, half, narrow); }, {"score_entropy: raw", "(1, 1, 2, 3)", "(1, 1, 2, 4)"});
  refuses<invalid_argument>([&] { run(x_0, half, two); }, {"score_entropy: raw", "(1, 2, 2, 4)"});
  refuses<invalid_argument>([&] { score_entropy<double>(masked, x_0, x_t, half, raw, one, narrow.whole()); },
                            {"score_entropy: out", "(1, 1, 2, 3)"});
  refuses<invalid_argument>([&] { score_entropy<double>(endless, x_0, x_t, times(1, 1), raw, one); },
                            {"score_entropy: t[0] = 1", "rate inf", "finite"});
  raw(0, 0, 1, 0) = not_a_number;
  refuses<numeric_error>([&] { run(x_0, half, raw); }, {"score_entropy: item 0", "t = 0.5"});
  raw(0, 0, 1, 0) = 0;
  x_t(0, 1) = 7;
  refuses<invalid_argument>([&] { run(x_0, half, raw); }, {"score_entropy: x_t[0, 1] = 7", "[0, 4)"});
  x_t(0, 1) = 3, x_0(0, 0) = -1;
  refuses<invalid_argument>([&] { run(x_0, half, raw); }, {"score_entropy: x_0[0, 0] = -1"});
}
