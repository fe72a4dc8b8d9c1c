// Every group of one thread keeps the laws.
#include "laws/group.hpp"

using namespace dimix;

TEST_CASE("laws: groups") {
  laws::check_group(serial_group{});
  laws::check_group(lane_group<1>{});
  laws::check_group(lane_group<4>{});
  laws::check_group(lane_group<16>{});
}

TEST_CASE("laws: log_sum_exp over a group: huge, tiny and impossible values") {
  const double far[] = {1000, 1000 - std::log(3.0), -infinity<double>(), -5000};
  const auto value = [&](index_t i) { return far[i]; };
  CHECK(log_sum_exp<double>(lane_group<4>{}, 4, value) == doctest::Approx(1000 + std::log(4.0 / 3)).epsilon(1e-15));
  CHECK(log_sum_exp<double>(serial_group{}, 4, value) == doctest::Approx(1000 + std::log(4.0 / 3)).epsilon(1e-15));
  CHECK(log_sum_exp<double>(serial_group{}, 3, [](index_t) { return -infinity<double>(); }) == -infinity<double>());
  CHECK(log_sum_exp<double>(serial_group{}, 0, value) == -infinity<double>());
}
