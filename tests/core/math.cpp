// The stable functions against long double.
#include <dimix/core/math.hpp>

#include "laws/support.hpp"

using namespace dimix;

namespace {

double relative(double got, long double wanted) {
  return wanted == 0 ? std::abs(got) : static_cast<double>(std::abs((static_cast<long double>(got) - wanted) / wanted));
}

}  // namespace

TEST_CASE_TEMPLATE("math: log1m_exp over the whole range", Real, float, double) {
  laws::worst error;
  for (int i = -700; i <= 60; ++i) {
    const Real x = -static_cast<Real>(std::pow(10.0, i / 20.0));  // -1e-35 ... -1e3
    const long double wide = x;
    const long double wanted = wide > -0.7L ? std::log(-std::expm1(wide)) : std::log1p(-std::exp(wide));
    if (wanted == 0 || std::abs(wanted) < std::numeric_limits<Real>::min()) {
      CHECK(std::abs(log1m_exp(x)) <= std::numeric_limits<Real>::min());
      continue;
    }
    error.see(relative(static_cast<double>(log1m_exp(x)), wanted), "x =", x);
  }
  error.check("relative error of log1m_exp", 4 * static_cast<double>(std::numeric_limits<Real>::epsilon()));
  CHECK(log1m_exp(Real(0)) == -infinity<Real>());
  CHECK(log1m_exp(-infinity<Real>()) == 0);
}

TEST_CASE_TEMPLATE("math: one_minus_log1p_over on both sides of 0", Real, float, double) {
  laws::worst error;
  for (int i = -300; i <= 40; ++i)
    for (int sign : {-1, 1}) {
      const Real u = static_cast<Real>(sign * std::pow(10.0, i / 20.0));  // 1e-15 ... 1e2
      if (u <= -1) continue;
      const long double wide = u;
      long double wanted = 1 - std::log1p(wide) / wide;
      if (std::abs(wide) < 1e-2L) {
        wanted = 0;
        for (int n = 20; n >= 2; --n) wanted = 1.0L / n - wide * wanted;
        wanted *= wide;
      }
      error.see(relative(static_cast<double>(one_minus_log1p_over(u)), wanted), "u =", u);
    }
  error.check("relative error of one_minus_log1p_over", 40 * static_cast<double>(std::numeric_limits<Real>::epsilon()));
  CHECK(one_minus_log1p_over(Real(0)) == 0);
}

TEST_CASE_TEMPLATE("math: sigmoid over the whole range", Real, float, double) {
  laws::worst error;
  for (int i = -80; i <= 80; ++i) {
    const Real x = static_cast<Real>(i);
    error.see(relative(static_cast<double>(sigmoid(x)), 1 / (1 + std::exp(-static_cast<long double>(x)))), "x =", x);
  }
  error.check("relative error of sigmoid", 3 * static_cast<double>(std::numeric_limits<Real>::epsilon()));
  for (int i = -80; i <= 80; ++i) {
    const Real x = static_cast<Real>(i);
    error.see(relative(static_cast<double>(log_sigmoid(x)), -std::log1p(std::exp(-static_cast<long double>(x)))),
              "log, x =", x);
  }
  error.check("relative error of log_sigmoid", 3 * static_cast<double>(std::numeric_limits<Real>::epsilon()));
  CHECK(log_sigmoid(infinity<Real>()) == 0);
  CHECK(log_sigmoid(Real(-1e6)) == Real(-1e6));
  CHECK(sigmoid(Real(0)) == Real(0.5));
  CHECK(sigmoid(infinity<Real>()) == 1);
  CHECK(sigmoid(-infinity<Real>()) == 0);
  CHECK(sigmoid(Real(1e6)) == 1);
  CHECK(sigmoid(Real(-1e6)) == 0);
}

TEST_CASE_TEMPLATE("math: exp_sum neither overflows nor depends on the order", Real, float, double) {
  const double ulp = std::numeric_limits<Real>::epsilon();
  for (double offset : {0.0, 5000.0, -5000.0}) {
    std::vector<Real> values;
    long double sum = 0;
    for (index_t i = 0; i < 500; ++i) {
      values.push_back(static_cast<Real>(offset + 40 * laws::uniform_number(1, i)));
      sum += std::exp(static_cast<long double>(values.back()) - static_cast<long double>(offset));
    }
    const double wanted = offset + static_cast<double>(std::log(sum));
    exp_sum<Real> forward, backward, tree[2];
    for (std::size_t i = 0; i < values.size(); ++i) {
      forward = merge(forward, exp_sum<Real>::of(values[i]));
      backward = merge(exp_sum<Real>::of(values[values.size() - 1 - i]), backward);
      tree[i % 2] = merge(tree[i % 2], exp_sum<Real>::of(values[i]));
    }
    const double bound = 16 * ulp * (1 + std::abs(wanted));
    CHECK(std::abs(static_cast<double>(forward.log()) - wanted) < bound);
    CHECK(std::abs(static_cast<double>(backward.log()) - wanted) < bound);
    CHECK(std::abs(static_cast<double>(merge(tree[0], tree[1]).log()) - wanted) < bound);
  }
  const exp_sum<Real> empty, impossible = exp_sum<Real>::of(-infinity<Real>()), one = exp_sum<Real>::of(Real(3));
  CHECK(empty.log() == -infinity<Real>());
  CHECK(impossible.log() == -infinity<Real>());
  CHECK(merge(empty, impossible).log() == -infinity<Real>());
  CHECK(merge(empty, one).log() == 3);
  CHECK(merge(one, impossible).log() == 3);
  CHECK(merge(one, one).log() == merge(one, exp_sum<Real>{Real(3), Real(1)}).log());
}

TEST_CASE("math: small things") {
  CHECK(product_or_zero(0.0, -infinity<double>()) == 0);
  CHECK(product_or_zero(2.0, 3.0) == 6);
  CHECK(clamp(5, 0, 3) == 3);
  CHECK(clamp(-5, 0, 3) == 0);
  CHECK(larger(2, 3) == 3);
  CHECK(smaller(2, 3) == 2);
  static_assert(infinity<float>() > 3e38f);
}
