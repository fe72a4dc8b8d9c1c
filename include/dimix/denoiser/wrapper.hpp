// What every denoiser around another one says of itself: outputs, law of λ, head and weights are those of the network inside.
#pragma once

#include <dimix/denoiser.hpp>

#include <utility>

namespace dimix {

/// Net may be const: then there is nothing to train. The network must outlive the wrapper.
template <class Net>
class wrapper {
 public:
  explicit wrapper(Net& net) : net_(net) {}

  index_t outputs() const { return net_.outputs(); }
  decltype(auto) latent() const requires requires(const Net n) { n.latent(); }
  { return std::as_const(net_).latent(); }
  decltype(auto) head() const requires requires(const Net n) { n.head(); }
  { return std::as_const(net_).head(); }
  decltype(auto) log_weights() const requires requires(const Net n) { n.log_weights(); }
  { return std::as_const(net_).log_weights(); }
  template <class Real>
  void backward_log_weights(view<const Real, 1> gradient) requires weighted_denoiser<Net, Real> {
    net_.backward_log_weights(gradient);
  }

 protected:
  Net& net_;
};

/// The request without λ: what a factorized network is asked, whatever the others are.
template <class Real>
request<Real> without_latents(request<Real> asked, index_t M) {
  asked.latents = {asked.latents.data(), asked.batch(), M, index_t{0}};
  return asked;
}

}  // namespace dimix
