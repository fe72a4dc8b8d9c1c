#include "experiment.hpp"

namespace words {

/// λ is Gaussian.
outcome run_gaussian(const run_input& in) { return experiment(in, dimix::gaussian_latent{in.chosen.axes}).run(); }

}  // namespace words
