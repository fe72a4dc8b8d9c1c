// values_only: softmax without the mask at every position. For noise that masks but leaves visible tokens in doubt (mask_and_replace): x_0
// is never the mask, and nothing is certain. It is the row of subs at a masked position, whatever x_t is.
#pragma once

#include <dimix/head/subs.hpp>

namespace dimix {

struct values_only {
  token mask;

  template <class Real>
  using state = Real;  // the log-normaliser over the values

  DIMIX_HD constexpr index_t outputs(index_t S) const { return S; }

  template <class Real, class Group, class Storage>
  DIMIX_HD Real observe(const Group& group, view<const Storage, 1> raw, place at) const {
    return subs{mask}.observe<Real>(group, raw, {at.item, at.dim, mask});
  }
  template <class Real, class Group, class Storage>
  DIMIX_HD kept_row<Real, Real> keep(const Group& group, view<const Storage, 1> raw, place at, view<Real, 1> weights) const {
    return subs{mask}.keep<Real>(group, raw, {at.item, at.dim, mask}, weights);
  }

  template <class Real>
  DIMIX_HD Real unobserved(const place&) const {
    return Real(0);
  }

  template <class Real, class Storage>
  DIMIX_HD subs_row<Real, Storage> row(view<const Storage, 1> raw, place at, Real log_normaliser) const {
    return subs{mask}.row<Real>(raw, {at.item, at.dim, mask}, log_normaliser);
  }
};

static_assert(head<values_only>);

template <class Space>
inline constexpr bool head_fits<values_only, Space> = masked_space<Space>;

}  // namespace dimix
