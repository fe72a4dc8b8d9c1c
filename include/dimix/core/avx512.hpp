// The steps of core/lanes.hpp that AVX-512 has instructions for: the larger of two numbers, and x 2^n, which is right for subnormals as well,
// and writes past the caches.
// The forms with a mask, of all numbers: those without it make g++ 12 warn of its own header. Not getmant and getexp for log: with
// them g++ 12 at -O2 failed with an internal error in the row of an objective.
#pragma once

#include <dimix/core/lanes.hpp>

#if defined(__AVX512F__) && DIMIX_LANE_BYTES == 64
#include <immintrin.h>

namespace dimix {
inline namespace DIMIX_TARGET {

template <>
struct lane_steps<float, 16> : several_steps<float, 16> {
  using numbers = typename lanes<float, 16>::numbers;
  static constexpr __mmask16 all = 0xffff;

  static numbers larger(numbers a, numbers b) {
    return to(_mm512_maskz_max_ps(all, of(b), of(a)));
  }  // a where they do not compare
  static numbers smaller(numbers a, numbers b) { return to(_mm512_maskz_min_ps(all, of(b), of(a))); }
  static numbers times_two_to(numbers n, numbers x) { return to(_mm512_maskz_scalef_ps(all, of(x), of(n))); }
  static void stream(float* to, numbers x) { _mm512_stream_ps(to, of(x)); }
  static void finish_streams() { _mm_sfence(); }

 private:
  static __m512 of(numbers x) { return __builtin_bit_cast(__m512, x); }
  static numbers to(__m512 x) { return __builtin_bit_cast(numbers, x); }
};

template <>
struct lane_steps<double, 8> : several_steps<double, 8> {
  using numbers = typename lanes<double, 8>::numbers;
  static constexpr __mmask8 all = 0xff;

  static numbers larger(numbers a, numbers b) { return to(_mm512_maskz_max_pd(all, of(b), of(a))); }
  static numbers smaller(numbers a, numbers b) { return to(_mm512_maskz_min_pd(all, of(b), of(a))); }
  static numbers times_two_to(numbers n, numbers x) { return to(_mm512_maskz_scalef_pd(all, of(x), of(n))); }
  static void stream(double* to, numbers x) { _mm512_stream_pd(to, of(x)); }
  static void finish_streams() { _mm_sfence(); }

 private:
  static __m512d of(numbers x) { return __builtin_bit_cast(__m512d, x); }
  static numbers to(__m512d x) { return __builtin_bit_cast(numbers, x); }
};

}  // namespace DIMIX_TARGET
}  // namespace dimix
#endif
