#include "experiment.hpp"

namespace digits {

/// The grey levels and, after them, the mask.
outcome run_absorbing(const run_input& in) { return run_with(dimix::absorbing<>{{in.images.train.levels + 1}}, in); }

}  // namespace digits
