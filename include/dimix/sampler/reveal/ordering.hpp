// Which masked positions are revealed first: every position gets a score, and the largest win (selection.hpp).
//
// concept ordering<O>: o.score(row, S, proposed, bits, progress) -> double
//   row       the head's row p(x_0 | x_t; λ) of the position, S states
//   proposed  the token that would be revealed there
//   bits      128 random bits of the position (purpose::order)
//   progress  1 - s in [0, 1]: 1 in the last step
//
//   confidence_order   log p(proposed)                                 MaskGIT (Chang et al. 2022); LLaDA "low_confidence"
//   margin_order       p(best) - p(second best)                        Dream "topk_margin"
//   entropy_order      -H = sum p log p: the most certain row first    Dream "entropy"
//   random_order       every order equally likely, as in the ancestral sampler
//   noisy_order        another ordering's score + τ(progress) G        MaskGIT's choice temperature, Dream's alg_temp; Plackett-Luce
// Temperatures are any function of the progress with a result >= 0: fixed_temperature, linear_decay.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/math.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/denoiser.hpp>

#include <cmath>

namespace dimix {

/// A standard Gumbel number -log(-log u) from 64 random bits, in (-3.6, 36.8).
DIMIX_HD inline double gumbel(std::uint64_t bits) {
  using std::log;
  return -log(-log(unit(bits)));
}

/// log p(proposed).
struct confidence_order {
  template <class Row>
  DIMIX_HD double score(const Row& row, index_t, token proposed, random_block, double) const {
    return static_cast<double>(row.log_prob(proposed));
  }
};

/// The probability of the best state minus that of the second best, in [0, 1]. O(S).
struct margin_order {
  template <class Row>
  DIMIX_HD double score(const Row& row, index_t S, token, random_block, double) const {
    using std::exp;
    double best = 0, second = 0;
    for (index_t s = 0; s < S; ++s) {
      const double p = exp(static_cast<double>(row.log_prob(s)));
      second = larger(second, smaller(p, best));
      best = larger(best, p);
    }
    return best - second;
  }
};

/// Minus the entropy of the row, in [-log S, 0]: the most certain position has the largest score. O(S).
struct entropy_order {
  template <class Row>
  DIMIX_HD double score(const Row& row, index_t S, token, random_block, double) const {
    using std::exp;
    double sum = 0;
    for (index_t s = 0; s < S; ++s) {
      const double log_p = static_cast<double>(row.log_prob(s));
      sum += product_or_zero(exp(log_p), log_p);
    }
    return sum;
  }
};

/// Every order equally likely.
struct random_order {
  template <class Row>
  DIMIX_HD double score(const Row&, index_t, token, random_block bits, double) const {
    return unit(bits.first());
  }
};

/// τ at any progress.
class fixed_temperature {
 public:
  explicit fixed_temperature(double tau) : tau_(tau) {
    expects(tau >= 0 && tau < infinity<double>(), "fixed_temperature: tau = ", tau, " is not a number >= 0");
  }
  DIMIX_HD double operator()(double) const { return tau_; }

 private:
  double tau_;
};

/// τ (1 - progress): none in the last step.
class linear_decay {
 public:
  explicit linear_decay(double tau) : tau_(tau) {
    expects(tau >= 0 && tau < infinity<double>(), "linear_decay: tau = ", tau, " is not a number >= 0");
  }
  DIMIX_HD double operator()(double progress) const { return tau_ * (1 - progress); }

 private:
  double tau_;
};

/// score + temperature * noise; no noise at temperature 0, also where the score is infinite.
DIMIX_HD inline double noisy_score(double score, double temperature, double noise) {
  return score + product_or_zero(temperature, noise);
}

/// Another ordering, disturbed by Gumbel noise of a temperature that may change along the path.
template <class Ordering, class Temperature>
struct noisy_order {
  Ordering order;
  Temperature temperature;

  template <class Row>
  DIMIX_HD double score(const Row& row, index_t S, token proposed, random_block bits, double progress) const {
    return noisy_score(order.score(row, S, proposed, bits, progress), temperature(progress), gumbel(bits.second()));
  }
};
template <class Ordering, class Temperature>
noisy_order(Ordering, Temperature) -> noisy_order<Ordering, Temperature>;

}  // namespace dimix
