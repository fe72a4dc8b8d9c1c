// Reverse rates: how often a position at x jumps to a when time runs from noise to data. By Bayes' rule, with rates of the forward process
// R_t(a, y) = beta(t) R(a, y) and a denoiser's row p(x_0),
//   R̂_t(x -> a) = R_t(a, x) s(a),   s(a) = sum_{x_0} p(x_0) q_{t|0}(a | x_0) / q_{t|0}(x | x_0)
// and reverse_rates: over a step, how many jumps to expect to each a, the rates times the noise that passes. x_0 that cannot have become x do
// not count. (scores_of.hpp has s alone, and rate_from_score, the rate of one jump at a time, from a score that is there.)
// Identity + rank one: O(1) a state, the sum too; masked or redrawn: O(1), O(S) for the sum; tables: O(S), O(S^2).
// Source: Campbell et al. 2022, proposition 1, position by position 3. Laws (tests/laws/reverse_rate.cpp): s(a) is the quotient of
// marginals for the exact denoiser; the sum is that of the states; p(x_s | x_t) = δ + h R̂ + O(h^2).
#pragma once

#include <dimix/forward_process/scores_of.hpp>
#include <dimix/head/concept.hpp>

namespace dimix {

/// The noise of a step, the integral of beta(t).
struct step_noise {
  double back;       // through the reverse rates
  double back_kept;  // back * alpha_t: the part of the data, which stays finite where noise is infinite
  double forth = 0;  // through the forward rates: 0 but in a corrector
};

/// Noise itself as unit: rates before the schedule's factor.
inline step_noise unit_noise(double alpha_t) { return {1, alpha_t}; }

/// The jumps of a position where noise is identity + rank one. Reverse: the row of kernel.reverse, which is p(x_s | x_t) itself.
template <class Reverse, class Real>
struct rank_one_reverse_rates {
  Reverse reverse;
  step_noise noise;

  /// log of the expected number of jumps to a; -infinity for x itself.
  DIMIX_HD Real log_expected(index_t a) const {
    const auto to = static_cast<token>(a);
    if (to == reverse.step.y) return -infinity<Real>();
    return total(reverse.denoised.log_prob(a), reverse.step.kernel.prior(reverse.step.d, to));
  }
  /// log of the sum over a.
  DIMIX_HD Real log_total() const {
    const auto& step = reverse.step;
    return total(log1m_exp(smaller(reverse.denoised.log_prob(step.y), Real(0))), Real(1) - step.kernel.prior(step.d, step.y));
  }

 private:
  /// From the probabilities of what is jumped to, in the denoiser's row and in π.
  DIMIX_HD Real total(Real log_p, Real prior) const {
    using std::log;
    const auto& step = reverse.step;
    const auto forth = exp_sum<Real>::of(log(static_cast<Real>(noise.forth) * prior));
    if (step.frozen) return forth.log();
    const Real log_rate = log(step.kernel.prior(step.d, step.y));
    const Real kept = log(static_cast<Real>(noise.back_kept)) + log_p - step.log_z_other;
    const Real hit = log(static_cast<Real>(noise.back) * step.kernel.hit_t * prior) + step.log_w;
    return merge(merge(exp_sum<Real>::of(log_rate + kept), exp_sum<Real>::of(log_rate + hit)), forth).log();
  }
};

/// The same from scores, where a position is masked or redrawn and from tables: a score for each state, S for the sum.
template <class Space, class Reverse, class Scores, class Real>
struct scored_reverse_rates {
  Space space;
  Reverse reverse;
  Scores scores;
  index_t d;
  token now;
  step_noise noise;

  DIMIX_HD Real log_expected(index_t a) const {
    using std::log;
    const auto to = static_cast<token>(a);
    if (to == now) return -infinity<Real>();
    const Real back = log(static_cast<Real>(noise.back * base_rate(space, d, to, now)));
    const Real forth = log(static_cast<Real>(noise.forth * base_rate(space, d, now, to)));
    const Real score = back == -infinity<Real>() ? Real(0) : scores.log_score(to);
    return merge(exp_sum<Real>::of(back + score), exp_sum<Real>::of(forth)).log();
  }
  DIMIX_HD Real log_total() const {
    exp_sum<Real> total;
    for (index_t a = 0; a < space.states(d); ++a) total = merge(total, exp_sum<Real>::of(log_expected(a)));
    return total.log();
  }
};

template <class Real, class Space, class Reverse>
DIMIX_HD auto scored_rates(const Space& space, const Reverse& reverse, const place& at, const step_noise& noise) {
  const auto scores = scores_from(reverse);
  return scored_reverse_rates<Space, Reverse, std::remove_const_t<decltype(scores)>, Real>{space,  reverse, scores,
                                                                                           at.dim, at.now,  noise};
}

/// Those of the kind of the position; to states that it does not have there are none.
template <class Reverse, class Rates, class Real>
struct mixed_reverse_rates {
  Reverse reverse;
  Rates rates;     // one_of
  index_t states;  // S_d

  DIMIX_HD Real log_expected(index_t a) const {
    if (a >= states) return -infinity<Real>();
    return rates.visit([a](const auto& own) { return own.log_expected(a); });
  }
  DIMIX_HD Real log_total() const {
    return rates.visit([](const auto& own) { return own.log_total(); });
  }
};

/// The jumps to expect from at.now over a noise, from the denoiser's row: log_expected(a), log_total(), and the row p(x_s | x_t) as `reverse`.
template <class Space, class Real, class Row>
DIMIX_HD auto reverse_rates(const two_time_kernel<Space, Real>& kernel, const place& at, const Row& denoised,
                            const step_noise& noise) {
  const auto reverse = kernel.reverse(at.dim, at.now, denoised);
  return rank_one_reverse_rates<std::remove_const_t<decltype(reverse)>, Real>{reverse, noise};
}
template <class Space, class Real, class Row>
DIMIX_HD auto reverse_rates(const table_kernel<Space, Real>& kernel, const place& at, const Row& denoised,
                            const step_noise& noise) {
  return scored_rates<Real>(kernel.space, kernel.reverse(at.dim, at.now, denoised), at, noise);
}
template <class Space, class Real, class Row>
DIMIX_HD auto reverse_rates(const mask_and_replace_kernel<Space, Real>& kernel, const place& at, const Row& denoised,
                            const step_noise& noise) {
  return scored_rates<Real>(kernel.space, kernel.reverse(at.dim, at.now, denoised), at, noise);
}
template <class Space, class Real, class Kernels, class Row>
DIMIX_HD auto reverse_rates(const mixed_kernel<Space, Real, Kernels>& kernel, const place& at, const Row& denoised,
                            const step_noise& noise) {
  const auto reverse = kernel.reverse(at.dim, at.now, denoised);
  const auto rates = pick(kernel.kernels, kernel.space.kind(at.dim),
                          [&](const auto& own, auto) { return reverse_rates(own, at, denoised, noise); });
  return mixed_reverse_rates<std::remove_const_t<decltype(reverse)>, std::remove_const_t<decltype(rates)>, Real>{
      reverse, rates, kernel.space.states(at.dim)};
}

}  // namespace dimix
