// x_t as the first hidden state: one row per item, shared by its M components.
//   scalar    per position (x / centre - 1) [x is no mask], and where the space has a mask the flag [x is the mask]; then a
//             linear layer
//   one_hot   a learned row per (position, state); their sum is the linear layer of the one-hot input, without the zeros
#pragma once

#include <dimix/denoiser.hpp>
#include <dimix/nn/linear.hpp>

#include <algorithm>
#include <string>
#include <vector>

namespace dimix::nn {

enum class token_encoding { scalar, one_hot };

struct token_input_options {
  index_t dims = 0;    // D
  index_t states = 0;  // S, the mask included
  token mask = -1;     // the state that is the mask; -1: the space has none
  double centre = 0;   // of the scalar encoding; 0: half of the largest state that is no mask
  token_encoding encoding = token_encoding::scalar;
};

template <class Real>
class token_input {
 public:
  /// Of one pass over B items.
  struct tape {
    std::vector<token> tokens;     // (B, D), one-hot only
    matrix<Real> features;         // (padded B, inputs), scalar only
    matrix<Real> hidden;           // (padded B, width)
    matrix<Real> hidden_gradient;  // (padded B, width)
  };

  token_input() = default;

  token_input(parameters<Real>& store, index_t width, token_input_options how, rng source) : how_(how) {
    expects(how.dims >= 1 && how.states >= 1, "token_input: dims = ", how.dims, " and states = ", how.states,
            "; both are at least 1");
    expects(how.mask >= -1 && how.mask < how.states, "token_input: mask = ", how.mask, " is no state of ", how.states,
            ", nor -1");
    expects(how.centre >= 0, "token_input: centre = ", how.centre, " is negative");
    const index_t largest = how.states - 1 - (how.mask == how.states - 1 ? 1 : 0);
    if (how_.centre == 0) how_.centre = larger(0.5, 0.5 * static_cast<double>(largest));
    const index_t per_position = one_hot() ? how.states : how.mask >= 0 ? 2 : 1;
    layer_ = linear<Real>(store, "input", how.dims * per_position, width, source);
  }

  const token_input_options& options() const { return how_; }
  bool one_hot() const { return how_.encoding == token_encoding::one_hot; }

  void resize(tape& pass, view<const token, 2> tokens, bool remember) const {
    const index_t rows = padded(tokens.extent(0));
    if (one_hot() && remember) pass.tokens.assign(tokens.begin(), tokens.end());
    if (!one_hot()) pass.features.resize(rows, layer_.inputs());
    pass.hidden.resize(rows, layer_.outputs());
    if (remember) pass.hidden_gradient.resize(rows, layer_.outputs());
  }

  /// The rows of one tile of items.
  void forward(const parameters<Real>& store, tape& pass, view<const token, 2> tokens, index_t first) const {
    const index_t count = smaller(tile_rows, tokens.extent(0) - first);
    if (one_hot()) {
      for (index_t r = 0; r < count; ++r) gather(store, tokens.row(first + r), pass.hidden.rows(first + r, 1).flat());
      return;
    }
    const auto features = pass.features.rows(first, tile_rows);
    const Real scale = static_cast<Real>(1 / how_.centre);
    const index_t D = how_.dims;
    for (index_t r = 0; r < count; ++r) {
      Real* out = &features(r, 0);
      const token* x = &tokens(first + r, 0);
      for (index_t d = 0; d < D; ++d) out[d] = x[d] == how_.mask ? Real(0) : static_cast<Real>(x[d]) * scale - Real(1);
      if (how_.mask >= 0)
        for (index_t d = 0; d < D; ++d) out[D + d] = x[d] == how_.mask ? Real(1) : Real(0);
    }
    std::fill(features.row(0).data() + count * layer_.inputs(), features.end(), Real(0));
    layer_.forward(store, features, pass.hidden.rows(first, tile_rows));
  }

  /// Gradients of the parameters from pass.hidden_gradient, of the B items: jobs of `jobs`, or `scatter_jobs` calls of scatter.
  void weight_gradients(tape& pass, index_t items, weight_jobs<Real>& jobs) const {
    if (!one_hot()) jobs.add(layer_, pass.features.rows(0, items), pass.hidden_gradient.rows(0, items));
  }
  index_t scatter_jobs() const { return one_hot() ? how_.dims + 1 : 0; }
  void scatter(parameters<Real>& store, tape& pass, index_t items, index_t job) const {
    const index_t width = layer_.outputs();
    if (job == how_.dims) return layer_.backward_bias(store, pass.hidden_gradient.rows(0, items));
    Real* gradient = store.gradients(layer_.weight()).data() + job * how_.states * width;  // of position d = job
    for (index_t b = 0; b < items; ++b) {
      const token x = pass.tokens[static_cast<std::size_t>(b * how_.dims + job)];
      array_of(gradient + x * width, width) += array_of(pass.hidden_gradient.row(b), width);
    }
  }

 private:
  void gather(const parameters<Real>& store, view<const token, 1> x, view<Real, 1> to) const {
    const index_t width = layer_.outputs();
    const Real* weights = store.values(layer_.weight()).data();
    auto out = array_of(to);
    out = array_of(store.values(layer_.bias()));
    for (index_t d = 0; d < how_.dims; ++d) out += array_of(weights + (d * how_.states + x(d)) * width, width);
  }

  token_input_options how_;
  linear<Real> layer_;
};

}  // namespace dimix::nn
