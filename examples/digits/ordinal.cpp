#include "experiment.hpp"

#include <dimix/forward_process/rate_matrix.hpp>

namespace digits {

/// Noise that prefers near grey levels, with a head that knows their order or one that does not. The schedule counts in units of the
/// slowest relaxation: without it, most of [0, 1] would be complete noise.
outcome run_ordinal(const run_input& in) {
  const dimix::ordinal space(in.images.train.levels);
  const double noise = dimix::relaxation_time(space);
  if (in.chosen.head == "truncated_logistic") return run_with(space, dimix::truncated_logistic{space.max_states()}, in, noise);
  return run_with(space, dimix::softmax{}, in, noise);
}

}  // namespace digits
