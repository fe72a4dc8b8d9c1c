// mask_and_replace_kernel: every law between two times of a process that masks or redraws (state_space/mask_and_replace.hpp), in O(1) per
// probability. Two independent clocks, each with a kernel of its own: `hidden`, whether the mask is there, and `redrawn`, the value under
// it, K = S - 1 of them. With x_0 a value,
//   q(x_t = y | x_0)          = kept(hidden) q_redrawn(y | x_0) for a value y,  hit(hidden) for the mask
//   q(x_s = a | x_0, x_t = y) = q_redrawn(a | x_0, y)                           y a value: it was never masked
//                             = ρ [a = mask] + (1 - ρ) q_redrawn,s(a | x_0)     y the mask,  ρ = hit_s / hit_t of `hidden`
// The same calls as two_time_kernel (kernel.hpp), and the same laws.
#pragma once

#include <dimix/forward_process/kernel.hpp>
#include <dimix/state_space/mask_and_replace.hpp>

namespace dimix {

template <class Row, class Kernel, class Real>
struct mask_and_replace_row;

template <class Space, class Real>
struct mask_and_replace_kernel {
  Space space;
  two_time_kernel<absorbing<>, Real> hidden;
  two_time_kernel<uniform<>, Real> redrawn;

  /// From the total noise at s and t, 0 <= sigma_s <= sigma_t <= infinity.
  static mask_and_replace_kernel make(const Space& space, double sigma_s, double sigma_t) {
    const index_t S = space.max_states();
    const double c = space.mask_share();
    return {space, two_time_kernel<absorbing<>, Real>::make({S}, c * sigma_s, c * sigma_t),
            two_time_kernel<uniform<>, Real>::make({S - 1}, (1 - c) * sigma_s, (1 - c) * sigma_t)};
  }

  DIMIX_HD bool masked(token s) const { return s == space.mask(); }
  DIMIX_HD Real prior(index_t d, token s) const { return static_cast<Real>(space.prior(d, s)); }

  /// q(x_s = a | x_0)
  DIMIX_HD Real marginal_s(index_t d, token x_0, token a) const {
    return of_both(x_0, a, hidden.kept_s, hidden.hit_s, redrawn.marginal_s(d, x_0, a));
  }
  /// q(x_t = y | x_0)
  DIMIX_HD Real marginal_t(index_t d, token x_0, token y) const {
    return of_both(x_0, y, hidden.kept_t, hidden.hit_t, redrawn.marginal_t(d, x_0, y));
  }
  template <several_indices At>
  DIMIX_HD auto marginal_t(index_t d, token x_0, At y) const {
    using number = typename number_at<Real, At>::type;
    const auto to_mask = equals<Real>(y, space.mask());
    if (masked(x_0)) return select(to_mask, number(Real(1)), number(Real(0)));
    return select(to_mask, number(hidden.hit_t), redrawn.marginal_t(d, x_0, y) * number(hidden.kept_t));
  }
  /// q(x_t = y | x_s = a)
  DIMIX_HD Real transition(index_t d, token a, token y) const {
    return of_both(a, y, hidden.stay, hidden.jump, redrawn.transition(d, a, y));
  }
  /// q(x_s = a | x_0, x_t = y); 0 where x_0 cannot have become y
  DIMIX_HD Real posterior(index_t d, token x_0, token y, token a) const {
    const Real z = marginal_t(d, x_0, y);
    return z == Real(0) ? Real(0) : transition(d, a, y) * marginal_s(d, x_0, a) / z;
  }

  /// x_t from q(x_t | x_0).
  DIMIX_HD token corrupt(index_t d, token x_0, random_block bits) const {
    return masked(x_0) ? x_0 : draw(d, x_0, static_cast<double>(hidden.hit_t), redrawn.kept_t, redrawn.hit_t, bits);
  }
  /// x_s from q(x_s | x_0, x_t = y); y itself where x_0 cannot have become y.
  DIMIX_HD token draw_posterior(index_t d, token x_0, token y, random_block bits) const {
    if (masked(x_0) || (masked(y) ? hidden.hit_t : hidden.kept_t) == Real(0)) return y;
    if (!masked(y)) return redrawn.draw_posterior(d, x_0, y, bits);
    return draw(d, x_0, static_cast<double>(hidden.hit_s / hidden.hit_t), redrawn.kept_s, redrawn.hit_s, bits);
  }

