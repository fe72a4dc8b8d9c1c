// measured: a mean over independent draws, with its standard error and a confidence interval.
#pragma once

#include <dimix/core/view.hpp>

#include <cmath>
#include <limits>

namespace dimix {

/// In the units of what was measured. Of one draw alone the error is not known: NaN.
struct measured {
  double mean = 0, standard_error = 0;
  index_t count = 0;  // independent draws

  /// The interval mean ± z standard errors: z = 1.96 covers the truth 19 times in 20, where the mean is nearly normal.
  double low(double z = 1.96) const { return mean - z * standard_error; }
  double high(double z = 1.96) const { return mean + z * standard_error; }
  bool covers(double truth, double z = 1.96) const { return low(z) <= truth && truth <= high(z); }
};

/// Mean and variance as numbers come in, without cancellation (Welford 1962). An infinite number makes the mean infinite and the error NaN.
class running_mean {
 public:
  void add(double x) {
    ++count_;
    const double n = static_cast<double>(count_);
    if (!std::isfinite(x) || !std::isfinite(mean_)) {
      mean_ += x;
      squares_ = std::numeric_limits<double>::quiet_NaN();
      return;
    }
    const double off = x - mean_;
    mean_ += off / n;
    squares_ += off * (x - mean_);
  }
  measured result() const {
    const double n = static_cast<double>(count_);
    return {mean_, count_ > 1 ? std::sqrt(squares_ / (n - 1) / n) : std::numeric_limits<double>::quiet_NaN(), count_};
  }

 private:
  index_t count_ = 0;
  double mean_ = 0, squares_ = 0;
};

/// Of values (B) that are independent, as those of different sequences.
inline measured mean_of(view<const double, 1> values) {
  running_mean all;
  for (double x : values) all.add(x);
  return all.result();
}

}  // namespace dimix
