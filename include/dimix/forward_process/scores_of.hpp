// scores_of(kernel, d, x_t, row): the scores of any process from a denoiser's row p(x_0 | x_t), and the reverse rates that they make.
//   log_score(y) = log s(y),   s(y) = p_t(y) / p_t(x_t) = sum_{x_0} p_0(x_0) q(y | x_0) / q(x_t | x_0)
// over the x_0 that can have become x_t, normalised: the whole ratio wherever whatever becomes y can become x_t, as for every y that jumps
// to x_t. y and x_t are states of position d, all else of x_t the same.
//   reverse rate of x_t -> a    R_t(a, x_t) s(a)                          Campbell et al. 2022, proposition 1; SEDD
// The way back, from scores to rows, is head/from_score.hpp.
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

/// From tables: O(S).
template <class Row, class Space, class Real>
struct table_scores {
  Row denoised;
  table_kernel<Space, Real> kernel;
  token x;
  Real log_possible;

  DIMIX_HD Real log_score(token y) const {
    using std::log;
    if (log_possible == -infinity<Real>()) return y == x ? Real(0) : -infinity<Real>();
    exp_sum<Real> total;
    for (index_t z = 0; z < kernel.space.max_states(); ++z)
      if (kernel.to_t(z, x) > 0 && kernel.to_t(z, y) > 0)
        total = merge(total, exp_sum<Real>::of(denoised.log_prob(z) + log(kernel.to_t(z, y)) - log(kernel.to_t(z, x))));
    return total.log() - log_possible;
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

template <class Space, class Real, class Row>
DIMIX_HD auto scores_of(const two_time_kernel<Space, Real>& kernel, index_t d, token x_t, const Row& denoised) {
  return rank_one_scores<Row, Space, Real>{denoised, score_row<Space, Real>::make(kernel, d, x_t, denoised.log_prob(x_t))};
}
template <class Space, class Real, class Row>
DIMIX_HD auto scores_of(const table_kernel<Space, Real>& kernel, index_t, token x_t, const Row& denoised) {
  return table_scores<Row, Space, Real>{
      denoised, kernel, x_t, table_reverse_row<Row, table_kernel<Space, Real>, Real>::make(kernel, x_t, denoised).log_possible};
}
template <class Space, class Real, class Row>
DIMIX_HD auto scores_of(const mask_and_replace_kernel<Space, Real>& kernel, index_t d, token x_t, const Row& denoised) {
  const auto reverse = kernel.reverse(d, x_t, denoised);
  return two_clock_scores<std::remove_const_t<decltype(reverse)>, Real>{reverse};
}
template <class Space, class Real, class Kernels, class Row>
DIMIX_HD auto scores_of(const mixed_kernel<Space, Real, Kernels>& kernel, index_t d, token x_t, const Row& denoised) {
  const auto scores =
      pick(kernel.kernels, kernel.space.kind(d), [&](const auto& own, auto) { return scores_of(own, d, x_t, denoised); });
  return mixed_scores<Real, std::remove_const_t<decltype(scores)>>{scores, kernel.space.states(d)};
}

/// The rate of the reversed process of jumps x_t -> a at time t, given s(a): R_t(a, x_t) s(a), and 0 for a = x_t.
template <class Process>
DIMIX_HD double reverse_rate(const Process& process, index_t d, token x_t, token a, double t, double score) {
  return a == x_t ? 0.0 : process.jump_rate(d, a, x_t, t) * score;
}

}  // namespace dimix
