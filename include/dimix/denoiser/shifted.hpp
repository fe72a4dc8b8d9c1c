// shifted: a network whose output at a position speaks of the next one, as a language model's does:
//   raw[d] = inner[d - 1] for d >= 1,   raw[0] = inner[0];   what inner says at the last position is nobody's
// Source: Dream (Ye et al. 2025), whose weights come from an autoregressive model. The gradient goes back the way the outputs came.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/math.hpp>
#include <dimix/denoiser/wrapper.hpp>

#include <algorithm>

namespace dimix {

template <class Net>
class shifted : public wrapper<Net> {
 public:
  using wrapper<Net>::wrapper;

  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    std::as_const(this->net_)(asked, raw);
    shift(raw);
  }

  template <class Real>
  void forward(const request<Real>& asked, view<Real, 4> raw) requires trainable_denoiser<Net, Real> {
    this->net_.forward(asked, raw);
    shift(raw);
  }
  template <class Real>
  void backward(view<const Real, 4> gradient) requires trainable_denoiser<Net, Real> {
    const index_t M = gradient.extent(1), D = gradient.extent(2), n = gradient.extent(3);
    array<Real, 4> inner(gradient.extent(0), M, D, n);  // (B, M, D, outputs)
    for (index_t b = 0; b < gradient.extent(0); ++b)
      for (index_t m = 0; m < M; ++m)
        for (index_t d = 0; d < D; ++d)
          for (index_t i = 0; i < n; ++i) inner(b, m, larger(d - 1, index_t{0}), i) += gradient(b, m, d, i);
    this->net_.backward(view<const Real, 4>(inner));
  }

 private:
  template <class Real>
  static void shift(view<Real, 4> raw) {
    const index_t n = raw.extent(3), row = raw.extent(2) * n;
    for (index_t i = 0; i < raw.extent(0) * raw.extent(1); ++i) {
      Real* first = raw.data() + i * row;
      std::copy_backward(first, first + row - n, first + row);  // position 0 keeps its own
    }
  }
};

template <class Net>
shifted(Net&) -> shifted<Net>;

}  // namespace dimix
