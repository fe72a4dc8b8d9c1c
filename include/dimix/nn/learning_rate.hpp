// Linear warm-up, then half a cosine down to a fraction of the peak (Loshchilov, Hutter 2017, arXiv:1608.03983, no restarts):
//   step < warmup    peak (step + 1) / warmup
//   after            peak (last + (1 - last) (1 + cos(π x)) / 2),  x = (step + 1 - warmup) / (steps - warmup)
// So it is at its peak in step warmup - 1 and at peak * last in step steps - 1, and stays there.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/math.hpp>

#include <cmath>
#include <numbers>

namespace dimix::nn {

struct warmup_cosine {
  double peak = 1e-3;
  index_t warmup = 0, steps = 1;
  double last = 0.05;  // fraction of the peak

  /// step from 0
  double operator()(index_t step) const {
    expects(step >= 0 && warmup >= 0 && steps >= 1 && warmup <= steps, "warmup_cosine: step = ", step, ", warmup = ", warmup,
            ", steps = ", steps);
    if (step < warmup) return peak * static_cast<double>(step + 1) / static_cast<double>(warmup);
    if (step >= steps) return peak * last;
    const double x = static_cast<double>(step + 1 - warmup) / static_cast<double>(steps - warmup);
    return peak * (last + (1 - last) * 0.5 * (1 + std::cos(std::numbers::pi * x)));
  }
};

}  // namespace dimix::nn
