// The linear head as a value: what it multiplies with, which rows its logits stand for, and how its work is cut into tiles.
//
//   z_s = W_s · h + c_s,   h (H) the hidden vector of one component at one position, W (S, H), c (S)
//   p(s) = softmax of z over the states that Rows lets a position be
#pragma once

#include <dimix/core/check.hpp>
#include <dimix/head.hpp>

#include <concepts>

namespace dimix::nn {

/// Rows that are a softmax over all states but one: which one (-1: over all), and whether a token that is another is certain.
struct states_of_row {
  token excluded = -1;
  bool reveals = false;
};
constexpr states_of_row states_of(const softmax&) { return {}; }
constexpr states_of_row states_of(const values_only& rows) { return {rows.mask, false}; }
constexpr states_of_row states_of(const subs& rows) { return {rows.mask, true}; }

template <class Rows>
concept softmax_rows = requires(const Rows rows) {
  { states_of(rows) } -> std::same_as<states_of_row>;
};

/// The work is cut by these numbers alone, never by the number of threads. A block is `positions` positions with all their components, a
/// tile the logits of a block at `states` states, a panel `blocks` times `tiles` of them. 0: chosen by the shape, see fitted().
struct linear_tiles {
  index_t positions = 0, states = 0, blocks = 0, tiles = 0;

  /// What is 0 chosen: a tile that fits a core's cache, and as large a panel as 5% of hidden vectors, matrix and their gradients leave room
  /// for.
  linear_tiles fitted(index_t P, index_t M, index_t H, index_t S) const {
    constexpr index_t rows_of_block = 128, rows_of_panel = 512, states_of_tile = 256, states_of_panel = 1024, line = 64,
                      numbers_of_tile = index_t{1} << 16;
    linear_tiles t = *this;
    const auto at_least_1 = [](index_t n) { return larger<index_t>(1, n); };
    if (t.positions == 0) t.positions = smaller(at_least_1(P), at_least_1(rows_of_block / M));
    const index_t rows = t.positions * M;
    if (t.states == 0) t.states = clamp<index_t>(numbers_of_tile / rows / line * line, line, states_of_tile);
    const index_t most_blocks = (at_least_1(P) + t.positions - 1) / t.positions, most_tiles = (S + t.states - 1) / t.states;
    const bool choose_blocks = t.blocks == 0, choose_tiles = t.tiles == 0;
    if (choose_blocks) t.blocks = clamp<index_t>(rows_of_panel / rows, 1, most_blocks);
    if (choose_tiles) t.tiles = clamp<index_t>(states_of_panel / t.states, 1, most_tiles);
    // the gathered vectors, their gradients, the panel, and what tiles leave behind until they are put together
    const auto numbers = [&] { return t.blocks * rows * (2 * H + t.tiles * t.states + 3 * most_tiles); };
    const index_t room = (P * M * H + S * H) / 12;
    while (numbers() > room && ((choose_tiles && t.tiles > 1) || (choose_blocks && t.blocks > 1)))
      if (choose_tiles && t.tiles > 1)
        t.tiles = (t.tiles + 1) / 2;
      else
        t.blocks = (t.blocks + 1) / 2;
    return t;
  }
};

/// matrix (S, H) and bias (S), which may be empty, must outlive the head. rows: softmax, subs or values_only.
template <class Real, class Rows = softmax>
struct linear_head {
  static_assert(softmax_rows<Rows>,
                "linear_head: Rows must be softmax, subs or values_only, rows that are a softmax of one logit a state; see "
                "dimix/nn/linear_head/head.hpp");

  view<const Real, 2> matrix;     // (S, H)
  view<const Real, 1> bias = {};  // (S)
  Rows rows = {};
  linear_tiles tiles = {};

  index_t states() const { return matrix.extent(0); }
  index_t width() const { return matrix.extent(1); }

  void check(const char* name) const {
    expects(states() >= 1 && width() >= 1, name, ": the matrix has shape ", shape_of(matrix), ", but (S, H) is needed");
    if (!bias.empty()) {
      expects_shape(argument{name, "bias"}, bias, states());
      expects_finite(argument{name, "bias"}, bias);
    }
    const token excluded = states_of(rows).excluded;
    expects(excluded < states(), name, ": the mask ", excluded, " is not among the S = ", states(), " rows of the matrix");
    if constexpr (std::same_as<Rows, subs>)
      expects(rows.excluded == -infinity<double>(), name, ": subs excludes with ", rows.excluded,
              "; a linear head knows -infinity only");
    for (index_t n : {tiles.positions, tiles.states, tiles.blocks, tiles.tiles})
      expects(n >= 0, name, ": a number of its tiles is ", n, "; it must be positive, or 0 to be chosen");
  }
};

}  // namespace dimix::nn
