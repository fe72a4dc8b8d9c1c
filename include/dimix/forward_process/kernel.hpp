// two_time_kernel: every law between two times of a process "identity + rank one", in O(1) per probability.
//
//   q(x_t = y | x_s = a)        = r [a = y] + (1 - r) π(y),                    r = alpha_t / alpha_s
//   q(x_s = a | x_0, x_t = y)   = A(a) B(a) / Z,   A(a) = r [a = y] + (1 - r) π(y),   B(a) = alpha_s [a = x_0] + (1 - alpha_s) π(a),
//                                                  Z = alpha_t [x_0 = y] + (1 - alpha_t) π(y)
// Every factor is a sum of non-negative terms, and 1 - alpha comes from expm1: nothing cancels. With a row p(x_0) in place of
// x_0 the posterior stays O(1) per state, because Z takes only two values (see reverse below).
// Laws (tests/laws/forward_process.hpp): rows sum to 1; between(0, s) then between(s, t) composes to between(0, t);
// the posterior is Bayes' rule of the other two.
#pragma once

#include <dimix/core/elementwise.hpp>
#include <dimix/core/math.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/group.hpp>
#include <dimix/state_space.hpp>

#include <cmath>

namespace dimix {

template <class Space, class Real>
struct two_time_kernel {
  [[no_unique_address]] Space space;
  Real kept_s, hit_s;  // alpha_s and 1 - alpha_s: untouched or hit by noise in [0, s]
  Real kept_t, hit_t;  // alpha_t and 1 - alpha_t
  Real stay, jump;     // r and 1 - r: untouched or hit in (s, t]

  /// From the total noise at s and t, 0 <= sigma_s <= sigma_t <= infinity.
  static two_time_kernel make(const Space& space, double sigma_s, double sigma_t) {
    const double between = sigma_s == sigma_t ? 0.0 : sigma_t - sigma_s;
    const auto kept = [](double sigma) { return static_cast<Real>(std::exp(-sigma)); };
    const auto hit = [](double sigma) { return static_cast<Real>(-std::expm1(-sigma)); };
    return {space, kept(sigma_s), hit(sigma_s), kept(sigma_t), hit(sigma_t), kept(between), hit(between)};
  }

  DIMIX_HD Real prior(index_t d, token s) const { return static_cast<Real>(space.prior(d, s)); }
  template <several_indices At>
  DIMIX_HD auto prior(index_t d, At s) const {
    return each_of<Real>(s, [&](index_t one) { return prior(d, static_cast<token>(one)); });
  }

  /// q(x_s = a | x_0)
  DIMIX_HD Real marginal_s(index_t d, token x_0, token a) const { return kept_s * (a == x_0) + hit_s * prior(d, a); }
  /// q(x_t = y | x_0)
  DIMIX_HD Real marginal_t(index_t d, token x_0, token y) const { return kept_t * (y == x_0) + hit_t * prior(d, y); }
  template <several_indices At>
  DIMIX_HD auto marginal_t(index_t d, token x_0, At y) const {
    using number = typename number_at<Real, At>::type;
    return select(equals<Real>(y, x_0), number(kept_t), number(Real(0))) + prior(d, y) * number(hit_t);
  }
  /// q(x_t = y | x_s = a)
  DIMIX_HD Real transition(index_t d, token a, token y) const { return stay * (a == y) + jump * prior(d, y); }
  /// q(x_s = a | x_0, x_t = y); 0 where x_0 cannot have become y
  DIMIX_HD Real posterior(index_t d, token x_0, token y, token a) const {
    const Real z = marginal_t(d, x_0, y);
    return z == Real(0) ? Real(0) : transition(d, a, y) * marginal_s(d, x_0, a) / z;
  }

  /// x_t from q(x_t | x_0): one comparison and, when hit, one draw of the prior.
  DIMIX_HD token corrupt(index_t d, token x_0, random_block bits) const {
    return bernoulli(static_cast<double>(kept_t), bits.first()) ? x_0 : draw_prior(space, d, bits.second());
  }

  /// x_s from q(x_s | x_0, x_t = y). A B is a sum of four non-negative parts: y untouched twice or hit before s and then kept;
  /// x_0 kept until s and then hit; hit twice. For absorbing this is the two-stage draw: unmask or not, then the token.
  DIMIX_HD token draw_posterior(index_t d, token x_0, token y, random_block bits) const {
    const double at_y = prior(d, y);
    const double same =
        static_cast<double>(stay) * ((x_0 == y ? static_cast<double>(kept_s) : 0.0) + static_cast<double>(hit_s) * at_y);
    const double revealed = static_cast<double>(jump) * at_y * static_cast<double>(kept_s);
    const double lost = static_cast<double>(jump) * at_y * static_cast<double>(hit_s);
    const double total = same + revealed + lost;
    const std::uint64_t to_same = share(same / total), to_revealed = share(revealed / total);
    if (lost == 0) return revealed == 0 || (same > 0 && bits.first() < to_same) ? y : x_0;
    if (bits.first() < to_same) return y;
    if (bits.first() - to_same < to_revealed) return x_0;
    return draw_prior(space, d, bits.second());
  }

