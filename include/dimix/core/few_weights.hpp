// few_weights: at most 64 weights, of which one is drawn with 64 bits: states, or sums of many (core/categorical.hpp). Widths are 64-bit fixed-point
// shares of the sum, laid out in order; the largest weight comes last and has what the others leave, so that rounding is lost on none else.
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/denoiser.hpp>
#include <dimix/group.hpp>

#include <cstdint>

namespace dimix {

/// What one member of a group runs by itself: its lanes, without the other threads.
template <class Group>
DIMIX_HD serial_group one_member(const Group&) {
  return {};
}

inline namespace DIMIX_TARGET {
template <class Real>
DIMIX_HD vector_group<Real> one_member(const vector_group<Real>& group) {
  return group;
}
}  // namespace DIMIX_TARGET

template <class Real>
struct few_weights {
  static constexpr index_t most = 64;

  Real weight[most];
  index_t count = 0;

  /// How many of the 2^64 words stand for a weight of 1; 0 where the sum is not positive and finite.
  template <class Group>
  DIMIX_HD double words(const Group& group) const {
    const double total = static_cast<double>(one_member(group).reduce(count, Real(0), plus{}, each()));
    return total > 0 && total < infinity<double>() ? 0x1.0p64 / total : 0;
  }
  /// The i in whose share `left` lies: weight * words each, and for the largest all that the others leave. `left` becomes the place in it.
  /// Forgets the largest weight. Looks at eight at a time, and at the eight of the i one by one.
  template <class Group>
  DIMIX_HD index_t pick(const Group& group, double words, std::uint64_t& left) {
    const index_t largest = first_of(one_member(group).reduce(count, Real(0), maximum{}, each()));
    weight[largest] = Real(0);
    pad();
    for (index_t begin = 0; begin < count; begin += eight) {
      std::uint64_t width[eight], sum = 0;
      for (index_t i = 0; i < eight; ++i) width[i] = static_cast<std::uint64_t>(static_cast<double>(weight[begin + i]) * words);
      for (index_t i = 0; i < eight; ++i) sum += width[i];
      if (left >= sum) {
        left -= sum;
        continue;
      }
      index_t i = 0;
      for (; left >= width[i]; ++i) left -= width[i];
      return begin + i;
    }
    return largest;
  }

 private:
  static constexpr index_t eight = 8;

  DIMIX_HD index_t first_of(Real asked) const {
    index_t i = 0;
    while (i + 1 < count && weight[i] != asked) ++i;
    return i;
  }
  DIMIX_HD void pad() {
    for (index_t i = count; i % eight != 0; ++i) weight[i] = Real(0);
  }
  DIMIX_HD auto each() const {
    return [all = view<const Real, 1>(weight, count)](auto i) { return read<Real>(all, i); };
  }
};

}  // namespace dimix
