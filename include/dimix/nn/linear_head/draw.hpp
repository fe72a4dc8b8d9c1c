// Tokens drawn through a linear head: one product of rows, S and H, and 64 logits more of every row.
//
// As draw_categorical does (core/categorical.hpp): at most 64 parts of whole blocks of 64 states, of which the first word of the bits chooses one
// by 64-bit shares of sums, and the second a block in it and a state. Tiles leave the sums of their blocks above their own maximum; the logits
// of the chosen block are made once more.
// Laws (tests/nn/linear_head_draws.cpp): the tokens are those of draw_tokens over explicit logits but where candidates tie within rounding;
// they do not depend on tiles and threads but for that; chi-square.
#pragma once

#include <dimix/core/categorical.hpp>
#include <dimix/nn/linear_head/likelihood.hpp>

namespace dimix::nn {

/// One draw from every component's product: out (B, M, D), out[b, m, d] ~ p_md( . | x_t[b]), hidden (B, M, D, H).
/// The bits of item b, component m and position d are those of `what` at (items[b], step, m, d).
template <class Real, class Rows, class Storage, backend Backend>
void draw_tokens(const linear_head<Real, Rows>& head, view<const token, 2> x_t, view<const Storage, 4> hidden, rng random,
                 purpose what, view<const std::uint64_t, 1> items, index_t step, view<token, 3> out, const Backend& run_on,
                 std::pmr::memory_resource* memory = std::pmr::get_default_resource()) {
  constexpr index_t block = 64;
  const index_t B = x_t.extent(0), M = hidden.extent(1), D = x_t.extent(1), S = head.states(), H = head.width();
  head.check("draw_tokens");
  expects_shape("draw_tokens: hidden", hidden, B, M, D, H);
  expects_shape("draw_tokens: out", out, B, M, D);
  expects_shape("draw_tokens: items", items, B);
  expects_draws("draw_tokens", step, M - 1, D);
  expects(head.tiles.states % block == 0, "draw_tokens: tiles of ", head.tiles.states, " states; a multiple of ", block,
          " is needed");

  linear_panels<Real, Rows> panels(head, x_t, M, memory);
  const index_t blocks = (S + block - 1) / block, of_tile = panels.cut().states / block;
  array<Real, 2> sums(memory), tops(memory);  // (rows, blocks of 64), (rows, tiles)
  sums.resize(panels.most_rows(), blocks), tops.resize(panels.most_rows(), panels.tiles());
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < D; ++d)
      if (panels.certain(b, d))
        for (index_t m = 0; m < M; ++m) out(b, m, d) = x_t(b, d);

  for (index_t round = 0; round < panels.rounds(); ++round) {
    panels.gather(hidden, round, run_on);
    panels.for_each_tile(run_on, 0, [&](const auto& group, const logit_tile<Real>& tile, auto) {
      for (index_t r = 0; r < tile.positions * M; ++r) {
        const index_t row = tile.first_position * M + r;
        const view<const Real, 1> logits = tile.row(r / M, r % M);
        const Real top = group.reduce(tile.states, -infinity<Real>(), maximum{}, [&](auto s) { return read<Real>(logits, s); });
        tops(row, tile.number) = top;
        for (index_t first = 0; first < tile.states; first += block) {
          const auto part = logits.slice(first, smaller(block, tile.states - first));
          const auto value = [&](auto s) { return read<Real>(part, s); };
          sums(row, tile.number * of_tile + first / block) =
              top == -infinity<Real>()
                  ? Real(0)
                  : group.reduce(part.extent(0), Real(0), plus{}, exp_above<Real, decltype(value)>{value, top});
        }
      }
    });
    run_on.template sweep<Real>(panels.rows(), 0, [&](const auto& group, auto, index_t row) {
      const place at = panels.place_of(row / M);
      const Real top = *std::max_element(tops.whole().row(row).begin(), tops.whole().row(row).end());
      // a sum for all blocks, above the maximum of the row
      for (index_t i = 0; i < blocks; ++i) sums(row, i) *= std::exp(tops(row, i / of_tile) - top);
      token& x = out(at.item, row % M, at.dim);
      x = -1;
      const random_block bits = random(what, items(at.item), step, row % M, at.dim);
      few_weights<Real> few;
      index_t first = 0, count = S;  // of the states that are left to choose among
      std::uint64_t left = ~bits.first();
      double words = 0;
      // the part, or a part of it, whose share holds `left`
      const auto narrow = [&] {
        const index_t length = part_length(count);
        few.count = 0;
        for (index_t begin = first; begin < first + count; begin += length) {
          Real& sum = few.weight[few.count++];
          sum = Real(0);
          for (index_t i = begin / block; i * block < smaller(begin + length, first + count); ++i) sum += sums(row, i);
        }
        if (words == 0) words = few.words(group);
        if (words == 0) return false;
        const index_t skipped = few.pick(group, words, left) * length;
        first += skipped;
        count = smaller(length, count - skipped);
        return true;
      };
      if (count > block && !narrow()) return;
      words = 0, left = ~bits.second();
      while (count > block)
        if (!narrow()) return;

      const auto h = panels.gathered().row(row);
      few.count = count;
      for (index_t i = 0; i < count; ++i) {
        const auto w = head.matrix.row(first + i);
        const Real bias = head.bias.empty() ? Real(0) : head.bias[first + i];
        few.weight[i] = first + i == states_of(head.rows).excluded
                            ? Real(0)
                            : std::exp(bias + group.reduce(H, Real(0), plus{}, [&](auto j) {
                                return read<Real>(h, j) * read<Real>(w, j);
                              }) - top);
      }
      if (words == 0) words = few.words(group);
      if (words != 0) x = static_cast<token>(first + few.pick(group, words, left));
    });
  }
  const index_t missing = first_missing(view<const token, 3>(out));
  expects<numeric_error>(missing == out.size(), "draw_tokens: the row at flat index ", missing, " of shape ", shape_of(out),
                         " has no positive probability (hidden vectors or a matrix that are not finite?)");
}

}  // namespace dimix::nn
