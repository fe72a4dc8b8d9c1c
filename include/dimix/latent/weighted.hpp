// λ is one of finitely many components, component m with probability π_m = softmax(log-weights)_m; its value is the component's number.
// A view: whoever owns the log-weights (a network that learns them, say) keeps them alive, and what they are now is the law.
// Laws (tests/laws/weights.cpp): draws follow π, a component of probability 0 is never drawn, equal weights give categorical_latent.
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/latent.hpp>

namespace dimix {

template <class Real>
struct weighted_latent {
  view<const Real, 1> log_weights;  // (M)  log π up to a constant; -infinity: never

  DIMIX_HD constexpr index_t dims() const { return 1; }
  DIMIX_HD constexpr index_t components() const { return log_weights.extent(0); }
  DIMIX_HD double log_weight(index_t m) const { return static_cast<double>(log_weights[m]); }

  /// The component in whose share of (0, 1) u lies, shares in the order of the components. O(M).
  DIMIX_HD double quantile(index_t, double u) const {
    using std::exp;
    double top = -infinity<double>(), total = 0, below = 0;
    for (index_t m = 0; m < components(); ++m) top = larger(top, log_weight(m));
    for (index_t m = 0; m < components(); ++m) total += exp(log_weight(m) - top);
    index_t last = 0;  // the largest component with a share: what rounding leaves above the sum is its
    for (index_t m = 0; m < components(); ++m) {
      const double share = exp(log_weight(m) - top);
      if (share > 0) last = m;
      below += share;
      if (u * total < below) return static_cast<double>(m);
    }
    return static_cast<double>(last);
  }
};

static_assert(latent_law<weighted_latent<float>> && weighted_law<weighted_latent<double>>);

}  // namespace dimix
