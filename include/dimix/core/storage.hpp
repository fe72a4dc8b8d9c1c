// Narrow floating-point numbers as storage: arrays of logits and gradients may hold them, arithmetic happens in the compute type Real.
//
//   bfloat16   8 bits of exponent, 7 of mantissa: the upper half of a float        relative rounding 2^-9
//   half       5 bits of exponent, 10 of mantissa (IEEE 754 binary16)             relative rounding 2^-11, |x| in [6e-5, 65504]
//
// Laws (tests/core/storage.cpp): to float and back is the identity for every pattern that is no NaN; from float rounds to the nearest, ties
// to even; half overflows to infinity and underflows through its subnormals.
#pragma once

#include <dimix/config.hpp>

#include <bit>
#include <cstdint>
#include <type_traits>

namespace dimix {

struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  DIMIX_HD constexpr explicit bfloat16(float x) {
    const std::uint32_t word = __builtin_bit_cast(std::uint32_t, x);
    const bool nan = (word & 0x7fffffffu) > 0x7f800000u;
    const std::uint32_t rounded = word + 0x7fffu + (word >> 16 & 1u);  // nearest, ties to even
    bits = static_cast<std::uint16_t>(nan ? (word >> 16 | 0x40u) : rounded >> 16);
  }
  DIMIX_HD constexpr explicit bfloat16(double x) : bfloat16(static_cast<float>(x)) {}
  DIMIX_HD constexpr operator float() const { return __builtin_bit_cast(float, static_cast<std::uint32_t>(bits) << 16); }
};

struct half {
  std::uint16_t bits = 0;

  half() = default;
  DIMIX_HD constexpr explicit half(float x) {
    const std::uint32_t word = __builtin_bit_cast(std::uint32_t, x), sign = word >> 16 & 0x8000u, size = word & 0x7fffffffu;
    std::uint32_t result = 0;
    if (size > 0x7f800000u) {
      result = 0x7e00u;  // NaN
    } else if (size >= 0x477ff000u) {
      result = 0x7c00u;  // at least 65520 rounds to infinity
    } else if (size >= 0x38800000u) {
      result = (size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13;
    } else if (size >= 0x33000000u) {  // subnormal: units of 2^-24
      const std::uint32_t shift = 126u - (size >> 23), mantissa = (size & 0x7fffffu) | 0x800000u;
      const std::uint32_t kept = mantissa >> shift, lost = mantissa & ((1u << shift) - 1u), tie = 1u << (shift - 1u);
      result = kept + (lost > tie || (lost == tie && (kept & 1u)) ? 1u : 0u);
    }
    bits = static_cast<std::uint16_t>(sign | result);
  }
  DIMIX_HD constexpr explicit half(double x) : half(static_cast<float>(x)) {}
  DIMIX_HD constexpr operator float() const {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16, exponent = bits >> 10 & 0x1fu,
                        mantissa = bits & 0x3ffu;
    if (exponent == 0) {
      const float size = static_cast<float>(mantissa) * 0x1.0p-24f;
      return sign ? -size : size;
    }
    const std::uint32_t widened = exponent == 31 ? 0x7f800000u : (exponent + 112u) << 23;
    return __builtin_bit_cast(float, sign | widened | mantissa << 13);
  }
};

static_assert(std::is_trivially_copyable_v<bfloat16> && sizeof(bfloat16) == 2 && std::is_trivially_copyable_v<half> &&
              sizeof(half) == 2);

}  // namespace dimix
