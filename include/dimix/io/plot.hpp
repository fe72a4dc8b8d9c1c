// Line plots as SVG text: named series with markers and error bars, linear or logarithmic axes, horizontal reference lines, and a
// legend beside the axes. Dark text on white; the colours are told apart by colour-blind readers too (after Okabe and Ito 2008),
// and every series has its own marker.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/view.hpp>
#include <dimix/io/file.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace dimix {

struct plot_series {
  std::string name;
  std::vector<double> x, y;
  std::vector<double> spread{};  // half the length of the error bar of each point; empty: none
};

/// A dashed horizontal line with its own line of the legend.
struct plot_reference {
  std::string label;
  double y = 0;
};

struct line_plot {
  std::string title{}, x_title{}, y_title{};
  std::vector<plot_series> series{};
  std::vector<plot_reference> references{};
  bool log_x = false, log_y = false;
  std::vector<double> x_ticks{}, y_ticks{};  // empty: round numbers
  int width = 820, height = 480;             // pixels
};

namespace detail {

struct svg {
  std::string text;

  template <class... Numbers>
  void add(const char* format, Numbers... numbers) {
    char line[512];
    text.append(line, static_cast<std::size_t>(std::clamp(std::snprintf(line, sizeof line, format, numbers...), 0, 511)));
  }
  /// Text of the caller, with what XML reads as markup escaped.
  void add_escaped(std::string_view words) {
    for (char c : words) {
      if (c == '&')
        text += "&amp;";
      else if (c == '<')
        text += "&lt;";
      else if (c == '>')
        text += "&gt;";
      else if (c == '"')
        text += "&quot;";
      else
        text += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
    }
  }
  void label(double x, double y, const char* style, std::string_view words) {
    add("<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, style);
    add_escaped(words);
    text += "</text>\n";
  }
};

inline std::string tick_text(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%g", std::abs(value) < 1e-12 ? 0.0 : value);
  return text;
}

/// A range of values laid over a range of pixels.
struct axis {
  bool log = false;
  double low = 0, high = 1, first_pixel = 0, last_pixel = 1;
  std::vector<double> ticks{};

  double scaled(double value) const { return log ? std::log10(value) : value; }
  double pixel(double value) const {
    const double share = (scaled(value) - scaled(low)) / (scaled(high) - scaled(low));
    return first_pixel + std::clamp(share, 0.0, 1.0) * (last_pixel - first_pixel);
  }

  /// Leaves some room around the values, and sets round ticks where the caller gave none.
  void settle(const std::vector<double>& values, const std::vector<double>& asked) {
    const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
    low = scaled(*smallest), high = scaled(*largest);
    const double room = high > low ? 0.05 * (high - low) : log ? 0.3 : std::max(0.5 * std::abs(high), 0.5);
    low -= room, high += room;
    if (!log && *smallest >= 0) low = std::max(low, 0.0);
    if (log) low = std::pow(10, low), high = std::pow(10, high);
    ticks = asked;
    if (ticks.empty()) log ? log_ticks() : linear_ticks();
    std::erase_if(ticks, [&](double tick) { return !(tick >= low && tick <= high); });
  }

