// The exponential moving average of parameters: e_n = decay e_(n-1) + (1 - decay) x_n, e_0 the parameters at construction, so
// that e_n = decay^n e_0 + (1 - decay) sum_i decay^(n-i) x_i.
#pragma once

#include <dimix/nn/adamw.hpp>

#include <algorithm>

namespace dimix::nn {

template <class Real>
class ema {
 public:
  /// decay in [0, 1)
  ema(const parameters<Real>& store, double decay, cpu backend = cpu(1))
      : decay_(decay), backend_(backend), layout_(store.blocks()), values_(store.values().begin(), store.values().end()) {
    expects(decay >= 0 && decay < 1, "ema: decay = ", decay, " lies outside [0, 1)");
  }

  double decay() const { return decay_; }

  void update(const parameters<Real>& store) {
    expects(store.blocks() == layout_, "ema: these are not the parameters that it was made for");
    const Real share = static_cast<Real>(1 - decay_);
    for_each_chunk(backend_, store.size(), [&](index_t first, index_t count) {
      auto e = array_of(values_.data() + first, count);
      e += share * (array_of(store.values().data() + first, count) - e);
    });
  }

  /// Puts the average in the place of the values of a store of the same layout: usually that of a second network.
  void copy_to(parameters<Real>& store) const {
    expects(store.blocks() == layout_, "ema: these are not the parameters that it was made for");
    for_each_chunk(backend_, store.size(), [&](index_t first, index_t count) {
      std::copy_n(values_.data() + first, count, store.values().data() + first);
    });
  }

  view<const Real, 1> values() const { return {values_.data(), layout_.size()}; }

  /// f(name, shape, view<Real, 1>): the average, as average/<block>.
  template <class F>
  void for_each_block(F&& f) {
    layout_.for_each(values_.data(), "average/", f);
  }
  template <class F>
  void for_each_block(F&& f) const {
    layout_.for_each(values_.data(), "average/", f);
  }

 private:
  double decay_;
  cpu backend_;
  layout layout_;
  buffer<Real> values_;
};

}  // namespace dimix::nn
