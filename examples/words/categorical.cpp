#include "experiment.hpp"

namespace words {

/// λ is one of finitely many components.
outcome run_categorical(const run_input& in) { return experiment(in, dimix::categorical_latent{in.chosen.components}).run(); }

}  // namespace words
