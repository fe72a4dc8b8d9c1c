// Where in time training happens, as maps of uniform numbers, and the weight of the datapoint term there.
// Sources: tauldr losses.py DistilChain.calc_loss; sdtt absorbing.py _sample_t, multi_round_sdtt.py _sample_t_like and di4c_loss;
// maskgit vit.py train_di4c.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/math.hpp>

namespace dimix {

/// low + u (high - low)
DIMIX_HD inline double between(double u, double low, double high) { return u * (high - low) + low; }

/// low (high / low)^u: every factor equally likely. tauldr: delta_t; sdtt: _sample_t_like(log_unif) with low = 1e-5, high = 1 - 1e-5.
DIMIX_HD inline double log_uniform(double u, double low, double high) {
  using std::exp, std::log;
  return low * exp(u * (log(high) - log(low)));
}

/// (u + b / B) mod 1: B numbers from one, each uniform, together even ("antithetic" in sdtt and MDLM).
DIMIX_HD inline double antithetic(double u, index_t b, index_t B) {
  const double shifted = u + static_cast<double>(b) / static_cast<double>(B);
  return shifted >= 1 ? shifted - 1 : shifted;
}

/// Uniform on [0, split] when branch < probability, else on [split, 1]. sdtt: split = distil_delta, probability 0.3.
DIMIX_HD inline double two_intervals(double u, double branch, double split, double probability) {
  return branch < probability ? u * split : split + (1 - split) * u;
}

/// lowest + hit * u * width, hit = 0 or 1: an atom at `lowest` with the rest spread above it. tauldr: the times of the distillation term.
DIMIX_HD inline double atom_and_interval(double u, bool hit, double lowest, double width) {
  return lowest + (hit ? u * width : 0.0);
}

/// α_t / scale of the datapoint term.
enum class time_weight { zero, constant, linear, sigmoid };

/// zero: 0; constant: 1; linear: t; sigmoid: σ(20 (t - 1/2)).
inline double weight_at(time_weight kind, double t) {
  switch (kind) {
    case time_weight::zero:
      return 0;
    case time_weight::constant:
      return 1;
    case time_weight::linear:
      return t;
    case time_weight::sigmoid:
      return sigmoid(20 * (t - 0.5));
  }
  fail("weight_at: ", static_cast<int>(kind), " is not a time_weight");
}

}  // namespace dimix
