#include <dimix/core/storage.hpp>
#include <dimix/objective.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <random>

namespace {

/// Both neighbours of x among all values of a narrow type: the rounded one must be the nearer, and on a tie the even one.
template <class Narrow>
void rounds_to_nearest_even(float x) {
  const Narrow rounded(x);
  const double error = std::abs(static_cast<double>(float(rounded)) - static_cast<double>(x));
  for (int step : {-1, 1}) {
    Narrow neighbour = rounded;
    neighbour.bits = static_cast<std::uint16_t>(neighbour.bits + step);
    const double value = static_cast<double>(float(neighbour));
    if (!std::isfinite(value) || (value < 0) != (x < 0)) continue;
    const double other = std::abs(value - static_cast<double>(x));
    CHECK(error <= other);
    if (error == other) CHECK(rounded.bits % 2 == 0);
  }
}

}  // namespace

TEST_CASE_TEMPLATE("every pattern survives the way to float and back", Narrow, dimix::bfloat16, dimix::half) {
  int nans = 0;
  for (std::uint32_t pattern = 0; pattern < 65536; ++pattern) {
    Narrow x;
    x.bits = static_cast<std::uint16_t>(pattern);
    if (std::isnan(float(x))) {
      ++nans;
      CHECK(std::isnan(float(Narrow(float(x)))));
    } else if (Narrow(float(x)).bits != pattern) {
      FAIL("pattern ", pattern, " came back as ", Narrow(float(x)).bits);
    }
  }
  CHECK(nans > 0);
}

TEST_CASE_TEMPLATE("a float is rounded to the nearest, ties to even", Narrow, dimix::bfloat16, dimix::half) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> exponent(-20, 12), sign(-1, 1);
  for (int i = 0; i < 20000; ++i) rounds_to_nearest_even<Narrow>(std::exp2(exponent(random)) * sign(random));
  for (int i = 1; i < 2000; ++i) rounds_to_nearest_even<Narrow>(static_cast<float>(i) + 0.5f);  // ties for many of them
}

TEST_CASE("half has its known values and limits") {
  CHECK(dimix::half(1.0f).bits == 0x3c00);
  CHECK(dimix::half(-2.0f).bits == 0xc000);
  CHECK(dimix::half(65504.0f).bits == 0x7bff);
  CHECK(dimix::half(65520.0f).bits == 0x7c00);
  CHECK(dimix::half(0x1.0p-24f).bits == 0x0001);
  CHECK(dimix::half(0x1.0p-26f).bits == 0x0000);
  CHECK(dimix::bfloat16(1.0f).bits == 0x3f80);
}

TEST_CASE_TEMPLATE("an objective reads and writes narrow logits and computes in float", Narrow, dimix::bfloat16, dimix::half) {
  using namespace dimix;
  const dimix::index_t B = 2, M = 3, D = 4, S = 5;
  array<Narrow, 4> narrow(B, M, D, S), narrow_gradient(B, M, D, S);  // (B, M, D, S)
  array<float, 4> wide(B, M, D, S), gradient(B, M, D, S);            // (B, M, D, S)
  std::mt19937 random(7);
  std::normal_distribution<float> normal;
  for (dimix::index_t i = 0; i < wide.size(); ++i) wide.data()[i] = float(narrow.data()[i] = Narrow(normal(random)));
  array<token, 2> x_t(B, D);         // (B, D)
  array<token, 3> targets(B, 2, D);  // (B, K, D)
  for (token& x : targets) x = static_cast<token>(random() % 5);
  const cpu run_on(1);
  const auto loss_of = [&](const auto& raw, auto& out) {
    using Storage = std::decay_t<decltype(*raw.data())>;
    auto loss = make_objective<float>(softmax{}, x_t, M, S, {}, correlation<float>{targets});
    return value_and_gradient(loss, view<const Storage, 4>(raw), view<Storage, 4>(out), run_on);
  };
  CHECK(loss_of(narrow, narrow_gradient) == loss_of(wide, gradient));
  for (dimix::index_t i = 0; i < wide.size(); ++i) CHECK(narrow_gradient.data()[i].bits == Narrow(gradient.data()[i]).bits);
}
