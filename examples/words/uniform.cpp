#include "experiment.hpp"

namespace words {

/// λ is uniform in a cube.
outcome run_uniform(const run_input& in) { return experiment(in, dimix::uniform_latent{in.chosen.axes}).run(); }

}  // namespace words
