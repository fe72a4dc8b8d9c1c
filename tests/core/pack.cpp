// Values of several types: the right one is visited, and everything travels by value.
#include <dimix/core/pack.hpp>

#include <doctest/doctest.h>

#include <string>

using namespace dimix;

namespace {

struct empty {};
struct without_default {
  explicit without_default(int n) : value(n) {}
  int value;
};
struct name_of {
  std::string operator()(int) const { return "int"; }
  std::string operator()(double) const { return "double"; }
  std::string operator()(char) const { return "char"; }
};
struct twice {
  template <class T, int I>
  T operator()(T value, number<I>) const {
    return static_cast<T>(value + value);
  }
};

static_assert(std::is_trivially_copyable_v<pack<int, double, char>> && std::is_trivially_copyable_v<one_of<int, double, char>>);
static_assert(std::is_trivially_copyable_v<one_of<without_default, int>>);
static_assert(sizeof(one_of<double, without_default>) == 2 * sizeof(double));
static_assert(sizeof(pack<empty, double>) == sizeof(double));

}  // namespace

TEST_CASE("a pack visits the value of a number, the last one beyond") {
  const auto values = make_pack(1, 2.5, 'c');
  const char* names[] = {"int", "double", "char", "char"};
  for (int i = 0; i < 4; ++i) CHECK(values.visit(i, name_of{}) == names[i]);
  std::string all;
  values.each([&](const auto& value) { all += name_of{}(value) + " "; });
  CHECK(all == "int double char ");
  CHECK(map(values, [](const auto& value) { return value + 1; }).visit(1, [](auto value) { return value * 1.0; }) == 3.5);
}

TEST_CASE("one_of holds what was picked") {
  const auto values = make_pack(1, 2.5, 'c');
  const auto doubled = pick(values, 1, twice{});
  CHECK(doubled.visit(name_of{}) == "double");
  CHECK(doubled.get<1>() == 5.0);
  CHECK(pick(doubled, twice{}).get<1>() == 10.0);
  CHECK(pick(values, 0, twice{}).get<0>() == 2);
  CHECK(one_of<int, double>{}.get<0>() == 0);
  const one_of<int, without_default> held(number<1>{}, without_default(7));
  const auto copy = held;
  CHECK(copy.get<1>().value == 7);
}