  /// The row p(x_s | x_t = y) of a denoiser's row p(x_0 | x_t): log_prob(a), O(1).
  template <class Row>
  DIMIX_HD auto reverse(index_t d, token y, const Row& denoised) const {
    return mask_and_replace_row<Row, mask_and_replace_kernel, Real>::make(*this, d, y, denoised);
  }

 private:
  /// The law of a jump of both clocks, from that of the value.
  DIMIX_HD Real of_both(token from, token to, Real kept, Real hit, Real of_value) const {
    if (masked(from)) return Real(masked(to));
    return masked(to) ? hit : kept * of_value;
  }
  /// The mask with probability `mask`, else x_0 or a redrawn value in the ratio kept : hit.
  DIMIX_HD token draw(index_t d, token x_0, double mask, Real kept, Real hit, random_block bits) const {
    const double weights[] = {mask, (1 - mask) * static_cast<double>(kept), (1 - mask) * static_cast<double>(hit)};
    const auto weight = [&](index_t i) { return weights[i]; };
    const index_t outcome = pick_by_share(3, 1.0, bits.first(), weight, largest_of(3, weight));
    return outcome == 0 ? space.mask() : outcome == 1 ? x_0 : draw_prior(redrawn.space, d, bits.second());
  }
};

/// One row of p(x_s | x_t = y) = sum_{x_0} q(x_s | x_0, y) p(x_0) over the x_0 that can have become y:
///   p(a) = A(a) [ kept_s w(a) p_0(a) + hit_s W / K ],   W = sum_{values} w(x) p_0(x),   kept_s, hit_s of the value
///   y a value:  A(a) = q_redrawn(y | a),   w(x) = 1 / (Z(x) P),   P = sum_{values} p_0,   Z(x) = q_redrawn(y | x_0 = x)
///   y the mask: A(a) = 1 - ρ,              w(x) = 1,              p(mask) = p_0(mask) + ρ P
template <class Row, class Kernel, class Real>
struct mask_and_replace_row {
  Row denoised;
  Kernel kernel;
  index_t d;
  token y;
  Real log_values, log_w;  // log P, log W
  bool frozen;             // y stays: no x_0 can have become y, or only y itself
  // log of A kept_s w, and A hit_s W / K, of the value y and of others; ρ P
  Real log_kept_same, log_kept_other, hit_same, hit_other, hit_mask;

  DIMIX_HD static mask_and_replace_row make(const Kernel& kernel, index_t d, token y, const Row& denoised) {
    using std::exp, std::log;
    const auto& hidden = kernel.hidden;
    const auto& redrawn = kernel.redrawn;
    mask_and_replace_row row{
        denoised, kernel, d,       y,       log1m_exp(smaller(denoised.log_prob(kernel.space.mask()), Real(0))),
        Real(0),  false,  Real(0), Real(0), Real(0),
        Real(0),  Real(0)};
    const Real share = redrawn.hit_s * redrawn.prior(d, 0);
    if (kernel.masked(y)) {
      row.frozen = hidden.hit_t == Real(0);
      if (row.frozen) return row;
      row.log_w = row.log_values;
      const Real comes = hidden.kept_s * hidden.jump / hidden.hit_t, values = exp(row.log_values);
      row.log_kept_same = row.log_kept_other = log(comes * redrawn.kept_s);
      row.hit_same = row.hit_other = comes * share * values;
      row.hit_mask = hidden.hit_s / hidden.hit_t * values;
    } else {
      row.frozen = row.log_values == -infinity<Real>() || redrawn.hit_t == Real(0) || hidden.kept_t == Real(0);
      if (row.frozen) return row;
      const token other = y == 0 ? token{1} : token{0};
      const Real at_y = smaller(denoised.log_prob(y) - row.log_values, Real(0));
      row.log_w = log_add(at_y - row.log_z(y), log1m_exp(at_y) - row.log_z(other));
      const Real stays = redrawn.transition(d, y, y), comes = redrawn.transition(d, other, y), w = exp(row.log_w);
      row.log_kept_same = log(stays * redrawn.kept_s) + row.log_weight(y);
      row.log_kept_other = log(comes * redrawn.kept_s) + row.log_weight(other);
      row.hit_same = stays * share * w;
      row.hit_other = comes * share * w;
    }
    return row;
  }

