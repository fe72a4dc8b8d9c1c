// AdamW (Loshchilov, Hutter 2019, arXiv:1711.05101) with bias correction and clipping by the global norm. In step n from 1:
//   g' = g min(1, clip / |g|)
//   m = β1 m + (1 - β1) g',   v = β2 v + (1 - β2) g'^2
//   x = x - η (m / (1 - β1^n) / (√(v / (1 - β2^n)) + ε) + weight_decay x)
// The hyper-parameters are an aggregate; the state is two flat buffers of the parameters' layout and the count of steps. The
// norm is summed chunk by chunk in one order: the result is the same for any number of threads.
#pragma once

#include <dimix/backend/cpu.hpp>
#include <dimix/nn/eigen.hpp>
#include <dimix/nn/parameters.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

namespace dimix::nn {

/// Elements that one thread takes at a time from a flat buffer; part of the order of sums.
inline constexpr index_t flat_chunk = index_t{1} << 14;

/// f(first, count) for the chunks of n elements, shared over threads.
template <class F>
void for_each_chunk(const cpu& backend, index_t n, F&& f) {
  backend.for_each((n + flat_chunk - 1) / flat_chunk,
                   [&](int, index_t chunk) { f(chunk * flat_chunk, smaller(flat_chunk, n - chunk * flat_chunk)); });
}

struct adamw_options {
  double beta1 = 0.9, beta2 = 0.99;  // in [0, 1)
  double epsilon = 1e-8;
  double weight_decay = 0;  // 0: Adam
  double clip = 0;          // largest global norm; 0: none
};

template <class Real>
class adamw {
 public:
  explicit adamw(const parameters<Real>& store, adamw_options how = {}, cpu backend = cpu(1))
      : how_(how), backend_(backend), layout_(store.blocks()) {
    expects(how.beta1 >= 0 && how.beta1 < 1 && how.beta2 >= 0 && how.beta2 < 1, "adamw: beta1 = ", how.beta1,
            " or beta2 = ", how.beta2, " lies outside [0, 1)");
    expects(how.epsilon > 0 && how.weight_decay >= 0 && how.clip >= 0, "adamw: epsilon = ", how.epsilon,
            ", weight_decay = ", how.weight_decay, ", clip = ", how.clip, "; the first is above 0 and the others not below");
    first_.resize(static_cast<std::size_t>(store.size()));
    second_.resize(static_cast<std::size_t>(store.size()));
    squares_.resize(static_cast<std::size_t>((store.size() + flat_chunk - 1) / flat_chunk));
  }

  const adamw_options& options() const { return how_; }
  std::uint64_t steps() const { return steps_; }
  void set_steps(std::uint64_t steps) { steps_ = steps; }

  /// One step with learning rate η; sets the gradients to zero. Returns their norm before clipping.
  /// Errors: numeric_error when the norm is not finite; then parameters, gradients and state are as before.
  double step(parameters<Real>& store, double learning_rate) {
    expects(store.blocks() == layout_, "adamw: these are not the parameters that it was made for");
    const double length = norm(store);
    expects<numeric_error>(std::isfinite(length), "adamw: the gradient's norm in step ", steps_ + 1, " is ", length);
    const double n = static_cast<double>(++steps_);
    const Real scale = static_cast<Real>(how_.clip > 0 && length > how_.clip ? how_.clip / length : 1.0);
    const Real b1 = static_cast<Real>(how_.beta1), b2 = static_cast<Real>(how_.beta2),
               epsilon = static_cast<Real>(how_.epsilon);
    const Real root = static_cast<Real>(1 / std::sqrt(1 - std::pow(how_.beta2, n)));
    const Real rate = static_cast<Real>(learning_rate / (1 - std::pow(how_.beta1, n)));
    const Real keep = static_cast<Real>(1 - learning_rate * how_.weight_decay);
    for_each_chunk(backend_, store.size(), [&](index_t first, index_t count) {
      auto x = array_of(store.values().data() + first, count), g = array_of(store.gradients().data() + first, count);
      auto m = array_of(first_.data() + first, count), v = array_of(second_.data() + first, count);
      m = b1 * m + ((1 - b1) * scale) * g;
      v = b2 * v + (1 - b2) * (scale * g).square();
      x = keep * x - rate * m / (v.sqrt() * root + epsilon);
      g.setZero();
    });
    return length;
  }

  /// f(name, shape, view<Real, 1>): the moments, as first_moment/<block> and second_moment/<block>. steps() is apart.
  template <class F>
  void for_each_block(F&& f) {
    layout_.for_each(first_.data(), "first_moment/", f);
    layout_.for_each(second_.data(), "second_moment/", f);
  }
  template <class F>
  void for_each_block(F&& f) const {
    layout_.for_each(first_.data(), "first_moment/", f);
    layout_.for_each(second_.data(), "second_moment/", f);
  }

 private:
  /// Strips of 256 squares are summed in Real, which Eigen vectorises, and the strips in double.
  double norm(const parameters<Real>& store) {
    constexpr index_t strip = 256;
    for_each_chunk(backend_, store.size(), [&](index_t first, index_t count) {
      double sum = 0;
      for (index_t i = 0; i < count; i += strip) {
        const auto g = array_of(store.gradients().data() + first + i, smaller(strip, count - i));
        sum += static_cast<double>(g.square().sum());
      }
      squares_[static_cast<std::size_t>(first / flat_chunk)] = sum;
    });
    double sum = 0;
    for (double square : squares_) sum += square;
    return std::sqrt(sum);
  }

  adamw_options how_;
  cpu backend_;
  layout layout_;
  buffer<Real> first_, second_;
  std::vector<double> squares_;  // (chunks)
  std::uint64_t steps_ = 0;
};

}  // namespace dimix::nn
