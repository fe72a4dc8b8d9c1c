// The law of x_0 after a whole path, as sample() and sample_reveal() draw it: x_1 from the prior, then the steps of a grid.
//   λ drawn anew for every step   p_1 ∘ ... ∘ p_N,  p_n = E_λ p_n( . | . ; λ): the composition of the theory (paper, Theorem 2)
//   λ kept along the path         E_λ [ p_1(λ) ∘ ... ∘ p_N(λ) ]: another law for N > 1, with correlations that a composition cannot have
// Which of the two, the sampler's options say (scope).
// Laws (tests/exact): chi-square of samples; N = 1 the same for both; a path in two halves is the path.
#pragma once

#include <dimix/exact/reveal.hpp>
#include <dimix/exact/step.hpp>
#include <dimix/sampler/time_grid.hpp>

namespace dimix::exact {

/// prod_d π_d(x_d): the law of x_1.
template <class Process>
joint_law prior_law(const Process& process, index_t D) {
  const joint_states states = joint_states::of(process.space(), D);
  array<double, 2> rows(D, process.max_states());  // (D, S)
  for (index_t d = 0; d < D; ++d)
    for (index_t s = 0; s < states.states(d); ++s) rows(d, s) = process.space().prior(d, static_cast<token>(s));
  return product_law(states, rows);
}

/// The law of x at the end of a grid from its law at the start. first_step: the number of the first call, for a path in parts.
/// Of a reveal sampler, the start's sequences must have equally many masks. N pushes (step.hpp), M times for M points of λ.
template <class Sampler>
joint_law law_after(Sampler& steps, const joint_law& start, const time_grid& grid, index_t points_per_axis = 32,
                    index_t first_step = 0) {
  expects(grid.size() >= 2, "exact::law_after: a grid needs at least 2 times, but has ", grid.size());
  const double scheduled = scheduled_from(steps, start, grid.front());
  const latent_points over = latents_of(steps, points_per_axis);
  const auto walk = [&](const auto& latents) {
    joint_law law = start;
    for (std::size_t n = 0; n + 1 < grid.size(); ++n)
      law = push(steps, law, {grid[n + 1], grid[n], first_step + static_cast<index_t>(n), scheduled}, latents);
    return law;
  };
  if (steps.options().scope == latent_scope::per_step) return walk(over);
  joint_law law(start.states);
  for (index_t m = 0; m < over.count(); ++m) law.add(over.weight(m), walk(over.point(m)));
  return law;
}

/// The same from the prior of D positions.
template <class Sampler>
joint_law law_after(Sampler& steps, index_t D, const time_grid& grid, index_t points_per_axis = 32) {
  expects_grid("exact::law_after", grid);
  return law_after(steps, prior_law(steps.process(), D), grid, points_per_axis);
}

}  // namespace dimix::exact
