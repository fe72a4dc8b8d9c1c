// t, λ and the class as terms of the hidden rows. With φ the sinusoidal features, e the embedding of λ (a learned table for a finite
// law, for a continuous one sinusoidal features of each coordinate, or the coordinates themselves) and k a learned row per class, one of
// them for "no class":
//   c(t) = silu(φ(t) A + a) A' + a' + k(class)          z(λ) = e(λ) E + b
//   shift_l = C_l (c(t) + z(λ)) + c_l         h_0 gets  silu(z(λ)) H + g
// k is 0 at first. C is linear, so it is applied to each distinct pair of t and class and each distinct λ of a request once, and the terms
// are added per row: a batch of B items with M enumerated components costs B + M rows here, not B M.
#pragma once

#include <dimix/denoiser.hpp>
#include <dimix/nn/activation.hpp>
#include <dimix/nn/embedding.hpp>
#include <dimix/nn/linear.hpp>

#include <algorithm>
#include <type_traits>
#include <vector>

namespace dimix::nn {

/// The law of a factorized denoiser: no λ.
struct no_latent {
  static constexpr index_t dims() { return 0; }
};

/// A law with finitely many values: λ is the index of the component, kept as a Real.
template <class Latent>
concept finite_latent = requires(const Latent law) {
  { law.components() } -> std::convertible_to<index_t>;
};

struct conditioning_options {
  index_t width = 0, blocks = 0, features = 128;  // features: of c and z
  index_t time_features = 32, latent_features = 128;
  double latent_frequency = 1000;  // the largest of a continuous λ's sinusoids; 0: its coordinates themselves
  bool zero_latent = false;        // start with E = H = 0, b = g = 0: the network ignores λ at first
  index_t classes = 0;             // 0: the network takes no class
};

template <class Real, class Latent>
class conditioning {
 public:
  static constexpr bool has_latent = !std::is_same_v<Latent, no_latent>;

  /// Of one pass. Rows [0, T) of code and shift belong to the distinct times (with their classes), rows [padded T, padded T + Z) to the distinct λ.
  struct tape {
    index_t times = 0, latents = 0;                        // T, Z
    std::vector<index_t> time_of, time_begin;              // (B) row of an item's t; (T + 1) first item of a row
    std::vector<index_t> class_of;                         // (T) row of the table of classes; empty where there is none
    std::vector<index_t> latent_of, latent_at;             // (B M) row of a λ; (Z) the place in (B, M) where it first stands
    std::vector<index_t> members, begin;                   // (B M) places sorted by λ; (Z + 1) first member of a row
    std::vector<index_t> slots;                            // (components) row of a category, or -1
    matrix<Real> time_features, time_hidden, time_active;  // (padded T, .)
    matrix<Real> latent_features, latent_active, start;    // (padded Z, .)
    matrix<Real> code, shift;                              // (padded T + padded Z, .): c or z, and its product with C
    matrix<Real> time_gradient;                            // (padded T, features) of the hidden layer
    matrix<Real> code_gradient, shift_gradient, start_gradient;  // as code, shift, start
    matrix<Real> latent_gradient;                                // (padded Z, latent features) of e

    index_t latent_row(index_t row) const { return padded(times) + row; }
    index_t tiles() const { return tiles_of(times) + tiles_of(latents); }
  };

  conditioning() = default;

  conditioning(parameters<Real>& store, const Latent& law, conditioning_options how, rng source)
      : width_(how.width), blocks_(how.blocks), time_(how.time_features) {
    time_in_ = linear<Real>(store, "time.in", how.time_features, how.features, source);
    time_out_ = linear<Real>(store, "time.out", how.features, how.features, source);
    condition_ = linear<Real>(store, "condition", how.features, how.blocks * how.width, source);
    if (how.classes > 0) {
      class_table_ = embedding_table<Real>(store, "class", how.classes + 1, how.features, source);  // the last row: no class
      store.fill(class_table_.table(), Real(0));
    }
    if constexpr (has_latent) {
      index_t inputs = how.latent_features;
      if constexpr (finite_latent<Latent>) {
        expects(law.components() >= 1, "mlp_denoiser: the law of the latent has no components");
        table_ = embedding_table<Real>(store, "latent", law.components(), how.latent_features, source);
      } else {
        if (how.latent_frequency != 0) coordinate_ = sinusoidal(how.latent_features, how.latent_frequency);
        inputs = law.dims() * (how.latent_frequency == 0 ? 1 : how.latent_features);
      }
      const linear_options start{.zero = how.zero_latent};
      latent_in_ = linear<Real>(store, "latent.in", inputs, how.features, source, start);
      latent_start_ = linear<Real>(store, "latent.start", how.features, how.width, source, start);
    }
  }

