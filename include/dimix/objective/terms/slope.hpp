// What every term is made of: a value with its derivative, and the weights of items.
#pragma once

#include <dimix/core/check.hpp>
#include <dimix/core/math.hpp>

#include <concepts>

namespace dimix {

/// A value with its derivative.
template <class Real>
struct slope_of {
  Real value, slope;
};

/// The weights of a term: one per item (B), or one for all.
template <class Real>
struct item_weights {
  view<const Real, 1> per_item = {};  // (B); empty: `common` for every item
  Real common = Real(1);

  DIMIX_HD Real operator()(index_t b) const { return per_item.empty() ? common : common * per_item[b]; }
  template <class Name>
  void check(Name name, index_t B) const {
    if (!per_item.empty()) expects_shape(name, per_item, B);
  }
};

}  // namespace dimix
