// y = x W + b over the rows of a batch: x (rows, inputs), W (inputs, outputs), b (outputs), y (rows, outputs).
//
// Nothing here starts a thread or allocates (Eigen's own packing memory apart): the caller shares tiles of rows over threads,
// and for the gradient of W ranges of inputs. Each such range is one sum over all rows in one order, so the gradient is the
// same for any number of threads.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/math.hpp>
#include <dimix/nn/eigen.hpp>
#include <dimix/nn/parameters.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace dimix::nn {

struct linear_options {
  bool bias = true;
  bool zero = false;  // start from W = 0, b = 0 instead of the uniform law
};

template <class Real>
class linear {
 public:
  using rows = view<Real, 2>;
  using const_rows = view<const Real, 2>;

  linear() = default;

  /// Registers `name`.weight and `name`.bias and draws both from U(-1/√inputs, 1/√inputs), the default of common frameworks.
  linear(parameters<Real>& store, const std::string& name, index_t inputs, index_t outputs, rng source, linear_options how = {})
      : inputs_(inputs), outputs_(outputs), weight_(store.add(name + ".weight", {inputs, outputs})) {
    if (how.bias) bias_ = store.add(name + ".bias", {outputs});
    if (how.zero) return;
    const Real bound = Real(1) / std::sqrt(static_cast<Real>(inputs));
    store.draw_uniform(weight_, bound, source);
    if (how.bias) store.draw_uniform(bias_, bound, source);
  }

  index_t inputs() const { return inputs_; }
  index_t outputs() const { return outputs_; }
  bool has_bias() const { return bias_ >= 0; }
  index_t weight() const { return weight_; }  // numbers of the blocks
  index_t bias() const { return bias_; }

  /// y = x W + b
  void forward(const parameters<Real>& store, const_rows x, rows y) const {
    if (has_bias())
      columns(y).colwise() = store_vector(store.values(bias_));
    else
      columns(y).setZero();
    accumulate(store, x, y);
  }

  /// y += x W, for a sum that was begun elsewhere: a residual stream, or a bias that depends on the row.
  void accumulate(const parameters<Real>& store, const_rows x, rows y) const {
    check("linear", x, y);
    columns(y).noalias() += columns(weights(store.values(weight_))) * columns(x);
  }

  /// gx = gy W^T
  void backward_inputs(const parameters<Real>& store, const_rows gy, rows gx) const {
    check("linear: backward", gx, gy);
    columns(gx).noalias() = columns(weights(store.values(weight_))).transpose() * columns(gy);
  }

  /// gx += gy W^T
  void accumulate_inputs(const parameters<Real>& store, const_rows gy, rows gx) const {
    check("linear: backward", gx, gy);
    columns(gx).noalias() += columns(weights(store.values(weight_))).transpose() * columns(gy);
  }

  /// dW += x^T gy and db += sum of the rows of gy, in the calling thread.
  void backward_weights(parameters<Real>& store, const_rows x, const_rows gy) const {
    for (index_t part = 0; part < parts(); ++part) backward_weights(store, x, gy, part);
    backward_bias(store, gy);
  }

  /// The gradient of W in `parts()` ranges of inputs that may run at once.
  index_t parts() const { return (inputs_ + part_inputs - 1) / part_inputs; }
  void backward_weights(parameters<Real>& store, const_rows x, const_rows gy, index_t part) const {
    check("linear: backward", x, gy);
    const index_t first = part * part_inputs, count = smaller(part_inputs, inputs_ - first);
    const rows gradient(store.gradients(weight_).data() + first * outputs_, count, outputs_);
    columns(gradient).noalias() += columns(gy) * columns(x).middleRows(first, count).transpose();
  }
  void backward_bias(parameters<Real>& store, const_rows gy) const {
    if (!has_bias()) return;
    auto gradient = array_of(store.gradients(bias_));
    for (index_t r = 0; r < gy.extent(0); ++r) gradient += array_of(gy.row(r));
  }

 private:
  static constexpr index_t part_inputs = 128;

  template <class T>
  view<T, 2> weights(view<T, 1> flat) const {
    return {flat.data(), inputs_, outputs_};
  }
  static auto store_vector(view<const Real, 1> v) { return columns(view<const Real, 2>(v.data(), 1, v.size())).col(0); }

  template <class X, class Y>
  void check(const char* who, const view<X, 2>& x, const view<Y, 2>& y) const {
    expects(x.extent(1) == inputs_ && y.extent(1) == outputs_ && x.extent(0) == y.extent(0), who, ": rows of ", x.extent(0),
            " x ", x.extent(1), " and ", y.extent(0), " x ", y.extent(1), " do not fit a layer of ", inputs_, " -> ", outputs_);
  }

  index_t inputs_ = 0, outputs_ = 0, weight_ = -1, bias_ = -1;
};

/// The gradients of many layers' weights as one list of jobs, so that one loop shares them over the threads. A layer may be
/// added once only: two jobs of one block would race.
template <class Real>
class weight_jobs {
 public:
  void clear() { jobs_.clear(); }

  void add(const linear<Real>& layer, view<const Real, 2> x, view<const Real, 2> gy) { add(layer, x, gy, gy); }

  /// The bias takes its gradient from other rows than the weight.
  void add(const linear<Real>& layer, view<const Real, 2> x, view<const Real, 2> gy, view<const Real, 2> bias_gy) {
    for (index_t part = 0; part < layer.parts(); ++part) jobs_.push_back({&layer, x, gy, part});
    if (layer.has_bias()) jobs_.push_back({&layer, {}, bias_gy, -1});
  }

  index_t size() const { return static_cast<index_t>(jobs_.size()); }

  void run(parameters<Real>& store, index_t number) const {
    const job& j = jobs_[static_cast<std::size_t>(number)];
    if (j.part < 0)
      j.layer->backward_bias(store, j.gy);
    else
      j.layer->backward_weights(store, j.x, j.gy, j.part);
  }

 private:
  struct job {
    const linear<Real>* layer;
    view<const Real, 2> x, gy;
    index_t part;  // -1: the bias
  };
  std::vector<job> jobs_;
};

}  // namespace dimix::nn
