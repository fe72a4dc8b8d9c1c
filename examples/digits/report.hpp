// What the experiment leaves behind: a table (terminal and Markdown), a picture of samples side by side, two plots, and the claims
// of the README with the numbers that carry them.
#pragma once

#include "../support/table.hpp"
#include "run.hpp"

#include <dimix/io/image_grid.hpp>
#include <dimix/io/plot.hpp>

#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

namespace digits {

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

class report {
 public:
  report(const settings& chosen, const image_split& images, const quality& floor, std::vector<outcome> seeds)
      : chosen_(chosen), images_(images), floor_(floor), seeds_(std::move(seeds)) {}

  void write() const {
    const support::table rows = make_table();
    std::printf("\n%s\n", rows.text().c_str());
    dimix::write_whole(path("table.md"), rows.markdown());
    write_plot("features.svg", "Fréchet distance of the features", &quality::frechet_features);
    write_plot("pixels.svg", "Fréchet distance on 16 principal components", &quality::frechet_pixels);
    write_pictures();
    if (!chosen_.classes) print_claims();  // they are about images of no class
    std::printf("\nIn %s: table.md, samples.png, %spixels.svg\n", chosen_.out.c_str(),
                std::isnan(floor_.frechet_features) ? "" : "features.svg, ");
  }

 private:
  using measure = double quality::*;

  std::string path(const char* name) const { return (std::filesystem::path(chosen_.out) / name).string(); }

  summary of(std::size_t row, const std::function<double(const measured&)>& value) const {
    std::vector<double> values;
    for (const outcome& seed : seeds_) values.push_back(value(seed.rows[row]));
    return summarise(values);
  }
  summary of(std::size_t row, measure what) const {
    return of(row, [what](const measured& m) { return m.seen.*what; });
  }

  /// The row of a sampler at so many calls, or nothing.
  std::optional<std::size_t> find(const std::string& sampler, index_t calls) const {
    const auto& rows = seeds_.front().rows;
    for (std::size_t row = 0; row < rows.size(); ++row)
      if (rows[row].sampler == sampler && rows[row].calls == calls) return row;
    return std::nullopt;
  }

  std::string cell(summary value, int digits) const {
    if (std::isnan(value.mean)) return "-";
    std::string text = support::fixed(value.mean, digits);
    if (seeds_.size() > 1) text += " ± " + support::fixed(value.spread, digits);
    return text;
  }

  support::table make_table() const {
    std::vector<std::string> titles = {"sampler", "calls",   "features",    "pixels", "confidence",
                                       "IS",      "nearest", "correlation", "TV",     "s / 1000"};
    if (chosen_.classes) titles.push_back("accuracy");
    support::table rows(titles);
    const auto& d = floor_;
    const summary none{std::nan(""), 0};
    const auto add = [&](const std::string& name, const std::string& calls, auto value, summary seconds, summary accuracy) {
      std::vector<std::string> cells = {name,
                                        calls,
                                        cell(value(&quality::frechet_features), 3),
                                        cell(value(&quality::frechet_pixels), 3),
                                        cell(value(&quality::confidence), 3),
                                        cell(value(&quality::inception), 2),
                                        cell(value(&quality::nearest), 3),
                                        cell(value(&quality::correlation), 3),
                                        cell(value(&quality::variation), 3),
                                        cell(seconds, 2)};
      if (chosen_.classes) cells.push_back(cell(accuracy, 3));
      rows.add(cells);
    };
    add(
        chosen_.on_validation ? "real: train vs validation" : "real: train vs held-out", "",
        [&](measure what) {
          return summary{d.*what, 0};
        },
        none, none);
    const auto& first = seeds_.front().rows;
    for (std::size_t row = 0; row < first.size(); ++row) {
      if (row == 0 || first[row].sampler != first[row - 1].sampler) rows.add_rule();
      add(
          first[row].sampler, std::to_string(first[row].calls), [&](measure what) { return of(row, what); },
          of(row, [](const measured& m) { return m.seconds; }), of(row, [](const measured& m) { return m.accuracy; }));
    }
    return rows;
  }

