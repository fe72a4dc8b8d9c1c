// The laws of group.hpp, for any group of one thread:  laws::check_group(my_group{});
#pragma once

#include <dimix/group.hpp>
#include <dimix/head/softmax.hpp>

#include "laws/support.hpp"

namespace laws {

template <class Group>
void check_group(const Group& group) {
  for (index_t n : {0, 1, 3, 4, 5, 16, 63, 64, 65, 1000}) {
    CAPTURE(n);
    std::vector<int> visits(static_cast<std::size_t>(n));
    group.for_each(n, [&](index_t i) { ++visits[static_cast<std::size_t>(i)]; });
    CHECK(std::all_of(visits.begin(), visits.end(), [](int count) { return count == 1; }));
    std::fill(visits.begin(), visits.end(), 0);
    // whole numbers add exactly in any order
    const double sum = group.reduce(n, 0.0, dimix::plus{}, [&](index_t i) {
      ++visits[static_cast<std::size_t>(i)];
      return static_cast<double>(i);
    });
    CHECK(std::all_of(visits.begin(), visits.end(), [](int count) { return count == 1; }));
    CHECK(sum == static_cast<double>(n * (n - 1) / 2));
    CHECK(group.reduce(n, -1.0f, dimix::maximum{}, [](index_t i) { return static_cast<float>(i % 7); }) ==
          static_cast<float>(n > 6 ? 6 : n - 1));
    const auto merged = group.reduce(n, dimix::exp_sum<double>{}, dimix::merged{}, [](index_t i) {
      return dimix::exp_sum<double>::of(500 + std::log(static_cast<double>(i + 1)));
    });
    if (n == 0)
      CHECK(merged.log() == -dimix::infinity<double>());
    else
      CHECK(merged.log() == doctest::Approx(500 + std::log(static_cast<double>(n * (n + 1) / 2))).epsilon(1e-14));
  }
  CHECK(group.leader());
  group.sync();
}

}  // namespace laws
