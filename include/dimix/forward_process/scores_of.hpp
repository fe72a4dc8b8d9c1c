// scores_of(kernel, d, x_t, row): the scores of any process from a denoiser's row p(x_0 | x_t), and the rate of a jump back that a score makes.
//   log_score(y) = log s(y),   s(y) = p_t(y) / p_t(x_t) = sum_{x_0} p_0(x_0) q(y | x_0) / q(x_t | x_0)
// over the x_0 that can have become x_t, normalised: the whole ratio wherever whatever becomes y can become x_t, as for every y that jumps
// to x_t. y and x_t are states of position d, all else of x_t the same.
//   rate_from_score   R_t(a, x_t) s(a), of x_t -> a        Campbell et al. 2022, proposition 1, position by position 3; SEDD
// What a step expects of all jumps at once is reverse_rate.hpp; the way back, from scores to rows, head/from_score.hpp.
// Laws (tests/laws/scores.cpp): scores are ratios of the exact p_t; a short step back is the reverse rate; there and back is the identity.
#pragma once

#include <dimix/forward_process.hpp>
#include <dimix/forward_process/score.hpp>

namespace dimix {

/// Identity + rank one: O(1).
template <class Row, class Space, class Real>
struct rank_one_scores {
  Row denoised;
  score_row<Space, Real> row;

  DIMIX_HD Real log_score(token y) const { return row.log_score(y, denoised.log_prob(y)); }
};

/// q(y | z) / q(x | z) from tables. In double, whose range holds any quotient of floats; those of the smallest doubles can be infinite, and
/// count only where something asks for them.
template <class Real>
struct table_quotients {
  view<const Real, 2> made, seen;  // (S, S)  q(y | z) above and below: the same table
  token x;

  DIMIX_HD index_t states() const { return made.extent(0); }
  DIMIX_HD double operator()(index_t z, index_t y) const {
    return seen(z, x) > 0 ? static_cast<double>(made(z, y)) / static_cast<double>(seen(z, x)) : 0.0;
  }
};

/// s(y) as the sum stands: sum_z p(z) quotient(z, y). O(S).
template <class Quotients, class P>
DIMIX_HD double summed_score(const Quotients& quotient, index_t y, const P& p) {
  double sum = 0;
  for (index_t z = 0; z < quotient.states(); ++z) sum += product_or_zero(static_cast<double>(p(z)), quotient(z, y));
  return sum;
}

/// From tables: O(S).
template <class Reverse, class Real>
struct table_scores {
  Reverse reverse;

  DIMIX_HD Real log_score(token y) const {
    using std::exp, std::log;
    if (reverse.frozen) return y == reverse.y ? Real(0) : -infinity<Real>();
    const auto& to_t = reverse.kernel.to_t;
    const auto possible = [this](index_t z) {
      return exp(static_cast<double>(reverse.denoised.log_prob(z) - reverse.log_possible));
    };
    return static_cast<Real>(log(summed_score(table_quotients<Real>{to_t, to_t, reverse.y}, y, possible)));
  }
};

/// Masked or redrawn: O(1). With w and W of the reverse row,
///   x_t a value:   s(y) = kept w(y) p_0(y) + hit W / K for a value y,  s(mask) = hit(hidden) / kept(hidden) W
///   x_t the mask:  s(y) = kept(hidden) / hit(hidden) [ kept p_0(y) + hit P / K ],  s(mask) = 1
template <class Reverse, class Real>
struct two_clock_scores {
  Reverse reverse;

  DIMIX_HD Real log_score(token y) const {
    using std::log;
    const auto& k = reverse.kernel;
    const Real of_clock = log(k.hidden.hit_t / k.hidden.kept_t);
    if (y == reverse.y) return Real(0);
    if (reverse.frozen)  // x_0 = x_t, if anything
      return k.masked(y) && k.hidden.kept_t > 0 ? of_clock : -infinity<Real>();
    if (k.masked(y)) return of_clock + reverse.log_w;
    const Real kept = log(k.redrawn.kept_t) + reverse.denoised.log_prob(y) + reverse.log_weight(y);
    const Real hit = log(k.redrawn.hit_t * k.redrawn.prior(reverse.d, y)) + reverse.log_w;
    return merge(exp_sum<Real>::of(kept), exp_sum<Real>::of(hit)).log() - (k.masked(reverse.y) ? of_clock : Real(0));
  }
};

/// Of the kind of the position; states that it does not have are impossible.
template <class Real, class Scores>
struct mixed_scores {
  Scores scores;   // one_of
  index_t states;  // S_d

  DIMIX_HD Real log_score(token y) const {
    if (y >= states) return -infinity<Real>();
    return scores.visit([y](const auto& own) { return own.log_score(y); });
  }
};

/// The scores of a reverse row that is there already.
template <class Row, class Kernel, class Real>
DIMIX_HD auto scores_from(const table_reverse_row<Row, Kernel, Real>& reverse) {
  return table_scores<table_reverse_row<Row, Kernel, Real>, Real>{reverse};
}
template <class Row, class Kernel, class Real>
DIMIX_HD auto scores_from(const mask_and_replace_row<Row, Kernel, Real>& reverse) {
  return two_clock_scores<mask_and_replace_row<Row, Kernel, Real>, Real>{reverse};
}

template <class Space, class Real, class Row>
DIMIX_HD auto scores_of(const two_time_kernel<Space, Real>& kernel, index_t d, token x_t, const Row& denoised) {
  return rank_one_scores<Row, Space, Real>{denoised, score_row<Space, Real>::make(kernel, d, x_t, denoised.log_prob(x_t))};
}
template <class Space, class Real, class Row>
DIMIX_HD auto scores_of(const table_kernel<Space, Real>& kernel, index_t d, token x_t, const Row& denoised) {
  return scores_from(kernel.reverse(d, x_t, denoised));
}
template <class Space, class Real, class Row>
DIMIX_HD auto scores_of(const mask_and_replace_kernel<Space, Real>& kernel, index_t d, token x_t, const Row& denoised) {
  return scores_from(kernel.reverse(d, x_t, denoised));
}
template <class Space, class Real, class Kernels, class Row>
DIMIX_HD auto scores_of(const mixed_kernel<Space, Real, Kernels>& kernel, index_t d, token x_t, const Row& denoised) {
  const auto scores =
      pick(kernel.kernels, kernel.space.kind(d), [&](const auto& own, auto) { return scores_of(own, d, x_t, denoised); });
  return mixed_scores<Real, std::remove_const_t<decltype(scores)>>{scores, kernel.space.states(d)};
}

/// The rate of the reversed process of jumps x_t -> a at time t, given s(a): R_t(a, x_t) s(a), and 0 for a = x_t.
template <class Process>
DIMIX_HD double rate_from_score(const Process& process, index_t d, token x_t, token a, double t, double score) {
  return a == x_t ? 0.0 : process.jump_rate(d, a, x_t, t) * score;
}

}  // namespace dimix
