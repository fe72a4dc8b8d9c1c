// The law of λ of a network that learns how likely its components are: one log-weight per component among its parameters
// ("latent.log_weights", 0 at first: all equally likely). latent() of the network is then the weighted_latent of what they are now.
#pragma once

#include <dimix/core/view.hpp>

namespace dimix::nn {

struct learned_latent {
  index_t count = 2;  // >= 1

  static constexpr index_t dims() { return 1; }
  constexpr index_t components() const { return count; }
};

}  // namespace dimix::nn
