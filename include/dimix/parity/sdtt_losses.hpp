// The mse and tvd of SDTT's released code, by name: distances of logarithms, where the library's squared_error and total_variation are
// distances of probabilities. Source: sdtt core/distill/multi_round_sdtt.py _mse (a mean over masked positions and states) and _tvd
// (a mean over masked positions); an objective sums both, so that the caller's scale makes the mean.
#pragma once

#include <dimix/objective/terms/row_loss.hpp>

namespace dimix::sdtt {

/// log p - log T; 0 for a state that neither has.
template <std::floating_point Real>
DIMIX_HD Real log_gap(Real target, Real log_p) {
  using std::exp, std::log;
  return target == Real(0) && exp(log_p) == Real(0) ? Real(0) : log_p - log(target);
}

struct log_square {
  static constexpr const char* name(bool) { return "sdtt::log_squared_error"; }

  template <std::floating_point Real>
  DIMIX_HD static slope_of<Real> at(Real target, Real log_p) {
    const Real gap = log_gap(target, log_p);
    return {gap * gap, 2 * gap};
  }
};

struct log_absolute {
  static constexpr const char* name(bool) { return "sdtt::log_total_variation"; }

  template <std::floating_point Real>
  DIMIX_HD static slope_of<Real> at(Real target, Real log_p) {
    const Real gap = log_gap(target, log_p);
    return gap < Real(0) ? slope_of<Real>{-gap, Real(-1)} : slope_of<Real>{gap, gap > Real(0) ? Real(1) : Real(0)};
  }
};

/// sum (log p - log T)^2 and sum |log p - log T|. target (B, D, S).
template <class Real>
using log_squared_error = row_loss<Real, log_square>;
template <class Real>
using log_total_variation = row_loss<Real, log_absolute>;

}  // namespace dimix::sdtt
