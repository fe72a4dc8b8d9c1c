// λ is uniform on (0, 1)^L. L = 1 is the law of the paper's three experiments (tauldr, maskgit and sdtt trees of the authors' code).
#pragma once

#include <dimix/latent.hpp>

namespace dimix {

struct uniform_latent {
  index_t axes = 1;  // >= 1

  DIMIX_HD constexpr index_t dims() const { return axes; }
  DIMIX_HD constexpr double quantile(index_t, double u) const { return u; }
};

static_assert(latent_law<uniform_latent>);

}  // namespace dimix
