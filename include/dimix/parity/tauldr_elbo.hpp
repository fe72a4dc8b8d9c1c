// The guards of tauLDR's released bound, by name: the library's own is exact (objective/ct_elbo.hpp). Source: tauldr losses.py
// (GenericAux.calc_loss), whose transition tables are clamped (tauldr::clamped).
//   s_q(y) = q(y | x_0) / (q(x | x_0) + ratio_eps),   s_θ(y) = sum_z p_0(z) q(y | z) / (q(x | z) + ratio_eps),   log s_θ -> log(s_θ + ratio_eps)
#pragma once

#include <dimix/objective/ct_elbo.hpp>
#include <dimix/parity/tauldr.hpp>

namespace dimix::tauldr {

/// A kernel of transition tables for ct_elbo, with a table for the denominators: tauldr::guarded(to_t, ratio_eps).
template <class Space, class Real>
struct guarded_kernel : table_kernel<Space, Real> {
  view<const Real, 2> seen;  // (S, S)
  Real ratio_eps;

  guarded_kernel(const Space& states, view<const Real, 2> numerators, view<const Real, 2> denominators, Real eps)
      : table_kernel<Space, Real>{states, numerators, numerators, numerators}, seen(denominators), ratio_eps(eps) {}
};

template <class Real>
struct guarded_scores : table_position_scores<Real> {
  Real ratio_eps;

  template <class At, class Row>
  DIMIX_HD auto log_of_model(At y, const Row&) const {
    using std::log;
    using number = typename number_at<Real, At>::type;
    return log(this->of_model(y, number(Real(0))) + number(ratio_eps));
  }
};

template <class Real, class Space, class At>
DIMIX_HD auto data_score(const guarded_kernel<Space, Real>& kernel, index_t, token x_0, token x, At y) {
  return read<Real>(kernel.to_t.row(x_0), y) / typename number_at<Real, At>::type(kernel.seen(x_0, x));
}
template <class Group, class Space, class Real, class Row>
DIMIX_HD auto make_scores(const Group&, const guarded_kernel<Space, Real>& kernel, index_t, token x, const Row&,
                          view<Real, 1> tile) {
  return guarded_scores<Real>{{kernel.to_t, kernel.seen, x, tile}, kernel.ratio_eps};
}

}  // namespace dimix::tauldr
