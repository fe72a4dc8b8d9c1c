// The laws of forward_process.hpp and forward_process/kernel.hpp, for any process:
//   laws::check_kernels(my_process{}, D);  laws::check_reverse_rows(...);  laws::check_draws(...);  laws::check_rates(...)
#pragma once

#include <dimix/forward_process.hpp>
#include <dimix/forward_process/score.hpp>

#include "laws/support.hpp"

namespace laws {

inline const std::vector<std::pair<double, double>>& time_pairs() {
  static const std::vector<std::pair<double, double>> pairs{{0, 0},     {0, 1e-4},  {0, 0.3}, {0, 1}, {0.01, 0.02},
                                                            {0.2, 0.7}, {0.5, 0.5}, {0.6, 1}, {1, 1}};
  return pairs;
}

/// Rows sum to 1, the laws between three times compose, the posterior is Bayes' rule, equal times do nothing.
template <class Real, class Process>
void check_kernels(const Process& process, index_t D, double tolerance) {
  worst sums, composition, three_times, bayes, still;
  for (auto [s, t] : time_pairs())
    for (index_t d = 0; d < D; ++d) {
      const auto k = process.template between<Real>(s, t);
      const double u = (s + t) / 2;
      const auto k_su = process.template between<Real>(s, u), k_ut = process.template between<Real>(u, t);
      const auto S = static_cast<token>(process.space().states(d));
      for (token x_0 = 0; x_0 < S; ++x_0) {
        double sum_s = 0, sum_t = 0, sum_transition = 0;
        for (token y = 0; y < S; ++y) {
          sum_s += k.marginal_s(d, x_0, y);
          sum_t += k.marginal_t(d, x_0, y);
          sum_transition += k.transition(d, x_0, y);
          double two_steps = 0, through_u = 0, sum_posterior = 0;
          for (token a = 0; a < S; ++a) {
            two_steps += static_cast<double>(k.marginal_s(d, x_0, a)) * k.transition(d, a, y);
            through_u += static_cast<double>(k_su.transition(d, x_0, a)) * k_ut.transition(d, a, y);
            const double posterior = k.posterior(d, x_0, y, a);
            sum_posterior += posterior;
            bayes.see(std::abs(posterior * k.marginal_t(d, x_0, y) -
                               static_cast<double>(k.transition(d, a, y)) * k.marginal_s(d, x_0, a)),
                      "s, t =", s, t, "d =", d, "x_0, y, a =", x_0, y, a);
            if (s == t && k.marginal_t(d, x_0, y) > 0)
              still.see(std::abs(posterior - (a == y)), "s = t =", t, "x_0, y, a =", x_0, y, a);
          }
          composition.see(std::abs(two_steps - k.marginal_t(d, x_0, y)), "s, t =", s, t, "d =", d, "x_0, y =", x_0, y);
          three_times.see(std::abs(through_u - k.transition(d, x_0, y)), "s, u, t =", s, u, t, "d =", d, "x_s, y =", x_0, y);
          if (k.marginal_t(d, x_0, y) > 0)
            sums.see(std::abs(sum_posterior - 1), "posterior", "s, t =", s, t, "x_0, y =", x_0, y);
          if (s == t)
            still.see(std::abs(k.transition(d, x_0, y) - static_cast<Real>(x_0 == y)), "s = t =", t, "x_0, y =", x_0, y);
        }
        sums.see(std::abs(sum_s - 1), "marginal at s =", s);
        sums.see(std::abs(sum_t - 1), "marginal at t =", t);
        sums.see(std::abs(sum_transition - 1), "transition", "s, t =", s, t);
      }
    }
  sums.check("rows sum to 1", tolerance);
  composition.check("q(x_s|x_0) then q(x_t|x_s) is q(x_t|x_0)", tolerance);
  three_times.check("q(x_u|x_s) then q(x_t|x_u) is q(x_t|x_s)", tolerance);
  bayes.check("q(x_s|x_0,x_t) q(x_t|x_0) = q(x_t|x_s) q(x_s|x_0)", tolerance);
  still.check("nothing happens between equal times", tolerance);
}

/// A row over the states of position d: log p_0, normalised.
inline std::vector<double> some_log_row(index_t S, std::uint64_t seed, double spread = 3) {
  std::vector<double> row;
  double total = 0;
  for (index_t s = 0; s < S; ++s) {
    row.push_back(spread * (2 * uniform_number(seed, s) - 1));
    total += std::exp(row.back());
  }
  for (double& value : row) value -= std::log(total);
  return row;
}

/// Such a row as a kernel takes it.
template <class Real>
struct given_row {
  const std::vector<double>& log_p;
  Real log_prob(index_t s) const { return static_cast<Real>(log_p[static_cast<std::size_t>(s)]); }
};

/// f(s, t, d, x_t, kernel in Real, kernel in double, log p_0) for every pair of times, position and x_t.
template <class Real, class Process, class F>
void for_each_reverse(const Process& process, index_t D, const F& f) {
  for (auto [s, t] : time_pairs())
    for (index_t d = 0; d < D; ++d) {
      const auto S = static_cast<token>(process.space().states(d));
      const auto k = process.template between<Real>(s, t);
      const auto exact = process.between(s, t);
      for (token y = 0; y < S; ++y) {
        const auto log_p = some_log_row(S, 31 + static_cast<std::uint64_t>(y));
        f(s, t, d, y, k, exact, log_p);
      }
    }
}

/// The reverse row = sum over x_0 of the posterior, over the x_0 that can have become x_t; in Real against double.
template <class Real, class Process>
void check_reverse_rows(const Process& process, index_t D, double tolerance) {
  worst by_sum, total;
  for_each_reverse<Real>(
      process, D,
      [&](double s, double t, index_t d, token y, const auto& k, const auto& exact, const std::vector<double>& log_p) {
        const auto S = static_cast<token>(log_p.size());
        const auto row = k.reverse(d, y, given_row<Real>{log_p});
        double sum = 0, possible = 0;
        for (token x_0 = 0; x_0 < S; ++x_0)
          if (exact.marginal_t(d, x_0, y) > 0) possible += std::exp(log_p[static_cast<std::size_t>(x_0)]);
        for (token a = 0; a < S; ++a) {
          const double p = std::exp(row.log_prob(a));
          sum += p;
          double wanted = 0;
          for (token x_0 = 0; x_0 < S; ++x_0)
            wanted += std::exp(log_p[static_cast<std::size_t>(x_0)]) * exact.posterior(d, x_0, y, a);
          wanted = possible > 0 ? wanted / possible : a == y;
          by_sum.see(std::abs(p - wanted), "s, t =", s, t, "d =", d, "x_t, a =", y, a);
        }
        total.see(std::abs(sum - 1), "s, t =", s, t, "d =", d, "x_t =", y);
      });
  by_sum.check("p(x_s|x_t) = sum over x_0 of q(x_s|x_0,x_t) p(x_0)", tolerance);
  total.check("p(x_s|x_t) sums to 1", tolerance);
}

/// The scores where noise is identity + rank one, and what the analytic sampler makes of them.
template <class Real, class Process>
void check_scores(const Process& process, index_t D, double tolerance) {
  worst score_law, analytic_law, staggered_law;
  for_each_reverse<Real>(
      process, D,
      [&](double s, double t, index_t d, token y, const auto& k, const auto& exact, const std::vector<double>& log_p) {
        const auto S = static_cast<token>(log_p.size());
        const auto at = [&](token x) { return static_cast<Real>(log_p[static_cast<std::size_t>(x)]); };
        const auto row = k.reverse(d, y, given_row<Real>{log_p});
        const auto scores = dimix::score_row<typename Process::space_type, Real>::make(k, d, y, at(y));
        double sum_of_scores = 0;
        for (token a = 0; a < S; ++a) {
          const double score = std::exp(scores.log_score(a, at(a)));
          sum_of_scores += score;
          if (scores.step.frozen) continue;
          double wanted = 0;
          for (token x_0 = 0; x_0 < S; ++x_0)
            wanted +=
                std::exp(log_p[static_cast<std::size_t>(x_0)]) * exact.marginal_t(d, x_0, a) / exact.marginal_t(d, x_0, y);
          score_law.see(std::abs(score - wanted) / (1 + wanted), "s, t =", s, t, "d =", d, "x_t, y =", y, a);
        }
        if (exact.stay < 1e-2 || exact.kept_t == 0) return;  // 1 / r is the rounding of the staggered score
        for (token a = 0; a < S; ++a) {
          const double score = std::exp(scores.log_score(a, at(a)));
          const double weight =
              scores.staggered(a, static_cast<Real>(score), static_cast<Real>(sum_of_scores)) * scores.transposed_transition(a);
          staggered_law.see(std::abs(weight - std::exp(scores.log_staggered(a, at(a))) * scores.transposed_transition(a)) /
                                (1 + sum_of_scores),
                            "s, t =", s, t, "d =", d, "x_t, a =", y, a);
          analytic_law.see(std::abs(weight - std::exp(row.log_prob(a))) / (1 + sum_of_scores), "s, t =", s, t, "d =", d,
                           "x_t, a =", y, a);
        }
      });
  score_law.check("s(y) = sum over x_0 of p(x_0) q(y|x_0) / q(x_t|x_0)", 16 * tolerance);
  staggered_law.check("the staggered score from scores = from the row", 128 * tolerance);
  analytic_law.check("staggered score times transposed transition = p(x_s|x_t)", 128 * tolerance);
}

/// corrupt and draw_posterior follow their laws.
template <class Real, class Process>
void check_draws(const Process& process, index_t D, double s, double t) {
  const auto k = process.template between<Real>(s, t);
  for (index_t d = 0; d < D; ++d) {
    const auto S = static_cast<token>(process.space().states(d));
    for (token x_0 = 0; x_0 < S; ++x_0) {
      if (dimix::is_mask(process.space(), d, x_0)) continue;  // data holds no mask
      std::vector<double> counts(static_cast<std::size_t>(S)), law;
      for (token y = 0; y < S; ++y) law.push_back(k.marginal_t(d, x_0, y));
      const dimix::rng random{static_cast<std::uint64_t>(100 + x_0)};
      for (index_t i = 0; i < draws(20000); ++i)
        ++counts.at(static_cast<std::size_t>(
            k.corrupt(d, x_0, random(dimix::purpose::corrupt, static_cast<std::uint64_t>(i), 0, 0, d))));
      check_frequencies("corrupt", counts, law);
      for (token y = 0; y < S; ++y) {
        if (k.marginal_t(d, x_0, y) == 0) continue;
        std::vector<double> seen(static_cast<std::size_t>(S)), posterior;
        for (token a = 0; a < S; ++a) posterior.push_back(k.posterior(d, x_0, y, a));
        for (index_t i = 0; i < draws(20000); ++i)
          ++seen.at(static_cast<std::size_t>(k.draw_posterior(
              d, x_0, y, random(dimix::purpose::transition, static_cast<std::uint64_t>(i), static_cast<index_t>(y), 0, d))));
        check_frequencies("draw_posterior from x_0 = " + std::to_string(x_0) + " to x_t = " + std::to_string(y), seen,
                          posterior);
      }
    }
  }
}

/// The jump rates are the derivative of the transition, and rows sum to zero.
template <class Process>
void check_rates(const Process& process, index_t D) {
  worst derivative, sums;
  const double h = 1e-7;
  for (double t : {0.1, 0.5, 0.9})
    for (index_t d = 0; d < D; ++d) {
      const auto S = static_cast<token>(process.space().states(d));
      const auto k = process.between(t - h, t + h);
      for (token a = 0; a < S; ++a) {
        double sum = 0;
        for (token y = 0; y < S; ++y) {
          const double rate = process.jump_rate(d, a, y, t);
          sum += rate;
          derivative.see(std::abs(rate - (k.transition(d, a, y) - (a == y)) / (2 * h)) / (1 + std::abs(rate)), "t =", t,
                         "a, y =", a, y);
        }
        sums.see(std::abs(sum), "t =", t, "a =", a);
      }
    }
  sums.check("rates of a row sum to zero", 1e-12);
  derivative.check("rates are the derivative of the transition", 1e-4);
}

}  // namespace laws
