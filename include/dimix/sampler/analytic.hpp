// Analytic sampling (Tweedie): the staggered score times the transposed transition. With a score that is converted from p(x_0 | x_t), as
// here, the row is the ancestral one; the way through the score is what a network that predicts scores uses.
// Source: SEDD (Lou et al. 2024), sdtt sampling/analytic.py. The subtraction in the staggered score can leave -1e-16 (double) or
// -1e-7 (float) at the mask; a draw takes it for zero.
#pragma once

#include <dimix/core/categorical.hpp>
#include <dimix/forward_process/score.hpp>
#include <dimix/head.hpp>

namespace dimix {

template <class Row, class Space, class Real>
struct analytic_row {
  Row denoised;
  score_row<Space, Real> scores;
  Real sum_of_scores;

  DIMIX_HD Real score(index_t y) const {
    using std::exp;
    return exp(scores.log_score(static_cast<token>(y), denoised.log_prob(y)));
  }
  DIMIX_HD Real staggered(index_t a) const { return scores.staggered(static_cast<token>(a), score(a), sum_of_scores); }
  DIMIX_HD Real transposed_transition(index_t a) const { return scores.transposed_transition(static_cast<token>(a)); }
  /// The update weight, as it comes out of the arithmetic.
  DIMIX_HD Real weight(index_t a) const { return staggered(a) * transposed_transition(a); }
  DIMIX_HD Real log_prob(index_t a) const {
    using std::log;
    return log(larger(weight(a), Real(0)));
  }
};

struct analytic {
  template <class Space, class Real, class Row>
  DIMIX_HD auto row(const two_time_kernel<Space, Real>& kernel, const place& at, const Row& denoised) const {
    analytic_row<Row, Space, Real> result{
        denoised, score_row<Space, Real>::make(kernel, at.dim, at.now, denoised.log_prob(at.now)), Real(0)};
    for (index_t y = 0; y < kernel.space.max_states(); ++y) result.sum_of_scores += result.score(y);
    return result;
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Space, class Real, class Denoised, class Bits>
  DIMIX_HD token draw(const two_time_kernel<Space, Real>& kernel, const place& at, index_t S, const Denoised& denoised,
                      const Bits& bits_of) const {
    const auto law = row(kernel, at, denoised());
    return draw_categorical(
        S, [&](index_t a) { return law.log_prob(a); }, bits_of(purpose::transition));
  }
};

}  // namespace dimix
