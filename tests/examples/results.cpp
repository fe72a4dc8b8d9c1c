// What seeds say together: means, spreads, cells, and rows found by their names.
#include <support/results.hpp>

#include <doctest/doctest.h>

#include <cmath>

namespace results_tests {

using doctest::Approx;
using row = support::measured<double>;

TEST_CASE("mean and standard deviation between seeds") {
  CHECK(support::summarise({3}).mean == 3);
  CHECK(support::summarise({3}).spread == 0);
  CHECK(support::summarise({1, 2, 6}).mean == Approx(3));
  CHECK(support::summarise({1, 2, 6}).spread == Approx(std::sqrt(7.0)));
  CHECK(support::cell({0.1234, 0.05}, 2, true) == "0.12 ± 0.05");
  CHECK(support::cell({0.1234, 0}, 3, false) == "0.123");
  CHECK(support::cell({std::nan(""), 0}, 3, true) == "-");
}

TEST_CASE("rows of two seeds: by name, over seeds, and as lines of a plot") {
  const support::results<double> all({{row{"a", 1, 1.0}, row{"a", 4, 2.0}, row{"b", 1, 5.0}},  //
                                      {row{"a", 1, 3.0}, row{"a", 4, 2.0}, row{"b", 1, 6.0}}});
  const auto value = [](const row& m) { return m.seen; };
  CHECK(all.seeds() == 2);
  CHECK(all.find("a", 4) == 1u);
  CHECK(all.find("b", 1) == 2u);
  CHECK_FALSE(all.find("b", 4).has_value());
  CHECK(all.each(2, value) == std::vector<double>{5, 6});
  CHECK(all.of(0, value).mean == 2);
  CHECK(all.of(0, value).spread == Approx(std::sqrt(2.0)));

  dimix::line_plot plot;
  all.draw(plot, value);
  REQUIRE(plot.series.size() == 2);
  CHECK(plot.series[0].name == "a");
  CHECK(plot.series[0].x == std::vector<double>{1, 4});
  CHECK(plot.series[0].y == std::vector<double>{2, 2});
  CHECK(plot.series[0].spread.size() == 2);
  CHECK(plot.series[1].y == std::vector<double>{5.5});
  CHECK(plot.x_ticks == std::vector<double>{1, 4});
}

}  // namespace results_tests
