// What whole paths share, whatever the sampler: the batch in chunks, the noise that they start from and the evidence in it.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/forward_process/corrupt.hpp>
#include <dimix/sampler/conditions.hpp>
#include <dimix/sampler/time_grid.hpp>

#include <algorithm>
#include <string>

namespace dimix {

/// Whether tokens that are not the mask are certain at all of D positions.
template <state_space Space>
bool reveals_all(const Space& space, index_t D) {
  for (index_t d = 0; d < D; ++d)
    if (!reveals(space, d)) return false;
  return true;
}

/// B sequences of D tokens: (B, D). `options` says batch, dims, seed, first_item, evidence and chunk, as sample_options do. For every
/// chunk the tokens (count, D) are drawn from the prior, evidence is written over them where it is
/// visible (where noise does nothing but hide), and f(tokens, items, known) makes data of
/// them; known() writes the evidence again, for samplers that may hide it.
template <class Process, class Options, class F>
array<token, 2> in_chunks(const char* name, const Process& process, const Options& options, bool visible, const F& f) {
  const index_t B = options.batch, D = options.dims;
  expects(B >= 1 && D >= 1, name, ": batch = ", B, " and dims = ", D, " must be at least 1");
  expects(options.chunk >= 1, name, ": chunk = ", options.chunk, " must be at least 1");
  const std::string evidence_name = std::string(name) + ": evidence";
  if (!options.evidence.empty()) expects_evidence(evidence_name.c_str(), options.evidence, process.space(), B, D);
  array<token, 2> x(B, D);  // (B, D)
  for (index_t first = 0; first < B; first += options.chunk) {
    const index_t count = std::min(options.chunk, B - first);
    const auto part = x.whole().slice(first, count);
    array<std::uint64_t, 1> items(count);  // (count)
    for (index_t i = 0; i < count; ++i) items(i) = options.first_item + static_cast<std::uint64_t>(first + i);
    draw_initial(process, rng{options.seed}, items, part);
    const auto known = [&] {
      if (!visible || options.evidence.empty()) return;
      const auto given = options.evidence.slice(first, count);  // (count, D)
      for (index_t b = 0; b < count; ++b)
        for (index_t d = 0; d < D; ++d)
          if (given(b, d) >= 0 && reveals(process.space(), d)) part(b, d) = given(b, d);
    };
    known();
    f(part, view<const std::uint64_t, 1>(items), known);
  }
  return x;
}
/// The same for samplers of masked positions, whose evidence is always visible.
template <class Process, class Options, class F>
array<token, 2> in_chunks(const char* name, const Process& process, const Options& options, const F& f) {
  return in_chunks(name, process, options, true, f);
}

template <class Sampler, class State>
concept steps_between_times = requires(Sampler steps, State& state, view<token, 2> tokens, view<const double, 1> times,
                                       view<const std::uint64_t, 1> items) {
  steps.step(state, tokens, times, times, items);
};

/// A sampler's steps along a grid: tokens (B, D) in place. between() is called between two steps, which are given what is given here.
template <class Sampler, class State, class Between, class... Given>
requires steps_between_times<Sampler, State>
void walk(Sampler& steps, State& state, view<token, 2> tokens, view<const std::uint64_t, 1> items, const time_grid& grid,
          const Between& between, const Given&... given) {
  array<double, 1> s(tokens.extent(0)), t(tokens.extent(0));  // (B)
  for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
    t.fill(grid[n]);
    s.fill(grid[n + 1]);
    if (n > 0) between();
    steps.step(state, tokens, s, t, items, given...);
  }
}

}  // namespace dimix
