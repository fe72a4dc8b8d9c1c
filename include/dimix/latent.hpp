// The law of λ. A mixture denoiser is E_λ of products; λ is drawn here, outside the network, and handed in.
//
// concept latent_law<L>:
//   l.dims()              number of coordinates of λ, >= 1
//   l.quantile(axis, u)   the coordinate for u in (0, 1): increasing in u, so that any u that covers (0, 1) evenly covers the law
// optional:
//   l.components()        the number of values of a finite law
// Because a law is a map of uniform numbers, how M draws share the work is a choice apart (latent_draws):
//   iid         M independent draws
//   stratified  λ_m from u = (m + U) / M on the first axis, a shuffled copy of the strata on the others (Latin hypercube): averages
//               over m have the mean of iid draws and vary less. A finite law with M = components() is enumerated exactly. On
//               the first axis λ_m is the m-th stratum: only all of them together follow the law.
#pragma once

#include <dimix/core/check.hpp>
#include <dimix/core/math.hpp>
#include <dimix/core/rng.hpp>

#include <algorithm>
#include <concepts>
#include <numeric>
#include <vector>

namespace dimix {

template <class L>
concept latent_law = std::copyable<L> && requires(const L law, index_t axis, double u) {
  { law.dims() } -> std::convertible_to<index_t>;
  { law.quantile(axis, u) } -> std::same_as<double>;
};

enum class latent_draws { iid, stratified };

/// Whether λ is drawn anew for every network call or once for the whole path. Per step the path is the composition that the theory
/// (paper, Theorem 2) speaks of; per path its law is the average over λ of the chains with λ fixed.
enum class latent_scope { per_step, per_path };

/// λ_m for each item: out (B, M, L). The numbers of an item depend on its id, step and M alone. O(B M L log M).
template <latent_law Law, class Real>
void draw_latents(const Law& law, latent_draws how, rng random, view<const std::uint64_t, 1> items, index_t step,
                  view<Real, 3> out) {
  const index_t B = out.extent(0), M = out.extent(1), L = out.extent(2);
  expects(M >= 1, "draw_latents: M = 0 components; at least one is needed");
  expects(items.extent(0) == B, "draw_latents: out has ", B, " items, but items ", items.extent(0));
  expects(L == law.dims(), "draw_latents: out has ", L, " coordinates, but the law has ", law.dims());
  expects_draws("draw_latents", step, M - 1, L);
  std::vector<index_t> stratum(static_cast<std::size_t>(M));
  std::vector<std::uint64_t> key(static_cast<std::size_t>(M));
  for (index_t b = 0; b < B; ++b)
    for (index_t axis = 0; axis < L; ++axis) {
      const auto bits = [&](index_t m) { return random(purpose::latent, items(b), step, m, axis); };
      std::iota(stratum.begin(), stratum.end(), index_t{0});
      if (how == latent_draws::stratified && axis > 0) {
        for (index_t m = 0; m < M; ++m) key[static_cast<std::size_t>(m)] = bits(m).second();
        std::sort(stratum.begin(), stratum.end(), [&](index_t a, index_t b2) {
          return std::pair(key[static_cast<std::size_t>(a)], a) < std::pair(key[static_cast<std::size_t>(b2)], b2);
        });
      }
      for (index_t m = 0; m < M; ++m) {
        // the largest float below 1: no rounding leaves the stratum, and none makes λ = 1 of a uniform law
        const double u = smaller(unit(bits(m).first()), 1 - 0x1p-24);
        const double even = (static_cast<double>(stratum[static_cast<std::size_t>(m)]) + u) / static_cast<double>(M);
        out(b, m, axis) = static_cast<Real>(law.quantile(axis, how == latent_draws::iid ? u : even));
      }
    }
}

}  // namespace dimix

#include <dimix/latent/categorical.hpp>
#include <dimix/latent/gaussian.hpp>
#include <dimix/latent/uniform.hpp>
