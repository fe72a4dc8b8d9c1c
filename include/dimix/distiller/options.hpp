// What a distiller can be told, and what it reports.
#pragma once

#include <dimix/distiller/time_law.hpp>
#include <dimix/latent.hpp>

namespace dimix {

/// The network at u: the student itself, without gradient (the authors), or a moving average of it.
struct detached {};
template <class Net>
struct ema {
  const Net& average;
};

struct distiller_options {
  index_t components = 64;                                // M, draws of λ at x_t; 1 for a factorized student
  index_t targets = 0;                                    // K, draws of x_u, λ' and x_0 per item; 0: as many as components
  latent_draws draws = latent_draws::stratified;          // at the student's sites; enumerated: M is all of a finite law
  double shortest_gap = 1.0 / 16, longest_gap = 1.0 / 8;  // of δ = t - u, log-uniform between them, in (0, 1]
  double start_share = 0.2;                               // share of items at t = 1
  double target_fraction = 0;                             // consistency at s = fraction * u; 0: at x_0
  bool control_variates = true;                           // off: joint likelihoods, and no marginal term
  double consistency_weight = 1;
  double datapoint_weight = 0.1;  // α(t) = this times datapoint_time
  time_weight datapoint_time = time_weight::constant;
  double marginal_weight = 1;
  double distillation_weight = 1;
  index_t distillation_rows = 8;       // per item; 0: none. With a mixture as teacher each has M components: 1 does
  double distillation_time = 1.0 / 8;  // τ uniform below it
  std::uint64_t seed = 0;
};

/// Means over items, without their weights, and the weighted sum.
struct distiller_losses {
  double consistency = 0, datapoint = 0, marginal = 0, distillation = 0, total = 0;
};

}  // namespace dimix