  template <index_of<Row> At>
  DIMIX_HD auto log_prob(At a) const {
    using number = typename number_at<Real, At>::type;
    if (frozen) return select(equals<Real>(a, y), number(Real(0)), number(-infinity<Real>()));
    return log_of_parts<number>(log_kept(a), hit(a));
  }
  template <index_of<Row> At>
  DIMIX_HD auto prob(At a) const {
    using std::exp;
    using number = typename number_at<Real, At>::type;
    if (frozen) return select(equals<Real>(a, y), number(Real(1)), number(Real(0)));
    return number(exp(log_kept(a)) + hit(a));
  }
  /// The certain state, given that of the denoiser's row (-1: none).
  DIMIX_HD token fixed(token of_denoised) const {
    const bool clean = kernel.hidden.hit_s == Real(0) && kernel.redrawn.hit_s == Real(0);
    return frozen ? y : of_denoised >= 0 && clean ? of_denoised : token{-1};
  }

  /// slope(a) = d loss / d log p(a)  ->  x -> d loss / d log p_0(x) = g(x) h(x) + [w(x) p_0(x) / W] sum_a g(a) (1 - h(a)), with h(a)
  /// the share of p(a) that comes from x_0 = a; where y is a value, minus p_0(x) / P sum_a g(a).
  template <class Group, class Slope>
  DIMIX_HD auto slope_of_denoised(const Group& group, index_t S, const Slope& slope) const {
    using std::exp;
    if (frozen) return slopes<Slope>{*this, slope, Real(0), Real(0)};
    const Real spread = group.reduce(
        S, Real(0), plus{}, [&]<index_into<Slope> At>(At a) requires index_of<At, Row> {
          return product_or_zero(slope(a), share_of_hit(log_kept(a), hit(a)));
        });
    if (kernel.masked(y)) return slopes<Slope>{*this, slope, spread * exp(-log_w), spread * exp(-log_w)};
    const Real all = group.reduce(S, Real(0), plus{}, slope) * exp(-log_values);
    const auto of_spread = [&](token x) { return spread * exp(log_weight(x) - log_w) - all; };
    return slopes<Slope>{*this, slope, of_spread(y), of_spread(y == 0 ? token{1} : token{0})};
  }

  /// log w(x)
  DIMIX_HD Real log_weight(index_t x) const { return kernel.masked(y) ? Real(0) : -log_z(x) - log_values; }

 private:
  template <class Slope>
  struct slopes {
    const mask_and_replace_row& row;
    const Slope& slope;
    Real spread_same, spread_other;  // of p_0(x) for values x

    DIMIX_EXEC_CHECK_DISABLE
    template <index_into<Slope> At>
    DIMIX_HD auto operator()(At x) const requires index_of<At, Row> {
      using std::exp;
      using number = typename number_at<Real, At>::type;
      const number zero = Real(0);
      if (row.frozen) return zero;
      return of_kept<number>(slope(x), row.log_kept(x), row.hit(x)) +
             exp(row.denoised.log_prob(x)) * row.at_kind(x, spread_same, spread_other, Real(0));
    }
  };

  DIMIX_HD Real log_z(index_t x) const {
    using std::log;
    return log(kernel.redrawn.marginal_t(d, static_cast<token>(x), y));
  }
  template <class At>
  DIMIX_HD auto at_kind(At a, Real same, Real other, Real of_mask) const {
    using number = typename number_at<Real, At>::type;
    return select(equals<Real>(a, kernel.space.mask()), number(of_mask),
                  select(equals<Real>(a, y), number(same), number(other)));
  }
  /// log of the part of p(a) that comes from x_0 = a untouched until s
  template <class At>
  DIMIX_HD auto log_kept(At a) const {
    return at_kind(a, log_kept_same, log_kept_other, kernel.masked(y) ? Real(0) : -infinity<Real>()) + denoised.log_prob(a);
  }
  /// The part that was masked or redrawn in [0, s]
  template <class At>
  DIMIX_HD auto hit(At a) const {
    return at_kind(a, hit_same, hit_other, hit_mask);
  }
};

}  // namespace dimix
