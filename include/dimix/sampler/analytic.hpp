// Analytic sampling (Tweedie): the staggered score times the transposed transition, drawn in one categorical. With a score that is
// converted from p(x_0 | x_t), as here, the row is the ancestral one; the way through the score is that of a network that predicts scores.
// Source: SEDD (Lou et al. 2024), sdtt sampling/analytic.py.
#pragma once

#include <dimix/core/categorical.hpp>
#include <dimix/forward_process/score.hpp>
#include <dimix/head.hpp>
#include <dimix/sampler/ancestral.hpp>

namespace dimix {

template <class Row, class Space, class Real>
struct analytic_row {
  Row denoised;
  score_row<Space, Real> scores;

  DIMIX_HD Real score(index_t y) const {
    using std::exp;
    return exp(scores.log_score(static_cast<token>(y), denoised.log_prob(y)));
  }
  DIMIX_HD Real staggered(index_t a) const {
    using std::exp;
    return exp(scores.log_staggered(static_cast<token>(a), denoised.log_prob(a)));
  }
  DIMIX_HD Real transposed_transition(index_t a) const { return scores.transposed_transition(static_cast<token>(a)); }
  DIMIX_HD Real log_prob(index_t a) const {
    using std::log;
    if (scores.step.frozen) return a == scores.step.y ? Real(0) : -infinity<Real>();
    return scores.log_staggered(static_cast<token>(a), denoised.log_prob(a)) + log(transposed_transition(a));
  }
};

struct analytic {
  static constexpr bool rows_are_reverse = true, draws_rows = true;

  template <class Space, class Real, class Row>
  DIMIX_HD auto row(const two_time_kernel<Space, Real>& kernel, const place& at, const Row& denoised) const {
    return analytic_row<Row, Space, Real>{denoised,
                                          score_row<Space, Real>::make(kernel, at.dim, at.now, denoised.log_prob(at.now))};
  }

  /// Where noise is not identity + rank one: the same law, from the kernel itself.
  template <class Kernel, class Row>
  DIMIX_HD auto row(const Kernel& kernel, const place& at, const Row& denoised) const {
    return kernel.reverse(at.dim, at.now, denoised);
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Kernel, class Denoised, class Bits>
  DIMIX_HD token draw(const Kernel& kernel, const place& at, index_t S, const Denoised& denoised, const Bits& bits_of) const {
    const random_block bits = bits_of(purpose::transition);
    if constexpr (requires { denoised.reversed(); })
      return denoised.reversed().draw(denoised.group(), S, bits);
    else
      return draw_row_of(kernel, at, S, denoised, bits);
  }

 private:
  template <class Space, class Real, class Denoised>
  DIMIX_HD token draw_row_of(const two_time_kernel<Space, Real>& kernel, const place& at, index_t S, const Denoised& denoised,
                             random_block bits) const {
    if (kernel.hit_t * kernel.prior(at.dim, at.now) == Real(0)) return at.now;  // frozen: no row has to be made
    const auto made = denoised();
    const auto step = reverse_row<Space, Real>::make(kernel, at.dim, at.now, made.log_prob(at.now));
    using row_type = std::remove_const_t<decltype(made)>;
    return draw_by_weight(group_of(denoised), S, reverse_probabilities<row_type, Space, Real>::make(made, step), bits);
  }
  template <class Kernel, class Denoised>
  DIMIX_HD token draw_row_of(const Kernel& kernel, const place& at, index_t S, const Denoised& denoised,
                             random_block bits) const {
    return draw_law(group_of(denoised), row(kernel, at, denoised()), S, bits);
  }
};

}  // namespace dimix
