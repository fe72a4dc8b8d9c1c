// Lanes do to every number what the number's own operation does; exp, log, log1p, expm1 and tanh are right to the bounds that their header states.
// Included by a file for every processor that it is compiled for.
#pragma once

#include <dimix/core/lanes.hpp>
#include <dimix/group.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>
#include <limits>
#include <vector>

#include "laws/support.hpp"

using namespace dimix;

namespace {

#if DIMIX_LANE_BYTES > 0

/// |got - wanted| in units of the last place of wanted.
template <class Real>
double ulps(Real got, long double wanted) {
  const Real rounded = std::abs(static_cast<Real>(wanted));
  const Real unit = std::nextafter(rounded, infinity<Real>()) - rounded;
  return static_cast<double>(std::abs(static_cast<long double>(got) - wanted) / static_cast<long double>(unit));
}

/// Numbers in (low, high), W at a time.
template <class Real, int W, class F>
void for_each_lanes(double low, double high, const F& f) {
  for (index_t i = 0; i < laws::draws(20000); ++i) {
    lanes<Real, W> x;
    for (int w = 0; w < W; ++w) x.each[w] = static_cast<Real>(low + (high - low) * laws::uniform_number(3, i * W + w));
    f(x);
  }
}

template <class Real, int W>
void check_exp_and_log() {
  const bool narrow = sizeof(Real) == 4;
  double worst_exp = 0, worst_log = 0;
  for_each_lanes<Real, W>(narrow ? -87 : -708, narrow ? 88 : 709, [&](lanes<Real, W> x) {
    const auto power = exp(x), back = log(power);
    for (int w = 0; w < W; ++w) {
      worst_exp = std::max(worst_exp, ulps(power[w], std::exp(static_cast<long double>(x[w]))));
      worst_log = std::max(worst_log, ulps(back[w], std::log(static_cast<long double>(power[w]))));
    }
  });
  for_each_lanes<Real, W>(0.5, 2, [&](lanes<Real, W> x) {
    const auto near_one = log(x);
    for (int w = 0; w < W; ++w) worst_log = std::max(worst_log, ulps(near_one[w], std::log(static_cast<long double>(x[w]))));
  });
  CHECK(worst_exp > 0.3);
  CHECK(worst_exp < 2);
  CHECK(worst_log > 0.3);
  CHECK(worst_log < 2);
}

/// Both sides of 0 down to the smallest numbers, near -1, and beyond where 1 is lost.
template <class Real, int W>
void check_log1p() {
  double worst = 0;
  const auto see = [&](lanes<Real, W> x) {
    const auto result = log1p(x);
    for (int w = 0; w < W; ++w) worst = std::max(worst, ulps(result[w], std::log1p(static_cast<long double>(x[w]))));
  };
  for_each_lanes<Real, W>(-1, 4, see);
  for (Real sign : {Real(1), Real(-1)})
    for_each_lanes<Real, W>(sizeof(Real) == 4 ? -87 : -708, 0, [&](lanes<Real, W> x) { see(exp(x) * lanes<Real, W>(sign)); });
  for_each_lanes<Real, W>(0, sizeof(Real) == 4 ? 88 : 709, [&](lanes<Real, W> x) { see(exp(x)); });
  CHECK(worst > 0.3);
  CHECK(worst < 2);
  see(std::numeric_limits<Real>::max());
  CHECK(worst < 2);
  CHECK(log1p(lanes<Real, W>(infinity<Real>()))[0] == infinity<Real>());
  for (Real x : {Real(-2), std::numeric_limits<Real>::quiet_NaN()}) CHECK(std::isnan(log1p(lanes<Real, W>(x))[0]));
  CHECK(log1p(lanes<Real, W>(std::numeric_limits<Real>::denorm_min()))[0] == std::numeric_limits<Real>::denorm_min());
}

/// Both sides of 0 down to the smallest numbers, and to where expm1 is -1 or infinite and tanh is 1.
template <class Real, int W>
void check_expm1_and_tanh() {
  const Real most = std::numeric_limits<Real>::max(), least = std::numeric_limits<Real>::denorm_min();
  double worst_expm1 = 0, worst_tanh = 0;
  const auto see = [&](lanes<Real, W> x) {
    const auto power = expm1(x), slope = tanh(x);
    for (int w = 0; w < W; ++w) {
      worst_expm1 = std::max(worst_expm1, ulps(power[w], std::expm1(static_cast<long double>(x[w]))));
      worst_tanh = std::max(worst_tanh, ulps(slope[w], std::tanh(static_cast<long double>(x[w]))));
    }
  };
  for_each_lanes<Real, W>(-2, 2, see);
  for_each_lanes<Real, W>(-50, sizeof(Real) == 4 ? 88 : 709, see);
  for (Real sign : {Real(1), Real(-1)})
    for_each_lanes<Real, W>(sizeof(Real) == 4 ? -87 : -708, 0, [&](lanes<Real, W> x) { see(exp(x) * lanes<Real, W>(sign)); });
  for (Real x : {least, -least, Real(0), -most}) see(x);
  CHECK(worst_expm1 > 0.3);
  CHECK(worst_expm1 < 2);
  CHECK(worst_tanh > 0.3);
  CHECK(worst_tanh < 4);
  const Real endless = infinity<Real>();
  for (Real x : {endless, most}) CHECK(expm1(lanes<Real, W>(x))[0] == endless);
  CHECK(expm1(lanes<Real, W>(-endless))[0] == Real(-1));
  for (Real x : {endless, -endless}) CHECK(tanh(lanes<Real, W>(x))[0] == std::tanh(x));
  const lanes<Real, W> none = std::numeric_limits<Real>::quiet_NaN();
  CHECK(std::isnan(expm1(none)[0]));
  CHECK(std::isnan(tanh(none)[0]));
}

template <class Real, int W>
void check_edges() {
  using limits = std::numeric_limits<Real>;
  const Real none = limits::quiet_NaN(), endless = limits::infinity();
  const auto same = [](Real a, Real b) { return (std::isnan(a) && std::isnan(b)) || a == b; };
  for (Real x : {Real(0), Real(-0.0), endless, -endless, none, Real(-1), Real(-1000), Real(1000)}) {
    CAPTURE(x);
    const lanes<Real, W> all(x);
    CHECK(same(exp(all)[0], x == Real(-1) ? exp(all)[W - 1] : std::exp(x)));
    CHECK(same(log(all)[0], x == Real(1000) ? log(all)[W - 1] : std::log(x)));
  }
  // subnormals: to the spacing of the subnormals
  for (Real x : {std::log(limits::min()) - Real(1), std::log(limits::denorm_min()) + Real(1)})
    CHECK(std::abs(exp(lanes<Real, W>(x))[0] - std::exp(x)) <= limits::denorm_min());
  for (Real x : {limits::min() / 2, limits::denorm_min(), limits::max()})
    CHECK(ulps(log(lanes<Real, W>(x))[0], std::log(static_cast<long double>(x))) < 2);
}

template <class Real, int W>
void check_operations() {
  for_each_lanes<Real, W>(-3, 3, [](lanes<Real, W> a) {
    const lanes<Real, W> b = a * a - Real(2), least = smaller(a, b), most = larger(a, b), quotient = a / b,
                         kept = select(a < b, a, -b),
                         product = product_or_zero(select(a < b, a, {Real(0)}), {infinity<Real>()});
    bool found = false;
    for (int w = 0; w < W; ++w) {
      const bool below = a[w] < b[w];
      found = found || below;
      CHECK(least[w] == std::min(a[w], b[w]));
      CHECK(most[w] == std::max(a[w], b[w]));
      CHECK(quotient[w] == a[w] / b[w]);
      CHECK(kept[w] == (below ? a[w] : -b[w]));
      CHECK(product[w] == (below ? a[w] * infinity<Real>() : Real(0)));
    }
    CHECK(any(a < b) == found);
    CHECK(any(!(a < b) && a >= b) == any(a >= b));
  });
}

template <class Real, class Stored>
void check_memory() {
  constexpr int W = native_lanes<Real>;
  std::vector<Stored> from(3 * W), to(3 * W);
  for (std::size_t i = 0; i < from.size(); ++i) from[i] = Stored(static_cast<float>(i) / 8 - 2);
  const view<const Stored, 1> given(from.data(), 3 * W);
  const view<Stored, 1> taken(to.data(), 3 * W);
  for (index_t i = 1; i <= 2 * W; ++i) {  // at any alignment
    write(taken, lane_index<W>{i}, read<Real>(given, lane_index<W>{i}));
    for (int w = 0; w < W; ++w) {
      CHECK(read<Real>(given, lane_index<W>{i})[w] == static_cast<Real>(from[static_cast<std::size_t>(i + w)]));
      CHECK(static_cast<float>(to[static_cast<std::size_t>(i + w)]) ==
            static_cast<float>(from[static_cast<std::size_t>(i + w)]));
    }
  }
  for (index_t k = -2; k < 4 * W; ++k) {
    const auto found = select(equals<Real>(lane_index<W>{W}, k), lanes<Real, W>(Real(1)), lanes<Real, W>(Real(0)));
    for (int w = 0; w < W; ++w) CHECK(found[w] == (W + w == k ? Real(1) : Real(0)));
  }
  const auto place = [](index_t i) { return static_cast<token>(7 * i % (3 * W)); };
  const auto anywhere = gathered(lane_index<W>{W}, place);
  const auto is_second = select(equals<Real>(anywhere, place(W + 1)), lanes<Real, W>(Real(1)), lanes<Real, W>(Real(0)));
  for (int w = 0; w < W; ++w) {
    CHECK(read<Real>(given, anywhere)[w] == static_cast<Real>(from[static_cast<std::size_t>(place(W + w))]));
    CHECK(number_of<Real>(anywhere)[w] == static_cast<Real>(place(W + w)));
    CHECK(is_second[w] == (place(W + w) == place(W + 1) ? Real(1) : Real(0)));
  }
}

template <class Real>
void check_all_of_numbers() {
  constexpr int W = native_lanes<Real>;
  check_exp_and_log<Real, W>();
  check_log1p<Real, W>();
  check_expm1_and_tanh<Real, W>();
  check_edges<Real, W>();
  check_operations<Real, W>();
}

void check_all_of_memory() {
  check_memory<float, float>();
  check_memory<double, double>();
  check_memory<float, bfloat16>();
  check_memory<float, half>();
  check_memory<double, float>();
}

#else

template <class>
void check_all_of_numbers() {}
void check_all_of_memory() {}

#endif

}  // namespace
