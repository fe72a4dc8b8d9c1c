// Predictor and corrector: after a step from t to s, corrector steps at s, which let noise pass forth and back at once, with rates
//   R_s + R̂_s
// whose stationary law is q_s: they pull what the predictor got wrong, positions drawn apart from one another first of all, towards it.
// A corrector step costs one network call, as a predictor step does. The loop belongs to the caller:
//
//   for (n...) step_and_correct(steps, state, tokens, grid[n + 1], grid[n], items, {.steps = 2, .size = 0.5});
//
// Source: Campbell et al. 2022, section 4.4; tauldr sampling.py PCTauLeaping. Law (tests/laws/sampler_corrector.cpp): a corrector of noise h
// moves the law q_t of the exact denoiser by O(h^2).
#pragma once

#include <dimix/sampler.hpp>

namespace dimix {

struct corrector_options {
  index_t steps = 1;      // corrector steps after each predictor step
  double size = 1;        // the noise of each: size * beta(s) (t - s)
  double entry_time = 1;  // none after predictor steps that begin at a noisier time than this

  bool follow(double t) const { return t <= entry_time; }
  /// The noise of a corrector at s, after a step from t.
  template <class Process>
  double noise(const Process& process, double s, double t) const {
    return size * rate(process.schedule(), s) * (t - s);
  }
};

/// A predictor step from t to s, and corrector steps at s, for every item of tokens (B, D); items (B) are ids. A step to s = 0 has no
/// corrector. Sampler: one whose method has a correction (euler, tau_leaping). Classes, evidence and λ that are given are given to each of the
/// 1 + steps calls of the network.
template <class Sampler>
void step_and_correct(Sampler& steps, sampler_state& state, view<token, 2> tokens, double s, double t,
                      view<const std::uint64_t, 1> items, const corrector_options& options,
                      const typename Sampler::conditions_type& given = {}) {
  expects(options.steps >= 0, "step_and_correct: steps = ", options.steps, " is negative");
  expects(options.size >= 0 && std::isfinite(options.size), "step_and_correct: size = ", options.size,
          " is not a finite number >= 0");
  const index_t B = tokens.extent(0);
  array<double, 1> from(B), to(B), noise(B);  // (B)
  from.fill(t);
  to.fill(s);
  steps.step(state, tokens, to, from, items, given);
  if (s == 0 || !options.follow(t)) return;
  noise.fill(options.noise(steps.process(), s, t));
  for (index_t n = 0; n < options.steps; ++n) steps.correct(state, tokens, to, noise, items, given);
}

}  // namespace dimix
