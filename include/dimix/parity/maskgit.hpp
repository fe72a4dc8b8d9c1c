// What maskgit-pytorch's released code does in sampling and training, by name, so that its numbers can be reproduced. The defaults of the library
// (sampler/reveal.hpp) are the right ones:
//   counts      tokens_per_step gives every step at least one token and lets the last absorb the rest, which can be 0 or negative; by_schedule
//               never is
//   progress    k / (n - 1) is 0/0 for one step, and negative noise follows r n / (n - 1) > 1; the library's is 1 - s in [0, 1]
//   mask class  it can be drawn, and counts as revealed: hence reveal_codes with a mask apart from the codes; subs never draws it
//   cosine      the training step leaves one position masked at r = 1, by rounding
//   sm_temp     multiplies the logits: tempered with 1 / sm_temp
// Source: maskgit-pytorch vit.py adap_sche, sample, one_step_denoise, train_di4c. r = 1 - t is the progress of decoding.
#pragma once

#include <dimix/denoiser.hpp>
#include <dimix/noise_schedule.hpp>
#include <dimix/sampler/reveal/selection.hpp>

#include <cmath>
#include <numbers>
#include <vector>

namespace dimix::maskgit {

/// adap_sche: differences of round(γ(k/n) positions), halves to even; 0 becomes 1, and the last step takes what is left. (steps)
template <std::floating_point Real, class Schedule>
std::vector<index_t> tokens_per_step(const Schedule& schedule, index_t positions, index_t steps) {
  expects(steps >= 1, "maskgit::tokens_per_step: steps = ", steps, "; at least one is needed");
  const auto hidden = [&](index_t k) {
    const Real r = static_cast<Real>(k) / static_cast<Real>(steps);
    return static_cast<index_t>(std::nearbyint(move_chance(schedule, Real(1) - r) * static_cast<Real>(positions)));
  };
  std::vector<index_t> counts;
  index_t left = positions;
  for (index_t k = 0; k < steps; ++k) {
    const index_t count = hidden(k) - hidden(k + 1);
    counts.push_back(count == 0 ? 1 : count);
    left -= counts.back();
  }
  counts.back() += left;
  return counts;
}

/// γ = cos(π/2 r) as it is evaluated there: 6e-17 at r = 1 instead of 0, for which maskgit_cosine is exact.
inline double cosine_mask_rate(double r) { return std::cos(r * std::numbers::pi * 0.5); }

/// one_step_denoise: how many of `masked` positions are revealed to leave a share γ of all masked. It cuts off, so that a share of 6e-17
/// leaves one position masked.
inline index_t tokens_to_reveal(double mask_rate, index_t positions, index_t masked) {
  const double shown = (1 - mask_rate) * static_cast<double>(positions) - static_cast<double>(positions - masked);
  return clamp(static_cast<index_t>(shown), index_t{0}, masked);
}

/// k / (n - 1) of step k of n: the factor of guidance, and 1 minus that of the noise. Not a number for n = 1.
inline double progress(index_t k, index_t n) { return static_cast<double>(k) / static_cast<double>(n - 1); }

/// r n / (n - 1) of a teacher with n steps: beyond 1 in its last step.
inline double training_progress(double r, index_t n) { return r * static_cast<double>(n) / static_cast<double>(n - 1); }

/// A step of sample: the `count` positions with the largest scores get their predicted codes, whatever these are, and lose their mask.
/// scores, predicted, code, mask: (D); scores are -infinity where the mask is 0.
inline void reveal_codes(view<const double, 1> scores, view<const token, 1> predicted, index_t count, view<token, 1> code,
                         view<unsigned char, 1> mask) {
  for (index_t d : selection(scores, count)) {
    code[d] = predicted[d];
    mask[d] = 0;
  }
}

/// What the decoder is given: the mask class becomes the last code.
inline token decoded_code(token code, index_t codebook_size) {
  return clamp(code, token{0}, static_cast<token>(codebook_size - 1));
}

/// train_di4c: 1 where the distillation term holds, r >= 1 - r_delta, and the consistency term does not.
inline double distillation_weight(double r, double r_delta) { return r >= 1 - r_delta ? 1 : 0; }

}  // namespace dimix::maskgit
