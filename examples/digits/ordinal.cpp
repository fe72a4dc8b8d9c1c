#include "experiment.hpp"

namespace digits {

/// Noise that prefers near grey levels, with a head that knows their order or one that does not.
outcome run_ordinal(const run_input& in) {
  const dimix::ordinal space(in.images.train.levels);
  if (in.chosen.head == "truncated_logistic") return run_with(space, dimix::truncated_logistic{space.max_states()}, in);
  return run_with(space, dimix::softmax{}, in);
}

}  // namespace digits
