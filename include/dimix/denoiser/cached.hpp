// cached: a network without time that is asked only about rows which have changed since the last call. Where noise only hides, most steps of a
// long path change few sequences, and the others keep their answer. Exact, because equal rows of a request get equal answers
// (denoiser.hpp). For networks that look at x_t, λ, the class and the item alone: t is 0 for them, and the step must not matter.
// Source: MDLM (Sahoo et al. 2024), its ddpm_cache, which needs the whole batch to be unchanged.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/math.hpp>
#include <dimix/denoiser/wrapper.hpp>

#include <algorithm>
#include <vector>

namespace dimix {

/// Real: what it is asked in. It remembers the last call: B M D outputs numbers.
template <class Real, class Net>
class cached : public wrapper<const Net> {
 public:
  explicit cached(const Net& net) : wrapper<const Net>(net) {}

  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    const index_t B = asked.batch(), D = asked.dims(), row = raw.size() / larger(B, index_t{1});
    const index_t z = asked.latents.size() / larger(B, index_t{1});  // numbers of λ of a row
    std::vector<index_t> changed;                                    // rows to ask about
    const bool same_shape_as_last = raw_.size() == raw.size() && tokens_.extent(0) == B && tokens_.extent(1) == D &&
                                    latents_.size() == asked.latents.size();
    for (index_t b = 0; b < B; ++b) {
      const auto same = [&](const auto* now, const auto& then, index_t n) {
        return std::equal(now, now + n, then.data() + b * n);
      };
      if (!same_shape_as_last || !same(asked.tokens.data() + b * D, tokens_, D) ||
          !same(asked.latents.data() + b * z, latents_, z) || class_of(asked, b) != classes_(b) ||
          item_of(asked, b) != items_(b))
        changed.push_back(b);
    }
    if (!changed.empty()) ask(asked, changed, raw.extent(1), D, z, row);
    std::copy(raw_.begin(), raw_.end(), raw.begin());
  }

 private:
  static token class_of(const request<Real>& asked, index_t b) { return asked.classes.empty() ? token{-1} : asked.classes(b); }
  static std::uint64_t item_of(const request<Real>& asked, index_t b) { return asked.items.empty() ? 0 : asked.items(b); }

  /// The answers of the changed rows, side by side, into their places; the last call is forgotten only when the network has answered.
  void ask(const request<Real>& asked, const std::vector<index_t>& changed, index_t M, index_t D, index_t z,
           index_t row) const {
    const index_t B = asked.batch(), n = static_cast<index_t>(changed.size()), L = asked.latents.extent(2);
    array<token, 2> tokens(n, D);                  // (n, D)
    array<Real, 3> latents(n, M, L);               // (n, M, L)
    array<token, 1> classes(n);                    // (n)
    array<std::uint64_t, 1> items(n);              // (n)
    const array<Real, 1> times(n);                 // (n)
    array<Real, 4> raw(n, M, D, this->outputs());  // (n, M, D, outputs)
    for (index_t i = 0; i < n; ++i) {
      const index_t b = changed[static_cast<std::size_t>(i)];
      std::copy_n(asked.tokens.data() + b * D, D, tokens.data() + i * D);
      std::copy_n(asked.latents.data() + b * z, z, latents.data() + i * z);
      classes(i) = class_of(asked, b);
      items(i) = item_of(asked, b);
    }
    request<Real> part{tokens, times, latents, {}, asked.step};
    if (!asked.classes.empty()) part.classes = classes;
    if (!asked.items.empty()) part.items = items;
    this->net_(part, raw.whole());
    tokens_.resize(B, D), latents_.resize(B, M, L), classes_.resize(B), items_.resize(B);
    raw_.resize(B, M, D, this->outputs());  // (B, M, D, outputs)
    for (index_t i = 0; i < n; ++i) {
      const index_t b = changed[static_cast<std::size_t>(i)];
      std::copy_n(tokens.data() + i * D, D, tokens_.data() + b * D);
      std::copy_n(latents.data() + i * z, z, latents_.data() + b * z);
      std::copy_n(raw.data() + i * row, row, raw_.data() + b * row);
      classes_(b) = classes(i);
      items_(b) = items(i);
    }
  }

  mutable array<token, 2> tokens_;         // (B, D)  of the last call, as all below
  mutable array<Real, 3> latents_;         // (B, M, L)
  mutable array<token, 1> classes_;        // (B)
  mutable array<std::uint64_t, 1> items_;  // (B)
  mutable array<Real, 4> raw_;             // (B, M, D, outputs)
};

}  // namespace dimix
