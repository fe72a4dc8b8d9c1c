// The sweeps that docstrings claim, in one place: marginal.hpp, marginal/functions.hpp and objective.hpp.
#pragma once

#include <dimix/marginal.hpp>

#include "spy/spy_backend.hpp"

namespace spy::claims {

using namespace dimix;

struct sizes {
  index_t B, M, D, S;
};

inline index_t pieces(index_t n, index_t length) { return (n + length - 1) / length; }
inline index_t together(index_t S) { return positions_together<cpu>(S); }

/// observe() of Mc of M components by the marginalisation, the first of all or later ones. K: targets of all joint terms, 0 for none, here and
/// below.
inline sweeps observe(const sizes& n, index_t Mc, index_t K, bool marginals, bool first) {
  const index_t walks = pieces(clamp<index_t>(pieces(2 * n.M * K, n.M + K), 1, n.D), together(n.S));
  const index_t stretch = smaller(n.D, walks * together(n.S));
  sweeps all = first ? sweeps{{n.B}} : sweeps{};
  all.push_back({n.B * pieces(n.D, stretch), marginals ? (1 + together(n.S)) * n.S : 0});
  all.push_back({n.B});
  if (K > 0) all.push_back({n.B * Mc});
  return all;
}
/// The same by an objective.
inline sweeps observe_objective(const sizes& n, index_t Mc, index_t K, bool marginals, bool first) {
  return (first ? sweeps{{n.B}} : sweeps{}) + observe(n, Mc, K, marginals, first);
}

/// close() of the marginalisation, after one chunk or several.
inline sweeps close(const sizes& n, index_t K, bool marginals, bool in_chunks) {
  sweeps all;
  if (K > 0) all.push_back({n.B * K});
  all.push_back({n.B});
  if (marginals && in_chunks) all.push_back({n.B * n.D});
  return all;
}

/// close() of an objective, with values.
inline sweeps close_objective(const sizes& n, index_t K, bool marginals, bool in_chunks) {
  return close(n, K, marginals, in_chunks) + sweeps{{n.B * n.D}, {n.B}};
}
/// Allocations of the first close().
inline constexpr std::size_t first_close = 0;

inline sweeps gradient(const sizes& n) { return {{n.B * pieces(n.D, together(n.S)), (2 + together(n.S)) * n.S}}; }

inline sweeps marginals(const sizes& n) {
  return observe(n, n.M, 0, true, true) + close(n, 0, true, false) + sweeps{{n.B * n.D}};
}
inline sweeps log_likelihood(const sizes& n, index_t K) {
  return observe(n, n.M, K, false, true) + close(n, K, false, false) + sweeps{{n.B * K}};
}
inline sweeps responsibilities(const sizes& n, index_t K) {
  return observe(n, n.M, K, false, true) + close(n, K, false, false) + sweeps{{n.B}};
}
/// With draws or without.
inline sweeps mean_rows(const sizes& n) { return {{n.B * pieces(n.D, together(n.S)), (1 + together(n.S)) * n.S}}; }
inline sweeps draw_tokens(index_t B, index_t M, index_t D) { return {{B * M * D}}; }

/// Value and gradient of an objective, all M components at once.
inline sweeps objective(const sizes& n, index_t K, bool marginals) {
  return observe_objective(n, n.M, K, marginals, true) + close_objective(n, K, marginals, false) + gradient(n);
}

}  // namespace spy::claims
