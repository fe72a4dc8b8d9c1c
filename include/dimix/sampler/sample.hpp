// sample: whole paths from noise to data.
#pragma once

#include <dimix/sampler.hpp>
#include <dimix/sampler/paths.hpp>

namespace dimix {

struct sample_options {
  index_t batch = 1;  // B sequences
  index_t dims = 1;   // D positions each
  index_t steps = 1;  // N network calls, when no grid is given
  std::uint64_t seed = 0;
  std::uint64_t first_item = 0;  // ids first_item, first_item + 1, ...: the same id gives the same sequence
  latent_scope scope = latent_scope::per_path;
  bool argmax_tail = false;            // the last step takes the most probable state
  time_grid grid = {};                 // N + 1 falling times; empty: uniform
  view<const token, 2> evidence = {};  // (B, D)  known tokens, -1 where unknown; needs a space with a mask
  index_t chunk = 512;                 // sequences per network call; does not change the result
};

/// A method that moves also where s = t, so that a grid may stay at a time: Method::stays_in_time.
template <class Method>
inline constexpr bool stays_in_time = requires {
  requires Method::stays_in_time;
};

/// B sequences of D tokens: (B, D). Deterministic in the seed and the ids, for any chunk and number of threads.
/// Known tokens of `evidence` are visible to the network from the first step and stay (infilling).
template <class Real = float, class Method = ancestral, class Process, class Net, backend Backend = cpu>
array<token, 2> sample(const Process& process, const Net& net, const sample_options& options, const Backend& run_on = Backend{},
                       Method method = {}) {
  const time_grid grid = options.grid.empty() ? uniform_grid(options.steps) : options.grid;
  expects_grid("sample", grid, stays_in_time<Method>);
  sampler<Real, Process, Net, Method, Backend> steps(process, net, {options.scope, options.argmax_tail}, method, run_on);
  return in_chunks("sample", process, options, [&](view<token, 2> x, view<const std::uint64_t, 1> items, const auto& known) {
    sampler_state state{options.seed, 0};
    walk(steps, state, x, items, grid, known);
  });
}

}  // namespace dimix
