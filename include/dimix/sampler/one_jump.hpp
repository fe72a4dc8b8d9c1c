// Steps in which a position jumps at most once: what Euler's method and tau-leaping with rejected jumps share. From the expected number
// of jumps Λ(a) of reverse_rate.hpp and their sum Λ:
//   p(a) = leave(Λ) Λ(a) / Λ  for a != x,   p(x) = 1 - leave(Λ)
// with leave(Λ) = 1 - e^-Λ, min(Λ, 1) or Λ e^-Λ. Always a law; O(1) a state where noise is identity + rank one, O(S) with tables.
#pragma once

#include <dimix/core/categorical.hpp>
#include <dimix/forward_process/reverse_rate.hpp>
#include <dimix/noise_schedule.hpp>
#include <dimix/sampler/ancestral.hpp>

namespace dimix {

/// How a step from t to s measures the noise that passes.
enum class jump_clock {
  noise,       // sigma(t) - sigma(s): no error from beta
  frozen_rate  // beta(t) (t - s), as released code has it; refused where beta(t) is infinite and no limit of the rates is known
};

/// With which probability a position leaves when it would jump Λ times.
enum class jump_form {
  exponential,  // 1 - e^-Λ: that there is a first jump
  linear,       // Λ, and 1 beyond: the identity plus Λ
  single        // Λ e^-Λ: that there is exactly one
};

/// Whether rates back have a limit where beta is infinite. Where noise is identity + rank one they do, as beta alpha = -alpha' is finite,
/// and where a table of rates leads to every state, which then jumps for certain. A hidden token of mask_and_replace does not: it leaves
/// at a rate like beta alpha^c = -alpha' / alpha^(1 - c), c < 1; nor does one whose table lets states die out, each at a pace of its own.
template <state_space Space>
bool rates_have_limit(const Space& space) {
  if constexpr (requires { space.spaces(); }) {
    bool all = true;
    space.spaces().each([&all](const auto& own) { all = all && rates_have_limit(own); });
    return all;
  } else {
    if constexpr (rate_space<Space>)
      for (token s = 0; s < space.states(0); ++s)
        if (space.prior(0, s) == 0) return false;
    return rate_space<Space> || !replacing_space<Space>;
  }
}

/// The noise between s and t. Infinite noise is 1e20: more jumps than can be told apart. Throws for a frozen rate without a limit.
template <class Process>
step_noise noise_between(const Process& process, double s, double t, jump_clock clock) {
  const auto& schedule = process.schedule();
  const double most = 1e20;
  if (s == t) return {0, 0};
  if (clock == jump_clock::frozen_rate) {
    const double back = rate(schedule, t) * (t - s);
    expects(back < infinity<double>() || rates_have_limit(process.space()), "jump_clock::frozen_rate: at t = ", t,
            " noise is infinite, and the rate at which a hidden token of this space leaves has no finite limit; begin the grid "
            "below, or take jump_clock::noise or the ancestral sampler");
    return {back < most ? back : most, -alpha_prime(schedule, t) * (t - s)};
  }
  const double passed = total_noise(schedule, t) - (s == 0 ? 0.0 : total_noise(schedule, s));
  return passed < most ? step_noise{passed, passed * alpha(schedule, t)} : step_noise{most, 0};
}

/// The noise of a corrector at t: as much forth as back.
template <class Process>
step_noise noise_of_correction(const Process& process, double t, double noise) {
  return {noise, noise * alpha(process.schedule(), t), noise};
}

template <class Rates, class Real>
struct one_jump_row {
  Rates rates;
  Real log_share, log_stay;  // of leave(Λ) / Λ and 1 - leave(Λ)
  token now;
  bool denoises;

  DIMIX_HD static one_jump_row make(const Rates& rates, jump_form form, token now, bool denoises) {
    using std::exp, std::expm1, std::log, std::log1p;
    const Real log_total = rates.log_total(), total = exp(log_total);
    if (total == Real(0)) return {rates, Real(0), Real(0), now, denoises};
    switch (form) {
      case jump_form::exponential:
        return {rates, log(-expm1(-total)) - log_total, -total, now, denoises};
      case jump_form::linear:
        return {rates, -larger(log_total, Real(0)), log1p(-smaller(total, Real(1))), now, denoises};
      default:
        // in one exponent: total may overflow, where the share is 0 and the position stays
        return {rates, -total, log1p(-exp(log_total - total)), now, denoises};
    }
  }

  DIMIX_HD Real log_prob(index_t a) const {
    if (denoises) return rates.reverse.log_prob(a);
    return static_cast<token>(a) == now ? log_stay : log_share + rates.log_expected(a);
  }
};

/// The method of one step.
struct one_jump_step {
  step_noise noise;
  jump_form form;
  bool denoises = false;  // the row of p(x_0 | x_t) instead
  purpose bits = purpose::jump;

  template <class Kernel, class Row>
  DIMIX_HD auto row(const Kernel& kernel, const place& at, const Row& denoised) const {
    const auto rates = reverse_rates(kernel, at, denoised, noise);
    using Real = decltype(rates.log_total());
    return one_jump_row<std::remove_const_t<decltype(rates)>, Real>::make(rates, form, at.now, denoises);
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Kernel, class Denoised, class Bits>
  DIMIX_HD token draw(const Kernel& kernel, const place& at, index_t S, const Denoised& denoised, const Bits& bits_of) const {
    if (denoises) return ancestral{}.draw(kernel, at, S, denoised, bits_of);
    if constexpr (revealing_space<decltype(kernel.space)>)
      if (noise.forth == 0 && at.now != kernel.space.mask()) return at.now;  // no row has to be made
    const auto law = row(kernel, at, denoised());
    return draw_law(group_of(denoised), law, S, bits_of(bits));
  }
};

}  // namespace dimix
