// The sweeps that docstrings claim, in one place: marginal.hpp, marginal/functions.hpp and objective.hpp.
#pragma once

#include "spy/spy_backend.hpp"

namespace spy::claims {

/// observe() of Mc components by the marginalisation, the first of all or later ones. K: targets of all joint terms, 0 for none, here and below.
inline sweeps observe(index_t B, index_t D, index_t Mc, index_t K, bool first) {
  sweeps all = first ? sweeps{{B}} : sweeps{};
  all.push_back({B * D});
  all.push_back({B});
  if (K > 0) all.push_back({B * Mc});
  return all;
}
/// The same by an objective.
inline sweeps observe_objective(index_t B, index_t D, index_t Mc, index_t K, bool first) {
  return (first ? sweeps{{B}} : sweeps{}) + observe(B, D, Mc, K, first);
}

/// close() of the marginalisation.
inline sweeps close(index_t B, index_t D, index_t K, bool marginals) {
  sweeps all;
  if (K > 0) all.push_back({B * K});
  all.push_back({B});
  if (marginals) all.push_back({B * D});
  return all;
}

/// close() of an objective, with values.
inline sweeps close_objective(index_t B, index_t D, index_t K, bool marginals) {
  return close(B, D, K, marginals) + sweeps{{B * D}, {B}};
}
/// Allocations of the first close().
inline constexpr std::size_t first_close = 0;

inline sweeps gradient(index_t B, index_t D, index_t S) { return {{B * D, 2 * S}}; }

inline sweeps marginals(index_t B, index_t M, index_t D) {
  return observe(B, D, M, 0, true) + close(B, D, 0, true) + sweeps{{B * D}};
}
inline sweeps log_likelihood(index_t B, index_t M, index_t D, index_t K) {
  return observe(B, D, M, K, true) + close(B, D, K, false) + sweeps{{B * K}};
}
inline sweeps responsibilities(index_t B, index_t M, index_t D, index_t K) {
  return observe(B, D, M, K, true) + close(B, D, K, false) + sweeps{{B}};
}
inline sweeps mean_rows(index_t B, index_t K, index_t D) { return marginals(B * K, 1, D) + sweeps{{B}}; }
inline sweeps draw_tokens(index_t B, index_t M, index_t D) { return {{B * M * D}}; }

/// Value and gradient of an objective, all M components at once.
inline sweeps objective(index_t B, index_t M, index_t D, index_t S, index_t K, bool marginals) {
  return observe_objective(B, D, M, K, true) + close_objective(B, D, K, marginals) + gradient(B, D, S);
}

}  // namespace spy::claims
