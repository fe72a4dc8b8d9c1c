// Plain lanes do to every number what the number's own operation does, and go through memory as single indices would.
#include <dimix/core/plain_lanes.hpp>

#include <doctest/doctest.h>

#include <cmath>

#include "laws/support.hpp"

using namespace dimix;

namespace {

/// The same bits, or NaN on both sides.
template <class Real>
bool same(Real a, Real b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

template <class Real, class Stored>
void check_memory() {
  constexpr int W = team_lanes<Real>;
  alignas(16) Stored from[3 * W], to[3 * W];
  for (index_t i = 0; i < 3 * W; ++i) from[i] = Stored(static_cast<float>(i) / 8 - 2);
  const view<const Stored, 1> given(from, 3 * W);
  const view<Stored, 1> taken(to, 3 * W);
  for (index_t i = 0; i <= 2 * W; ++i) {  // at any alignment
    for (Stored& x : to) x = Stored(0.0f);
    const auto x = read<Real>(given, plain_lane_index<W>{i});
    write(taken, plain_lane_index<W>{i}, x);
    for (index_t j = 0; j < 3 * W; ++j) {
      const bool inside = j >= i && j < i + W;
      CHECK(static_cast<float>(to[j]) == (inside ? static_cast<float>(from[j]) : 0.0f));
      if (inside) CHECK(x[static_cast<int>(j - i)] == static_cast<Real>(from[j]));
    }
  }
}

}  // namespace

TEST_CASE_TEMPLATE("plain lanes: every operation is that of the numbers", Real, float, double) {
  constexpr int W = team_lanes<Real>;
  using many = plain_lanes<Real, W>;
  const Real edges[] = {Real(0),  Real(-0.0),       Real(1),           Real(-1.5),
                        Real(80), infinity<Real>(), -infinity<Real>(), Real(std::nan(""))};
  for (const Real left : edges)
    for (const Real right : edges) {
      CAPTURE(left);
      CAPTURE(right);
      many a(left), b(right);
      a.each[W - 1] = right, b.each[W - 1] = left;
      const auto less = a < b, equal = a == b;
      const many sum = a + b, gap = a - b, product = a * b, ratio = a / b, most = larger(a, b), least = smaller(a, b),
                 kept = select(less || equal, a, -b), limit = product_or_zero(a, b), power = exp(a), log_a = log(a),
                 log_more = log1p(a), power_less = expm1(a), bent = tanh(a);
      many so_far = a;
      so_far += b, so_far -= a;
      bool found = false;
      for (int w = 0; w < W; ++w) {
        const Real x = a[w], y = b[w];
        found = found || (x <= y && !(x < y));
        CHECK(same(sum[w], x + y));
        CHECK(same(gap[w], x - y));
        CHECK(same(product[w], x * y));
        CHECK(same(ratio[w], x / y));
        CHECK(same(so_far[w], x + y - x));
        CHECK(same(most[w], dimix::larger(x, y)));
        CHECK(same(least[w], dimix::smaller(x, y)));
        CHECK(same(kept[w], x <= y ? x : -y));
        CHECK(same(limit[w], dimix::product_or_zero(x, y)));
        CHECK(same(power[w], std::exp(x)));
        CHECK(same(log_a[w], std::log(x)));
        CHECK(same(log_more[w], std::log1p(x)));
        CHECK(same(power_less[w], std::expm1(x)));
        CHECK(same(bent[w], std::tanh(x)));
      }
      CHECK(any((a <= b) && !less) == found);
      CHECK(any((a >= b) && !(a > b)) == found);
      CHECK(any(a != b) == any(!equal));
    }
  const plain_lane_index<W> at{5};
  for (index_t k = 4; k < 6 + W; ++k) {
    const auto here = equals<Real>(at, k);
    for (int w = 0; w < W; ++w) {
      CHECK(here.each[w] == (5 + w == k));
      CHECK(number_of<Real>(at)[w] == static_cast<Real>(5 + w));
    }
  }
}

TEST_CASE("plain lanes: elements of any storage at any address") {
  check_memory<float, float>();
  check_memory<double, double>();
  check_memory<float, bfloat16>();
  check_memory<float, half>();
  check_memory<double, float>();
}
