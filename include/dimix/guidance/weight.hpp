// How strong guidance is along a path. A weight is any w(step, t) -> double of the number of the call and the time of the item: w = 0 is
// the conditional network.
#pragma once

#include <dimix/core/view.hpp>

#include <concepts>

namespace dimix {

template <class W>
concept guidance_weight = requires(const W w, index_t step, double t) {
  { w(step, t) } -> std::convertible_to<double>;
};

struct constant_weight {
  double w = 0;

  double operator()(index_t, double) const { return w; }
};

/// w k / (n - 1) at call k of n, and w where n = 1. Source: maskgit-pytorch vit.py sample.
struct step_ramp {
  double w = 0;
  index_t calls = 1;  // n

  double operator()(index_t step, double) const {
    return calls > 1 ? w * static_cast<double>(step) / static_cast<double>(calls - 1) : w;
  }
};

/// w (1 - t): the same ramp by time.
struct time_ramp {
  double w = 0;

  double operator()(index_t, double t) const { return w * (1 - t); }
};

static_assert(guidance_weight<constant_weight> && guidance_weight<step_ramp> && guidance_weight<time_ramp>);

}  // namespace dimix
