// lanes<Real, W>: W numbers side by side, which one instruction of the processor handles together: the compiler's own vectors (g++, clang).
// A formula over an index and numbers runs as it is over lane_index and lanes:
//   read<Real>(v, i), write(v, i, x)   an element of a rank-1 view, or W of them, from and to the type of its storage
//   equals<Real>(i, k), select(c, a, b), any(c)   conditions, number by number; both sides of select are computed
//   exp, log                           within 2 ulp, with std's values for subnormals, infinities and NaN; needs no -ffast-math
// native_lanes<Real>: the width of the processor that is compiled for, 1 where there is none (nvcc). The processor is part of the types' names
// (an inline namespace), so that files of one program that are compiled for different ones do not take each other's code.
// Laws (tests/core/lanes.cpp): every operation is that of its numbers; exp and log are those of long double.
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/core/storage.hpp>
#include <dimix/core/view.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

#if defined(__CUDACC__)
#define DIMIX_LANE_BYTES 0
#define DIMIX_TARGET no_lanes
#elif defined(__AVX512F__) && defined(__AVX512DQ__)
#define DIMIX_LANE_BYTES 64
#define DIMIX_TARGET avx512
#elif defined(__AVX2__)
#define DIMIX_LANE_BYTES 32
#define DIMIX_TARGET avx2
#elif defined(__SSE2__) || defined(__ARM_NEON)
#define DIMIX_LANE_BYTES 16
#define DIMIX_TARGET sixteen_bytes
#else
#define DIMIX_LANE_BYTES 0
#define DIMIX_TARGET no_lanes
#endif