  /// Finds the distinct t and classes (runs of equal neighbours) and λ (categories, or runs), and makes room.
  void prepare(tape& pass, view<const Real, 1> times, view<const token, 1> classes, view<const Real, 3> latents,
               bool remember) const {
    find_times(pass, times, classes);
    pass.latents = 0;
    if constexpr (has_latent) find_latents(pass, latents, remember);
    const index_t T = padded(pass.times), Z = padded(pass.latents);
    pass.time_features.resize(T, time_.features());
    pass.time_hidden.resize(T, time_in_.outputs());
    pass.time_active.resize(T, time_in_.outputs());
    pass.code.resize(T + Z, condition_.inputs());
    pass.shift.resize(T + Z, condition_.outputs());
    if (remember) {
      pass.time_gradient.resize(T, time_in_.outputs());
      pass.code_gradient.resize(T + Z, condition_.inputs());
      pass.shift_gradient.resize(T + Z, condition_.outputs());
    }
    if constexpr (has_latent) {
      pass.latent_features.resize(Z, latent_in_.inputs());
      pass.latent_active.resize(Z, latent_in_.outputs());
      pass.start.resize(Z, width_);
      if (remember) {
        pass.start_gradient.resize(Z, width_);
        pass.latent_gradient.resize(Z, latent_in_.inputs());
      }
    }
  }

  /// One of pass.tiles() tiles of distinct t or λ.
  void forward(const parameters<Real>& store, tape& pass, view<const Real, 1> times, view<const Real, 3> latents,
               index_t tile) const {
    if (tile < tiles_of(pass.times))
      forward_times(store, pass, times, tile * tile_rows);
    else if constexpr (has_latent)
      forward_latents(store, pass, latents, (tile - tiles_of(pass.times)) * tile_rows);
  }

  /// The same backwards. start (rows, width) and shift(layer) (rows, width) are the gradients of all rows of the batch, row
  /// (b, m) at b M + m. Sums over rows go in the order of the rows.
  template <class Shift>
  void backward(parameters<Real>& store, tape& pass, index_t components, view<const Real, 2> start, const Shift& shift,
                index_t tile) const {
    if (tile < tiles_of(pass.times))
      backward_times(store, pass, components, shift, tile * tile_rows);
    else if constexpr (has_latent)
      backward_latents(store, pass, start, shift, (tile - tiles_of(pass.times)) * tile_rows);
  }

  void weight_gradients(tape& pass, weight_jobs<Real>& jobs) const {
    const index_t T = pass.times, Z = pass.latents, rows = Z > 0 ? padded(T) + Z : T;
    jobs.add(condition_, pass.code.rows(0, rows), pass.shift_gradient.rows(0, rows), pass.shift_gradient.rows(0, T));
    jobs.add(time_out_, pass.time_active.rows(0, T), pass.code_gradient.rows(0, T));
    jobs.add(time_in_, pass.time_features.rows(0, T), pass.time_gradient.rows(0, T));
    if constexpr (has_latent) {
      jobs.add(latent_in_, pass.latent_features.rows(0, Z), pass.code_gradient.rows(padded(T), Z));
      jobs.add(latent_start_, pass.latent_active.rows(0, Z), pass.start_gradient.rows(0, Z));
    }
  }

  /// After backward of all tiles: the rows of the classes. By one thread, as rows of several times share a class.
  void class_gradients(parameters<Real>& store, const tape& pass) const {
    for (std::size_t row = 0; row < pass.class_of.size(); ++row)
      class_table_.backward(store, pass.class_of[row], pass.code_gradient.rows(static_cast<index_t>(row), 1).flat());
  }

