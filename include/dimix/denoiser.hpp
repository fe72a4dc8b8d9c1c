// A denoiser looks at x_t and fills raw outputs: what the head (head.hpp) turns into rows p^d(x_0^d | x_t; λ). The network is the
// user's; the library only ever hands it one request and a place for the answer.
//
// concept factorized_denoiser<Net, Real>:
//   net.outputs()             numbers per position that its head reads: S for most, 2 for truncated_logistic
//   net(request, raw)         fills raw (B, M, D, outputs); const, callable from one thread at a time; B and M as in the request
// concept mixture_denoiser: the same, and
//   net.latent()              the law of λ (latent.hpp); request.latents is (B, M, L) with L = net.latent().dims()
// concept trainable_denoiser: the same, and
//   net.forward(request, raw) the call above, remembering what backward needs
//   net.backward(gradient)    takes d loss / d raw (B, M, D, outputs) of the last forward and adds to the parameters' gradients
// concept weighted_denoiser: a mixture_denoiser of a finite law whose weights it learns
//   net.log_weights()                  log π (M) up to a constant, what net.latent() draws from
//   net.backward_log_weights(gradient) takes d loss / d log π (M) and adds to the parameters' gradients
// A factorized denoiser is asked with M = 1 and L = 0. λ is always an argument and never drawn inside a network. For equal rows of
// a request the answer must be equal bit by bit whatever the batch around them: then sampling does not depend on the batch size.
#pragma once

#include <dimix/core/rng.hpp>
#include <dimix/core/view.hpp>

#include <concepts>
#include <cstdint>

namespace dimix {

/// The state of one position, in [0, S). In evidence -1 means "unknown", in classes "none".
using token = std::int32_t;

/// What is asked of a denoiser. An aggregate: a member added later breaks nobody.
template <class Real, class Space = host_space>
struct request {
  view<const token, 2, Space> tokens;         // (B, D)  x_t
  view<const Real, 1, Space> times;           // (B)     t in [0, 1]
  view<const Real, 3, Space> latents;         // (B, M, L)  λ; L = 0 for a factorized denoiser
  view<const std::uint64_t, 1, Space> items;  // (B)     ids of the items, for caches and conditions; may be empty
  index_t step = 0;                           // which network call of the path, 0 first
  view<const token, 1, Space> classes = {};   // (B)     the class that is wanted, -1: none; empty: none for all

  DIMIX_HD index_t batch() const { return tokens.extent(0); }
  DIMIX_HD index_t dims() const { return tokens.extent(1); }
  DIMIX_HD index_t components() const { return latents.extent(1); }
};

template <class Net, class Real>
concept factorized_denoiser = requires(const Net net, const request<Real>& asked, view<Real, 4> raw) {
  { net.outputs() } -> std::convertible_to<index_t>;
  net(asked, raw);
};

template <class Net, class Real>
concept mixture_denoiser = factorized_denoiser<Net, Real> && requires(const Net net) {
  { net.latent().dims() } -> std::convertible_to<index_t>;
};

template <class Net, class Real>
concept trainable_denoiser = factorized_denoiser<Net, Real> &&
    requires(Net net, const request<Real>& asked, view<Real, 4> raw) {
  net.forward(asked, raw);
  net.backward(view<const Real, 4>(raw));
};

template <class Net, class Real>
concept weighted_denoiser = mixture_denoiser<Net, Real> && requires(Net net, const Net same) {
  { same.latent().components() } -> std::convertible_to<index_t>;
  { same.log_weights() } -> std::same_as<view<const Real, 1>>;
  net.backward_log_weights(view<const Real, 1>());
};

}  // namespace dimix