namespace dimix {

template <class Real, class T, class Space>
DIMIX_HD Real read(const view<T, 1, Space>& from, index_t i) {
  return static_cast<Real>(from[i]);
}
template <class T, class Space, class Real>
DIMIX_HD void write(const view<T, 1, Space>& to, index_t i, Real x) {
  to[i] = static_cast<T>(x);
}
template <class Real>
DIMIX_HD constexpr bool equals(index_t i, index_t k) {
  return i == k;
}
template <std::floating_point Real>
DIMIX_HD constexpr Real select(bool condition, Real yes, Real no) {
  return condition ? yes : no;
}
DIMIX_HD constexpr bool any(bool condition) { return condition; }

inline namespace DIMIX_TARGET {

template <class Real>
inline constexpr int native_lanes = DIMIX_LANE_BYTES > 0 && (std::is_same_v<Real, float> || std::is_same_v<Real, double>)
                                        ? DIMIX_LANE_BYTES / static_cast<int>(sizeof(Real))
                                        : 1;

/// The indices first, ..., first + W - 1.
template <int W>
struct lane_index {
  index_t first;
};

/// What a formula in Real gives at an index: a Real, or lanes of them.
template <class Real, class At>
struct number_at {
  using type = Real;
};

template <class Real, int W>
struct lanes;

#if DIMIX_LANE_BYTES > 0

template <class T, int W>
struct compiler_vector {
  typedef T type __attribute__((vector_size(W * sizeof(T))));
};

template <class Real, int W>
struct lanes {
  using word = std::conditional_t<sizeof(Real) == 4, std::uint32_t, std::uint64_t>;
  using numbers = typename compiler_vector<Real, W>::type;
  using words = typename compiler_vector<word, W>::type;
  using truths = typename compiler_vector<std::make_signed_t<word>, W>::type;

  struct mask {
    truths each;  // all ones or all zeros

    friend mask operator&&(mask a, mask b) { return {a.each & b.each}; }
    friend mask operator||(mask a, mask b) { return {a.each | b.each}; }
    friend mask operator!(mask a) { return {~a.each}; }
    friend bool any(mask a) {
      word found = 0;
      for (int w = 0; w < W; ++w) found |= static_cast<word>(a.each[w]);
      return found != 0;
    }
    friend lanes select(mask condition, lanes yes, lanes no) { return {condition.each ? yes.each : no.each}; }
  };

  numbers each;

  lanes() = default;
  lanes(numbers all) : each(all) {}
  lanes(Real x) : each(x - numbers{}) {}

  Real operator[](int w) const { return each[w]; }

  friend lanes operator-(lanes a) { return {-a.each}; }
  friend lanes operator+(lanes a, lanes b) { return {a.each + b.each}; }
  friend lanes operator-(lanes a, lanes b) { return {a.each - b.each}; }
  friend lanes operator*(lanes a, lanes b) { return {a.each * b.each}; }
  friend lanes operator/(lanes a, lanes b) { return {a.each / b.each}; }
  lanes& operator+=(lanes a) { return *this = *this + a; }
  lanes& operator-=(lanes a) { return *this = *this - a; }

  friend mask operator==(lanes a, lanes b) { return {a.each == b.each}; }
  friend mask operator!=(lanes a, lanes b) { return {a.each != b.each}; }
  friend mask operator<(lanes a, lanes b) { return {a.each < b.each}; }
  friend mask operator>(lanes a, lanes b) { return {a.each > b.each}; }
  friend mask operator<=(lanes a, lanes b) { return {a.each <= b.each}; }
  friend mask operator>=(lanes a, lanes b) { return {a.each >= b.each}; }

  friend lanes larger(lanes a, lanes b) { return select(a < b, b, a); }
  friend lanes smaller(lanes a, lanes b) { return select(b < a, b, a); }
};

template <class Real, int W>
struct number_at<Real, lane_index<W>> {
  using type = lanes<Real, W>;
};

/// W elements from i.first on.
template <class Real, class T, class Space, int W>
lanes<Real, W> read(const view<T, 1, Space>& from, lane_index<W> i) {
  using stored = std::remove_const_t<T>;
  lanes<Real, W> result;
  const stored* first = from.data() + i.first;
  if constexpr (std::is_same_v<stored, Real>) {
    __builtin_memcpy(&result.each, first, sizeof result.each);
  } else if constexpr (std::is_same_v<stored, bfloat16> && std::is_same_v<Real, float>) {
    typename compiler_vector<std::uint16_t, W>::type upper;
    __builtin_memcpy(&upper, first, sizeof upper);
    result.each = __builtin_bit_cast(typename lanes<Real, W>::numbers,
                                     __builtin_convertvector(upper, typename lanes<Real, W>::words) << 16);
  } else {
    for (int w = 0; w < W; ++w) result.each[w] = static_cast<Real>(first[w]);
  }
  return result;
}
template <class T, class Space, class Real, int W>
void write(const view<T, 1, Space>& to, lane_index<W> i, lanes<Real, W> x) {
  T* first = to.data() + i.first;
  if constexpr (std::is_same_v<T, Real>)
    __builtin_memcpy(first, &x.each, sizeof x.each);
  else
    for (int w = 0; w < W; ++w) first[w] = static_cast<T>(x[w]);
}

template <class Real, int W>
auto equals(lane_index<W> i, index_t k) {
  typename lanes<Real, W>::mask found{};
  if (k >= i.first && k < i.first + W) found.each[k - i.first] = -1;
  return found;
}

template <class Real, int W>
lanes<Real, W> product_or_zero(lanes<Real, W> x, lanes<Real, W> y) {
  return select(x == lanes<Real, W>(Real(0)), lanes<Real, W>(Real(0)), x * y);
}

/// The numbers that exp and log are made of. ln 2 in two parts, the first of so few bits that its multiples are exact.
template <class Real>
struct lane_constants;
template <>
struct lane_constants<float> {
  static constexpr int fraction_bits = 23, exp_terms = 7, log_terms = 4;
  static constexpr std::uint32_t bias = 127, sqrt_half = 0x3f3504f3u, fraction = 0x007fffffu;
  static constexpr float ln2_high = 0x1.63p-1f, ln2_low = -0x1.bd0106p-13f;
  static constexpr float lowest = -104, highest = 89, least_normal = 0x1p-126f;
};
template <>
struct lane_constants<double> {
  static constexpr int fraction_bits = 52, exp_terms = 13, log_terms = 10;
  static constexpr std::uint64_t bias = 1023, sqrt_half = 0x3fe6a09e667f3bcdu, fraction = 0x000fffffffffffffu;
  static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double lowest = -746, highest = 710, least_normal = 0x1p-1022;
};

/// Whole numbers as the last bits of a Real: of 1.5 2^fraction_bits + n these are n, and adding it rounds x to the nearest n.
template <class Real, int W>
struct whole_numbers {
  using numbers = typename lanes<Real, W>::numbers;
  using words = typename lanes<Real, W>::words;
  static constexpr Real shift =
      Real(1.5) * static_cast<Real>(typename lanes<Real, W>::word{1} << lane_constants<Real>::fraction_bits);

  static numbers all() { return lanes<Real, W>(shift).each; }
  static words bits(numbers shifted) { return __builtin_bit_cast(words, shifted) - __builtin_bit_cast(words, all()); }
  static numbers value(words n) { return __builtin_bit_cast(numbers, n + __builtin_bit_cast(words, all())) - all(); }
  static numbers power_of_two(words n) {
    return __builtin_bit_cast(numbers, (n + lane_constants<Real>::bias) << lane_constants<Real>::fraction_bits);
  }
};

/// e^x = 2^n e^r, n = round(x / ln 2): e^r by its series, 2^n as two factors since it may be subnormal.
template <class Real, int W>
[[gnu::always_inline]] inline lanes<Real, W> exp(lanes<Real, W> x) {
  using constants = lane_constants<Real>;
  using whole = whole_numbers<Real, W>;
  using numbers = typename whole::numbers;
  const numbers in_range = smaller(larger(x, {constants::lowest}), {constants::highest}).each;
  const numbers shifted = in_range * static_cast<Real>(1.4426950408889634074) + whole::all(), n = shifted - whole::all();
  const numbers r = (in_range - n * constants::ln2_high) - n * constants::ln2_low;
  constexpr auto inverse_factorial = [](int k) {
    double product = 1;
    for (int i = 2; i <= k; ++i) product *= i;
    return static_cast<Real>(1 / product);
  };
  numbers sum = lanes<Real, W>(inverse_factorial(constants::exp_terms)).each;
  for (int k = constants::exp_terms - 1; k >= 0; --k) sum = sum * r + inverse_factorial(k);
  const auto half = whole::bits(n * Real(0.5) + whole::all());
  return {sum * whole::power_of_two(half) * whole::power_of_two(whole::bits(shifted) - half)};
}

/// log x = n ln 2 + log(1 + f), 1 + f in [√½, √2): log(1 + f) = 2 artanh s, s = f / (2 + f), by its series.
template <class Real, int W>
[[gnu::always_inline]] inline lanes<Real, W> log(lanes<Real, W> x) {
  using L = lanes<Real, W>;
  using constants = lane_constants<Real>;
  using whole = whole_numbers<Real, W>;
  using numbers = typename whole::numbers;
  using words = typename whole::words;
  const auto tiny = x < L(constants::least_normal);
  const L normal = select(tiny, x * L(static_cast<Real>(typename L::word{1} << constants::fraction_bits)), x);
  const words bits =
      __builtin_bit_cast(words, normal.each) + ((constants::bias << constants::fraction_bits) - constants::sqrt_half);
  const numbers f = __builtin_bit_cast(numbers, (bits & constants::fraction) + constants::sqrt_half) - Real(1);
  const numbers n = whole::value((bits >> constants::fraction_bits) - constants::bias) -
                    select(tiny, L(Real(constants::fraction_bits)), L(Real(0))).each;
  const numbers s = f / (Real(2) + f), square = s * s;
  numbers sum = L(Real(0)).each;
  for (int k = constants::log_terms; k >= 1; --k) sum = (sum + static_cast<Real>(2.0 / (2 * k + 1))) * square;
  // 2 s + s sum = f - s (f - sum): the largest part, f, is exact
  const L result{n * constants::ln2_high + (f - (s * (f - sum) - n * constants::ln2_low))};
  const L endless = infinity<Real>(), none = endless - endless;
  return select(x == L(Real(0)), -endless, select(x < L(Real(0)), none, select(x < endless, result, x)));
}

#endif

}  // namespace DIMIX_TARGET
}  // namespace dimix
