// Euler's method: the reverse rates at t, held until s. An error O(1/N) that ancestral sampling does not have, also for D = 1; it is here
// because much of the field samples with it, and because rates compose (correctors, predictor_corrector.hpp). Two forms:
//   exponential   a position leaves with probability 1 - e^-Λ, Λ the expected number of its jumps, and lands in proportion to them
//   linear        δ + h R̂, whose jumps are scaled down to 1 where they sum to more: h too long for it
// Where noise at t is infinite (alpha_t = 0), the clock of noise cannot tell how much of the step's data to reveal, and a hidden position
// stays through that step: end the grid below t = 1 there. Where noise is identity + rank one the frozen rate reveals there too, -alpha' (t - s)
// of the data. With mask_and_replace, or tables that hide, it is itself infinite there, and refused.
// Source: SEDD (Lou et al. 2024) EulerPredictor, discrete flow matching (Campbell et al. 2024; Gat et al. 2024). Laws
// (tests/laws/sampler_jumps.cpp): rows sum to 1; (row - δ) / h -> R̂; an error O(1/N) for D = 1.
#pragma once

#include <dimix/sampler/one_jump.hpp>

namespace dimix {

struct euler {
  jump_form form = jump_form::exponential;
  jump_clock clock = jump_clock::noise;
  bool denoise_last = true;  // a step to s = 0, where rates are not bounded, is ancestral: no mask is left

  template <class Process>
  one_jump_step between(const Process& process, double s, double t) const {
    return {noise_between(process, s, t, clock), form, denoise_last && s == 0};
  }
  /// A corrector step at t: noise forth and back.
  template <class Process>
  one_jump_step correction(const Process& process, double t, double noise) const {
    return {noise_of_correction(process, t, noise), form, false, purpose::corrector};
  }
};

}  // namespace dimix
