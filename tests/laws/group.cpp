// Every group of one thread keeps the laws.
#include "laws/group.hpp"

using namespace dimix;

TEST_CASE("laws: groups") {
  laws::check_group(serial_group{});
  laws::check_group(lane_group<1>{});
  laws::check_group(lane_group<4>{});
  laws::check_group(lane_group<16>{});
  laws::check_group(vector_group<float>{});
  laws::check_group(vector_group<double>{});
}

TEST_CASE_TEMPLATE("a group of lanes gives lanes to what takes them, every index once, and the rest one by one", Real, float,
                   double) {
  for (index_t n : {0, 1, 3, 8, 15, 16, 17, 64, 65, 131}) {
    CAPTURE(n);
    array<Real, 1> from(n + 1), to(n + 1);  // (n) and one that nothing may touch
    laws::fill_noise(from, 1, 2);
    to.fill(-1);
    index_t calls = 0;
    const view<const Real, 1> given = from;
    vector_group<Real>{}.for_each(n, [&](auto i) {
      write(to.whole(), i, read<Real>(given, i) * read<Real>(given, i));
      ++calls;
    });
    double total = 0;
    for (index_t i = 0; i < n; ++i) {
      CHECK(to(i) == from(i) * from(i));
      total += static_cast<double>(from(i));
    }
    CHECK(to(n) == Real(-1));
    CHECK(calls == n / native_lanes<Real> + n % native_lanes<Real>);
    const Real sum = vector_group<Real>{}.reduce(n, Real(0), plus{}, [&](auto i) { return read<Real>(given, i); });
    CHECK(static_cast<double>(sum) == doctest::Approx(total).epsilon(sizeof(Real) == 4 ? 1e-5 : 1e-13));
    const Real most =
        vector_group<Real>{}.reduce(n, -infinity<Real>(), maximum{}, [&](auto i) { return read<Real>(given, i); });
    CHECK(most == (n == 0 ? -infinity<Real>() : *std::max_element(given.begin(), given.begin() + n)));
  }
}

TEST_CASE_TEMPLATE("a row written past the caches is the row written", Real, float, double) {
  const vector_group<Real> group;
  for (index_t n : {0, 3, 17, 64, 131})
    for (index_t offset : {0, 1, 5}) {
      CAPTURE(n);
      CAPTURE(offset);
      array<Real, 1> all(offset + n + 1);  // (offset + n) and one that nothing may touch
      all.fill(-1);
      const view<Real, 1> row = all.whole().slice(offset, n);
      const index_t lead = before_streams(group, row);
      CHECK(lead <= n);
      const auto number = [&](auto i) { write_past_caches(group, row, i, number_of<Real>(i)); };
      group.for_each(lead, number);
      group.for_each(n - lead, [&](auto i) { number(offset_by(i, lead)); });
      group.finish_streams();
      for (index_t i = 0; i < n; ++i) CHECK(row[i] == static_cast<Real>(i));
      CHECK(all(offset + n) == Real(-1));
    }
}

TEST_CASE("laws: log_sum_exp over a group: huge, tiny and impossible values") {
  const double far[] = {1000, 1000 - std::log(3.0), -infinity<double>(), -5000};
  const auto value = [&](index_t i) { return far[i]; };
  CHECK(log_sum_exp<double>(lane_group<4>{}, 4, value) == doctest::Approx(1000 + std::log(4.0 / 3)).epsilon(1e-15));
  CHECK(log_sum_exp<double>(serial_group{}, 4, value) == doctest::Approx(1000 + std::log(4.0 / 3)).epsilon(1e-15));
  CHECK(log_sum_exp<double>(serial_group{}, 3, [](index_t) { return -infinity<double>(); }) == -infinity<double>());
  CHECK(log_sum_exp<double>(serial_group{}, 0, value) == -infinity<double>());
}
