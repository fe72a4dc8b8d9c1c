#include "experiment.hpp"

#include <dimix/forward_process/rate_matrix.hpp>

#include <algorithm>

namespace digits {

/// Noise that prefers near grey levels, with a head that knows their order or one that does not. Widths are those of the paper's CIFAR-10, 6
/// and 512 of 256 levels, as shares of the levels here, and the schedule counts in units of the slowest relaxation: without it, most
/// of [0, 1] would be complete noise.
outcome run_ordinal(const run_input& in) {
  const double share = static_cast<double>(in.images.train.levels) / 256;
  const dimix::ordinal space(in.images.train.levels, {.rate_sigma = std::max(1.0, 6 * share), .target_sigma = 512 * share});
  const double noise = dimix::relaxation_time(space);
  if (in.chosen.head == "truncated_logistic") return run_with(space, dimix::truncated_logistic{space.max_states()}, in, noise);
  return run_with(space, dimix::softmax{}, in, noise);
}

}  // namespace digits
