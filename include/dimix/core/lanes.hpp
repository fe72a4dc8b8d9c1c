// lanes<Real, W>: W numbers side by side, which one instruction of the processor handles together: the compiler's own vectors (g++, clang).
// A formula over an index and numbers runs as it is over lane_index and lanes:
//   read<Real>(v, i), write(v, i, x)   an element of a rank-1 view, or W of them, from and to the type of its storage
//   number_of<Real>(i)                 the index itself
//   equals<Real>(i, k), select(c, a, b), any(c)   conditions, number by number; both sides of select are computed
//   exp, log, log1p, expm1             within 2 ulp, with std's values for subnormals, infinities and NaN (log1p: of x > -1); needs no
//                                      -ffast-math. bench/transcendentals.hpp measures them
//   tanh                               the same, within 4 ulp
// native_lanes<Real>: the width of the processor that is compiled for, 1 where there is none (nvcc). The processor is part of the types' names
// (an inline namespace), so that files of one program that are compiled for different ones do not take each other's code.
// Laws (tests/core/lanes.cpp): every operation is that of its numbers; exp, log, log1p, expm1 and tanh are those of long double.
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/core/storage.hpp>
#include <dimix/core/view.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>
#include <utility>

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
/// The index as a number.
template <class Real>
DIMIX_HD constexpr Real number_of(index_t i) {
  return static_cast<Real>(i);
}
template <std::floating_point Real>
DIMIX_HD constexpr Real select(bool condition, Real yes, Real no) {
  return condition ? yes : no;
}
DIMIX_HD constexpr bool any(bool condition) { return condition; }
DIMIX_HD constexpr index_t offset_by(index_t i, index_t by) { return i + by; }
/// Of any lanes side by side.
template <class At>
requires requires(At i) { At{i.first}; }
DIMIX_HD constexpr At offset_by(At i, index_t by) { return {i.first + by}; }

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

/// Any W indices, such as those of targets.
template <int W>
struct gathered_index;

/// What a formula in Real gives at an index: a Real, or lanes of them.
template <class Real, class At>
struct number_at {
  using type = Real;
};

template <class Real, int W>
struct lanes;

/// What one instruction does where the processor has it (core/x86_lanes.hpp) and several do elsewhere.
template <class Real, int W>
struct lane_steps;

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

  static constexpr int width = W;
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

  friend lanes larger(lanes a, lanes b) { return {lane_steps<Real, W>::larger(a.each, b.each)}; }
  friend lanes smaller(lanes a, lanes b) { return {lane_steps<Real, W>::smaller(a.each, b.each)}; }
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

/// 0, 1, ..., W - 1.
template <class Number, int W>
typename compiler_vector<Number, W>::type counted() {
  return []<int... w>(std::integer_sequence<int, w...>) {
    return typename compiler_vector<Number, W>::type{static_cast<Number>(w)...};
  }
  (std::make_integer_sequence<int, W>{});
}

template <class Real, int W>
auto equals(lane_index<W> i, index_t k) {
  using L = lanes<Real, W>;
  return typename L::mask{counted<typename L::word, W>() == static_cast<typename L::word>(k - i.first)};
}

template <class Real, int W>
lanes<Real, W> number_of(lane_index<W> i) {
  return {counted<Real, W>() + static_cast<Real>(i.first)};
}

template <int W>
struct gathered_index {
  typename compiler_vector<std::int32_t, W>::type each;
};
/// at(i.first), ..., at(i.first + W - 1)
template <int W, class F>
gathered_index<W> gathered(lane_index<W> i, const F& at) {
  gathered_index<W> result;
  for (int w = 0; w < W; ++w) result.each[w] = at(i.first + w);
  return result;
}
template <class Real, int W>
struct number_at<Real, gathered_index<W>> {
  using type = lanes<Real, W>;
};
template <class Real, class T, class Space, int W>
lanes<Real, W> read(const view<T, 1, Space>& from, gathered_index<W> i) {
  lanes<Real, W> result;
  for (int w = 0; w < W; ++w) result.each[w] = static_cast<Real>(from[i.each[w]]);
  return result;
}
template <class Real, int W>
auto equals(gathered_index<W> i, index_t k) {
  using truths = typename lanes<Real, W>::truths;
  return typename lanes<Real, W>::mask{__builtin_convertvector(i.each == static_cast<std::int32_t>(k), truths)};
}
template <class Real, int W>
lanes<Real, W> number_of(gathered_index<W> i) {
  return {__builtin_convertvector(i.each, typename lanes<Real, W>::numbers)};
}

template <class Real, int W>
lanes<Real, W> product_or_zero(lanes<Real, W> x, lanes<Real, W> y) {
  return select(x == lanes<Real, W>(Real(0)), lanes<Real, W>(Real(0)), x * y);
}

/// c_0 + c_1 x + c_2 x^2 + ...
template <class Numbers, class Real, class... Higher>
Numbers power_series(Numbers x, Real c, Higher... higher) {
  if constexpr (sizeof...(higher) == 0)
    return c - Numbers{};
  else
    return power_series(x, higher...) * x + c;
}

