// How many positions stay masked after a step.
//
// concept allocation<A>: a.hidden_after(item) -> index_t, brought into [0, item.masked]; a step to s = 0 hides nothing, whatever it says
//   by_schedule    as the noise schedule has it: round(n (1 - alpha_s)) of the n positions that were hidden at t = 1
//   by_count       a fixed number is revealed                                            LLaDA
//   by_threshold   all whose proposed token is likelier than p, at least one             Fast-dLLM (Wu et al. 2025)
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/math.hpp>
#include <dimix/core/view.hpp>

#include <cmath>

namespace dimix {

/// What an allocation knows of an item.
struct reveal_item {
  index_t masked;               // masked positions now
  double scheduled;             // positions that the schedule hides at hit_s = 1; those that evidence shows are not among them
  double hit_s;                 // 1 - alpha_s: the share that is hidden after the step
  view<const double, 1> log_p;  // (D)  of the proposed tokens, -infinity where nothing is masked
};

/// Exact integers: they fall with s, add up to all masked positions over any grid, and one step is legal.
struct by_schedule {
  index_t at_least = 1;  // revealed in every step, as long as something is masked: less would waste the network call

  index_t hidden_after(const reveal_item& item) const {
    // halves go up, also where the product fell below by rounding
    const auto hidden = static_cast<index_t>(std::floor(item.scheduled * item.hit_s + (0.5 + 1e-9)));
    return smaller(hidden, item.masked - at_least);
  }
};

class by_count {
 public:
  /// n >= 1 positions are revealed in every step.
  explicit by_count(index_t n) : n_(n) { expects(n >= 1, "by_count: n = ", n, "; a step reveals at least 1 position"); }
  index_t hidden_after(const reveal_item& item) const { return item.masked - n_; }

 private:
  index_t n_;
};

class by_threshold {
 public:
  /// p in (0, 1].
  explicit by_threshold(double p) : log_threshold_(std::log(p)) {
    expects(p > 0 && p <= 1, "by_threshold: p = ", p, " lies outside (0, 1]");
  }
  index_t hidden_after(const reveal_item& item) const {
    index_t likely = 0;
    for (double log_p : item.log_p) likely += log_p > log_threshold_;
    return item.masked - larger<index_t>(likely, 1);
  }

 private:
  double log_threshold_;
};

}  // namespace dimix
