// Laws of dtype.hpp: exact widening of the short formats, integers that keep their value or are refused.
#include <dimix/io/dtype.hpp>
#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

using dimix::convert;
using dimix::dtype;
using dimix::file_error;
using doctest::Contains;

namespace {

template <class T>
std::span<const std::byte> raw(const std::vector<T>& values) {
  return std::as_bytes(std::span<const T>(values));
}

}  // namespace

TEST_CASE("half precision widens exactly, for all of its 65536 patterns") {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const int exponent = static_cast<int>(bits >> 10 & 31), fraction = static_cast<int>(bits & 1023);
    const double sign = bits & 0x8000 ? -1 : 1;
    const float value = dimix::from_bits<dimix::half>(static_cast<std::uint16_t>(bits));
    if (exponent == 31) {
      CHECK(std::isnan(value) == (fraction != 0));
      CHECK(std::isinf(value) == (fraction == 0));
    } else {
      const double wanted = exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024 + fraction, exponent - 25);
      CHECK(static_cast<double>(value) == sign * wanted);
    }
    CHECK(std::signbit(value) == (sign < 0));
  }
}

TEST_CASE("bfloat16 is the upper half of a float") {
  CHECK(dimix::from_bits<dimix::bfloat16>(0x3F80) == 1.0f);
  CHECK(dimix::from_bits<dimix::bfloat16>(0xC049) == -3.140625f);
  CHECK(std::isinf(dimix::from_bits<dimix::bfloat16>(0x7F80)));
}

TEST_CASE("numbers keep their value through every conversion that is allowed") {
  const std::vector<std::int16_t> shorts = {-300, 0, 17, 32767};
  CHECK(convert<std::int64_t>(dtype::i16, raw(shorts), "x") == std::vector<std::int64_t>{-300, 0, 17, 32767});
  CHECK(convert<double>(dtype::i16, raw(shorts), "x") == std::vector<double>{-300, 0, 17, 32767});
  const std::vector<double> doubles = {0.1, -2.5};
  CHECK(convert<float>(dtype::f64, raw(doubles), "x") == std::vector<float>{0.1f, -2.5f});
  CHECK(convert<double>(dtype::f16, raw(std::vector<std::uint16_t>{0x3C00, 0xC100}), "x") == std::vector<double>{1, -2.5});
  CHECK(convert<int>(dtype::boolean, raw(std::vector<std::uint8_t>{1, 0}), "x") == std::vector<int>{1, 0});
}

TEST_CASE("numbers that do not fit are refused with their value") {
  const std::vector<std::int32_t> wide = {5, 300};
  CHECK_THROWS_WITH_AS(convert<std::uint8_t>(dtype::i32, raw(wide), "pixels"),
                       Contains("pixels: the value 300 does not fit in U8 (stored as I32)"), file_error);
  const std::vector<std::int8_t> negative = {-1};
  CHECK_THROWS_WITH_AS(convert<std::uint64_t>(dtype::i8, raw(negative), "x"), Contains("the value -1 does not fit in U64"),
                       file_error);
  const std::vector<std::uint64_t> huge = {std::numeric_limits<std::uint64_t>::max()};
  CHECK_THROWS_AS(convert<std::int64_t>(dtype::u64, raw(huge), "x"), file_error);
  const std::vector<float> one = {1};
  CHECK_THROWS_WITH_AS(convert<int>(dtype::f32, raw(one), "w"), Contains("w: stored as F32, asked for as I32"), file_error);
  const std::vector<std::uint8_t> two = {2};
  CHECK_THROWS_WITH_AS(convert<int>(dtype::boolean, raw(two), "x"), Contains("a BOOL of value 2"), file_error);
}

TEST_CASE("sizes are counted without overflow") {
  using shape = std::vector<dimix::index_t>;
  dimix::index_t bytes = 0;
  CHECK(dimix::detail::count_bytes(shape{3, 4}, dtype::f64, bytes));
  CHECK(bytes == 96);
  CHECK(dimix::detail::count_bytes(shape{}, dtype::u8, bytes));
  CHECK(bytes == 1);
  CHECK(dimix::detail::count_bytes(shape{0, 7}, dtype::f32, bytes));
  CHECK(bytes == 0);
  const dimix::index_t large = dimix::index_t{1} << 40;
  CHECK_FALSE(dimix::detail::count_bytes(shape{large, large}, dtype::u8, bytes));
  CHECK_FALSE(dimix::detail::count_bytes(shape{large, 0, large}, dtype::u8, bytes));
  CHECK_FALSE(dimix::detail::count_bytes(shape{-1}, dtype::u8, bytes));
  CHECK(dimix::shape_text(shape{3}) == "(3,)");
  CHECK(dimix::shape_text(shape{3, 64}) == "(3, 64)");
}
