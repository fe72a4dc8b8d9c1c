// Sobol points: numbers of (0, 1)^L that fill it evenly, the first 2^k of them with one point in every elementary cell of volume
// about 2^-k. Direction numbers: Joe and Kuo, SIAM J. Sci. Comput. 30 (2008), table new-joe-kuo-6; points in Gray-code order, as
// scipy.stats.qmc.Sobol (which checked them) and most libraries have it.
//
//   primitive polynomial x^s + a_1 x^(s-1) + ... + a_(s-1) x + 1, odd m_1..m_s,  v_i = m_i 2^(32-i) for i <= s, and then
//   v_i = a_1 v_(i-1) ^ ... ^ a_(s-1) v_(i-s+1) ^ v_(i-s) ^ (v_(i-s) >> s);      point n = xor of the v_i whose bit of n ^ (n >> 1) is set
#pragma once

#include <dimix/config.hpp>
#include <dimix/core/view.hpp>

#include <cstdint>

namespace dimix {

/// One axis of the sequence.
struct sobol_axis {
  static constexpr index_t count = 21;  // axes there are

  std::uint32_t direction[32] = {};

  /// axis in [0, count).
  DIMIX_HD static constexpr sobol_axis make(index_t axis) {
    struct primitive {
      int degree;
      std::uint32_t inner;  // a_1 ... a_(s-1) as bits, a_1 the highest
      std::uint32_t m[7];
    };
    constexpr primitive known[count - 1] = {{1, 0, {1}},
                                            {2, 1, {1, 3}},
                                            {3, 1, {1, 3, 1}},
                                            {3, 2, {1, 1, 1}},
                                            {4, 1, {1, 1, 3, 3}},
                                            {4, 4, {1, 3, 5, 13}},
                                            {5, 2, {1, 1, 5, 5, 17}},
                                            {5, 4, {1, 1, 5, 5, 5}},
                                            {5, 7, {1, 1, 7, 11, 19}},
                                            {5, 11, {1, 1, 5, 1, 1}},
                                            {5, 13, {1, 1, 1, 3, 11}},
                                            {5, 14, {1, 3, 5, 5, 31}},
                                            {6, 1, {1, 3, 3, 9, 7, 49}},
                                            {6, 13, {1, 1, 1, 15, 21, 21}},
                                            {6, 16, {1, 3, 1, 13, 27, 49}},
                                            {6, 19, {1, 1, 1, 15, 7, 5}},
                                            {6, 22, {1, 3, 1, 15, 13, 25}},
                                            {6, 25, {1, 1, 5, 5, 19, 61}},
                                            {7, 1, {1, 3, 7, 11, 23, 15, 103}},
                                            {7, 4, {1, 3, 7, 13, 13, 15, 69}}};
    sobol_axis made;
    if (axis <= 0) {  // van der Corput
      for (int i = 0; i < 32; ++i) made.direction[i] = std::uint32_t{1} << (31 - i);
      return made;
    }
    const primitive p = known[axis - 1];
    for (int i = 0; i < p.degree; ++i) made.direction[i] = p.m[i] << (31 - i);
    for (int i = p.degree; i < 32; ++i) {
      const std::uint32_t oldest = made.direction[i - p.degree];
      made.direction[i] = oldest ^ (oldest >> p.degree);
      for (int k = 1; k < p.degree; ++k)
        if (p.inner >> (p.degree - 1 - k) & 1u) made.direction[i] ^= made.direction[i - k];
    }
    return made;
  }

  /// Point n of the sequence times 2^32; the first is 0.
  DIMIX_HD constexpr std::uint32_t point(std::uint32_t n) const {
    std::uint32_t bits = 0;
    for (std::uint32_t gray = n ^ (n >> 1), i = 0; gray != 0; gray >>= 1, ++i)
      if (gray & 1u) bits ^= direction[i];
    return bits;
  }
};

}  // namespace dimix
