// sample: whole paths from noise to data.
#pragma once

#include <dimix/sampler.hpp>
#include <dimix/sampler/paths.hpp>

namespace dimix {

struct sample_options {
  index_t batch = 1;  // B sequences
  index_t dims = 1;   // D positions each
  index_t steps = 1;  // N, when no grid is given: each asks the network once, with one λ for every sequence
  std::uint64_t seed = 0;
  std::uint64_t first_item = 0;  // ids first_item, first_item + 1, ...: the same id gives the same sequence
  latent_scope scope = latent_scope::per_path;
  bool argmax_tail = false;  // the last step takes the most probable state
  time_grid grid = {};       // N + 1 falling times; empty: uniform
  // M λ tried by the last step, which takes the likeliest x_0 that they make: with M > 1 one more call, of M components; 0: off
  index_t last_candidates = 0;
  view<const token, 1> classes = {};   // (B)     the class of each sequence, -1: none
  view<const token, 2> evidence = {};  // (B, D)  known tokens, -1 where unknown
  bool hidden_evidence = false;        // known tokens are noised like the others, also where noise only hides
  // M λ that hidden evidence weighs, of a finite law always all: one more call, of M components, whenever λ is drawn
  index_t evidence_candidates = 64;
  index_t chunk = 512;  // sequences per network call; does not change the result
};

/// What of it a sampler's steps have to know.
inline sampler_options sampler_options_of(const sample_options& options) {
  return {.scope = options.scope,
          .argmax_tail = options.argmax_tail,
          .last_candidates = options.last_candidates,
          .evidence_candidates = options.evidence_candidates};
}

/// The classes of a chunk's items, or none: (count).
inline view<const token, 1> classes_of(const sample_options& options, view<const std::uint64_t, 1> items) {
  if (options.classes.empty()) return {};
  return options.classes.slice(static_cast<index_t>(items[0] - options.first_item), items.extent(0));
}

/// A method that moves also where s = t, so that a grid may stay at a time: Method::stays_in_time.
template <class Method>
inline constexpr bool stays_in_time = requires {
  requires Method::stays_in_time;
};

/// B sequences of D tokens: (B, D). Deterministic in the seed and the ids, for any chunk and number of threads.
/// Known tokens of `evidence` (infilling): where noise only hides they are visible to the network from the first step and stay; elsewhere
/// they are noised, and choose λ (conditions.hpp): with λ per path once, at the first step, with λ per step in each.
/// Network calls of a chunk: N with one λ per sequence, and beside them those of a mixture that choose among λ (last_candidates,
/// evidence_candidates). Each is followed by one sweep; memory is asked for by the first step of a chunk.
template <class Real = float, class Method = ancestral, class Process, class Net, backend Backend = cpu>
array<token, 2> sample(const Process& process, const Net& net, const sample_options& options, const Backend& run_on = Backend{},
                       Method method = {}) {
  const time_grid grid = options.grid.empty() ? uniform_grid(options.steps) : options.grid;
  expects_grid("sample", grid, stays_in_time<Method>);
  if (!options.classes.empty()) expects_shape("sample: classes", options.classes, options.batch);
  sampler<Real, Process, Net, Method, Backend> steps(process, net, sampler_options_of(options), method, run_on);
  const bool hidden = options.hidden_evidence || !reveals_all(process.space(), options.dims);
  return in_chunks("sample", process, options, !options.hidden_evidence,
                   [&](view<token, 2> x, view<const std::uint64_t, 1> items, const auto& known) {
                     const index_t first = static_cast<index_t>(items(0) - options.first_item), count = x.extent(0);
                     sampler_state state{options.seed, 0};
                     conditions<Real> given{.classes = classes_of(options, items)};
                     array<Real, 3> latents;  // (count, 1, L)
                     if (hidden && !options.evidence.empty()) {
                       given.evidence = options.evidence.slice(first, count);
                       array<double, 1> t(count);  // (count)
                       t.fill(grid.front());
                       if (options.scope == latent_scope::per_path) latents = steps.latents_given(state, x, t, items, given);
                       given.latents = latents;
                     }
                     walk(steps, state, x, items, grid, known, given);
                   });
}

}  // namespace dimix