  void write_plot(const char* file, const char* title, measure what) const {
    if (std::isnan(of(0, what).mean)) return;
    dimix::line_plot plot{.title = title,
                          .x_title = "network calls",
                          .y_title = "distance to real images (lower is better)",
                          .references = {{"real images (floor)", floor_.*what}},
                          .log_x = true,
                          .log_y = true};
    for (index_t calls : std::set<index_t>(chosen_.steps.begin(), chosen_.steps.end()))
      plot.x_ticks.push_back(static_cast<double>(calls));
    for (std::size_t row = 0; row < seeds_.front().rows.size(); ++row) {
      const measured& here = seeds_.front().rows[row];
      if (plot.series.empty() || plot.series.back().name != here.sampler) plot.series.push_back({here.sampler, {}, {}});
      const summary value = of(row, what);
      plot.series.back().x.push_back(static_cast<double>(here.calls));
      plot.series.back().y.push_back(std::max(value.mean, 1e-6));
      if (seeds_.size() > 1) plot.series.back().spread.push_back(value.spread);
    }
    dimix::write_svg(path(file), plot);
  }

  /// real | teacher 1, 2, 4, 32 | student 1, 2, 4
  void write_pictures() const {
    std::vector<dimix::panel> panels;
    const auto add = [&](const std::string& caption, view<const token, 2> images) {
      const auto& train = images_.train;
      const dimix::view<const token, 3> grid(images.data(), std::min(pictured, images.extent(0)), train.height, train.width);
      panels.push_back(
          {caption,
           dimix::image_grid(grid, {.levels = train.levels, .scale = std::max<index_t>(1, 32 / train.width), .ink = 0})});
    };
    add("real", images_.train.tokens);
    for (const auto& [sampler, calls] : std::vector<std::pair<std::string, index_t>>{
             {"teacher", 1}, {"teacher", 2}, {"teacher", 4}, {"teacher", 32}, {"student", 1}, {"student", 2}, {"student", 4}}) {
      const auto found = seeds_.front().pictures.find(sampler + " " + std::to_string(calls));
      if (found != seeds_.front().pictures.end())
        add(sampler + ", " + std::to_string(calls) + (calls == 1 ? " call" : " calls"), found->second);
    }
    dimix::write_png(path("samples.png"), dimix::side_by_side(panels, {.columns = 4}));
  }

  /// One line per claim: the two numbers, their difference, and whether it is within its bound.
  void print_claims() const {
    std::printf("Claims (mean of %zu seed%s):\n", seeds_.size(), seeds_.size() == 1 ? "" : "s");
    const auto say = [](bool holds, const std::string& text) {
      std::printf("  %s  %s\n", holds ? "holds " : "FAILS ", text.c_str());
    };
    const auto below = [&](index_t calls, double bound) {
      const auto row = find("teacher", calls);
      if (!row || std::isnan(floor_.frechet_features)) return;
      const double value = of(*row, &quality::frechet_features).mean;
      say(value <= bound, "teacher at " + std::to_string(calls) + " calls: features " + support::fixed(value, 3) +
                              " <= " + support::fixed(bound, 2) + " (" + support::fixed(value / floor_.frechet_features, 2) +
                              " times the floor)");
    };
    below(8, 0.60);
    below(32, 0.33);
    const auto no_worse = [&](index_t student, index_t teacher, measure what, const char* name, double margin) {
      const auto few = find("student", student), many = find("teacher", teacher);
      if (!few || !many || std::isnan(of(*few, what).mean)) return;
      const double a = of(*few, what).mean, b = of(*many, what).mean;
      say(a - b <= margin, "student at " + std::to_string(student) + " against teacher at " + std::to_string(teacher) + ": " +
                               name + " " + support::fixed(a, 3) + " against " + support::fixed(b, 3) + " (at most " +
                               support::fixed(margin, 2) + " worse)");
    };
    for (auto [student, teacher] : {std::pair<index_t, index_t>{1, 4}, {2, 8}, {4, 16}}) {
      no_worse(student, teacher, &quality::frechet_features, "features", 0.05);
      no_worse(student, teacher, &quality::frechet_pixels, "pixels", 0.01);
    }
    for (index_t calls : {1, 2})
      for (auto [what, name] :
           {std::pair<measure, const char*>{&quality::frechet_features, "features"}, {&quality::frechet_pixels, "pixels"}}) {
        const auto control = find("factorized", calls), teacher = find("teacher", calls);
        if (!control || !teacher || std::isnan(of(*control, what).mean)) continue;
        const double ratio = of(*control, what).mean / of(*teacher, what).mean;
        say(std::abs(ratio - 1) <= 0.15, "factorized student at " + std::to_string(calls) + ": " + name + " " +
                                             support::fixed(ratio, 2) + " times the teacher's (within 15 %)");
      }
  }

  const settings& chosen_;
  const image_split& images_;
  quality floor_;
  std::vector<outcome> seeds_;
};

}  // namespace digits
