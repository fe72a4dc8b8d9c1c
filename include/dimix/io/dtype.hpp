// Element types of files, and the conversion of raw little-endian bytes into numbers.
//
// Laws: an integer keeps its value or is refused; a floating-point number becomes another by rounding to nearest even, and never
// an integer; half and bfloat16 convert exactly to float.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/storage.hpp>
#include <dimix/core/view.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace dimix {

static_assert(std::endian::native == std::endian::little, "dimix/io stores little-endian numbers as they lie in memory");
static_assert(std::numeric_limits<float>::is_iec559 && std::numeric_limits<double>::is_iec559);

enum class dtype { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

/// The name that safetensors gives it.
constexpr std::string_view name_of(dtype type) {
  constexpr std::string_view names[] = {"F64", "F32", "F16", "BF16", "I64", "I32", "I16",
                                        "I8",  "U64", "U32", "U16",  "U8",  "BOOL"};
  return names[static_cast<int>(type)];
}

/// Bytes of one element.
constexpr std::size_t size_of(dtype type) {
  constexpr std::size_t sizes[] = {8, 4, 2, 2, 8, 4, 2, 1, 8, 4, 2, 1, 1};
  return sizes[static_cast<int>(type)];
}

constexpr bool is_floating(dtype type) { return static_cast<int>(type) <= static_cast<int>(dtype::bf16); }

/// The type of a C++ number. bool is one byte, 0 or 1.
template <class T>
constexpr dtype dtype_of() {
  using number = std::remove_cv_t<T>;
  static_assert(std::is_arithmetic_v<number> && sizeof(number) <= 8, "dtype_of<T>: T must be a number of at most 8 bytes");
  if constexpr (std::is_same_v<number, bool>) return dtype::boolean;
  if constexpr (std::is_floating_point_v<number>) return sizeof(number) == 8 ? dtype::f64 : dtype::f32;
  if constexpr (std::is_signed_v<number>)
    return sizeof(number) == 8 ? dtype::i64 : sizeof(number) == 4 ? dtype::i32 : sizeof(number) == 2 ? dtype::i16 : dtype::i8;
  return sizeof(number) == 8 ? dtype::u64 : sizeof(number) == 4 ? dtype::u32 : sizeof(number) == 2 ? dtype::u16 : dtype::u8;
}

/// The value of a narrow number (core/storage.hpp) from its bits.
template <class Narrow>
constexpr float from_bits(std::uint16_t bits) {
  Narrow number;
  number.bits = bits;
  return number;
}

/// "(3, 64)", as in error messages.
inline std::string shape_text(std::span<const index_t> shape) {
  std::string text = "(";
  for (std::size_t axis = 0; axis < shape.size(); ++axis) text += (axis ? ", " : "") + std::to_string(shape[axis]);
  return text + (shape.size() == 1 ? ",)" : ")");
}

namespace detail {

/// Bytes of a tensor of this shape, or false if that number does not fit in `index`. Zero extents are legal, but what is left
/// without them must still fit, because views multiply extents in any order.
constexpr bool count_bytes(std::span<const index_t> shape, dtype type, index_t& bytes) {
  index_t product = static_cast<index_t>(size_of(type));
  bool empty = false;
  for (index_t extent : shape) {
    if (extent < 0) return false;
    if (extent == 0) {
      empty = true;
    } else if (__builtin_mul_overflow(product, extent, &product)) {
      return false;
    }
  }
  bytes = empty ? 0 : product;
  return true;
}

template <class To, class From>
To convert_one(From value, dtype type, std::string_view what) {
  if constexpr (std::is_integral_v<To>) {
    if (!std::in_range<To>(value))
      fail<file_error>(what, ": the value ", +value, " does not fit in ", name_of(dtype_of<To>()), " (stored as ",
                       name_of(type), ")");
  }
  return static_cast<To>(value);
}

template <class To, class From, class Decode>
void convert_all(std::span<const std::byte> bytes, std::vector<To>& values, Decode decode) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    From stored;
    std::memcpy(&stored, bytes.data() + i * sizeof(From), sizeof(From));
    values[i] = decode(stored);
  }
}

}  // namespace detail

/// Raw elements of `type` -> numbers of type T. `what` names the tensor in errors.
/// Errors: file_error when floating-point numbers are asked for as integers, when an integer does not fit in T, or when a BOOL
/// is neither 0 nor 1. Cost: one pass.
template <class T>
std::vector<T> convert(dtype type, std::span<const std::byte> bytes, std::string_view what) {
  static_assert(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>,
                "convert<T>: T must be a number; read BOOL as std::uint8_t");
  expects<file_error>(!(is_floating(type) && std::is_integral_v<T>), what, ": stored as ", name_of(type), ", asked for as ",
                      name_of(dtype_of<T>()), ": floating-point numbers are not turned into integers");
  std::vector<T> values(bytes.size() / size_of(type));
  const auto plain = [&](auto stored) {
    if constexpr (std::is_floating_point_v<decltype(stored)>) {
      return static_cast<T>(stored);  // to an integer: refused above
    } else {
      return detail::convert_one<T>(stored, type, what);
    }
  };
  switch (type) {
    case dtype::f64:
      detail::convert_all<T, double>(bytes, values, plain);
      break;
    case dtype::f32:
      detail::convert_all<T, float>(bytes, values, plain);
      break;
    case dtype::f16:
      detail::convert_all<T, std::uint16_t>(bytes, values,
                                            [](std::uint16_t bits) { return static_cast<T>(from_bits<half>(bits)); });
      break;
    case dtype::bf16:
      detail::convert_all<T, std::uint16_t>(bytes, values,
                                            [](std::uint16_t bits) { return static_cast<T>(from_bits<bfloat16>(bits)); });
      break;
    case dtype::i64:
      detail::convert_all<T, std::int64_t>(bytes, values, plain);
      break;
    case dtype::i32:
      detail::convert_all<T, std::int32_t>(bytes, values, plain);
      break;
    case dtype::i16:
      detail::convert_all<T, std::int16_t>(bytes, values, plain);
      break;
    case dtype::i8:
      detail::convert_all<T, std::int8_t>(bytes, values, plain);
      break;
    case dtype::u64:
      detail::convert_all<T, std::uint64_t>(bytes, values, plain);
      break;
    case dtype::u32:
      detail::convert_all<T, std::uint32_t>(bytes, values, plain);
      break;
    case dtype::u16:
      detail::convert_all<T, std::uint16_t>(bytes, values, plain);
      break;
    case dtype::u8:
      detail::convert_all<T, std::uint8_t>(bytes, values, plain);
      break;
    case dtype::boolean:
      detail::convert_all<T, std::uint8_t>(bytes, values, [&](std::uint8_t stored) {
        expects<file_error>(stored <= 1, what, ": a BOOL of value ", int{stored}, " is neither 0 nor 1");
        return static_cast<T>(stored);
      });
      break;
  }
  return values;
}

}  // namespace dimix
