// Classifier-free guidance on logits: away from what the network says without its condition.
// Source: Ho and Salimans 2022; maskgit-pytorch vit.py sample (where w grows along the path).
#pragma once

#include <dimix/core/math.hpp>

namespace dimix {

/// a x + b y of logits or log-probabilities that may be -infinity. One of weight 0 is not read; what another excludes is excluded, whatever
/// the sign of its weight, so that no infinity meets its opposite.
template <class Real>
DIMIX_HD Real sum_of_logits(Real a, Real x, Real b, Real y) {
  const bool excluded = (a != Real(0) && x == -infinity<Real>()) || (b != Real(0) && y == -infinity<Real>());
  return excluded ? -infinity<Real>() : product_or_zero(a, x) + product_or_zero(b, y);
}

/// (1 + w) z_c - w z_u: the conditional logit for w = 0, the other for w = -1; elsewhere -infinity where either is.
template <class Real>
DIMIX_HD Real guided_logit(Real w, Real cond, Real uncond) {
  return sum_of_logits(Real(1) + w, cond, -w, uncond);
}

}  // namespace dimix
