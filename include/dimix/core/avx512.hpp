// The steps of core/lanes.hpp that AVX-512 has instructions for: the larger of two numbers, x 2^n and the parts of x = 2^n (1 + f), which
// they do for subnormals, infinities and NaN as well, so that exp and log need nothing else for them.
// The forms with a mask, of all numbers: those without it make g++ 12 warn of its own header.
#pragma once

#include <dimix/core/lanes.hpp>

#if defined(__AVX512F__) && DIMIX_LANE_BYTES == 64
#include <immintrin.h>

namespace dimix {
inline namespace DIMIX_TARGET {

template <>
struct lane_steps<float, 16> {
  using numbers = typename lanes<float, 16>::numbers;
  static constexpr __mmask16 all = 0xffff;

  static numbers larger(numbers a, numbers b) {
    return to(_mm512_maskz_max_ps(all, of(b), of(a)));
  }  // a where they do not compare
  static numbers smaller(numbers a, numbers b) { return to(_mm512_maskz_min_ps(all, of(b), of(a))); }
  static numbers times_two_to(numbers n, numbers x) { return to(_mm512_maskz_scalef_ps(all, of(x), of(n))); }
  static numbers one_plus_f(numbers x) {
    return to(_mm512_maskz_getmant_ps(all, of(x), _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan));
  }
  static numbers exponent(numbers x, numbers one_plus_f) {
    const auto floor_of_log2 = _mm512_maskz_getexp_ps(all, of(x)), one = _mm512_set1_ps(1);
    return to(_mm512_mask_add_ps(floor_of_log2, _mm512_cmp_ps_mask(of(one_plus_f), one, _CMP_LT_OQ), floor_of_log2, one));
  }
  static numbers log_or_limit(numbers, numbers log_x) { return log_x; }

 private:
  static __m512 of(numbers x) { return __builtin_bit_cast(__m512, x); }
  static numbers to(__m512 x) { return __builtin_bit_cast(numbers, x); }
};

template <>
struct lane_steps<double, 8> {
  using numbers = typename lanes<double, 8>::numbers;
  static constexpr __mmask8 all = 0xff;

  static numbers larger(numbers a, numbers b) { return to(_mm512_maskz_max_pd(all, of(b), of(a))); }
  static numbers smaller(numbers a, numbers b) { return to(_mm512_maskz_min_pd(all, of(b), of(a))); }
  static numbers times_two_to(numbers n, numbers x) { return to(_mm512_maskz_scalef_pd(all, of(x), of(n))); }
  static numbers one_plus_f(numbers x) {
    return to(_mm512_maskz_getmant_pd(all, of(x), _MM_MANT_NORM_p75_1p5, _MM_MANT_SIGN_nan));
  }
  static numbers exponent(numbers x, numbers one_plus_f) {
    const auto floor_of_log2 = _mm512_maskz_getexp_pd(all, of(x)), one = _mm512_set1_pd(1);
    return to(_mm512_mask_add_pd(floor_of_log2, _mm512_cmp_pd_mask(of(one_plus_f), one, _CMP_LT_OQ), floor_of_log2, one));
  }
  static numbers log_or_limit(numbers, numbers log_x) { return log_x; }

 private:
  static __m512d of(numbers x) { return __builtin_bit_cast(__m512d, x); }
  static numbers to(__m512d x) { return __builtin_bit_cast(numbers, x); }
};

}  // namespace DIMIX_TARGET
}  // namespace dimix
#endif
