// One position of the continuous-time bound (nelbo.hpp) where noise masks or redraws (state_space/mask_and_replace.hpp), c = mask_share.
//   x_t a value   it was never masked, and the mask never becomes a value: the bound of uniform<K> at the rate (1 - c) β
//   x_t the mask  any value y may have been masked, at the rate c β. With q(y) = q_redrawn(y | x_0) and p(y) = kept p_0(y) + hit / K,
//                 the scores are q and p times kept / hit of the other clock, and
//                 l = c β kept(hidden) / hit(hidden) sum_y [ q log(q / p) - q + p ]
// A head that gives the mask no mass is assumed (values_only): the sums are over values. O(S).
#pragma once

#include <dimix/objective/nelbo_position.hpp>

namespace dimix {

template <class Space, class Real>
struct two_clocks_nelbo_position {
  mask_and_replace_kernel<Space, Real> kernel;
  index_t d;
  token x, x_0;
  Real beta, decay;

  template <class Group, class LogP>
  DIMIX_HD Real value(const Group& group, index_t S, const LogP& log_p) const {
    if (impossible()) return Real(0);
    if (!kernel.masked(x)) return of_value(log_p).value(group, S - 1, log_p);
    return weight() * group.reduce(S - 1, Real(0), plus{}, [&](index_t y) {
      const auto at = laws(static_cast<token>(y), log_p(y));
      return at.close() ? at.c * one_minus_log1p_over(at.u()) : at.divergence() / kernel.redrawn.kept_t;
    });
  }

  /// slope(z) for every z; the sum is shared.
  template <class Group, class LogP, class Store>
  DIMIX_HD void slopes(const Group& group, index_t S, const LogP& log_p, const Store& store) const {
    using std::exp;
    if (group.leader()) store(S - 1, Real(0));
    if (impossible()) return group.for_each(S - 1, [&](index_t z) { store(z, Real(0)); });
    if (!kernel.masked(x)) return of_value(log_p).slopes(group, S - 1, log_p, store);
    const auto pull = [&](index_t y) {  // [1 - q(y) / p(y)] / kept
      const auto at = laws(static_cast<token>(y), log_p(y));
      return at.c / at.p;
    };
    const Real hit = kernel.redrawn.hit_t * kernel.redrawn.prior(d, x);
    const Real shared = hit == Real(0) ? Real(0) : hit * group.reduce(S - 1, Real(0), plus{}, pull);
    group.for_each(S - 1, [&](index_t z) {
      const Real p_0 = exp(log_p(z));
      store(z, p_0 == Real(0) ? Real(0) : weight() * p_0 * (kernel.redrawn.kept_t * pull(z) + shared));
    });
  }

 private:
  /// q(y) and p(y) = q(y) + kept c(y)
  struct pair_of_laws {
    Real q, p, c, kept;
    DIMIX_HD Real u() const { return kept * c / q; }  // p / q - 1
    DIMIX_HD bool close() const { return q > Real(0) && u() > Real(-0.3) && u() < Real(0.3); }
    DIMIX_HD Real divergence() const {
      using std::log;
      return product_or_zero(q, log(q) - log(p)) - q + p;
    }
  };
  DIMIX_HD pair_of_laws laws(token y, Real log_p_y) const {
    using std::exp, std::expm1;
    const auto& k = kernel.redrawn;
    return {k.marginal_t(d, x_0, y), k.kept_t * exp(log_p_y) + k.hit_t * k.prior(d, y),
            y == x_0 ? expm1(log_p_y) : exp(log_p_y), k.kept_t};
  }

  /// x_0 cannot have become x
  DIMIX_HD bool impossible() const { return kernel.masked(x_0) || kernel.marginal_t(d, x_0, x) == Real(0); }
  /// c β kept(hidden) / hit(hidden) times the chance that the value was kept, which is finite where alpha reaches 0
  DIMIX_HD Real weight() const { return static_cast<Real>(kernel.space.mask_share()) * decay / kernel.hidden.hit_t; }

  /// The position as one of uniform<K>.
  template <class LogP>
  DIMIX_HD auto of_value(const LogP& log_p) const {
    const Real share = Real(1) - static_cast<Real>(kernel.space.mask_share());
    return rank_one_nelbo_position<uniform<>, Real>{reverse_row<uniform<>, Real>::make(kernel.redrawn, d, x, log_p(x)), x_0,
                                                    share * beta, share * decay / kernel.hidden.kept_t};
  }
};

template <class Space, class Real, class LogP>
DIMIX_HD auto make_nelbo_position(const mask_and_replace_kernel<Space, Real>& kernel, index_t d, token x, token x_0, Real beta,
                                  Real decay, const LogP&, view<Real, 1>) {
  return two_clocks_nelbo_position<Space, Real>{kernel, d, x, x_0, beta, decay};
}

}  // namespace dimix
