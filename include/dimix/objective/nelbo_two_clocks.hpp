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
  Real decay, at_0;                                  // p_0(x_0) - 1
  rank_one_nelbo_position<uniform<>, Real> visible;  // where x is a value: the position as one of uniform<K>

  static constexpr bool reads_data_alone = false;

  template <class Group, class Row>
  DIMIX_HD Real value(const Group& group, index_t S, const Row& row) const {
    using std::log;
    if (impossible()) return Real(0);
    if (!kernel.masked(x)) return visible.value(group, S - 1, row);
    return weight() * group.reduce(S - 1, Real(0), plus{}, [&](auto y) {
      using number = typename number_at<Real, decltype(y)>::type;
      const auto at = laws(y, number(row.prob(y)));
      const number part = at.c * one_minus_log1p_over(at.u);
      if (!any(!at.close())) return part;
      const number divergence = at.p - at.q - product_or_zero(at.q, number(log(at.p / at.q)));
      return number(select(at.close(), part, divergence / number(kernel.redrawn.kept_t)));
    });
  }

  /// slope(z) for every z; the sum is shared.
  template <class Group, class Row>
  DIMIX_HD void slopes(const Group& group, index_t S, const Row& row, view<Real, 1> slope) const {
    const view<Real, 1> of_values = slope.slice(0, S - 1);
    if (group.leader()) slope[S - 1] = Real(0);
    if (impossible()) return group.for_each(S - 1, [&](index_t z) { slope[z] = Real(0); });
    if (!kernel.masked(x)) return visible.slopes(group, S - 1, row, of_values);
    const Real hit = kernel.redrawn.hit_t * kernel.redrawn.prior(d, x);
    const Real shared = hit * group.reduce(S - 1, Real(0), plus{}, [&](auto y) {
      using number = typename number_at<Real, decltype(y)>::type;
      const number p_0 = row.prob(y);
      const auto at = laws(y, p_0);
      const number pull = at.c / at.p;  // [1 - q(y) / p(y)] / kept
      write(of_values, y, pull);
      return number(hit == Real(0) ? number(Real(0)) : pull);
    });
    group.for_each(S - 1, [&](auto z) {
      using number = typename number_at<Real, decltype(z)>::type;
      const number p_0 = row.prob(z), pull = number(kernel.redrawn.kept_t) * read<Real>(of_values, z) + number(shared);
      write(of_values, z, product_or_zero(p_0, number(number(weight()) * pull)));
    });
  }

 private:
  /// q(y) and p(y) = q(y) + kept c(y), u = p / q - 1
  template <class Number>
  struct pair_of_laws {
    Number q, p, c, u;
    DIMIX_HD auto close() const { return q > Number(Real(0)) && u > Number(Real(-0.3)) && u < Number(Real(0.3)); }
  };
  template <class At, class Number>
  DIMIX_HD pair_of_laws<Number> laws(At y, Number p_0) const {
    const auto& k = kernel.redrawn;
    const Number kept = k.kept_t, hit = k.hit_t * k.prior(d, 0), zero = Real(0);
    const auto is_x_0 = equals<Real>(y, x_0);
    const Number q = select(is_x_0, kept, zero) + hit, c = select(is_x_0, Number(at_0), p_0);
    return {q, kept * p_0 + hit, c, kept * c / q};
  }

  /// x_0 cannot have become x
  DIMIX_HD bool impossible() const { return kernel.masked(x_0) || kernel.marginal_t(d, x_0, x) == Real(0); }
  /// c β kept(hidden) / hit(hidden) times the chance that the value was kept, which is finite where alpha reaches 0
  DIMIX_HD Real weight() const { return static_cast<Real>(kernel.space.mask_share()) * decay / kernel.hidden.hit_t; }
};

template <class Group, class Space, class Real, class Row>
DIMIX_HD auto make_nelbo_position(const Group& group, const mask_and_replace_kernel<Space, Real>& kernel, index_t d, token x,
                                  token x_0, Real beta, Real decay, const Row& row, view<Real, 1>) {
  using visible = rank_one_nelbo_position<uniform<>, Real>;
  const Real share = Real(1) - static_cast<Real>(kernel.space.mask_share());
  return two_clocks_nelbo_position<Space, Real>{
      kernel,
      d,
      x,
      x_0,
      decay,
      -other_than<Real>(group, row, x_0),
      visible::make(group, kernel.redrawn, d, x, x_0, share * beta, share * decay / kernel.hidden.kept_t, row)};
}

}  // namespace dimix
