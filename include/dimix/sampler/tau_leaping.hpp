// Tau-leaping: over a step the reverse rates are held, and jumps to each state a are counted on their own, N_a ~ Poisson(Λ(a)) with
// the expected numbers Λ(a) of reverse_rate.hpp. What several jumps of one position make:
//   summed_jumps   x_s = clamp(x + sum_a N_a (a - x), 0, S - 1): jumps are distances, which only an ordered space has
//   single_jump    exactly one jump is taken, none or several are not: any space
// Source: Campbell et al. 2022, section 4.3; tauldr sampling.py TauLeaping, and ConditionalTauLeaping's intent (reject_multiple_jumps).
// Laws (tests/laws/sampler_jumps.cpp): draws follow the clamped convolution of the Poisson laws (chi-square).
#pragma once

#include <dimix/core/poisson.hpp>
#include <dimix/sampler/one_jump.hpp>

namespace dimix {

struct summed_jumps {};
struct single_jump {};

/// Where jumps lead: count(a) of them from `now` to each a of the S states, summed and held inside; -1 unless counts are >= 0.
DIMIX_EXEC_CHECK_DISABLE
template <class Count>
DIMIX_HD token landing(token now, index_t S, const Count& count) {
  double to = static_cast<double>(now);
  bool counted = true;
  for (index_t a = 0; a < S; ++a) {
    const double jumps = count(a);
    counted = counted && jumps >= 0;
    to += jumps * static_cast<double>(a - now);
  }
  return counted ? static_cast<token>(clamp(to, 0.0, static_cast<double>(S - 1))) : -1;
}

/// A Poisson number of jumps to a. A functor and no lambda, so that nvcc lets bits of the host through.
template <class Rates, class Bits>
struct poisson_jumps {
  const Rates& rates;
  const Bits& bits_of;
  purpose what;

  DIMIX_EXEC_CHECK_DISABLE
  DIMIX_HD double operator()(index_t a) const {
    using std::exp;
    return draw_poisson(static_cast<double>(exp(rates.log_expected(a))), bits_of(what, a).first());
  }
};

/// The method of one step with summed jumps. Its rows are convolutions, which need memory: it has none.
struct summed_jumps_step {
  static constexpr bool has_rows = false;

  step_noise noise;
  bool denoises = false;  // p(x_0 | x_t) instead
  purpose bits = purpose::jump;

  template <class Kernel, class Row>
  DIMIX_HD auto row(const Kernel&, const place&, const Row& denoised) const {
    static_assert(sizeof(Row) == 0, "tau_leaping with summed jumps has no rows: step it; see dimix/sampler/tau_leaping.hpp");
    return denoised;
  }

  /// O(S) Poisson draws.
  DIMIX_EXEC_CHECK_DISABLE
  template <class Kernel, class Denoised, class Bits>
  DIMIX_HD token draw(const Kernel& kernel, const place& at, index_t S, const Denoised& denoised, const Bits& bits_of) const {
    if (denoises) return ancestral{}.draw(kernel, at, S, denoised, bits_of);
    const auto rates = reverse_rates(kernel, at, denoised(), noise);
    return landing(at.now, kernel.space.states(at.dim),
                   poisson_jumps<std::remove_const_t<decltype(rates)>, Bits>{rates, bits_of, bits});
  }
};

template <class Jumps = summed_jumps>
struct tau_leaping {
  jump_clock clock = jump_clock::noise;
  bool denoise_last = true;  // a step to s = 0, where rates are not bounded, is ancestral

  template <class Process>
  summed_jumps_step between(const Process& process, double s, double t) const {
    const step_noise noise = noise_between(process, s, t, clock);
    expects_countable(process, noise.back, t);
    return {noise, denoise_last && s == 0};
  }
  /// A corrector step at t: noise forth and back.
  template <class Process>
  summed_jumps_step correction(const Process& process, double t, double noise) const {
    expects_countable(process, noise, t);
    return {noise_of_correction(process, t, noise), false, purpose::corrector};
  }

 private:
  template <class Process>
  static void expects_countable(const Process& process, double noise, double t) {
    static_assert(ordered_space<typename Process::space_type>,
                  "tau_leaping: summed jumps are distances, and the states of this space have no order (static constexpr bool "
                  "ordered = true); take tau_leaping<single_jump>; see dimix/sampler/tau_leaping.hpp");
    expects(process.max_states() <= rng::max_draw, "tau_leaping: S = ", process.max_states(), " states are more than ",
            rng::max_draw);
    expects(noise < 1e15, "tau_leaping: the noise of a step from t = ", t,
            " is infinite, and so is the number of jumps; begin the grid below");
  }
};

template <>
struct tau_leaping<single_jump> {
  jump_clock clock = jump_clock::noise;
  bool denoise_last = true;

  template <class Process>
  one_jump_step between(const Process& process, double s, double t) const {
    return {noise_between(process, s, t, clock), jump_form::single, denoise_last && s == 0};
  }
  template <class Process>
  one_jump_step correction(const Process& process, double t, double noise) const {
    return {noise_of_correction(process, t, noise), jump_form::single, false, purpose::corrector};
  }
};

}  // namespace dimix
