// Small networks, requests and central differences, shared by the tests of the networks.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/nn/mlp_denoiser.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "sanitized.hpp"

namespace test_nn {

using dimix::index_t;

struct categories {
  index_t count = 4;
  index_t dims() const { return 1; }
  index_t components() const { return count; }
};
struct cube {
  index_t axes = 2;
  index_t dims() const { return axes; }
};

/// A uniform number of (-1, 1), a function of its place.
inline double noise(std::uint64_t seed, index_t i) {
  return 2 * dimix::unit(dimix::rng{seed}(dimix::purpose::user, 0, 0, 0, i).first()) - 1;
}

/// B items with M components each; λ is the component's index for L = 1, and numbers of (0, 1) for more.
template <class Real>
struct batch {
  dimix::array<dimix::token, 2> tokens;
  dimix::array<Real, 1> times;
  dimix::array<Real, 3> latents;

  batch(index_t B, index_t M, index_t D, index_t S, index_t L, std::uint64_t seed = 1)
      : tokens(B, D), times(B), latents(B, M, L) {
    for (index_t i = 0; i < tokens.size(); ++i)
      tokens.data()[i] = static_cast<dimix::token>((noise(seed, i) + 1) / 2 * static_cast<double>(S));
    for (index_t b = 0; b < B; ++b) times(b) = static_cast<Real>((noise(seed + 1, b) + 1) / 2);
    for (index_t i = 0; i < latents.size(); ++i)
      latents.data()[i] = L == 1 ? static_cast<Real>(i % M) : static_cast<Real>((noise(seed + 2, i) + 1) / 2);
  }

  dimix::request<Real> asked() const {
    return {.tokens = tokens.whole(), .times = times.whole(), .latents = latents.whole(), .items = {}};
  }
};

template <class T>
bool same_bits(const dimix::array<T, 4>& a, const dimix::array<T, 4>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(T)) == 0;
}
template <class T>
bool same_bits(dimix::view<T, 1> a, dimix::view<T, 1> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), static_cast<std::size_t>(a.size()) * sizeof(T)) == 0;
}

/// d loss / d x by central differences against a gradient; x is put back. Some or all elements of x, by `stride`; an eighth of them under a
/// sanitizer.
template <class Loss>
void check_gradient(const std::string& name, dimix::view<double, 1> x, dimix::view<const double, 1> gradient, const Loss& loss,
                    index_t stride = 1) {
  constexpr double h = 1e-5;
  REQUIRE(x.size() == gradient.size());
  double largest = 0, worst = 0;
  for (index_t i = 0; i < x.size(); i += sanitized ? 8 * stride : stride) {
    const double kept = x(i);
    x(i) = kept + h;
    const double up = loss();
    x(i) = kept - h;
    const double down = loss();
    x(i) = kept;
    worst = std::max(worst, std::abs((up - down) / (2 * h) - gradient(i)));
    largest = std::max(largest, std::abs(gradient(i)));
  }
  INFO(name, ": largest difference ", worst, ", largest gradient ", largest);
  CHECK(worst <= 1e-7 * (1 + largest));
}

}  // namespace test_nn
