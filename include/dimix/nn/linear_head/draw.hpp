// Tokens drawn through a linear head: one product of rows, S and H, and 64 logits more of every row.
//
// As draw_categorical does (core/categorical.hpp): states in blocks of 64, the first word of the bits chooses a block by 64-bit shares of
// the blocks' sums, the second a state in it. Tiles leave the sums of their blocks above their own maximum; the logits of the chosen
// block are made once more.
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
    run_on.template sweep<Real>(panels.rows(), block, [&](const auto& group, view<Real, 1> chosen_logits, index_t row) {
      const place at = panels.place_of(row / M);
      const Real top = *std::max_element(tops.whole().row(row).begin(), tops.whole().row(row).end());
      // a sum for all blocks, above the maximum of the row
      for (index_t i = 0; i < blocks; ++i) sums(row, i) *= std::exp(tops(row, i / of_tile) - top);
      const auto block_sum = [&](index_t i) { return static_cast<double>(sums(row, i)); };
      double total = 0;
      for (index_t i = 0; i < blocks; ++i) total += block_sum(i);
      token& x = out(at.item, row % M, at.dim);
      x = -1;
      if (!(total > 0 && total < infinity<double>())) return;
      const random_block bits = random(what, items(at.item), step, row % M, at.dim);
      const index_t chosen = pick_by_share(blocks, total, bits.first(), block_sum, largest_of(blocks, block_sum));

      const index_t first = chosen * block, count = smaller(block, S - first);
      const auto h = panels.gathered().row(row);
      for (index_t i = 0; i < count; ++i) {
        const auto w = head.matrix.row(first + i);
        chosen_logits[i] =
            first + i == states_of(head.rows).excluded
                ? -infinity<Real>()
                : (head.bias.empty() ? Real(0) : head.bias[first + i]) +
                      group.reduce(H, Real(0), plus{}, [&](auto j) { return read<Real>(h, j) * read<Real>(w, j); });
      }
      const auto weight = [&](index_t i) { return static_cast<double>(std::exp(chosen_logits[i] - top)); };
      double in_block = 0;
      for (index_t i = 0; i < count; ++i) in_block += weight(i);
      x = static_cast<token>(first + pick_by_share(count, in_block, bits.second(), weight, largest_of(count, weight)));
    });
  }
  for (index_t i = 0; i < out.size(); ++i)
    expects<numeric_error>(out.data()[i] >= 0, "draw_tokens: the row at flat index ", i, " of shape ", shape_of(out),
                           " has no positive probability (hidden vectors or a matrix that are not finite?)");
}

}  // namespace dimix::nn
