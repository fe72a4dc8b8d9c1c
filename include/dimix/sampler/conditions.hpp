// What a path can be given beside its noise: a class, known tokens, λ itself.
//
// Known tokens come in two kinds. Where noise only hides (all of it on the mask), they can stand in x_t from the first step, and
// a network sees them there: visible evidence, which is part of x_t and needs nothing from a step. Elsewhere x_t holds them noised, and what
// they say of the rest goes through λ alone:
//   w_m ∝ π_m prod_{d known} p_d(y_d | x_t; λ_m),   λ ~ w,   x_s^d ~ q(x_s | y_d, x_t) at known positions, as ever at the others
// With the denoiser's mixture this is p(x_s | x_t) conditioned on x_0 = y at the known positions, exactly.
#pragma once

#include <dimix/core/check.hpp>
#include <dimix/head/concept.hpp>
#include <dimix/state_space.hpp>

namespace dimix {

/// Throws unless evidence (B, D) holds data of its positions, or -1 where it is unknown.
template <class Space>
void expects_evidence(const char* name, view<const token, 2> evidence, const Space& space, index_t B, index_t D) {
  expects_shape(name, evidence, B, D);
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < D; ++d) {
      const token known = evidence(b, d);
      expects(known >= -1 && known < space.states(d), name, "[", b, ", ", d, "] = ", known,
              " is neither -1 nor a state in [0, ", space.states(d), ")");
      expects(known < 0 || !is_mask(space, d, known), name, "[", b, ", ", d, "] = ", known,
              " is the mask, which no data holds");
    }
}

/// Given to one step. Empty: nothing.
template <class Real>
struct conditions {
  view<const token, 1> classes = {};   // (B)     the class of each item, -1: none
  view<const token, 2> evidence = {};  // (B, D)  known tokens of x_0 that noise hides in x_t, -1 where unknown
  view<const Real, 3> latents = {};    // (B, 1, L)  λ; empty: drawn. The candidates of a last step are drawn all the same

  token known(const place& at) const { return evidence.empty() ? token{-1} : evidence(at.item, at.dim); }

  template <class Space>
  void check(const Space& space, index_t B, index_t D) const {
    if (!evidence.empty()) expects_evidence("sampler: evidence", evidence, space, B, D);
  }
};

}  // namespace dimix