/// The numbers that exp and log are made of: ln 2 in two parts, the first of so few bits that its multiples are exact, and polynomials of
/// least relative error on [-0.347, 0.347] and [-1/4, 1/2], found by the exchange algorithm.
template <class Real>
struct lane_constants;
template <>
struct lane_constants<float> {
  static constexpr int fraction_bits = 23;
  static constexpr std::uint32_t bias = 127, three_quarters = 0x3f400000u, fraction = 0x007fffffu;
  static constexpr float ln2_high = 0x1.62e4p-1f, ln2_low = 0x1.7f7d1cp-20f;
  static constexpr float lowest = -104, highest = 89, least_normal = 0x1p-126f;

  /// (e^r - 1 - r) / r^2, to what makes e^r right to 3e-9
  template <class Numbers>
  static Numbers exp_beside_tangent(Numbers r) {
    return power_series(r, 0x1.fffffcp-2f, 0x1.55549p-3f, 0x1.5558f6p-5f, 0x1.123a8ep-7f, 0x1.6a2316p-10f);
  }
  /// log(1 + f) - f, to 1e-8 of log(1 + f)
  template <class Numbers>
  static Numbers log_beside(Numbers f) {
    return f * f *
           power_series(f, -0.5f, 0x1.555596p-2f, -0x1.0000f8p-2f, 0x1.996de6p-3f, -0x1.54b8cap-3f, 0x1.27f2aap-3f,
                        -0x1.0f47a6p-3f, 0x1.ba20a2p-4f, -0x1.87b06p-5f);
  }
};
template <>
struct lane_constants<double> {
  static constexpr int fraction_bits = 52;
  static constexpr std::uint64_t bias = 1023, three_quarters = 0x3fe8000000000000u, fraction = 0x000fffffffffffffu;
  static constexpr double ln2_high = 0x1.62e42feep-1, ln2_low = 0x1.a39ef35793c76p-33;
  static constexpr double lowest = -746, highest = 710, least_normal = 0x1p-1022;

  /// (e^r - 1 - r) / r^2, to what makes e^r right to 8e-18
  template <class Numbers>
  static Numbers exp_beside_tangent(Numbers r) {
    return power_series(r, 0x1.0000000000009p-1, 0x1.5555555555556p-3, 0x1.5555555550570p-5, 0x1.11111111100ccp-7,
                        0x1.6c16c185bc92cp-10, 0x1.a01a01aca4728p-13, 0x1.a019944e9b1f6p-16, 0x1.71ddff0d71c4fp-19,
                        0x1.28b3982c71967p-22, 0x1.af5506d6939fep-26);
  }
  /// log(1 + f) - f with log(1 + f) = 2 artanh s, s = f / (2 + f), to 2e-19 of it: 2 s + s sum = f - s (f - sum)
  template <class Numbers>
  static Numbers log_beside(Numbers f) {
    const Numbers s = f / (2.0 + f), square = s * s;
    const Numbers sum =
        square * power_series(square, 0x1.555555555554fp-1, 0x1.999999999c1aep-2, 0x1.24924921e179cp-2, 0x1.c71c74920aa9ap-3,
                              0x1.745c4a5b66c2dp-3, 0x1.3b35d0430b323p-3, 0x1.0dca9d502315dp-3, 0x1.1b87e726f65a3p-3);
    return s * (sum - f);
  }
};

template <class Real, int W>
struct several_steps {
  using constants = lane_constants<Real>;
  using word = typename lanes<Real, W>::word;
  using numbers = typename lanes<Real, W>::numbers;
  using words = typename lanes<Real, W>::words;

  /// Writes to an address that is a multiple of the vector's size; past the caches where the processor can.
  static void stream(Real* to, numbers x) { __builtin_memcpy(to, &x, sizeof x); }
  static void finish_streams() {}
  static numbers larger(numbers a, numbers b) { return a < b ? b : a; }
  static numbers smaller(numbers a, numbers b) { return b < a ? b : a; }

  /// x 2^n for whole n, as two factors since the result may be subnormal.
  static numbers times_two_to(numbers n, numbers x) {
    const words both = __builtin_bit_cast(words, n + (shift + Real(2 * constants::bias))) - zero(), half = both >> 1;
    return x * __builtin_bit_cast(numbers, half << constants::fraction_bits) *
           __builtin_bit_cast(numbers, (both - half) << constants::fraction_bits);
  }
  /// x = 2^n (1 + f), 1 + f in [3/4, 3/2).
  static numbers one_plus_f(numbers x) {
    return __builtin_bit_cast(numbers, (shifted_bits(x) & constants::fraction) + constants::three_quarters);
  }
  /// n, of which 1 + f may be asked for.
  static numbers exponent(numbers x, numbers) {
    constexpr Real normal = Real(constants::bias), subnormal = Real(constants::bias + constants::fraction_bits);
    return __builtin_bit_cast(numbers, (shifted_bits(x) >> constants::fraction_bits) + zero()) - shift -
           (x < constants::least_normal ? subnormal - numbers{} : normal - numbers{});
  }
  /// log x where x has no parts.
  static numbers log_or_limit(numbers x, numbers log_x) {
    const numbers endless = infinity<Real>() - numbers{};
    return x > Real(0) ? (x < endless ? log_x : x) : (x == Real(0) ? -endless : endless - endless);
  }

