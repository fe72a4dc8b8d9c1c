// sample: whole paths from noise to data.
#pragma once

#include <dimix/forward_process/corrupt.hpp>
#include <dimix/sampler.hpp>
#include <dimix/sampler/time_grid.hpp>

#include <algorithm>

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

/// B sequences of D tokens: (B, D). Deterministic in the seed and the ids, for any chunk and number of threads.
/// Known tokens of `evidence` are visible to the network from the first step and stay (infilling).
template <class Real = float, class Method = ancestral, class Process, class Net, backend Backend = cpu>
array<token, 2> sample(const Process& process, const Net& net, const sample_options& options, const Backend& run_on = Backend{},
                       Method method = {}) {
  const index_t B = options.batch, D = options.dims;
  expects(B >= 1 && D >= 1, "sample: batch = ", B, " and dims = ", D, " must be at least 1");
  expects(options.chunk >= 1, "sample: chunk = ", options.chunk, " must be at least 1");
  const time_grid grid = options.grid.empty() ? uniform_grid(options.steps) : options.grid;
  expects_grid("sample", grid);
  sampler<Real, Process, Net, Method, Backend> steps(process, net, {options.scope, options.argmax_tail}, method, run_on);
  array<token, 2> x(B, D);  // (B, D)
  for (index_t first = 0; first < B; first += options.chunk) {
    const index_t count = std::min(options.chunk, B - first);
    const auto part = x.whole().slice(first, count);
    array<std::uint64_t, 1> items(count);  // (count)
    for (index_t i = 0; i < count; ++i) items(i) = options.first_item + static_cast<std::uint64_t>(first + i);
    draw_initial(process, rng{options.seed}, items, part);
    if (!options.evidence.empty()) reveal(process, options.evidence, first, B, part);
    array<double, 1> s(count), t(count);  // (count)
    sampler_state state{options.seed, 0};
    for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
      t.fill(grid[n]);
      s.fill(grid[n + 1]);
      steps.step(state, part, s, t, items);
    }
  }
  return x;
}

/// Writes the known tokens of the items [first, first + count) over x (count, D).
template <class Process>
void reveal(const Process& process, view<const token, 2> evidence, index_t first, index_t B, view<token, 2> x) {
  if constexpr (!masked_space<typename Process::space_type>) {
    fail("sample: evidence stays visible only where noise hides (a space with a mask); this space has none");
  } else {
    expects_shape("sample: evidence", evidence, B, x.extent(1));
    for (index_t b = 0; b < x.extent(0); ++b)
      for (index_t d = 0; d < x.extent(1); ++d) {
        const token known = evidence(first + b, d);
        expects(known >= -1 && known < process.space().states(d), "sample: evidence[", first + b, ", ", d, "] = ", known,
                " is neither -1 nor a state in [0, ", process.space().states(d), ")");
        if (known >= 0) x(b, d) = known;
      }
  }
}

}  // namespace dimix
