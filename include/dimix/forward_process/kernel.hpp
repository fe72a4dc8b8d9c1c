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

  /// q(x_s = a | x_0)
  DIMIX_HD Real marginal_s(index_t d, token x_0, token a) const { return kept_s * (a == x_0) + hit_s * prior(d, a); }
  /// q(x_t = y | x_0)
  DIMIX_HD Real marginal_t(index_t d, token x_0, token y) const { return kept_t * (y == x_0) + hit_t * prior(d, y); }
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
  /// log of the part of p(a) that comes from x_0 = a kept until s
  DIMIX_HD Real log_kept(token a, Real log_p) const {
    using std::log;
    return log(kernel.transition(d, a, y)) + log(kernel.kept_s) + log_p - log_z(a);
  }
  /// log of the part that was hit in [0, s]
  DIMIX_HD Real log_hit(token a) const {
    using std::log;
    return log(kernel.transition(d, a, y)) + log(kernel.hit_s * kernel.prior(d, a)) + log_w;
  }
  /// log p(x_s = a | x_t = y), given log p_0(a)
  DIMIX_HD Real log_prob(token a, Real log_p) const {
    if (frozen) return a == y ? Real(0) : -infinity<Real>();
    return merge(exp_sum<Real>::of(log_kept(a, log_p)), exp_sum<Real>::of(log_hit(a))).log();
  }
};

/// reverse_row with the denoiser's row in it.
template <class Row, class Space, class Real>
struct denoised_reverse_row {
  Row denoised;
  reverse_row<Space, Real> step;

  DIMIX_HD Real log_prob(index_t a) const { return step.log_prob(static_cast<token>(a), denoised.log_prob(a)); }
  /// The certain state, given that of the denoiser's row (-1: none).
  DIMIX_HD token fixed(token of_denoised) const {
    return step.frozen ? step.y : of_denoised >= 0 && step.kernel.hit_s == Real(0) ? of_denoised : token{-1};
  }

  /// slope(a) = d loss / d log p(a)  ->  x -> d loss / d log p_0(x) = g(x) h(x) + [p_0(x) / Z(x) / W] sum_a g(a) (1 - h(a)), with
  /// h(a) in [0, 1] the share of p(a) that comes from x_0 = a kept until s.
  template <class Group, class Slope>
  DIMIX_HD auto slope_of_denoised(const Group& group, index_t S, const Slope& slope) const {
    const Real spread = step.frozen ? Real(0) : group.reduce(S, Real(0), plus{}, [&](index_t a) {
      const Real g = slope(a);
      return g == Real(0) ? Real(0) : g * (Real(1) - from_kept(a));
    });
    return [this, &slope, spread](index_t x) {
      using std::exp;
      if (step.frozen) return Real(0);
      const Real g = slope(x), hit = exp(denoised.log_prob(x) - step.log_z(static_cast<token>(x)) - step.log_w);
      return (g == Real(0) ? Real(0) : g * from_kept(x)) + hit * spread;
    };
  }

  DIMIX_HD Real from_kept(index_t a) const {
    using std::exp;
    const Real kept = step.log_kept(static_cast<token>(a), denoised.log_prob(a));
    return kept == -infinity<Real>() ? Real(0) : exp(kept - log_prob(a));
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
  template <class At>
  DIMIX_HD typename number_at<Real, At>::type prior(At a) const {
    typename number_at<Real, At>::type result;
    for (int w = 0; w < result.width; ++w) result.each[w] = prior(a.first + w);
    return result;
  }
};

template <class Space, class Real>
template <class Row>
DIMIX_HD auto two_time_kernel<Space, Real>::reverse(index_t d, token y, const Row& denoised) const {
  return denoised_reverse_row<Row, Space, Real>{denoised, reverse_row<Space, Real>::make(*this, d, y, denoised.log_prob(y))};
}

}  // namespace dimix
