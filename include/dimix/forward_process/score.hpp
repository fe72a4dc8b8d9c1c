// The score of concrete scores (SEDD): s(y) = p_t(y) / p_t(x_t), converted from a row of p(x_0 | x_t), and what the analytic
// sampler makes of it. Elementwise in y, in the manner of reverse_row (kernel.hpp):
//
//   score        s(y) = sum_{x_0} p_0(x_0) q_{t|0}(y | x_0) / q_{t|0}(x_t | x_0) = alpha_t p_0(y) / Z(y) + (1 - alpha_t) π(y) W
//   staggered    p_s(a) / p_t(x_t) = s Q_{t|s}^{-1} = [ s(a) - (1 - r) π(a) sum_y s(y) ] / r
//                                  = alpha_s p_0(a) / Z(a) + (1 - alpha_s) π(a) W
//   analytic     p(x_s = a | x_t) = staggered(a) q_{t|s}(x_t | a)
// Source: SEDD (Lou et al. 2024); sdtt sampling/analytic.py get_score, _staggered_score, _transp_transition. The first form of staggered
// serves scores from elsewhere: it subtracts, and its rounding is that of 1 / r. Where p_0 is known the second form is exact, also at
// alpha_t = 0. With it the analytic row is the ancestral row: a law, tested on every process.
#pragma once

#include <dimix/forward_process/kernel.hpp>
#include <dimix/group.hpp>

namespace dimix {

/// The score row of one position, from log p_0(y) given elementwise.
template <class Space, class Real>
struct score_row {
  reverse_row<Space, Real> step;

  DIMIX_HD static score_row make(const two_time_kernel<Space, Real>& kernel, index_t d, token x_t, Real log_p_x_t) {
    return {reverse_row<Space, Real>::make(kernel, d, x_t, log_p_x_t)};
  }

  /// log s(y), given log p_0(y)
  DIMIX_HD Real log_score(token y, Real log_p) const { return log_ratio(step.kernel.kept_t, step.kernel.hit_t, y, log_p); }

  /// log p_s(a) / p_t(x_t), given log p_0(a)
  DIMIX_HD Real log_staggered(token a, Real log_p) const { return log_ratio(step.kernel.kept_s, step.kernel.hit_s, a, log_p); }

  /// p_s(a) / p_t(x_t), from s(a) and the sum of all scores
  DIMIX_HD Real staggered(token a, Real score, Real sum_of_scores) const {
    return (score - step.kernel.jump * step.kernel.prior(step.d, a) * sum_of_scores) / step.kernel.stay;
  }

  /// q_{t|s}(x_t | a): the column of the transition ("transposed transition" in SEDD)
  DIMIX_HD Real transposed_transition(token a) const { return step.kernel.transition(step.d, a, step.y); }

 private:
  /// log p(y) / p_t(x_t) at a time with these alpha and 1 - alpha; a frozen x_t knows its x_0 and needs no row
  DIMIX_HD Real log_ratio(Real kept, Real hit, token y, Real log_p) const {
    using std::log;
    const bool impossible = step.frozen && y != step.y;
    const Real clean = impossible ? -infinity<Real>() : log(kept) + (step.frozen ? Real(0) : log_p) - step.log_z(y);
    return merge(exp_sum<Real>::of(clean), exp_sum<Real>::of(log(hit * step.kernel.prior(step.d, y)) + step.log_w)).log();
  }
};

}  // namespace dimix
