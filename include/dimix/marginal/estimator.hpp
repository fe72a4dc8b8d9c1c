// What is taken for log p(x) = log E_λ prod_d p^d(x^d; λ) from M components of log-likelihood l_m and weight π_m. Both read the
// shares alone, γ_m = π_m exp(l_m) / sum_n π_n exp(l_n).
//
//   plain       l = log sum_m π_m exp(l_m)                        biased low by O(1/M) for M draws of λ; d l / d l_m = γ_m
//   jackknife   M l - (M - 1) mean_j l_{without j}                the delete-one jackknife (Quenouille 1956): biased by O(1/M^2)
//               l_{without j} = log (sum_{m != j} π_m exp(l_m) / (1 - π_j)),
//               d / d l_m = γ_m [1 + (M-1)/M (1 - sum_{j != m} γ_j / (1 - γ_j))],   which for equal weights is
//               c_m = γ_m [M - (M-1)/M sum_{j != m} 1 / (1 - γ_j)]
// As a number above that of plain:  C(γ) - C(π),  C(γ) = -(M-1)/M sum_j log(1 - γ_j).  Its variance is larger; where one component
// alone can be x it is infinite. Components that enumerate a finite law have no bias: take plain.
// Laws (tests/laws/jackknife.cpp): coefficients sum to 1; they are the derivative; the orders of the bias by enumeration.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/math.hpp>

namespace dimix {

/// check(name, M) throws where M does not do; of_shares<Real, LogShare>(M, log_share) has correction() and coefficient(m).
template <class E>
concept likelihood_estimator = requires(const char* name, index_t M) {
  E::check(name, M);
  typename E::template of_shares<float, float (*)(index_t)>;
};

struct plain {
  static void check(const char*, index_t) {}

  /// Over M log-shares that sum to one: correction(), and coefficient(m) = d estimate / d l_m, in [0, 1].
  template <class Real, class LogShare>
  struct of_shares {
    LogShare log_share;

    DIMIX_EXEC_CHECK_DISABLE
    DIMIX_HD of_shares(index_t, const LogShare& share) : log_share(share) {}
    DIMIX_HD Real correction() const { return Real(0); }
    DIMIX_EXEC_CHECK_DISABLE
    DIMIX_HD Real coefficient(index_t m) const {
      using std::exp;
      return exp(log_share(m));
    }
  };
};

struct jackknife {
  static void check(const char* name, index_t M) {
    expects(M >= 2, name, ": the jackknife leaves out one component after another, so that M = ", M,
            " is too few; at least two are needed");
  }

  /// C and the coefficients, in (-1, 2). Made in O(M), then O(1) each. Only the largest share can be near 1: what the others have
  /// together is summed, so that nothing cancels.
  template <class Real, class LogShare>
  struct of_shares {
    LogShare log_share;
    Real kept;            // (M - 1) / M
    index_t top = 0;      // the largest share
    Real log_rest;        // log(1 - γ_top)
    Real log_left_out;    // sum_j log(1 - γ_j)
    Real odds = Real(0);  // sum over all but the largest of γ_j / (1 - γ_j)

    DIMIX_EXEC_CHECK_DISABLE
    DIMIX_HD of_shares(index_t M, const LogShare& share)
        : log_share(share), kept(static_cast<Real>(M - 1) / static_cast<Real>(M)) {
      using std::exp;
      for (index_t m = 1; m < M; ++m)
        if (share(m) > share(top)) top = m;
      exp_sum<Real> rest;
      Real others = Real(0);
      for (index_t m = 0; m < M; ++m) {
        if (m == top) continue;
        rest = merge(rest, exp_sum<Real>::of(share(m)));
        odds += exp(share(m) - log1m_exp(share(m)));
        others += log1m_exp(share(m));
      }
      log_rest = rest.log();
      log_left_out = log_rest + others;
    }

    DIMIX_HD Real correction() const { return -kept * log_left_out; }

    DIMIX_EXEC_CHECK_DISABLE
    DIMIX_HD Real coefficient(index_t m) const {
      using std::exp;
      const Real share = exp(log_share(m));
      if (m == top || share == Real(0)) return share * (Real(1) + kept * (Real(1) - odds));
      const Real own = exp(log_share(m) - log1m_exp(log_share(m)));
      const Real of_top = exp(log_share(m) + log_share(top) - log_rest);  // γ_m γ_top / (1 - γ_top) <= 1
      return share * (Real(1) + kept * (Real(1) - (odds - own))) - kept * of_top;
    }
  };
};

static_assert(likelihood_estimator<plain> && likelihood_estimator<jackknife>);

/// The estimate over M log-shares, log_share(m).
DIMIX_EXEC_CHECK_DISABLE
template <class Estimator, class Real, class LogShare>
DIMIX_HD auto estimate_of(index_t M, const LogShare& log_share) {
  return typename Estimator::template of_shares<Real, LogShare>(M, log_share);
}

}  // namespace dimix
