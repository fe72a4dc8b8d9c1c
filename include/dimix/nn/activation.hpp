// Elementwise functions with their derivatives. silu(x) = x σ(x), σ the logistic function (Elfwing, Uchibe, Doya 2018,
// arXiv:1702.03118); silu'(x) = σ + x σ (1 - σ). Vectorised by Eigen; y may be x itself.
#pragma once

#include <dimix/nn/eigen.hpp>

#include <type_traits>

namespace dimix::nn {

/// y = silu(x); any shape, both the same size.
template <class Real>
void silu(view<const std::type_identity_t<Real>, 1> x, view<Real, 1> y) {
  const auto in = array_of(x);
  array_of(y) = in * in.logistic();
}

/// gx = gy silu'(x); gx may be x or gy itself.
template <class Real>
void silu_backward(view<const std::type_identity_t<Real>, 1> x, view<const std::type_identity_t<Real>, 1> gy,
                   view<Real, 1> gx) {
  constexpr index_t strip = 1024;  // σ is kept in the nearest cache and computed once
  Eigen::Array<Real, strip, 1> sigma;
  for (index_t first = 0; first < x.size(); first += strip) {
    const index_t count = x.size() - first < strip ? x.size() - first : strip;
    const auto in = array_of(x.data() + first, count);
    auto s = sigma.head(count);
    s = in.logistic();
    array_of(gx.data() + first, count) = array_of(gy.data() + first, count) * s * (Real(1) + in * (Real(1) - s));
  }
}

}  // namespace dimix::nn
