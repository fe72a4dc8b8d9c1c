// The walk over the logits of a linear head: hidden vectors are gathered a panel at a time, positions that are certain left out, and the
// logits made tile by tile. The order of every sum depends on shapes and tiles alone, so results are the same for any number of threads.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/array.hpp>
#include <dimix/nn/eigen.hpp>
#include <dimix/nn/linear_head/head.hpp>

namespace dimix::nn {

/// Rows of features that lie `stride` apart, as a matrix (features x rows).
template <class T>
auto strided_columns(T* data, index_t rows, index_t features, index_t stride) {
  using matrix = Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic>;
  using mapped = std::conditional_t<std::is_const_v<T>, const matrix, matrix>;
  return Eigen::Map<mapped, Eigen::Unaligned, Eigen::OuterStride<>>(data, features, rows, Eigen::OuterStride<>(stride));
}

/// The logits of a block at some states: row (i, m) is component m at its i-th position.
template <class Real>
struct logit_tile {
  Real* data;
  index_t stride, components;
  index_t first_position, positions;  // of the gathered ones
  index_t number, first, states;      // which tile along S, and its states [first, first + states)

  view<Real, 1> row(index_t i, index_t m) const { return {data + (i * components + m) * stride, states}; }
  bool holds(token x) const { return x >= first && x < first + states; }
};

template <class Real, class Rows>
class linear_panels {
 public:
  linear_panels(const linear_head<Real, Rows>& head, view<const token, 2> tokens, index_t components,
                std::pmr::memory_resource* memory)
      : head_(head), tokens_(tokens), M_(components), live_(memory), gathered_(memory) {
    const states_of_row states = states_of(head.rows);
    index_t count = 0;
    const auto each = [&](const auto& take) {
      for (index_t p = 0; p < tokens.size(); ++p)
        if (!states.reveals || tokens.data()[p] == states.excluded) take(p);
    };
    each([&](index_t) { ++count; });
    live_.resize(count);  // (positions that outputs can change)
    index_t next = 0;
    each([&](index_t p) { live_(next++) = p; });
    cut_ = head.tiles.fitted(count, M_, head.width(), head.states());
  }

  const linear_head<Real, Rows>& head() const { return head_; }
  const linear_tiles& cut() const { return cut_; }
  index_t components() const { return M_; }
  index_t dims() const { return tokens_.extent(1); }
  bool certain(index_t b, index_t d) const {
    const states_of_row states = states_of(head_.rows);
    return states.reveals && tokens_(b, d) != states.excluded;
  }

  index_t most_positions() const { return smaller(cut_.positions * cut_.blocks, live_.size()); }
  index_t most_rows() const { return most_positions() * M_; }
  index_t rounds() const { return live_.size() == 0 ? 0 : (live_.size() + most_positions() - 1) / most_positions(); }
  index_t tiles() const { return (head_.states() + cut_.states - 1) / cut_.states; }  // along S

  /// The positions of a round, and their hidden vectors side by side: rows (position, component).
  template <class Storage, backend Backend>
  void gather(view<const Storage, 4> hidden, index_t round, const Backend& run_on) {
    gathered_.resize(most_rows(), head_.width());  // (rows, H)
    first_ = round * most_positions();
    positions_ = smaller(most_positions(), live_.size() - first_);
    run_on.template sweep<Real>(positions_ * M_, 0, [&](const auto& group, auto, index_t row) {
      const place at = place_of(row / M_);
      const auto from = hidden.row(at.item, row % M_, at.dim);
      const auto to = gathered_.whole().row(row);
      group.for_each(head_.width(), [&](auto j) { write(to, j, read<Real>(from, j)); });
    });
  }

  index_t positions() const { return positions_; }
  index_t rows() const { return positions_ * M_; }
  index_t blocks() const { return (positions_ + cut_.positions - 1) / cut_.positions; }
  view<const Real, 2> gathered() const { return gathered_.whole().slice(0, rows()); }
  place place_of(index_t i) const {
    const index_t p = live_(first_ + i), b = p / dims(), d = p % dims();
    return {b, d, tokens_(b, d)};
  }

  /// body(group, logits, spare) for every tile of the round, with `spare` Reals of scratch.
  template <backend Backend, class Body>
  void for_each_tile(const Backend& run_on, index_t spare, const Body& body) const {
    const index_t stride = cut_.states + pad, numbers = cut_.positions * M_ * stride;
    run_on.template sweep<Real>(blocks() * tiles(), numbers + spare, [&](const auto& group, view<Real, 1> tile, index_t task) {
      const auto logits = made(tile.data(), stride, task % blocks(), task / blocks());
      body(group, logits, tile.slice(numbers, spare));
    });
  }

  /// The same for tiles [first, first + count) along S, whose logits stay in a panel (rows, panel_stride()).
  template <backend Backend, class Body>
  void for_each_tile_of(view<Real, 2> panel, index_t first, index_t count, const Backend& run_on, index_t spare,
                        const Body& body) const {
    run_on.template sweep<Real>(blocks() * count, spare, [&](const auto& group, view<Real, 1> tile, index_t task) {
      const index_t block = task % blocks(), number = task / blocks();
      Real* data = panel.data() + block * cut_.positions * M_ * panel_stride() + number * cut_.states;
      body(group, made(data, panel_stride(), block, first + number), tile);
    });
  }
  index_t panel_stride() const { return cut_.tiles * cut_.states + pad; }

 private:
  static constexpr index_t pad = 16;  // rows of a power of two apart would share the sets of a cache

  /// W h + c, and -infinity where a row cannot be.
  logit_tile<Real> made(Real* data, index_t stride, index_t block, index_t number) const {
    const index_t i = block * cut_.positions, first = number * cut_.states;
    const logit_tile<Real> tile{data,
                                stride,
                                M_,
                                i,
                                smaller(cut_.positions, positions_ - i),
                                number,
                                first,
                                smaller(cut_.states, head_.states() - first)};
    auto logits = strided_columns(data, tile.positions * M_, tile.states, stride);
    if (head_.bias.empty())
      logits.setZero();
    else
      logits.colwise() = columns(view<const Real, 2>(head_.bias.data() + first, 1, tile.states)).col(0);
    logits.noalias() +=
        columns(head_.matrix.slice(first, tile.states)).transpose() * columns(gathered().slice(i * M_, tile.positions * M_));
    const token excluded = states_of(head_.rows).excluded;
    if (tile.holds(excluded)) logits.row(excluded - first).setConstant(-infinity<Real>());
    return tile;
  }

  linear_head<Real, Rows> head_;
  view<const token, 2> tokens_;
  index_t M_;
  linear_tiles cut_;
  array<index_t, 1> live_;   // flat positions
  array<Real, 2> gathered_;  // (rows, H)
  index_t first_ = 0, positions_ = 0;
};

}  // namespace dimix::nn
