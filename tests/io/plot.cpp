// Plots: points land where the axes say, text is escaped, and what cannot be plotted is refused with its place.
#include <dimix/io/plot.hpp>

#include "io/files.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using dimix::invalid_argument;
using dimix::line_plot;
using dimix::to_svg;
using doctest::Contains;

namespace {

/// How often `part` occurs.
int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

line_plot example() {
  line_plot plot{.title = "t", .x_title = "x", .y_title = "y"};
  plot.series.push_back({"a", {1, 2, 4}, {3, 2, 1}, {0.5, 0, 0.25}});
  plot.series.push_back({"b", {1, 4}, {1, 2}});
  plot.references.push_back({"floor", 0.5});
  return plot;
}

/// Points of the circles, the markers of the first series.
std::vector<std::pair<double, double>> circles(const std::string& svg) {
  std::vector<std::pair<double, double>> points;
  for (std::size_t at = svg.find("<circle"); at != svg.npos; at = svg.find("<circle", at + 1)) {
    const auto number = [&](const char* key) { return std::stod(svg.substr(svg.find(key, at) + 4)); };
    points.emplace_back(number("cx=\""), number("cy=\""));
  }
  return points;
}

}  // namespace

TEST_CASE("a plot has its series, bars, reference and words") {
  const std::string svg = to_svg(example());
  CHECK(svg.starts_with("<svg xmlns="));
  CHECK(svg.ends_with("</svg>\n"));
  CHECK(count(svg, "<circle") == 3 + 1);           // the points and the legend
  CHECK(count(svg, "m-4 0h8") == 2);               // a bar of no length is not drawn
  CHECK(count(svg, "stroke-dasharray") == 1 + 1);  // the line and the legend
  for (const char* word : {">t<", ">x<", ">y<", ">a<", ">b<", ">floor<"}) CHECK(count(svg, word) == 1);
  CHECK(svg.find("nan") == svg.npos);
  CHECK(svg.find("inf") == svg.npos);
}

TEST_CASE("points lie where a linear and a logarithmic axis put them") {
  line_plot plot;
  plot.series.push_back({"a", {1, 2, 4}, {10, 100, 1000}});
  auto at = circles(to_svg(plot));
  CHECK((at[2].first - at[1].first) == doctest::Approx(2 * (at[1].first - at[0].first)).epsilon(0.01));
  CHECK((at[1].second - at[2].second) == doctest::Approx(10 * (at[0].second - at[1].second)).epsilon(0.01));
  plot.log_x = plot.log_y = true;
  at = circles(to_svg(plot));
  CHECK((at[2].first - at[1].first) == doctest::Approx(at[1].first - at[0].first).epsilon(0.01));
  CHECK((at[1].second - at[2].second) == doctest::Approx(at[0].second - at[1].second).epsilon(0.01));
}

TEST_CASE("ticks are round, inside the axis, or the caller's") {
  for (double scale : {1e-7, 1.0, 3e5}) {
    dimix::detail::axis axis;
    axis.settle({1.3 * scale, 9.1 * scale}, {});
    CHECK(axis.ticks.size() >= 4);
    CHECK(axis.ticks.size() <= 10);
    for (double tick : axis.ticks) {
      CHECK(tick >= axis.low);
      CHECK(tick <= axis.high);
    }
  }
  dimix::detail::axis log{.log = true};
  log.settle({0.2, 30}, {});
  CHECK(log.ticks.size() == 7);  // 0.2 0.5 1 2 5 10 20
  line_plot plot = example();
  plot.x_ticks = {1, 2, 3, 1000};
  const std::string svg = to_svg(plot);
  CHECK(count(svg, "text-anchor=\"middle\">3<") == 1);
  CHECK(count(svg, ">1000<") == 0);
}

TEST_CASE("one point, equal points and points at zero have an axis too") {
  for (double value : {0.0, -3.0, 7.0}) {
    line_plot plot;
    plot.series.push_back({"a", {2}, {value}});
    const std::string svg = to_svg(plot);
    CHECK(svg.find("nan") == svg.npos);
    CHECK(svg.find("inf") == svg.npos);
  }
}

TEST_CASE("words with markup are escaped") {
  line_plot plot = example();
  plot.title = "a < b & \"c\"\n> λ";
  CHECK(to_svg(plot).find(">a &lt; b &amp; &quot;c&quot; &gt; λ<") != std::string::npos);
}

TEST_CASE("what cannot be plotted is refused") {
  const auto refused = [](const line_plot& plot, const char* reason) {
    CHECK_THROWS_WITH_AS(to_svg(plot), Contains(reason), invalid_argument);
  };
  refused({}, "there is no point to plot");
  line_plot plot = example();
  plot.series[0].y.pop_back();
  refused(plot, "series 'a' has 3 x, 2 y and 3 spreads");
  plot = example();
  plot.series[1].y[1] = std::numeric_limits<double>::quiet_NaN();
  refused(plot, "series 'b', point 1 (4, nan +- 0) is not a finite point");
  plot = example();
  plot.series[0].spread[1] = -1;
  refused(plot, "series 'a', point 1");
  plot = example();
  plot.log_y = true;
  plot.series[1].y[0] = 0;
  refused(plot, "series 'b', point 0 (1, 0) is not positive on a logarithmic axis");
  plot = example();
  plot.log_y = true;
  plot.references[0].y = 0;
  refused(plot, "reference 'floor' at 0 is not on the axis");
  plot = example();
  plot.width = 10;
  refused(plot, "a plot of 10 x 480 pixels");
}

TEST_CASE("an SVG file is written whole") {
  const test::temporary_folder folder;
  dimix::write_svg(folder / "p.svg", example());
  CHECK(dimix::read_whole(folder / "p.svg") == test::bytes_of(to_svg(example())));
}
