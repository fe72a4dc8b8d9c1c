#include "experiment.hpp"

namespace digits {

/// The grey levels and, after them, the mask.
outcome run_absorbing(const run_input& in) {
  const dimix::absorbing<> space{{in.images.train.levels + 1}};
  return run_with(space, dimix::subs{space.mask()}, in);
}

}  // namespace digits
