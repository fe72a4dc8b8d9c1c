// The body of the network: blocks on a residual stream, then a normalised linear output.
//   h_0 given;   u_l = LN(h_l) W1_l + shift_l,   h_{l+1} = h_l + dropout(silu(u_l)) W2_l + b2_l;   raw = LN(h_L) W + b
// shift_l carries the bias and all conditioning (time, λ), a sum of one row per item and one per λ. Works on one tile of rows
// at a time; different tiles may run at once.
#pragma once

#include <dimix/nn/activation.hpp>
#include <dimix/nn/dropout.hpp>
#include <dimix/nn/layer_norm.hpp>
#include <dimix/nn/linear.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

namespace dimix::nn {

/// Where the terms of one row lie; nullptr is zero. Terms are shared: many rows point at one.
template <class Real>
struct row_terms {
  const Real *start = nullptr, *latent_start = nullptr;  // (width): h_0 is their sum
  const Real *shift = nullptr, *latent_shift = nullptr;  // (layers * width): shift_l is the sum of their l-th parts
};
template <class Real>
using tile_terms = std::array<row_terms<Real>, tile_rows>;

/// What one forward pass leaves for backward. With one layer it is scratch that every layer overwrites: enough for evaluation.
template <class Real>
struct trunk_tape {
  index_t rows = 0, layers = 0;
  matrix<Real> normalised, scaled;    // (layers * rows, width): x̂, LN(h)
  matrix<Real> before, active, kept;  // (layers * rows, width): u, dropout(silu(u)), the factors of dropout
  matrix<Real> deviation;             // (layers, rows): 1/√(var + ε)
  matrix<Real> sums;                  // (layers * tiles, 2 width): gradients of gain and bias, per tile

  void resize(index_t row_count, index_t layer_count, index_t width, bool with_dropout) {
    rows = row_count;
    layers = layer_count;
    for (matrix<Real>* m : {&normalised, &scaled, &before, &active}) m->resize(layers * rows, width);
    if (with_dropout) kept.resize(layers * rows, width);
    deviation.resize(layers, rows);
    sums.resize(layers * tiles_of(rows), 2 * width);
  }
  index_t at(index_t layer, index_t row) const { return (layers == 1 ? 0 : layer) * rows + row; }
  view<Real, 2> of(matrix<Real>& m, index_t layer, index_t row, index_t count = tile_rows) {
    return m.rows(at(layer, row), count);
  }
};

template <class Real>
class residual_trunk {
 public:
  residual_trunk() = default;

  residual_trunk(parameters<Real>& store, index_t width, index_t blocks, index_t outputs, double dropout_rate, rng source)
      : width_(width), dropout_(dropout_rate) {
    for (index_t l = 0; l < blocks; ++l) {
      const std::string name = "block" + std::to_string(l);
      norms_.emplace_back(store, name + ".norm", width);
      in_.emplace_back(store, name + ".in", width, width, source, linear_options{.bias = false});
      out_.emplace_back(store, name + ".out", width, width, source);
    }
    norms_.emplace_back(store, "output.norm", width);
    output_ = linear<Real>(store, "output", width, outputs, source);
  }

  index_t width() const { return width_; }
  index_t blocks() const { return static_cast<index_t>(in_.size()); }
  index_t outputs() const { return output_.outputs(); }
  bool has_dropout() const { return dropout_.active(); }

  /// A tape that backward can read (every layer kept), or scratch for evaluation (rows = tile_rows).
  void resize(trunk_tape<Real>& tape, index_t rows, bool remember) const {
    tape.resize(rows, remember ? blocks() + 1 : 1, width_, remember && has_dropout());
  }

  /// Dropout of a training pass; evaluation has none.
  struct noise {
    rng source;
    std::uint64_t pass = 0;
  };

  /// raw (tile_rows, outputs) of the rows of `tape` from `first` on; h (tile_rows, width) is scratch.
  void forward(const parameters<Real>& store, const tile_terms<Real>& terms, trunk_tape<Real>& tape, index_t first,
               view<Real, 2> h, view<Real, 2> raw, const noise* drop) const {
    for (index_t r = 0; r < tile_rows; ++r) sum(h.row(r), term(terms, r).start, term(terms, r).latent_start, 0);
    for (index_t l = 0; l < blocks(); ++l) {
      const auto scaled = tape.of(tape.scaled, l, first), before = tape.of(tape.before, l, first);
      const auto active = tape.of(tape.active, l, first);
      norm(l).forward(store, h, tape.of(tape.normalised, l, first), deviation(tape, l, first), scaled);
      for (index_t r = 0; r < tile_rows; ++r) sum(before.row(r), term(terms, r).shift, term(terms, r).latent_shift, l * width_);
      in(l).accumulate(store, scaled, before);
      silu(before.flat(), active.flat());
      if (drop && has_dropout()) {
        const auto kept = tape.of(tape.kept, l, first);
        dropout_.draw(drop->source, drop->pass, l, first, kept);
        array_of(active.flat()) *= array_of(kept.flat());
      }
      columns(h).colwise() += columns(view<const Real, 2>(store.values(out(l).bias()).data(), 1, width_)).col(0);
      out(l).accumulate(store, active, h);
    }
    const auto scaled = tape.of(tape.scaled, blocks(), first);
    norm(blocks()).forward(store, h, tape.of(tape.normalised, blocks(), first), deviation(tape, blocks(), first), scaled);
    output_.forward(store, scaled, raw);
  }

