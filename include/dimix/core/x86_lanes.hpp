// The steps of core/lanes.hpp that x86 has instructions for: the larger and the smaller of two numbers, of which a compiler makes a comparison
// and a choice, as it must keep NaN in its place. With AVX-512 also x 2^n, which is right for subnormals as well, and writes past the caches
// (with 32 bytes at once they were measured to be slower than plain ones).
// AVX-512 in the forms with a mask, of all numbers: those without it make g++ 12 warn of its own header. Not getmant and getexp for log: with
// them g++ 12 at -O2 failed with an internal error in the row of an objective.
#pragma once

#include <dimix/core/lanes.hpp>

#if DIMIX_LANE_BYTES > 0 && (defined(__x86_64__) || defined(__i386__))
#include <immintrin.h>

namespace dimix {
inline namespace DIMIX_TARGET {

/// Instructions for a whole vector. larger and smaller give the second of two numbers that do not compare.
template <class Real>
struct x86;

#if DIMIX_LANE_BYTES == 64
template <>
struct x86<float> {
  using vector = __m512;
  static constexpr __mmask16 all = 0xffff;
  static vector larger(vector a, vector b) { return _mm512_maskz_max_ps(all, a, b); }
  static vector smaller(vector a, vector b) { return _mm512_maskz_min_ps(all, a, b); }
  static vector times_two_to(vector n, vector x) { return _mm512_maskz_scalef_ps(all, x, n); }
  static void stream(float* to, vector x) { _mm512_stream_ps(to, x); }
};
template <>
struct x86<double> {
  using vector = __m512d;
  static constexpr __mmask8 all = 0xff;
  static vector larger(vector a, vector b) { return _mm512_maskz_max_pd(all, a, b); }
  static vector smaller(vector a, vector b) { return _mm512_maskz_min_pd(all, a, b); }
  static vector times_two_to(vector n, vector x) { return _mm512_maskz_scalef_pd(all, x, n); }
  static void stream(double* to, vector x) { _mm512_stream_pd(to, x); }
};
#elif DIMIX_LANE_BYTES == 32
template <>
struct x86<float> {
  using vector = __m256;
  static vector larger(vector a, vector b) { return _mm256_max_ps(a, b); }
  static vector smaller(vector a, vector b) { return _mm256_min_ps(a, b); }
};
template <>
struct x86<double> {
  using vector = __m256d;
  static vector larger(vector a, vector b) { return _mm256_max_pd(a, b); }
  static vector smaller(vector a, vector b) { return _mm256_min_pd(a, b); }
};
#else
template <>
struct x86<float> {
  using vector = __m128;
  static vector larger(vector a, vector b) { return _mm_max_ps(a, b); }
  static vector smaller(vector a, vector b) { return _mm_min_ps(a, b); }
};
template <>
struct x86<double> {
  using vector = __m128d;
  static vector larger(vector a, vector b) { return _mm_max_pd(a, b); }
  static vector smaller(vector a, vector b) { return _mm_min_pd(a, b); }
};
#endif

template <class Real, int W>
  requires(W * sizeof(Real) == DIMIX_LANE_BYTES)
struct lane_steps<Real, W> : several_steps<Real, W> {
  using numbers = typename lanes<Real, W>::numbers;
  using of_vector = x86<Real>;
  using vector = typename of_vector::vector;
  static constexpr bool streams = requires(Real* to, vector x) { of_vector::stream(to, x); };

  static numbers larger(numbers a, numbers b) { return back(of_vector::larger(as(b), as(a))); }  // a where they do not compare
  static numbers smaller(numbers a, numbers b) { return back(of_vector::smaller(as(b), as(a))); }
  static numbers times_two_to(numbers n, numbers x) {
    if constexpr (requires { of_vector::times_two_to(as(n), as(x)); })
      return back(of_vector::times_two_to(as(n), as(x)));
    else
      return several_steps<Real, W>::times_two_to(n, x);
  }
  static void stream(Real* to, numbers x) {
    if constexpr (streams)
      of_vector::stream(to, as(x));
    else
      several_steps<Real, W>::stream(to, x);
  }
  static void finish_streams() {
    if constexpr (streams) _mm_sfence();
  }

 private:
  static vector as(numbers x) { return __builtin_bit_cast(vector, x); }
  static numbers back(vector x) { return __builtin_bit_cast(numbers, x); }
};

}  // namespace DIMIX_TARGET
}  // namespace dimix
#endif
