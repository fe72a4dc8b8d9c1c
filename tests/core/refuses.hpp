// A call must be refused with the right exception, and a sentence that names argument and value; and what such calls need.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/denoiser.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <vector>

namespace test_core {

constexpr double infinite = std::numeric_limits<double>::infinity();
const double not_a_number = std::nan("");

/// f must throw exactly Error, with every part in its message.
template <class Error, class F>
void refuses(const F& f, std::initializer_list<const char*> parts) {
  try {
    f();
    FAIL_CHECK("nothing was thrown");
  } catch (const dimix::error& e) {
    CHECK(dynamic_cast<const Error*>(&e) != nullptr);
    for (const char* part : parts) {
      INFO(std::string(e.what()));
      CHECK(std::string(e.what()).find(part) != std::string::npos);
    }
  }
}

/// Writes the same raw outputs at every position.
struct constant_net {
  std::vector<double> row;
  dimix::index_t outputs() const { return static_cast<dimix::index_t>(row.size()); }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4> raw) const {
    for (dimix::index_t i = 0; i < raw.size(); ++i)
      raw.data()[i] = static_cast<Real>(row[static_cast<std::size_t>(i) % row.size()]);
  }
};

inline dimix::array<std::uint64_t, 1> ids(dimix::index_t count) { return dimix::array<std::uint64_t, 1>(count); }  // (B)
inline dimix::array<double, 1> times(dimix::index_t count, double t) {
  dimix::array<double, 1> result(count);  // (B)
  result.fill(t);
  return result;
}

}  // namespace test_core