  void linear_ticks() {
    const double rough = (high - low) / 6, power = std::pow(10, std::floor(std::log10(rough)));
    const double step = power * (rough > 5 * power ? 10 : rough > 2 * power ? 5 : rough > power ? 2 : 1);
    for (int i = 0; i <= 16; ++i) ticks.push_back((std::ceil(low / step) + i) * step);
  }
  void log_ticks() {
    const int first = static_cast<int>(std::floor(std::log10(low))), last = static_cast<int>(std::floor(std::log10(high)));
    const int stride = std::max(1, (last - first) / 8);
    for (int power = first; power <= last; power += stride)
      for (double factor : {1.0, 2.0, 5.0})
        if (factor == 1.0 || last - first <= 3) ticks.push_back(factor * std::pow(10, power));
  }
};

inline constexpr const char* plot_colours[] = {"#0072b2", "#d55e00", "#009e73", "#aa4499",
                                               "#e69f00", "#56b4e9", "#555555", "#8c5a2b"};
inline constexpr std::size_t plot_colour_count = sizeof plot_colours / sizeof plot_colours[0];

inline void add_marker(svg& out, std::size_t series, double x, double y) {
  const char* colour = plot_colours[series % plot_colour_count];
  switch (series % 4) {
    case 0:
      out.add("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4.5\" fill=\"%s\"/>\n", x, y, colour);
      break;
    case 1:
      out.add("<rect x=\"%.1f\" y=\"%.1f\" width=\"8\" height=\"8\" fill=\"%s\"/>\n", x - 4, y - 4, colour);
      break;
    case 2:
      out.add("<path d=\"M%.1f %.1fl5.2 9h-10.4z\" fill=\"%s\"/>\n", x, y - 5.5, colour);
      break;
    default:
      out.add("<path d=\"M%.1f %.1fl5.5 5.5l-5.5 5.5l-5.5 -5.5z\" fill=\"%s\"/>\n", x, y - 5.5, colour);
  }
}

inline void check_plot(const line_plot& plot) {
  expects(plot.width >= 320 && plot.width <= 10000 && plot.height >= 200 && plot.height <= 10000, "to_svg: a plot of ",
          plot.width, " x ", plot.height, " pixels lies outside [320, 10000] x [200, 10000]");
  bool any = false;
  for (const plot_series& line : plot.series) {
    expects(line.x.size() == line.y.size() && (line.spread.empty() || line.spread.size() == line.x.size()), "to_svg: series '",
            line.name, "' has ", line.x.size(), " x, ", line.y.size(), " y and ", line.spread.size(), " spreads");
    for (std::size_t i = 0; i < line.x.size(); ++i) {
      const double spread = line.spread.empty() ? 0 : line.spread[i];
      expects(std::isfinite(line.x[i]) && std::isfinite(line.y[i]) && std::isfinite(spread) && spread >= 0, "to_svg: series '",
              line.name, "', point ", i, " (", line.x[i], ", ", line.y[i], " +- ", spread, ") is not a finite point");
      expects((!plot.log_x || line.x[i] > 0) && (!plot.log_y || line.y[i] > 0), "to_svg: series '", line.name, "', point ", i,
              " (", line.x[i], ", ", line.y[i], ") is not positive on a logarithmic axis");
      any = true;
    }
  }
  expects(any, "to_svg: there is no point to plot");
  for (const plot_reference& line : plot.references)
    expects(std::isfinite(line.y) && (!plot.log_y || line.y > 0), "to_svg: reference '", line.label, "' at ", line.y,
            " is not on the axis");
}

inline void add_axes(svg& out, const line_plot& plot, const axis& x, const axis& y) {
  const double left = x.first_pixel, right = x.last_pixel, bottom = y.first_pixel, top = y.last_pixel;
  for (double tick : y.ticks) {
    const double at = y.pixel(tick);
    out.add("<path d=\"M%.1f %.1fH%.1f\" stroke=\"#e4e4e4\"/>\n", left, at, right);
    out.label(left - 9, at + 4.5, "text-anchor=\"end\"", tick_text(tick));
  }
  for (double tick : x.ticks) {
    const double at = x.pixel(tick);
    out.add("<path d=\"M%.1f %.1fV%.1f\" stroke=\"#e4e4e4\"/>\n", at, bottom, top);
    out.label(at, bottom + 20, "text-anchor=\"middle\"", tick_text(tick));
  }
  out.add("<path d=\"M%.1f %.1fV%.1fH%.1f\" fill=\"none\" stroke=\"#333333\" stroke-width=\"1.2\"/>\n", left, top, bottom,
          right);
  out.label((left + right) / 2, bottom + 44, "text-anchor=\"middle\"", plot.x_title);
  char turned[96];
  std::snprintf(turned, sizeof turned, "text-anchor=\"middle\" transform=\"rotate(-90 20 %.1f)\"", (top + bottom) / 2);
  out.label(20, (top + bottom) / 2, turned, plot.y_title);
  out.label((left + right) / 2, top - 18, "text-anchor=\"middle\" font-size=\"17\" font-weight=\"bold\"", plot.title);
}

inline void add_series(svg& out, std::size_t number, const plot_series& line, const axis& x, const axis& y) {
  const char* colour = plot_colours[number % plot_colour_count];
  if (line.x.empty()) return;
  out.text += "<path d=\"";
  for (std::size_t i = 0; i < line.x.size(); ++i) out.add("%s%.1f %.1f", i ? "L" : "M", x.pixel(line.x[i]), y.pixel(line.y[i]));
  out.add("\" fill=\"none\" stroke=\"%s\" stroke-width=\"2\" stroke-linejoin=\"round\"/>\n", colour);
  for (std::size_t i = 0; i < line.spread.size(); ++i) {
    if (!(line.spread[i] > 0)) continue;
    const double at = x.pixel(line.x[i]), above = y.pixel(line.y[i] + line.spread[i]);
    // a logarithmic axis ends above zero: pixel() then stops at its lower end
    const double below = y.pixel(std::max(line.y[i] - line.spread[i], y.low));
    out.add("<path d=\"M%.1f %.1fh8m-4 0V%.1fm-4 0h8\" fill=\"none\" stroke=\"%s\" stroke-width=\"1.2\"/>\n", at - 4, above,
            below, colour);
  }
  for (std::size_t i = 0; i < line.x.size(); ++i) add_marker(out, number, x.pixel(line.x[i]), y.pixel(line.y[i]));
}

}  // namespace detail

/// The plot as a complete SVG document.
/// Errors: invalid_argument for no points, series of unequal lengths, numbers that are not finite, and numbers that are not
/// positive on a logarithmic axis.
inline std::string to_svg(const line_plot& plot) {
  detail::check_plot(plot);
  std::vector<double> xs, ys;
  std::size_t longest = 0;
  for (const plot_series& line : plot.series) {
    longest = std::max(longest, line.name.size());
    for (std::size_t i = 0; i < line.x.size(); ++i) {
      const double spread = line.spread.empty() ? 0 : line.spread[i];
      xs.push_back(line.x[i]);
      ys.insert(ys.end(), {line.y[i], line.y[i] + spread});
      if (!plot.log_y || line.y[i] > spread) ys.push_back(line.y[i] - spread);
    }
  }
  for (const plot_reference& line : plot.references) {
    longest = std::max(longest, line.label.size());
    ys.push_back(line.y);
  }
  // 7.2 pixels for a character of the legend, but never more than half of the picture
  const double legend = std::min(48 + 7.2 * static_cast<double>(longest), 0.5 * plot.width);
  detail::axis x{.log = plot.log_x, .first_pixel = 76, .last_pixel = plot.width - legend - 16};
  detail::axis y{.log = plot.log_y, .first_pixel = plot.height - 62.0, .last_pixel = 48};
  x.settle(xs, plot.x_ticks);
  y.settle(ys, plot.y_ticks);

  detail::svg out;
  out.add("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" ", plot.width,
          plot.height, plot.width, plot.height);
  out.text += "font-family=\"Helvetica, Arial, 'DejaVu Sans', sans-serif\" font-size=\"14\" fill=\"#222222\">\n";
  out.text += "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n";
  detail::add_axes(out, plot, x, y);
  double row = y.last_pixel + 10;
  const double key = x.last_pixel + 18;
  for (const plot_reference& line : plot.references)
    out.add("<path d=\"M%.1f %.1fH%.1f\" stroke=\"#555555\" stroke-width=\"1.5\" stroke-dasharray=\"6 5\"/>\n", x.first_pixel,
            y.pixel(line.y), x.last_pixel);
  for (std::size_t i = 0; i < plot.series.size(); ++i, row += 24) {
    detail::add_series(out, i, plot.series[i], x, y);
    out.add("<path d=\"M%.1f %.1fh24\" stroke=\"%s\" stroke-width=\"2\"/>\n", key, row,
            detail::plot_colours[i % detail::plot_colour_count]);
    detail::add_marker(out, i, key + 12, row);
    out.label(key + 32, row + 5, "", plot.series[i].name);
  }
  for (const plot_reference& line : plot.references) {
    out.add("<path d=\"M%.1f %.1fh24\" stroke=\"#555555\" stroke-width=\"1.5\" stroke-dasharray=\"6 5\"/>\n", key, row);
    out.label(key + 32, row + 5, "", line.label);
    row += 24;
  }
  out.text += "</svg>\n";
  return out.text;
}

/// Writes the SVG file whole or not at all. Errors: as to_svg and write_whole.
inline void write_svg(const std::string& path, const line_plot& plot) { write_whole(path, to_svg(plot)); }

}  // namespace dimix
