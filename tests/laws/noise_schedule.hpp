// The laws of noise_schedule.hpp, for any schedule:  laws::check_noise_schedule<float>(my_schedule{});
#pragma once

#include <dimix/noise_schedule.hpp>

#include "laws/support.hpp"

namespace laws {

struct schedule_accuracy {
  bool near_zero = true;  // total noise keeps its relative accuracy near t = 0 (a schedule with only alpha cannot)
};

template <class Real, class Schedule>
void check_noise_schedule(const Schedule& schedule, schedule_accuracy accuracy = {}) {
  const double ulp = std::numeric_limits<Real>::epsilon();
  const int cells = 257;
  worst range, fall, slope, survival, derivative, hit, inverse, to_double, noise_to_double;
  for (int i = 0; i <= cells; ++i) {
    const Real t = static_cast<Real>(i) / cells;
    const double exact_t = static_cast<double>(t);
    const double a = dimix::alpha(schedule, t), sigma = dimix::total_noise(schedule, t), beta = dimix::rate(schedule, t);
    const double a_prime = dimix::alpha_prime(schedule, t);
    const double a64 = dimix::alpha(schedule, exact_t), sigma64 = dimix::total_noise(schedule, exact_t);
    range.see(std::max(-a, a - 1), "t =", t);
    slope.see(std::max(0.0, a_prime - 4 * ulp), "t =", t);
    if (i > 0) fall.see(a - dimix::alpha(schedule, static_cast<Real>(i - 1) / cells), "t =", t);
    survival.see(std::abs(a - std::exp(-sigma)), "t =", t);
    hit.see(std::abs(dimix::move_chance(schedule, t) - (1 - a64)), "t =", t);
    to_double.see(std::abs(a - a64), "t =", t);
    if (a64 > 0) {  // sigma and the rate of a schedule that ends at alpha = 0 are infinite there
      if (std::isfinite(a_prime)) derivative.see(std::abs(a_prime + beta * a) / (1 + std::abs(a_prime)), "t =", t);
      const double scale = (accuracy.near_zero ? 0 : 1) + sigma64 + (1 - a64) / a64;
      noise_to_double.see(std::abs(sigma - sigma64) / (scale > 0 ? scale : 1), "t =", t);
    }
    if (i > 0 && i < cells) {
      const double h = 1e-6, numeric = (dimix::alpha(schedule, exact_t + h) - dimix::alpha(schedule, exact_t - h)) / (2 * h);
      slope.see(std::max(0.0, std::abs(a_prime - numeric) - 1e-7 - 64 * ulp * (1 + std::abs(numeric))), "t =", t);
    }
    // where alpha is flat, many times share it up to rounding: the law is that of alpha, and of t only to the root of the precision
    const Real back = dimix::inverse_alpha(schedule, dimix::alpha(schedule, t));
    inverse.see(std::abs(static_cast<double>(dimix::alpha(schedule, back)) - a), "t =", t);
    const double flat = std::sqrt(ulp), steep = ulp / std::max(-a_prime, ulp);
    inverse.see(std::max(0.0, (std::abs(static_cast<double>(back) - exact_t) - 32 * std::min(steep, 4 * flat)) * ulp),
                "t =", t);
  }
  range.check("alpha lies in [0, 1]", 4 * ulp);
  fall.check("alpha does not rise", 2 * ulp);
  slope.check("alpha_prime is not positive and the derivative of alpha", 0);
  survival.check("alpha = exp(-total_noise)", 8 * ulp);
  hit.check("move_chance = 1 - alpha", 8 * ulp);
  derivative.check("alpha_prime = -rate alpha", 8 * ulp);
  inverse.check("alpha(inverse_alpha(a)) = a", 16 * ulp);
  to_double.check("alpha in Real = alpha in double", 8 * ulp);
  noise_to_double.check("total_noise in Real = total_noise in double", 16 * ulp);
}

}  // namespace laws
