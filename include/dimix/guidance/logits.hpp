// Classifier-free guidance on logits: away from what the network says without its condition.
// Source: Ho and Salimans 2022; maskgit-pytorch vit.py sample (where w grows along the path).
#pragma once

#include <dimix/config.hpp>

namespace dimix {

/// (1 + w) z_c - w z_u: the conditional logit for w = 0.
template <class Real>
DIMIX_HD constexpr Real guided_logit(Real w, Real cond, Real uncond) {
  return (Real(1) + w) * cond - w * uncond;
}

}  // namespace dimix
