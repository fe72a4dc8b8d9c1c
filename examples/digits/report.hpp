// What the experiment leaves behind: a table (terminal and Markdown), a picture of samples side by side, two plots, and the claims
// of the README with the numbers that carry them.
#pragma once

#include "run.hpp"

#include <dimix/io/image_grid.hpp>
#include <dimix/io/plot.hpp>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

namespace digits {

class report {
 public:
  report(const settings& chosen, const image_split& images, const quality& floor, const std::vector<outcome>& seeds)
      : chosen_(chosen), images_(images), floor_(floor), pictures_(seeds.front().pictures), all_(rows_of(seeds)) {}

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
  using summary = support::summary;

  std::string path(const char* name) const { return (std::filesystem::path(chosen_.out) / name).string(); }

  static support::results<quality> rows_of(const std::vector<outcome>& seeds) {
    std::vector<std::vector<measured>> rows;
    for (const outcome& seed : seeds) rows.push_back(seed.rows);
    return support::results<quality>(std::move(rows));
  }

  summary of(std::size_t row, measure what) const {
    return all_.of(row, [what](const measured& m) { return m.seen.*what; });
  }
  std::string cell(summary value, int digits) const { return support::cell(value, digits, all_.seeds() > 1); }

  support::table make_table() const {
    std::vector<std::string> titles = {"sampler", "calls",   "features",    "pixels", "confidence",
                                       "IS",      "nearest", "correlation", "TV",     "s / 1000"};
    if (chosen_.classes) titles.push_back("accuracy");
    support::table rows(titles);
    const auto& d = floor_;
    const summary none{std::nan(""), 0};
    const auto add = [&](const std::string& name, const std::string& calls, auto value, summary seconds) {
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
      if (chosen_.classes) cells.push_back(cell(value(&quality::accuracy), 3));
      rows.add(cells);
    };
    add(
        chosen_.on_validation ? "real: train vs validation" : "real: train vs held-out", "",
        [&](measure what) {
          return summary{d.*what, 0};
        },
        none);
    const auto& first = all_.rows();
    for (std::size_t row = 0; row < first.size(); ++row) {
      if (row == 0 || first[row].sampler != first[row - 1].sampler) rows.add_rule();
      add(
          first[row].sampler, std::to_string(first[row].calls), [&](measure what) { return of(row, what); },
          all_.of(row, [](const measured& m) { return m.seconds; }));
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
    all_.draw(plot, [what](const measured& m) { return std::max(m.seen.*what, 1e-6); });
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
      const auto found = pictures_.find(sampler + " " + std::to_string(calls));
      if (found != pictures_.end())
        add(sampler + ", " + std::to_string(calls) + (calls == 1 ? " call" : " calls"), found->second);
    }
    dimix::write_png(path("samples.png"), dimix::side_by_side(panels, {.columns = 4}));
  }

  /// One line per claim: the two numbers, their difference, and whether it is within its bound.
  void print_claims() const {
    support::say_claims(all_.seeds());
    const auto say = support::say_claim;
    const auto below = [&](index_t calls, double bound) {
      const auto row = all_.find("teacher", calls);
      if (!row || std::isnan(floor_.frechet_features)) return;
      const double value = of(*row, &quality::frechet_features).mean;
      say(value <= bound, "teacher at " + std::to_string(calls) + " calls: features " + support::fixed(value, 3) +
                              " <= " + support::fixed(bound, 2) + " (" + support::fixed(value / floor_.frechet_features, 2) +
                              " times the floor)");
    };
    below(8, 0.60);
    below(32, 0.33);
    const auto no_worse = [&](index_t student, index_t teacher, measure what, const char* name, double margin) {
      const auto few = all_.find("student", student), many = all_.find("teacher", teacher);
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
        const auto control = all_.find("factorized", calls), teacher = all_.find("teacher", calls);
        if (!control || !teacher || std::isnan(of(*control, what).mean)) continue;
        const double ratio = of(*control, what).mean / of(*teacher, what).mean;
        say(std::abs(ratio - 1) <= 0.15, "factorized student at " + std::to_string(calls) + ": " + name + " " +
                                             support::fixed(ratio, 2) + " times the teacher's (within 15 %)");
      }
  }

  const settings& chosen_;
  const image_split& images_;
  quality floor_;
  std::map<std::string, array<token, 2>> pictures_;
  support::results<quality> all_;
};

}  // namespace digits