  /// gradient (tile_rows, outputs) -> gradients of h_l in tape.normalised and of u_l in tape.before; h (tile_rows, width) is
  /// scratch.
  void backward(const parameters<Real>& store, trunk_tape<Real>& tape, index_t first, view<const Real, 2> gradient,
                view<Real, 2> h) const {
    output_.backward_inputs(store, gradient, h);
    norm_backward(store, tape, blocks(), first, h);
    for (index_t l = blocks() - 1; l >= 0; --l) {
      const auto before = tape.of(tape.before, l, first);
      out(l).backward_inputs(store, tape.of(tape.normalised, l + 1, first), h);
      if (has_dropout()) array_of(h.flat()) *= array_of(tape.of(tape.kept, l, first).flat());
      silu_backward(before.flat(), h.flat(), before.flat());
      in(l).backward_inputs(store, before, h);
      norm_backward(store, tape, l, first, h);
    }
  }

  /// After backward of every tile: gradients of h_0 and of shift_l, (count, width) from row `first` on.
  view<const Real, 2> start_gradient(trunk_tape<Real>& tape, index_t first, index_t count) const {
    return tape.of(tape.normalised, 0, first, count);
  }
  view<const Real, 2> shift_gradient(trunk_tape<Real>& tape, index_t layer, index_t first, index_t count) const {
    return tape.of(tape.before, layer, first, count);
  }

  /// The gradients of the weights over the first `rows` rows, as jobs; gradient is (rows, outputs).
  void weight_gradients(trunk_tape<Real>& tape, index_t rows, view<const Real, 2> gradient, weight_jobs<Real>& jobs) const {
    jobs.add(output_, tape.of(tape.scaled, blocks(), 0, rows), gradient);
    for (index_t l = 0; l < blocks(); ++l) {
      jobs.add(in(l), tape.of(tape.scaled, l, 0, rows), tape.of(tape.before, l, 0, rows));
      jobs.add(out(l), tape.of(tape.active, l, 0, rows), tape.of(tape.normalised, l + 1, 0, rows));
    }
  }

  /// The gradients of gains and biases of the normalisations: the tiles' sums in the order of the tiles.
  void norm_gradients(parameters<Real>& store, trunk_tape<Real>& tape) const {
    const index_t tiles = tiles_of(tape.rows);
    for (index_t l = 0; l <= blocks(); ++l)
      for (index_t tile = 0; tile < tiles; ++tile) {
        const Real* sums = tape.sums.row(l * tiles + tile);
        norm(l).add(store, sums, sums + width_);
      }
  }

 private:
  static const row_terms<Real>& term(const tile_terms<Real>& terms, index_t r) { return terms[static_cast<std::size_t>(r)]; }
  const layer_norm<Real>& norm(index_t l) const { return norms_[static_cast<std::size_t>(l)]; }
  const linear<Real>& in(index_t l) const { return in_[static_cast<std::size_t>(l)]; }
  const linear<Real>& out(index_t l) const { return out_[static_cast<std::size_t>(l)]; }
  Real* deviation(trunk_tape<Real>& tape, index_t l, index_t first) const {
    return tape.deviation.row(tape.layers == 1 ? 0 : l) + first;
  }

  void sum(view<Real, 1> to, const Real* a, const Real* b, index_t offset) const {
    auto out = array_of(to);
    if (a && b)
      out = array_of(a + offset, width_) + array_of(b + offset, width_);
    else if (a)
      out = array_of(a + offset, width_);
    else
      out.setZero();
  }

  /// h holds the gradient of LN(h_l); adds the residual stream's, which lies one layer up, and leaves that of h_l in its place.
  void norm_backward(const parameters<Real>& store, trunk_tape<Real>& tape, index_t l, index_t first, view<Real, 2> h) const {
    Real* sums = tape.sums.row(l * tiles_of(tape.rows) + first / tile_rows);
    std::fill_n(sums, 2 * width_, Real(0));
    const view<const Real, 2> residual = l == blocks() ? view<Real, 2>() : tape.of(tape.normalised, l + 1, first);
    norm(l).backward(store, h, residual, tape.of(tape.normalised, l, first), deviation(tape, l, first), sums, sums + width_);
  }

  index_t width_ = 0;
  dropout dropout_;
  std::vector<layer_norm<Real>> norms_;  // (blocks + 1)
  std::vector<linear<Real>> in_, out_;   // (blocks)
  linear<Real> output_;
};

}  // namespace dimix::nn
