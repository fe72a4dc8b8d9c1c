#include "experiment.hpp"

namespace digits {

outcome run_uniform(const run_input& in) { return run_with(dimix::uniform<>{{in.images.train.levels}}, dimix::softmax{}, in); }

}  // namespace digits
