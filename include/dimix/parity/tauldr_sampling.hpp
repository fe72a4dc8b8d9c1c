// What tauLDR's released samplers do, by name, where it departs from the mathematics: the library's own are exact (reverse_rate.hpp) and
// end their grids where they predict. Source: tauldr sampling.py (get_initial_samples, TauLeaping, PCTauLeaping).
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/forward_process/reverse_rate.hpp>
#include <dimix/sampler/time_grid.hpp>

namespace dimix::tauldr {

/// A space whose states are taken for levels, so that jumps can be summed there too: the released code does so with uniform noise.
template <state_space Space>
struct as_ordered : Space {
  static constexpr bool ordered = true;
};
static_assert(ordered_space<as_ordered<uniform<>>>);

/// The law that paths begin with, for Gaussian rates: proportional to exp(-(s + 1 - floor(S/2))^2 / (2 target_sigma^2)): (S). The stationary
/// law of the rates, ordinal's prior, has S/2 in place of its floor.
inline array<double, 1> initial_law(index_t S, double target_sigma) {
  array<double, 1> law(S);  // (S)
  double total = 0;
  for (index_t s = 0; s < S; ++s) {
    const double z = static_cast<double>(s + 1 - S / 2) / target_sigma;
    total += law(s) = std::exp(-0.5 * z * z);
  }
  for (double& p : law) p /= total;
  return law;
}

/// n times from 1 to `last` by equal steps.
inline time_grid equal_times(index_t n, double last) {
  expects(n >= 2, "tauldr::equal_times: n = ", n, "; at least 2 are needed");
  time_grid grid;
  for (index_t i = 0; i < n; ++i) grid.push_back(1 + (last - 1) * static_cast<double>(i) / static_cast<double>(n - 1));
  return grid;
}

/// TauLeaping: `steps` equal times from 1 to min_t, then a step of length min_t to 0. What is returned is the argmax of the
/// denoiser, asked at min_t, after that step.
inline time_grid tau_leaping_grid(index_t steps, double min_t) {
  time_grid grid = equal_times(steps, min_t);
  grid.push_back(0);
  return grid;
}

/// PCTauLeaping: steps - 1 steps that end at min_t + 1/steps, while the denoiser's argmax is asked at min_t.
inline time_grid predictor_corrector_grid(index_t steps, double min_t) {
  return equal_times(steps, min_t + 1 / static_cast<double>(steps));
}

/// Reverse rates with a guarded denominator, from tables that may hold zeros:  R(a, x) sum_{x_0} p(x_0) q(a | x_0) / (q(x | x_0) + ratio_eps).
template <class Row, class Kernel>
struct guarded_rates {
  const Kernel& kernel;
  place at;
  const Row& denoised;
  double ratio_eps = 1e-9;

  /// The jumps to `a` to expect over a noise; 0 for at.now itself.
  DIMIX_HD double expected(token a, const step_noise& noise) const {
    using std::exp;
    if (a == at.now) return 0;
    double score = 0;
    for (token z = 0; z < kernel.space.states(at.dim); ++z)
      score += exp(static_cast<double>(denoised.log_prob(z))) * static_cast<double>(kernel.marginal_t(at.dim, z, a)) /
               (static_cast<double>(kernel.marginal_t(at.dim, z, at.now)) + ratio_eps);
    return noise.back * base_rate(kernel.space, at.dim, a, at.now) * score +
           noise.forth * base_rate(kernel.space, at.dim, at.now, a);
  }
};
template <class Row, class Kernel>
guarded_rates(const Kernel&, place, const Row&, double) -> guarded_rates<Row, Kernel>;

}  // namespace dimix::tauldr
