// The law of λ. A mixture denoiser is E_λ of products; λ is drawn here, outside the network, and handed in.
//
// concept latent_law<L>:
//   l.dims()              number of coordinates of λ, >= 1
//   l.quantile(axis, u)   the coordinate for u in (0, 1): increasing in u, so that any u that covers (0, 1) evenly covers the law
// optional:
//   l.components()        the number of values of a finite law; then λ is the number of the component
//   l.log_weight(m)       log-probability of component m up to a constant, a double; equally likely where it is missing
// Because a law is a map of uniform numbers, how M draws share the work is a choice apart (latent_draws):
//   iid         M independent draws
//   stratified  λ_m from u = (m + U) / M on the first axis, a shuffled copy of the strata on the others (Latin hypercube): averages
//               over m have the mean of iid draws and vary less. A finite law with M = components() is enumerated exactly. On
//               the first axis λ_m is the m-th stratum: only all of them together follow the law.
//   sobol       Sobol points (latent/sobol.hpp) under a random digital shift of the item: every λ_m follows the law, and averages
//               over m vary less on many axes at once; best for M a power of two
//   enumerated  λ_m = m, all M = components() values of a finite law. Averages over m are then sums with weights π_m, and no draw
#pragma once

#include <dimix/core/check.hpp>
#include <dimix/core/math.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/latent/sobol.hpp>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <numeric>
#include <vector>

namespace dimix {

template <class L>
concept latent_law = std::copyable<L> && requires(const L law, index_t axis, double u) {
  { law.dims() } -> std::convertible_to<index_t>;
  { law.quantile(axis, u) } -> std::same_as<double>;
};

/// A finite law whose components need not be equally likely.
template <class L>
concept weighted_law = latent_law<L> && requires(const L law, index_t m) {
  { law.components() } -> std::convertible_to<index_t>;
  { law.log_weight(m) } -> std::same_as<double>;
};

enum class latent_draws { iid, stratified, sobol, enumerated };

/// Whether λ is drawn anew for every network call or once for the whole path. Per step the path is the composition that the theory
/// (paper, Theorem 2) speaks of; per path its law is the average over λ of the chains with λ fixed.
enum class latent_scope { per_step, per_path };

/// Throws unless the log-weights of a law have a finite sum.
template <weighted_law Law>
void expects_weights(const Law& law) {
  exp_sum<double> total;
  for (index_t m = 0; m < law.components(); ++m) {
    const double w = law.log_weight(m);
    expects<numeric_error>(w < infinity<double>(), "the law of λ: the log-weight of component ", m, " is ", w);
    total = merge(total, exp_sum<double>::of(w));
  }
  expects<numeric_error>(total.sum > 0, "the law of λ: all ", law.components(), " log-weights are -infinity");
}

/// λ_m = m: out (B, M, 1) with M = components().
template <latent_law Law, class Real>
void enumerate_latents(const Law& law, view<Real, 3> out) {
  if constexpr (requires { law.components(); }) {
    expects(out.extent(1) == law.components(), "draw_latents: enumerated, M = ", out.extent(1), " must be the ",
            law.components(), " components of the law");
    for (index_t b = 0; b < out.extent(0); ++b)
      for (index_t m = 0; m < out.extent(1); ++m) out(b, m, 0) = static_cast<Real>(m);
  } else {
    fail("draw_latents: only a law with components() can be enumerated; see dimix/latent.hpp");
  }
}

/// u of [low, high), moved by an ulp of float where float would round it out of there: a uniform λ in float lies in its stratum too.
inline double kept_inside(double u, double low, double high) {
  const auto rounded = static_cast<float>(u);
  if (static_cast<double>(rounded) >= high) return static_cast<double>(std::nextafter(rounded, 0.0f));
  if (static_cast<double>(rounded) < low) return static_cast<double>(std::nextafter(rounded, 1.0f));
  return u;
}

/// λ_m for each item: out (B, M, L). The numbers of an item depend on its id, step and M alone. O(B M L log M).
template <latent_law Law, class Real>
void draw_latents(const Law& law, latent_draws how, rng random, view<const std::uint64_t, 1> items, index_t step,
                  view<Real, 3> out) {
  const index_t B = out.extent(0), M = out.extent(1), L = out.extent(2);
  expects(M >= 1, "draw_latents: M = 0 components; at least one is needed");
  expects(items.extent(0) == B, "draw_latents: out has ", B, " items, but items ", items.extent(0));
  expects(L == law.dims(), "draw_latents: out has ", L, " coordinates, but the law has ", law.dims());
  expects_draws("draw_latents", step, M - 1, L);
  if constexpr (weighted_law<Law>) expects_weights(law);
  if (how == latent_draws::enumerated) return enumerate_latents(law, out);
  expects(how != latent_draws::sobol || L <= sobol_axis::count, "draw_latents: there are Sobol points for ", sobol_axis::count,
          " coordinates, but the law has ", L);
  // The strata of axis 0 are in order; those of the others are shuffled.
  const auto shuffled = static_cast<std::size_t>(how == latent_draws::stratified && L > 1 ? M : index_t{0});
  std::vector<index_t> stratum(shuffled);
  std::vector<std::uint64_t> key(shuffled);
  // the largest float below 1: no rounding makes λ = 1 of a uniform law
  const auto unit_below = [](std::uint64_t bits) { return smaller(unit(bits), 1 - 0x1p-24); };
  for (index_t axis = 0; axis < L; ++axis) {
    const sobol_axis even = how == latent_draws::sobol ? sobol_axis::make(axis) : sobol_axis{};
    for (index_t b = 0; b < B; ++b) {
      const auto bits = [&](index_t m) { return random(purpose::latent, items(b), step, m, axis); };
      if (how == latent_draws::stratified && axis > 0) {
        std::iota(stratum.begin(), stratum.end(), index_t{0});
        for (index_t m = 0; m < M; ++m) key[static_cast<std::size_t>(m)] = bits(m).second();
        std::sort(stratum.begin(), stratum.end(), [&](index_t a, index_t b2) {
          return std::pair(key[static_cast<std::size_t>(a)], a) < std::pair(key[static_cast<std::size_t>(b2)], b2);
        });
      }
      for (index_t m = 0; m < M; ++m) {
        double u = 0;
        if (how == latent_draws::sobol) {
          const std::uint64_t point = even.point(static_cast<std::uint32_t>(m));
          u = unit_below(point << 32 ^ bits(0).first());
        } else {
          u = unit_below(bits(m).first());
          if (how == latent_draws::stratified) {
            const index_t place = axis > 0 ? stratum[static_cast<std::size_t>(m)] : m;
            const auto low = static_cast<double>(place), count = static_cast<double>(M);
            u = kept_inside((low + u) / count, low / count, (low + 1) / count);
          }
        }
        out(b, m, axis) = static_cast<Real>(law.quantile(axis, u));
      }
    }
  }
}

}  // namespace dimix

#include <dimix/latent/categorical.hpp>
#include <dimix/latent/gaussian.hpp>
#include <dimix/latent/uniform.hpp>
#include <dimix/latent/weighted.hpp>
