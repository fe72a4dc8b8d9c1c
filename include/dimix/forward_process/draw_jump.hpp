// One jump of the forward process: x~_t, which is x_t with one position changed. The position is drawn in proportion to the rate at which it
// jumps, the new state from the row of rates:
//   Z(x) = sum_d R(x_d),   R(x_d) = sum_{y != x_d} R(x_d, y);     p(d) = R(x_d) / Z(x),   p(y | d) = R(x_d, y) / R(x_d)
// The schedule's factor cancels, so that no time is needed.
// Source: Campbell et al. 2022, tauldr losses.py. Law (tests/laws/ct_elbo.cpp): frequencies follow p(d) p(y | d).
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/check.hpp>
#include <dimix/forward_process.hpp>
#include <dimix/forward_process/reverse_rate.hpp>

namespace dimix {

/// R(x): the rate of leaving x at position d, before the schedule's factor. O(1) for identity + rank one, else O(S).
template <state_space Space>
DIMIX_HD double outgoing_rate(const Space& space, index_t d, token x) {
  return at_position(space, d, [d, x](const auto& own) {
    using own_space = std::decay_t<decltype(own)>;
    if constexpr (rate_space<own_space> || replacing_space<own_space>) {
      double total = 0;
      for (token y = 0; y < own.states(d); ++y)
        if (y != x) total += base_rate(own, d, x, y);
      return total;
    } else {
      return 1 - own.prior(d, x);
    }
  });
}

/// A jump of a sequence: the position and its new state; position -1 where none can jump.
struct jump_of_sequence {
  index_t d;
  token to;
};

/// The jump of x, a function of the bits: O(D) and O(S), times O(S) with rates of its own.
template <state_space Space>
DIMIX_HD jump_of_sequence draw_jump(const Space& space, view<const token, 1> x, random_block bits) {
  const auto leaves = [&](index_t d) { return outgoing_rate(space, d, x[d]); };
  double total = 0;
  for (index_t d = 0; d < x.extent(0); ++d) total += leaves(d);
  if (!(total > 0)) return {-1, -1};
  const index_t D = x.extent(0), d = pick_by_share(D, total, bits.first(), leaves, largest_of(D, leaves));
  const index_t S = space.states(d);
  const auto arrives = [&](index_t y) { return y == x[d] ? 0.0 : base_rate(space, d, x[d], static_cast<token>(y)); };
  return {d, static_cast<token>(pick_by_share(S, leaves(d), bits.second(), arrives, largest_of(S, arrives)))};
}

/// x_tilde[b] is x_t[b] after one jump, or x_t[b] itself where none is possible. x_t, x_tilde (B, D), may be the same; items (B) ids; draw tells
/// several jumps of one item apart. Its bits are its own: with one seed no sampler shares them.
template <forward_process_like Process, backend Backend>
void draw_jump(const Process& process, view<const token, 2> x_t, rng random, view<const std::uint64_t, 1> items,
               view<token, 2> x_tilde, const Backend& run_on, index_t draw = 0) {
  const index_t B = x_t.extent(0), D = x_t.extent(1);
  expects_shape("draw_jump: items", items, B);
  expects_shape("draw_jump: x_tilde", x_tilde, B, D);
  expects_tokens("draw_jump: x_t", x_t, process.space());
  expects_draws("draw_jump", 0, draw, D);
  run_on.template sweep<double>(B, 0, [&](const auto& group, auto, index_t b) {
    const jump_of_sequence jump = draw_jump(process.space(), x_t.row(b), random(purpose::noising, items(b), 0, draw, 0));
    group.for_each(D, [&, b](index_t d) { x_tilde(b, d) = d == jump.d ? jump.to : x_t(b, d); });
  });
}

}  // namespace dimix
