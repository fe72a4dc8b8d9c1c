// weight_above(x, top) = e^(x - top): the weight of a state in a draw, from its log-probability and a number near the largest one. A draw does
// not need every bit of it (core/categorical.hpp promises 1e-5 of a probability), so that lanes of floats take it as a power of two,
//   2^y,  y = (x - top) / ln 2,
// at half the cost of exp (core/lanes.hpp): within 2.8e-6 + 1.4e-7 |x - top| of it, exactly 0 where x is -infinity, NaN where x is.
// Below 2^-126 it may be 0. Everything else takes exp.
// Law (tests/core/categorical_lanes.cpp): this bound.
#pragma once

#include <dimix/core/lanes.hpp>
#include <dimix/core/math.hpp>

#if defined(__AVX512F__) && DIMIX_LANE_BYTES == 64
#include <immintrin.h>
#endif

namespace dimix {

template <class Number, class Real>
DIMIX_HD Number weight_above(Number x, Real top) {
  using std::exp;
  return exp(x - Number(top));
}

inline namespace DIMIX_TARGET {
#if DIMIX_LANE_BYTES > 0

/// 2^y = 2^n 2^f with n = round(y), and the polynomial of least relative error on [-1/2, 1/2], 2.7e-6. 2^n is put together from its bits, which
/// makes it 0 for n = -127 and infinite for n = 128.
template <int W>
struct two_to {
  using numbers = typename lanes<float, W>::numbers;
  using words = typename lanes<float, W>::words;

  [[gnu::always_inline]] static numbers the(numbers y) {
    constexpr float shift = 0x1.8p23f + 127;  // of shift + n the last bits are n + 127
    const lanes<float, W> in_range = smaller(larger(lanes<float, W>(y), {-127.0f}), {128.0f});
    const numbers shifted = in_range.each + shift, f = in_range.each - (shifted - shift);
    return __builtin_bit_cast(numbers, __builtin_bit_cast(words, shifted) << 23) *
           power_series(f, 0x1.ffffe8p-1f, 0x1.62e0dcp-1f, 0x1.ec06dap-3f, 0x1.ca1440p-5f, 0x1.3997d6p-7f);
  }
};

#if defined(__AVX512F__) && DIMIX_LANE_BYTES == 64
/// The same with n = floor(y) and [0, 1), 1e-7: two instructions find f and multiply by 2^n, and know infinities.
template <>
struct two_to<16> {
  using numbers = typename lanes<float, 16>::numbers;

  [[gnu::always_inline]] static numbers the(numbers y) {
    constexpr __mmask16 all = 0xffff;  // the forms without a mask make g++ 12 warn of its own header
    constexpr int from_below = _MM_FROUND_TO_NEG_INF;
    const numbers f = __builtin_bit_cast(numbers, _mm512_maskz_reduce_ps(all, __builtin_bit_cast(__m512, y), from_below));
    const numbers power =
        power_series(f, 1.0f, 0x1.62e4bap-1f, 0x1.ebdb56p-3f, 0x1.c91ce6p-5f, 0x1.277856p-7f, 0x1.e974fap-10f);
    return __builtin_bit_cast(numbers,
                              _mm512_maskz_scalef_ps(all, __builtin_bit_cast(__m512, power), __builtin_bit_cast(__m512, y)));
  }
};
#endif

/// The difference comes first: of large numbers the product with 1 / ln 2 would be rounded.
template <int W>
[[gnu::always_inline]] inline lanes<float, W> weight_above(lanes<float, W> x, float top) {
  constexpr float per_ln_2 = 0x1.715476p+0f;
  return {two_to<W>::the((x.each - top) * per_ln_2)};
}

#endif
}  // namespace DIMIX_TARGET

}  // namespace dimix
