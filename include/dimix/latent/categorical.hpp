// λ is one of finitely many components, all equally likely; its value is the component's number.
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/latent.hpp>

namespace dimix {

struct categorical_latent {
  index_t count = 64;  // >= 1

  DIMIX_HD constexpr index_t dims() const { return 1; }
  DIMIX_HD constexpr index_t components() const { return count; }
  DIMIX_HD constexpr double quantile(index_t, double u) const {
    return static_cast<double>(smaller(static_cast<index_t>(u * static_cast<double>(count)), count - 1));
  }
};

static_assert(latent_law<categorical_latent>);

}  // namespace dimix