 private:
  /// The bits of x, normal, such that the exponent changes at 3/4.
  static words shifted_bits(numbers x) {
    const numbers normal = x < constants::least_normal ? x * static_cast<Real>(word{1} << constants::fraction_bits) : x;
    return __builtin_bit_cast(words, normal) + ((constants::bias << constants::fraction_bits) - constants::three_quarters);
  }
  /// Whole numbers as the last bits of a Real: of 1.5 2^fraction_bits + n these are n.
  static constexpr Real shift = Real(1.5) * static_cast<Real>(word{1} << constants::fraction_bits);
  static words zero() { return __builtin_bit_cast(word, shift) - words{}; }
};

template <class Real, int W>
struct lane_steps : several_steps<Real, W> {};

/// x = n ln 2 + r, n = round(x / ln 2).
template <class Real, int W>
struct exponent_parts {
  using constants = lane_constants<Real>;
  typename lanes<Real, W>::numbers n, r;

  [[gnu::always_inline]] explicit exponent_parts(typename lanes<Real, W>::numbers x) {
    constexpr Real shift = Real(1.5) * static_cast<Real>(typename lanes<Real, W>::word{1} << constants::fraction_bits);
    n = (x * static_cast<Real>(1.4426950408889634074) + shift) - shift;  // adding it rounds
    r = (x - n * constants::ln2_high) - n * constants::ln2_low;
  }
};

/// e^x = 2^n e^r.
template <class Real, int W>
[[gnu::always_inline]] inline lanes<Real, W> exp(lanes<Real, W> x) {
  using constants = lane_constants<Real>;
  const exponent_parts<Real, W> of(smaller(larger(x, {constants::lowest}), {constants::highest}).each);
  return {lane_steps<Real, W>::times_two_to(of.n, (constants::exp_beside_tangent(of.r) * of.r + Real(1)) * of.r + Real(1))};
}

/// e^x - 1 = 2^n [(r + (1 - 2^-n)) + (e^r - 1 - r)]: of the inner sum nothing is lost where it is small. Below -40 it is -1 in any Real.
template <class Real, int W>
lanes<Real, W> expm1(lanes<Real, W> x) {
  using constants = lane_constants<Real>;
  using steps = lane_steps<Real, W>;
  const exponent_parts<Real, W> of(smaller(larger(x, {Real(-40)}), {constants::highest}).each);
  const auto one = Real(1) - typename lanes<Real, W>::numbers{};
  const auto beside = of.r * of.r * constants::exp_beside_tangent(of.r);
  return {steps::times_two_to(of.n, (of.r + (one - steps::times_two_to(-of.n, one))) + beside)};
}

template <class Real, int W>
lanes<Real, W> tanh(lanes<Real, W> x) {
  const lanes<Real, W> zero = Real(0), part = expm1(-(larger(x, -x) + larger(x, -x))), size = -part / (part + Real(2));
  return select(x < zero, -size, size);
}

/// log x = n ln 2 + log(1 + f), of which the largest part, f, is exact.
template <class Real, int W>
[[gnu::always_inline]] inline lanes<Real, W> log(lanes<Real, W> x) {
  using constants = lane_constants<Real>;
  const auto m = lane_steps<Real, W>::one_plus_f(x.each), n = lane_steps<Real, W>::exponent(x.each, m), f = m - Real(1);
  const auto log_x = n * constants::ln2_high + (f + (constants::log_beside(f) + n * constants::ln2_low));
  return {lane_steps<Real, W>::log_or_limit(x.each, log_x)};
}

/// log(1 + x) for x > -1: the log of the rounded sum, and what rounding took from f, whose weight is 1 / (1 + f).
template <class Real, int W>
lanes<Real, W> log1p(lanes<Real, W> x) {
  using constants = lane_constants<Real>;
  using numbers = typename lanes<Real, W>::numbers;
  const numbers sum = x.each + Real(1), lost = x.each < Real(1e6) ? x.each - (sum - Real(1)) : numbers{};
  const numbers m = lane_steps<Real, W>::one_plus_f(sum), n = lane_steps<Real, W>::exponent(sum, m), f = m - Real(1);
  const numbers rest = lane_steps<Real, W>::times_two_to(-n, lost) * power_series(f, Real(1), Real(-1), Real(1));
  const numbers log_sum = n * constants::ln2_high + (f + (constants::log_beside(f) + (n * constants::ln2_low + rest)));
  return {lane_steps<Real, W>::log_or_limit(sum, log_sum)};
}

#endif

}  // namespace DIMIX_TARGET
}  // namespace dimix

#include <dimix/core/x86_lanes.hpp>