 private:
  void find_times(tape& pass, view<const Real, 1> times, view<const token, 1> classes) const {
    pass.time_of.clear();
    pass.time_begin.clear();
    pass.class_of.clear();
    const index_t none = class_table_.categories() - 1;  // -1 without classes: then none differ, and no row is kept
    const auto class_at = [&](index_t b) { return none < 0 || classes.empty() || classes(b) < 0 ? none : index_t{classes(b)}; };
    for (index_t b = 0; b < times.extent(0); ++b) {
      if (b == 0 || times(b) != times(b - 1) || class_at(b) != class_at(b - 1)) {
        pass.time_begin.push_back(b);
        if (none >= 0) pass.class_of.push_back(class_at(b));
      }
      pass.time_of.push_back(static_cast<index_t>(pass.time_begin.size()) - 1);
    }
    pass.times = static_cast<index_t>(pass.time_begin.size());
    pass.time_begin.push_back(times.extent(0));
  }

  void find_latents(tape& pass, view<const Real, 3> latents, bool remember) const {
    const index_t n = latents.extent(0) * latents.extent(1), L = latents.extent(2);
    pass.latent_of.clear();
    pass.latent_at.clear();
    if constexpr (finite_latent<Latent>) pass.slots.assign(static_cast<std::size_t>(table_.categories()), index_t{-1});
    for (index_t i = 0; i < n; ++i) {
      const Real* value = latents.data() + i * L;
      index_t row = static_cast<index_t>(pass.latent_at.size());
      if constexpr (finite_latent<Latent>) {
        index_t& slot = pass.slots[static_cast<std::size_t>(value[0])];
        if (slot < 0) slot = row;
        row = slot;
      } else if (i > 0 && std::equal(value, value + L, value - L)) {
        row = pass.latent_of.back();
      }
      if (row == static_cast<index_t>(pass.latent_at.size())) pass.latent_at.push_back(i);
      pass.latent_of.push_back(row);
    }
    pass.latents = static_cast<index_t>(pass.latent_at.size());
    if (remember) sort_members(pass);
  }

  /// Counting sort: the members of a row stay in the order of the batch.
  static void sort_members(tape& pass) {
    pass.begin.assign(static_cast<std::size_t>(pass.latents) + 1, 0);
    pass.members.resize(pass.latent_of.size());
    for (index_t row : pass.latent_of) ++pass.begin[static_cast<std::size_t>(row) + 1];
    for (std::size_t row = 1; row < pass.begin.size(); ++row) pass.begin[row] += pass.begin[row - 1];
    for (std::size_t i = 0; i < pass.latent_of.size(); ++i)
      pass.members[static_cast<std::size_t>(pass.begin[static_cast<std::size_t>(pass.latent_of[i])]++)] =
          static_cast<index_t>(i);
    for (std::size_t row = pass.begin.size() - 1; row > 0; --row) pass.begin[row] = pass.begin[row - 1];
    pass.begin[0] = 0;
  }

  void forward_times(const parameters<Real>& store, tape& pass, view<const Real, 1> times, index_t first) const {
    const auto features = pass.time_features.rows(first, tile_rows), hidden = pass.time_hidden.rows(first, tile_rows);
    const auto active = pass.time_active.rows(first, tile_rows), code = pass.code.rows(first, tile_rows);
    for (index_t r = 0; r < tile_rows; ++r)
      if (first + r < pass.times)
        time_(times(pass.time_begin[static_cast<std::size_t>(first + r)]), &features(r, 0));
      else
        array_of(features.row(r)).setZero();
    time_in_.forward(store, features, hidden);
    silu(hidden.flat(), active.flat());
    time_out_.forward(store, active, code);
    for (index_t r = 0; r < tile_rows && first + r < static_cast<index_t>(pass.class_of.size()); ++r)
      array_of(code.row(r)) += array_of(class_table_.row(store, pass.class_of[static_cast<std::size_t>(first + r)]));
    condition_.forward(store, code, pass.shift.rows(first, tile_rows));
  }

