// Views and arrays keep their laws; what leaves the extents stops a debug build.
#include <dimix/core/array.hpp>
#include <dimix/core/check.hpp>

#include <doctest/doctest.h>

#include <numeric>
#include <sstream>
#include <vector>

#if !defined(NDEBUG) && defined(__unix__)
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#endif

using namespace dimix;

TEST_CASE("view: row-major, and every part is a view of the same memory") {
  std::vector<int> memory(2 * 3 * 4);
  std::iota(memory.begin(), memory.end(), 0);
  const view<int, 3> v(memory.data(), 2, 3, 4);  // (2, 3, 4)
  CHECK(v.size() == 24);
  CHECK(!v.empty());
  for (index_t i = 0; i < 2; ++i)
    for (index_t j = 0; j < 3; ++j)
      for (index_t k = 0; k < 4; ++k) {
        CHECK(v(i, j, k) == (i * 3 + j) * 4 + k);
        CHECK(&v[i](j, k) == &v(i, j, k));
        CHECK(&v[i][j][k] == &v(i, j, k));
        CHECK(&v.row(i, j)[k] == &v(i, j, k));
        CHECK(&v.slice(i, 1)(0, j, k) == &v(i, j, k));
      }
  CHECK(v.row(1, 2).extent(0) == 4);
  CHECK(v[1].extent(0) == 3);
  CHECK(v.slice(1, 1).extent(0) == 1);
  CHECK(v.slice(1, 1).size() == 12);
  CHECK(v.flat().extent(0) == 24);
  CHECK(std::accumulate(v.begin(), v.end(), 0) == 276);
  const view<const int, 3> constant = v;
  CHECK(constant.data() == v.data());
  CHECK(constant.extent(2) == 4);
  CHECK(same_shape(constant, view<const int, 3>(nullptr, 2, 3, 4)));
  CHECK(!same_shape(constant, view<const int, 3>(nullptr, 2, 4, 3)));
  CHECK(view<int, 2>().empty());
  CHECK(view<int, 2>(nullptr, 5, 0).empty());
}

TEST_CASE("view: what converts and what does not") {
  using host = view<float, 2>;
  using device = view<float, 2, device_space>;
  static_assert(std::is_convertible_v<host, view<const float, 2>>);
  static_assert(!std::is_convertible_v<view<const float, 2>, host>);
  static_assert(!std::is_convertible_v<host, device> && !std::is_convertible_v<device, host>);
  static_assert(!std::is_convertible_v<device, view<const float, 2>>);
  static_assert(!std::is_convertible_v<host, view<float, 1>> && !std::is_convertible_v<host, view<double, 2>>);
  static_assert(std::is_trivially_copyable_v<view<const double, 4>>);
  static_assert(sizeof(view<float, 3>) == sizeof(float*) + 3 * sizeof(index_t));
  static_assert(view<int, 2>().extent(1) == 0);
  std::ostringstream text;
  text << shape_of(view<int, 3>(nullptr, 2, 64, 18));
  CHECK(text.str() == "(2, 64, 18)");
}

TEST_CASE("array: zero at first, a value, and resized in place") {
  array<double, 2> a(2, 3);  // (2, 3)
  CHECK(std::all_of(a.begin(), a.end(), [](double x) { return x == 0; }));
  a(1, 2) = 5;
  array<double, 2> b = a;
  b(0, 0) = 1;
  CHECK(a(0, 0) == 0);
  CHECK(b != a);
  CHECK(array<double, 2>(a) == a);
  const double* memory = a.data();
  a.resize(1, 3);
  CHECK(a.data() == memory);
  CHECK(a.size() == 3);
  a.fill(7);
  CHECK(a(0, 2) == 7);
  const view<const double, 2> seen = a;
  CHECK(seen.data() == memory);
  CHECK_THROWS_WITH_AS((array<double, 2>(3, -1)), "array: extent -1 is negative", invalid_argument);
  CHECK((array<double, 2>().size() == 0));
}

#if !defined(NDEBUG) && defined(__unix__)
TEST_CASE("view: an index outside the extents aborts in a debug build") {
  array<int, 2> a(2, 3);  // (2, 3)
  const auto aborts = [&](index_t i, index_t j) {
    const pid_t child = fork();
    if (child == 0) {
      std::signal(SIGABRT, SIG_DFL);
      if (!std::freopen("/dev/null", "w", stderr)) _exit(2);
      a.whole()(i, j) = 1;
      _exit(0);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
  };
  CHECK(!aborts(1, 2));
  CHECK(aborts(2, 0));
  CHECK(aborts(0, 3));
  CHECK(aborts(-1, 0));
}
#endif
