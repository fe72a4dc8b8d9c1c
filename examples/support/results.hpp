// What the seeds of an experiment measured: rows of the same samplers and calls for every seed, and what they say together.
//
//   results<quality> all{outcomes};
//   all.of(row, [](const auto& m) { return m.seen.distance; })   mean and spread over the seeds
#pragma once

#include "table.hpp"

#include <dimix/core/view.hpp>
#include <dimix/io/plot.hpp>

#include <cmath>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace support {

using dimix::index_t;

/// A line of the table.
template <class Quality>
struct measured {
  std::string sampler;
  index_t calls = 0;
  Quality seen{};
  double seconds = 0;  // per 1000 samples
};

/// Mean over seeds, and the standard deviation between them (0 for one seed).
struct summary {
  double mean = 0, spread = 0;
};

inline summary summarise(const std::vector<double>& values) {
  summary result;
  for (double value : values) result.mean += value / static_cast<double>(values.size());
  if (values.size() < 2) return result;
  for (double value : values)
    result.spread += (value - result.mean) * (value - result.mean) / static_cast<double>(values.size() - 1);
  result.spread = std::sqrt(result.spread);
  return result;
}

/// The cell of a summary: a dash for what is not a number, the spread only where there are several seeds.
inline std::string cell(summary value, int digits, bool with_spread) {
  if (std::isnan(value.mean)) return "-";
  return fixed(value.mean, digits) + (with_spread ? " ± " + fixed(value.spread, digits) : "");
}

template <class Quality>
class results {
 public:
  using row_type = measured<Quality>;

  /// seeds: the rows of every seed, in the same order.
  explicit results(std::vector<std::vector<row_type>> seeds) : seeds_(std::move(seeds)) {}

  std::size_t seeds() const { return seeds_.size(); }
  const std::vector<row_type>& rows() const { return seeds_.front(); }

  /// value(row) of every seed.
  template <class Value>
  std::vector<double> each(std::size_t row, const Value& value) const {
    std::vector<double> values;
    for (const auto& seed : seeds_) values.push_back(value(seed[row]));
    return values;
  }
  template <class Value>
  summary of(std::size_t row, const Value& value) const {
    return summarise(each(row, value));
  }

  /// The row of a sampler at so many calls, or nothing.
  std::optional<std::size_t> find(const std::string& sampler, index_t calls) const {
    for (std::size_t row = 0; row < rows().size(); ++row)
      if (rows()[row].sampler == sampler && rows()[row].calls == calls) return row;
    return std::nullopt;
  }

  /// Adds a line per sampler to a plot against the number of calls.
  template <class Value>
  void draw(dimix::line_plot& plot, const Value& value) const {
    std::set<index_t> ticks;
    for (std::size_t row = 0; row < rows().size(); ++row) {
      const row_type& here = rows()[row];
      if (plot.series.empty() || plot.series.back().name != here.sampler) plot.series.push_back({here.sampler, {}, {}});
      const summary seen = of(row, value);
      plot.series.back().x.push_back(static_cast<double>(here.calls));
      plot.series.back().y.push_back(seen.mean);
      if (seeds() > 1) plot.series.back().spread.push_back(seen.spread);
      ticks.insert(here.calls);
    }
    plot.x_ticks.assign(ticks.begin(), ticks.end());
  }

 private:
  std::vector<std::vector<row_type>> seeds_;
};

/// One line per claim of the README: whether it holds, with the numbers that carry it.
inline void say_claims(std::size_t seeds) { std::printf("Claims (mean of %zu seed%s):\n", seeds, seeds == 1 ? "" : "s"); }
inline void say_claim(bool holds, const std::string& text) {
  std::printf("  %s  %s\n", holds ? "holds " : "FAILS ", text.c_str());
}

}  // namespace support