  /// The row p(x_s | x_t = y) of a denoiser's row p(x_0 | x_t): log_prob(a), O(1).
  template <class Row>
  DIMIX_HD auto reverse(index_t d, token y, const Row& denoised) const;
};

/// One row of p(x_s | x_t = y) = sum_{x_0} q(x_s | x_0, y) p(x_0), elementwise in a from the log-row of p(x_0):
///   p(a) = A(a) [ alpha_s p_0(a) / Z(a) + (1 - alpha_s) π(a) W ],   W = sum_{x_0} p_0(x_0) / Z(x_0)
///                                                                    = p_0(y) / Z(y) + (1 - p_0(y)) / Z(other)
/// all in logarithms. frozen: x_t = y can only have come from x_0 = y, and x_s = y for certain.
template <class Space, class Real>
struct reverse_row {
  two_time_kernel<Space, Real> kernel;
  index_t d;
  token y;
  Real log_z_same, log_z_other;  // Z for x_0 = y and for any other x_0
  Real log_w;
  bool frozen;

  DIMIX_HD static reverse_row make(const two_time_kernel<Space, Real>& kernel, index_t d, token y, Real log_p_y) {
    using std::log;
    const Real at_y = kernel.prior(d, y);
    const Real other = kernel.hit_t * at_y;
    const bool frozen = other == Real(0);
    const Real log_same = log(kernel.kept_t + other), log_other = log(other);
    const Real log_w = frozen ? -log_same
                              : merge(exp_sum<Real>::of(log_p_y - log_same),
                                      exp_sum<Real>::of(log1m_exp(smaller(log_p_y, Real(0))) - log_other))
                                    .log();
    return {kernel, d, y, log_same, log_other, log_w, frozen};
  }

  DIMIX_HD Real log_z(token x_0) const { return x_0 == y ? log_z_same : log_z_other; }
};

/// Of a row of which every state is the sum of two parts, one from x_0 = a kept until s and one from what was hit before: its log and its share.
/// kept is the log of the first part.
template <class Number>
DIMIX_HD Number log_of_parts(Number kept, Number hit) {
  using std::exp, std::log;
  using real = real_of_t<Number>;
  if (!any(hit > Number(real(0)))) return kept;
  const Number sum = exp(kept) + hit;
  return any(sum < Number(least_sum<real>())) ? log_add(kept, log(hit)) : log(sum);
}
/// What of the sum is the second part; 0 where both are 0.
template <class Number>
DIMIX_HD Number share_of_hit(Number kept, Number hit) {
  using std::exp;
  const Number none = real_of_t<Number>(0);
  return select(hit > none, hit / (exp(kept) + hit), none);
}

/// g times the share of the first part; 0 where there is none.
template <class Number>
DIMIX_HD Number of_kept(Number g, Number kept, Number hit) {
  const Number none = real_of_t<Number>(0);
  return select(g == none || kept == Number(-infinity<real_of_t<Number>>()), none, g - g * share_of_hit(kept, hit));
}

/// reverse_row with the denoiser's row in it.
template <class Row, class Space, class Real>
struct denoised_reverse_row {
  Row denoised;
  reverse_row<Space, Real> step;
  Real log_kept_same, log_kept_other, hit_same, hit_other;  // log of A alpha_s / Z, and A (1 - alpha_s) W

  DIMIX_HD static denoised_reverse_row make(const Row& denoised, const reverse_row<Space, Real>& step) {
    using std::exp, std::log;
    if (step.frozen) return {denoised, step, Real(0), Real(0), Real(0), Real(0)};
    const auto& kernel = step.kernel;
    const Real comes = kernel.jump * kernel.prior(step.d, step.y), stays = kernel.stay + comes,
               hit = kernel.hit_s == Real(0) ? Real(0) : exp(log(kernel.hit_s) + step.log_w);
    return {denoised,
            step,
            log(stays * kernel.kept_s) - step.log_z_same,
            log(comes * kernel.kept_s) - step.log_z_other,
            stays * hit,
            comes * hit};
  }

  template <index_of<Row> At>
  DIMIX_HD auto log_prob(At a) const {
    using number = typename number_at<Real, At>::type;
    if (step.frozen) return select(equals<Real>(a, step.y), number(Real(0)), number(-infinity<Real>()));
    return log_of_parts<number>(log_kept(a), hit(a));
  }
  template <index_of<Row> At>
  DIMIX_HD auto prob(At a) const {
    using std::exp;
    using number = typename number_at<Real, At>::type;
    if (step.frozen) return select(equals<Real>(a, step.y), number(Real(1)), number(Real(0)));
    return number(exp(log_kept(a)) + hit(a));
  }
  /// The certain state, given that of the denoiser's row (-1: none).
  DIMIX_HD token fixed(token of_denoised) const {
    return step.frozen ? step.y : of_denoised >= 0 && step.kernel.hit_s == Real(0) ? of_denoised : token{-1};
  }

