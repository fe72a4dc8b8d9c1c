// sample_reveal: whole paths by choosing positions.
#pragma once

#include <dimix/sampler/paths.hpp>
#include <dimix/sampler/reveal.hpp>

namespace dimix {

struct reveal_options {
  index_t batch = 1;  // B sequences
  index_t dims = 1;   // D positions each
  index_t steps = 1;  // N, when no grid is given: each asks the network once, as long as something is masked
  std::uint64_t seed = 0;
  std::uint64_t first_item = 0;  // ids first_item, first_item + 1, ...: the same id gives the same sequence
  latent_scope scope = latent_scope::per_path;
  bool reconsider = false;             // see reveal_sampler_options
  time_grid grid = {};                 // N + 1 falling times; empty: uniform
  view<const token, 2> evidence = {};  // (B, D)  known tokens, -1 where unknown
  index_t chunk = 512;                 // sequences per network call; does not change the result
};

/// B sequences of D tokens: (B, D). Deterministic in the seed and the ids, for any chunk and number of threads. Evidence is visible to
/// the network from the first step, stays, and counts nowhere. Of the n other positions, all masked at the first time t_0 of the grid, a
/// step to s > 0 leaves masked
///   by_schedule    round(n (1 - alpha_s) / (1 - alpha_{t_0})), or fewer, so that they are fewer than before by at_least
///   by_count       fewer than before by that number
///   by_threshold   fewer than before by the number of masked positions whose proposal is likely enough, or by one
/// and a step to 0 none. With reconsider these are net numbers: whatever goes back to the mask, as many more are revealed. A chunk
/// whose positions are all revealed before the end of the grid (by_count, by_threshold) asks the network no more.
template <class Real = float, class Ordering = confidence_order, class Allocation = by_schedule, class Proposal = drawn,
          class Process, class Net, backend Backend = cpu>
array<token, 2> sample_reveal(const Process& process, const Net& net, const reveal_options& options,
                              const Backend& run_on = Backend{}, Ordering order = {}, Allocation allocate = {},
                              Proposal propose = {}) {
  auto steps = make_reveal_sampler<Real>(process, net, order, allocate, propose, {options.scope, options.reconsider}, run_on);
  const time_grid grid = options.grid.empty() ? uniform_grid(options.steps) : options.grid;
  expects_grid("sample_reveal", grid);
  return in_chunks("sample_reveal", process, options,
                   [&](view<token, 2> tokens, view<const std::uint64_t, 1> items, const auto& known) {
                     reveal_state state{options.seed};
                     walk(steps, state, tokens, items, grid, known);
                   });
}

}  // namespace dimix