  void forward_latents(const parameters<Real>& store, tape& pass, view<const Real, 3> latents, index_t first) const {
    const index_t at = pass.latent_row(first);
    const auto features = pass.latent_features.rows(first, tile_rows), active = pass.latent_active.rows(first, tile_rows);
    const auto code = pass.code.rows(at, tile_rows), shift = pass.shift.rows(at, tile_rows);
    for (index_t r = 0; r < tile_rows; ++r)
      if (first + r < pass.latents)
        embed(store, latents.data() + pass.latent_at[static_cast<std::size_t>(first + r)] * latents.extent(2), features.row(r));
      else
        array_of(features.row(r)).setZero();
    latent_in_.forward(store, features, code);
    silu(code.flat(), active.flat());
    latent_start_.forward(store, active, pass.start.rows(first, tile_rows));
    columns(shift).setZero();
    condition_.accumulate(store, code, shift);
  }

  void embed(const parameters<Real>& store, const Real* value, view<Real, 1> out) const {
    if constexpr (finite_latent<Latent>) {
      array_of(out) = array_of(table_.row(store, static_cast<index_t>(value[0])));
    } else if (coordinate_.features() == 0) {
      std::copy_n(value, out.size(), out.data());
    } else {
      for (index_t axis = 0; axis * coordinate_.features() < out.size(); ++axis)
        coordinate_(value[axis], out.data() + axis * coordinate_.features());
    }
  }

  template <class Shift>
  void backward_times(const parameters<Real>& store, tape& pass, index_t components, const Shift& shift, index_t first) const {
    const auto gradient = pass.shift_gradient.rows(first, tile_rows), code = pass.code_gradient.rows(first, tile_rows);
    const auto hidden = pass.time_gradient.rows(first, tile_rows);
    columns(gradient).setZero();
    for (index_t r = 0; r < tile_rows && first + r < pass.times; ++r) {
      const index_t begin = components * pass.time_begin[static_cast<std::size_t>(first + r)];
      const index_t end = components * pass.time_begin[static_cast<std::size_t>(first + r) + 1];
      for (index_t l = 0; l < blocks_; ++l)
        for (index_t row = begin; row < end; ++row) array_of(&gradient(r, l * width_), width_) += array_of(shift(l).row(row));
    }
    condition_.backward_inputs(store, gradient, code);
    time_out_.backward_inputs(store, code, hidden);
    silu_backward(pass.time_hidden.rows(first, tile_rows).flat(), hidden.flat(), hidden.flat());
  }

  template <class Shift>
  void backward_latents(parameters<Real>& store, tape& pass, view<const Real, 2> start, const Shift& shift,
                        index_t first) const {
    const index_t at = pass.latent_row(first);
    const auto gradient = pass.shift_gradient.rows(at, tile_rows), starts = pass.start_gradient.rows(first, tile_rows);
    const auto code = pass.code_gradient.rows(at, tile_rows);
    columns(gradient).setZero();
    columns(starts).setZero();
    for (index_t r = 0; r < tile_rows && first + r < pass.latents; ++r) {
      const auto row = static_cast<std::size_t>(first + r);
      for (index_t i = pass.begin[row]; i < pass.begin[row + 1]; ++i) {
        const index_t place = pass.members[static_cast<std::size_t>(i)];
        array_of(starts.row(r)) += array_of(start.row(place));
        for (index_t l = 0; l < blocks_; ++l) array_of(&gradient(r, l * width_), width_) += array_of(shift(l).row(place));
      }
    }
    latent_start_.backward_inputs(store, starts, code);
    silu_backward(pass.code.rows(at, tile_rows).flat(), code.flat(), code.flat());
    condition_.accumulate_inputs(store, gradient, code);
    if constexpr (finite_latent<Latent>) {
      const auto features = pass.latent_gradient.rows(first, tile_rows);
      latent_in_.backward_inputs(store, code, features);
      for (index_t r = 0; r < tile_rows && first + r < pass.latents; ++r)  // a category has one row: no two jobs meet
        table_.backward(store, category(pass, first + r), features.row(r));
    }
  }

  index_t category(const tape& pass, index_t row) const {
    return static_cast<index_t>(std::find(pass.slots.begin(), pass.slots.end(), row) - pass.slots.begin());
  }

  index_t width_ = 0, blocks_ = 0;
  sinusoidal time_, coordinate_;
  linear<Real> time_in_, time_out_, condition_, latent_in_, latent_start_;
  embedding_table<Real> table_, class_table_;
};

}  // namespace dimix::nn
