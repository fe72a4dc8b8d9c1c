// What tauLDR's released code does to transition tables and posterior rows, by name, so that its numbers can be reproduced. The defaults of the
// library are the exact laws (table_kernel.hpp). Source: tauldr models.py (transition), losses.py (DistilChain.calc_pst).
#pragma once

#include <dimix/forward_process/table_kernel.hpp>
#include <dimix/head/concept.hpp>

namespace dimix::tauldr {

/// Entries below `least` are 0, and nothing is normalised afterwards: (S, S).
inline table clamped(view<const double, 2> exact, double least = 1e-8) {
  table result(exact.extent(0), exact.extent(1));  // (S, S)
  std::transform(exact.begin(), exact.end(), result.begin(), [&](double p) { return p < least ? 0.0 : p; });
  return result;
}

/// Every entry plus `ratio_eps`, so that quotients stay finite: (S, S).
inline table guarded(view<const double, 2> exact, double ratio_eps = 1e-9) {
  table result(exact.extent(0), exact.extent(1));  // (S, S)
  std::transform(exact.begin(), exact.end(), result.begin(), [&](double p) { return p + ratio_eps; });
  return result;
}

/// q(x_s | x_0, x_t = y) of guarded tables: ratio_eps once more on the products, then normalised: (S).
template <class Space>
array<double, 1> posterior_row(const table_kernel<Space, double>& kernel, token x_0, token y, double ratio_eps = 1e-9) {
  const index_t S = kernel.space.max_states();
  array<double, 1> row(S);  // (S)
  double total = 0;
  for (index_t a = 0; a < S; ++a) total += row(a) = kernel.posterior(0, x_0, y, static_cast<token>(a)) + ratio_eps;
  for (double& p : row) p /= total;
  return row;
}

/// The log form of calc_pst, not normalised:  log q(y | a) + log(sum_{x_0} q(a | x_0) p(x_0) / q(y | x_0) + eps). Head: stepped over
/// table_kernel.
template <class Head>
struct log_guarded : Head {
  double eps = 1e-9;

  template <class Row>
  struct row_type {
    Row inner;
    double eps;

    DIMIX_HD token fixed() const { return -1; }
    DIMIX_HD auto log_prob(index_t a) const {
      using std::log;
      return log(jump(a)) + log(sum(a) + static_cast<decltype(sum(a))>(eps));
    }
    template <class Group, class Slope, class Write>
    DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Write& write) const {
      inner.backward(
          group, S, [&](index_t a) { return slope(a) * sum(a) / (sum(a) + static_cast<decltype(sum(a))>(eps)); }, write);
    }
    DIMIX_HD auto jump(index_t a) const { return inner.step.kernel.step(a, inner.step.y); }
    DIMIX_HD auto sum(index_t a) const {
      using std::exp;
      return exp(inner.log_prob(a)) / jump(a);
    }
  };

  template <class Real, class Storage>
  DIMIX_HD auto row(view<const Storage, 1> raw, place at, typename Head::template state<Real> remembered) const {
    const auto base = Head::template row<Real>(raw, at, remembered);
    return row_type<std::remove_const_t<decltype(base)>>{base, eps};
  }
};

}  // namespace dimix::tauldr