  /// slope(a) = d loss / d log p(a)  ->  x -> d loss / d log p_0(x) = g(x) h(x) + [p_0(x) / Z(x) / W] sum_a g(a) (1 - h(a)), with
  /// h(a) in [0, 1] the share of p(a) that comes from x_0 = a kept until s.
  template <class Group, class Slope>
  DIMIX_HD auto slope_of_denoised(const Group& group, index_t S, const Slope& slope) const {
    const Real spread = step.frozen
                            ? Real(0)
                            : group.reduce(S, Real(0), plus{}, [&]<index_into<Slope> At>(At a) requires index_of<At, Row> {
                                return product_or_zero(slope(a), share_of_hit(log_kept(a), hit(a)));
                              });
    using std::exp;
    const auto of_spread = [&](Real log_z) { return step.frozen ? Real(0) : spread * exp(-log_z - step.log_w); };
    return slopes<Slope>{*this, slope, of_spread(step.log_z_same), of_spread(step.log_z_other)};
  }

 private:
  template <class Slope>
  struct slopes {
    const denoised_reverse_row& row;
    const Slope& slope;
    Real spread_same, spread_other;  // of p_0(x)

    DIMIX_EXEC_CHECK_DISABLE
    template <index_into<Slope> At>
    DIMIX_HD auto operator()(At x) const requires index_of<At, Row> {
      using std::exp;
      using number = typename number_at<Real, At>::type;
      const number zero = Real(0);
      if (row.step.frozen) return zero;
      return of_kept<number>(slope(x), row.log_kept(x), row.hit(x)) +
             exp(row.denoised.log_prob(x)) * row.at_y(x, spread_same, spread_other);
    }
  };

  template <class At>
  DIMIX_HD auto at_y(At a, Real same, Real other) const {
    using number = typename number_at<Real, At>::type;
    return select(equals<Real>(a, step.y), number(same), number(other));
  }
  template <class At>
  DIMIX_HD auto log_kept(At a) const {
    return at_y(a, log_kept_same, log_kept_other) + denoised.log_prob(a);
  }
  template <class At>
  DIMIX_HD auto hit(At a) const {
    return at_y(a, hit_same, hit_other) * prior(a);
  }
  DIMIX_HD Real prior(index_t a) const { return step.kernel.prior(step.d, static_cast<token>(a)); }
  template <several_indices At>
  DIMIX_HD auto prior(At a) const {
    return step.kernel.prior(step.d, a);
  }
};

/// The same row as probabilities, of one state or of lanes of them, for draws: p(a) = kept p_0(a) + hit π(a), with one pair of numbers for y and
/// one for all others.
template <class Row, class Space, class Real>
struct reverse_probabilities {
  Row denoised;
  two_time_kernel<Space, Real> kernel;
  index_t d;
  token y;
  Real kept_same, kept_other, hit_same, hit_other;

  DIMIX_HD static reverse_probabilities make(const Row& denoised, const reverse_row<Space, Real>& step) {
    using std::exp, std::log;
    const auto& kernel = step.kernel;
    const Real comes = kernel.jump * kernel.prior(step.d, step.y), stays = kernel.stay + comes;
    const auto kept = [&](Real came, Real log_z) { return exp(log(came) + log(kernel.kept_s) - log_z); };
    const auto hit = [&](Real came) { return exp(log(came) + log(kernel.hit_s) + step.log_w); };
    return {denoised,   kernel,    step.d, step.y, kept(stays, step.log_z_same), kept(comes, step.log_z_other),
            hit(stays), hit(comes)};
  }

  template <index_of<Row> At>
  DIMIX_HD auto operator()(At a) const {
    using std::exp;
    using number = typename number_at<Real, At>::type;
    const auto is_y = equals<Real>(a, y);
    return select(is_y, number(kept_same), number(kept_other)) * exp(denoised.log_prob(a)) +
           select(is_y, number(hit_same), number(hit_other)) * prior(a);
  }

 private:
  DIMIX_HD Real prior(index_t a) const { return kernel.prior(d, static_cast<token>(a)); }
  template <several_indices At>
  DIMIX_HD auto prior(At a) const {
    return kernel.prior(d, a);
  }
};

template <class Space, class Real>
template <class Row>
DIMIX_HD auto two_time_kernel<Space, Real>::reverse(index_t d, token y, const Row& denoised) const {
  return denoised_reverse_row<Row, Space, Real>::make(
      denoised, reverse_row<Space, Real>::make(*this, d, y, denoised.log_prob(y)));
}

}  // namespace dimix
