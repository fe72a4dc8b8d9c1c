// What whole paths share, whatever the sampler: the batch in chunks, the noise that they start from and the evidence in it.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/forward_process/corrupt.hpp>
#include <dimix/sampler/time_grid.hpp>

#include <algorithm>

namespace dimix {

/// Writes the known tokens of the items [first, first + count) over x (count, D).
template <class Process>
void reveal(const char* name, const Process& process, view<const token, 2> evidence, index_t first, index_t B,
            view<token, 2> x) {
  if constexpr (!masked_space<typename Process::space_type>) {
    fail(name, ": evidence stays visible only where noise hides (a space with a mask); this space has none");
  } else {
    const std::string shape_name = std::string(name) + ": evidence";
    expects_shape(shape_name.c_str(), evidence, B, x.extent(1));
    for (index_t b = 0; b < x.extent(0); ++b)
      for (index_t d = 0; d < x.extent(1); ++d) {
        const token known = evidence(first + b, d);
        expects(known >= -1 && known < process.space().states(d), name, ": evidence[", first + b, ", ", d, "] = ", known,
                " is neither -1 nor a state in [0, ", process.space().states(d), ")");
        if (known >= 0) x(b, d) = known;
      }
  }
}

/// B sequences of D tokens: (B, D). `options` says batch, dims, seed, first_item, evidence and chunk, as sample_options do. For every
/// chunk the tokens (count, D) are drawn from the prior, evidence is written over them, and f(tokens, items, known) makes data of them;
/// known() writes the evidence again, for samplers that may hide it.
template <class Process, class Options, class F>
array<token, 2> in_chunks(const char* name, const Process& process, const Options& options, const F& f) {
  const index_t B = options.batch, D = options.dims;
  expects(B >= 1 && D >= 1, name, ": batch = ", B, " and dims = ", D, " must be at least 1");
  expects(options.chunk >= 1, name, ": chunk = ", options.chunk, " must be at least 1");
  array<token, 2> x(B, D);  // (B, D)
  for (index_t first = 0; first < B; first += options.chunk) {
    const index_t count = std::min(options.chunk, B - first);
    const auto part = x.whole().slice(first, count);
    array<std::uint64_t, 1> items(count);  // (count)
    for (index_t i = 0; i < count; ++i) items(i) = options.first_item + static_cast<std::uint64_t>(first + i);
    draw_initial(process, rng{options.seed}, items, part);
    const auto known = [&] {
      if (!options.evidence.empty()) reveal(name, process, options.evidence, first, B, part);
    };
    known();
    f(part, view<const std::uint64_t, 1>(items), known);
  }
  return x;
}

template <class Sampler, class State>
concept steps_between_times = requires(Sampler steps, State& state, view<token, 2> tokens, view<const double, 1> times,
                                       view<const std::uint64_t, 1> items) {
  steps.step(state, tokens, times, times, items);
};

/// A sampler's steps along a grid: tokens (B, D) in place. between() is called between two steps.
template <class Sampler, class State, class Between>
requires steps_between_times<Sampler, State>
void walk(Sampler& steps, State& state, view<token, 2> tokens, view<const std::uint64_t, 1> items, const time_grid& grid,
          const Between& between) {
  array<double, 1> s(tokens.extent(0)), t(tokens.extent(0));  // (B)
  for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
    t.fill(grid[n]);
    s.fill(grid[n + 1]);
    if (n > 0) between();
    steps.step(state, tokens, s, t, items);
  }
}

}  // namespace dimix
