// Layer normalisation (Ba, Kiros, Hinton 2016, arXiv:1607.06450) over the features of each row:
//   x̂ = (x - mean x) / √(var x + ε),   y = x̂ g + b,   var the biased one, ε = 1e-5.
#pragma once

#include <dimix/nn/eigen.hpp>
#include <dimix/nn/parameters.hpp>

#include <cmath>
#include <string>

namespace dimix::nn {

template <class Real>
class layer_norm {
 public:
  layer_norm() = default;

  /// Registers `name`.gain = 1 and `name`.bias = 0.
  layer_norm(parameters<Real>& store, const std::string& name, index_t width)
      : width_(width), gain_(store.add(name + ".gain", {width})), bias_(store.add(name + ".bias", {width})) {
    store.fill(gain_, Real(1));
  }

  index_t width() const { return width_; }
  index_t gain() const { return gain_; }  // numbers of the blocks
  index_t bias() const { return bias_; }

  /// x (rows, width) -> y, and what backward needs: normalised x̂ (rows, width), and 1/√(var + ε) (rows).
  void forward(const parameters<Real>& store, view<const Real, 2> x, view<Real, 2> normalised, Real* inverse_deviation,
               view<Real, 2> y) const {
    const auto gain = array_of(store.values(gain_)), bias = array_of(store.values(bias_));
    const Real share = Real(1) / static_cast<Real>(width_);
    for (index_t r = 0; r < x.extent(0); ++r) {
      const auto in = array_of(x.row(r));
      auto hat = array_of(normalised.row(r));
      hat = in - in.sum() * share;
      inverse_deviation[r] = Real(1) / std::sqrt(hat.square().sum() * share + epsilon);
      hat *= inverse_deviation[r];
      array_of(y.row(r)) = hat * gain + bias;
    }
  }

  /// Per row, with a = gy g:  gx = gy_residual + (a - mean a - x̂ mean(a x̂)) / √(var + ε).
  /// normalised holds x̂ on entry and gx on return; residual may be empty. Adds sum_r gy x̂ to gain_sum (width) and sum_r gy to
  /// bias_sum (width): partial sums of these rows that the caller adds up in a fixed order with `add`.
  void backward(const parameters<Real>& store, view<const Real, 2> gy, view<const Real, 2> residual, view<Real, 2> normalised,
                const Real* inverse_deviation, Real* gain_sum, Real* bias_sum) const {
    const auto gain = array_of(store.values(gain_));
    auto gains = array_of(gain_sum, width_), biases = array_of(bias_sum, width_);
    const Real share = Real(1) / static_cast<Real>(width_);
    for (index_t r = 0; r < gy.extent(0); ++r) {
      const auto out = array_of(gy.row(r));
      auto hat = array_of(normalised.row(r));
      gains += out * hat;
      biases += out;
      const Real mean = (out * gain).sum() * share, slope = (out * gain * hat).sum() * share;
      if (residual.empty())
        hat = (out * gain - mean - hat * slope) * inverse_deviation[r];
      else
        hat = array_of(residual.row(r)) + (out * gain - mean - hat * slope) * inverse_deviation[r];
    }
  }

  /// Adds partial sums to the gradients.
  void add(parameters<Real>& store, const Real* gain_sum, const Real* bias_sum) const {
    array_of(store.gradients(gain_)) += array_of(gain_sum, width_);
    array_of(store.gradients(bias_)) += array_of(bias_sum, width_);
  }

 private:
  static constexpr Real epsilon = Real(1e-5);
  index_t width_ = 0, gain_ = -1, bias_ = -1;
};

}  // namespace dimix::nn
