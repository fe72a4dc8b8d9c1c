// time_independent: a network that is always asked at t = 0. Where noise only hides, the exact p(x_0 | x_t) does not depend on t: the number
// of masks says it. Source: RADD (Ou et al. 2024); MDLM with time conditioning off.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/denoiser/wrapper.hpp>

namespace dimix {

template <class Net>
class time_independent : public wrapper<Net> {
 public:
  using wrapper<Net>::wrapper;

  template <class Real>
  void operator()(request<Real> asked, view<Real, 4> raw) const {
    const array<Real, 1> zeros(asked.batch());  // (B)
    asked.times = zeros;
    std::as_const(this->net_)(asked, raw);
  }

  template <class Real>
  void forward(request<Real> asked, view<Real, 4> raw) requires trainable_denoiser<Net, Real> {
    const array<Real, 1> zeros(asked.batch());  // (B)
    asked.times = zeros;
    this->net_.forward(asked, raw);
  }
  template <class Real>
  void backward(view<const Real, 4> gradient) requires trainable_denoiser<Net, Real> {
    this->net_.backward(gradient);
  }
};

template <class Net>
time_independent(Net&) -> time_independent<Net>;

}  // namespace dimix
