// What the experiment leaves behind: a table (terminal and Markdown), two plots, sampled words side by side, and the claims with the
// numbers that carry them.
#pragma once

#include "run.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <string>
#include <vector>

namespace words {

class report {
 public:
  /// real: the reference words measured as samples are; expected: the share of different ones among as many real words.
  report(const settings& chosen, const quality& real, double expected, const std::vector<outcome>& seeds)
      : chosen_(chosen), real_(real), expected_(expected), texts_(seeds.front().texts), all_(rows_of(seeds)) {}

  void write() const {
    const support::table rows = make_table();
    std::printf("\n%s\n", rows.text().c_str());
    if (all_.seeds() > 1)
      std::printf("Mean ± standard deviation between seeds.\n");
    else
      std::printf("A share of %td samples has a 95 %% interval of at most ± %.3f.\n", chosen_.samples,
                  1.96 * 0.5 / std::sqrt(static_cast<double>(chosen_.samples)));
    dimix::write_whole(path("table.md"), rows.markdown());
    write_plot("trigrams.svg", "Trigrams that occur in training words", &quality::trigrams);
    write_plot("padding.svg", "Well-formed padding", &quality::padding);
    dimix::write_whole(path("samples.txt"), sample_text());
    print_claims();
    std::printf("\nIn %s: table.md, samples.txt, trigrams.svg, padding.svg\n", chosen_.out.c_str());
  }

 private:
  using measure = double quality::*;

  std::string path(const char* name) const { return (std::filesystem::path(chosen_.out) / name).string(); }

  static support::results<quality> rows_of(const std::vector<outcome>& seeds) {
    std::vector<std::vector<measured>> rows;
    for (const outcome& seed : seeds) rows.push_back(seed.rows);
    return support::results<quality>(std::move(rows));
  }

  support::table make_table() const {
    support::table rows(
        {"sampler", "calls", "trigrams", "padding", "dictionary", "held-out", "distinct", "lengths TV", "s / 1000"});
    const auto number = [](double value) { return support::fixed(value, 3); };
    rows.add({chosen_.on_validation ? "real: validation" : "real: held-out", "", number(real_.trigrams), number(real_.padding),
              number(real_.dictionary), number(real_.held_out), number(expected_), number(real_.lengths), "-"});
    for (std::size_t row = 0; row < all_.rows().size(); ++row) {
      const measured& here = all_.rows()[row];
      if (row == 0 || here.sampler != all_.rows()[row - 1].sampler) rows.add_rule();
      const auto cell = [&](auto value, int digits) { return support::cell(all_.of(row, value), digits, all_.seeds() > 1); };
      const auto share = [&](measure what) { return cell([&](const measured& m) { return m.seen.*what; }, 3); };
      rows.add({here.sampler, std::to_string(here.calls), share(&quality::trigrams), share(&quality::padding),
                share(&quality::dictionary), share(&quality::held_out), share(&quality::distinct), share(&quality::lengths),
                cell([](const measured& m) { return m.seconds; }, 2)});
    }
    return rows;
  }

  void write_plot(const char* file, const char* title, measure what) const {
    dimix::line_plot plot{.title = title,
                          .x_title = "network calls",
                          .y_title = "share (higher is better)",
                          .references = {{"real words", real_.*what}},
                          .log_x = true};
    all_.draw(plot, [what](const measured& m) { return m.seen.*what; });
    dimix::write_svg(path(file), plot);
  }

  /// 64 words of every sampler, eight a line, ill-formed ones in quotes.
  std::string sample_text() const {
    std::string text;
    for (const measured& row : all_.rows()) {
      text += row.sampler + ", " + std::to_string(row.calls) + (row.calls == 1 ? " call\n" : " calls\n");
      const auto& list = texts_.at(row.sampler + " " + std::to_string(row.calls));
      for (std::size_t i = 0; i < list.size(); ++i) {
        const std::string word = well_formed(list[i]) ? list[i] : "\"" + list[i] + "\"";
        text += "  " + word + (i % 8 == 7 || i + 1 == list.size() ? "\n" : std::string(11 - word.size(), ' '));
      }
      text += "\n";
    }
    return text;
  }

  /// The difference of a measure between two rows, a - b: mean over the seeds, and half of its 95 % interval. Seeds are paired, Student's
  /// law; with one seed the sampling alone, for shares of independent samples (trigrams of one word are not: a little too narrow).
  support::summary difference(std::size_t a, std::size_t b, measure what) const {
    const auto value = [what](const measured& m) { return m.seen.*what; };
    const std::vector<double> first = all_.each(a, value), second = all_.each(b, value);
    std::vector<double> gaps;
    for (std::size_t seed = 0; seed < first.size(); ++seed) gaps.push_back(first[seed] - second[seed]);
    support::summary gap = support::summarise(gaps);
    const double n = static_cast<double>(gaps.size());
    if (gaps.size() == 1) {
      const auto variance = [&](double p) { return p * (1 - p) / static_cast<double>(chosen_.samples); };
      gap.spread = 1.96 * std::sqrt(variance(first[0]) + variance(second[0]));
    } else {
      constexpr double t[] = {12.706, 4.303, 3.182, 2.776, 2.571,
                              2.447,  2.365, 2.306, 2.262};  // 0.975 quantiles of 1 to 9 degrees
      gap.spread *= (gaps.size() <= 10 ? t[gaps.size() - 2] : 2.262) / std::sqrt(n);
    }
    return gap;
  }

  /// One line per claim: the two numbers, their difference with its interval, and whether it holds.
  void print_claims() const {
    support::say_claims(all_.seeds());
    const auto compare = [&](const std::string& sampler, index_t few, index_t many, measure what, const char* name,
                             bool above) {
      const auto a = all_.find(sampler, few), b = all_.find("teacher", many);
      if (!a || !b) return;
      const support::summary gap = difference(*a, *b, what);
      const auto mean = [&](std::size_t row) {
        return support::fixed(all_.of(row, [what](const measured& m) { return m.seen.*what; }).mean, 4);
      };
      support::say_claim(above ? gap.mean >= 0 : gap.mean < 0,
                         sampler + " at " + std::to_string(few) + " against teacher at " + std::to_string(many) + ": " + name +
                             " " + mean(*a) + " against " + mean(*b) + " (" + support::fixed(gap.mean, 4) + " ± " +
                             support::fixed(gap.spread, 4) + ", wanted " + (above ? "at least" : "below") + " 0)");
    };
    for (const char* sampler : {"student", "student, round 2"})
      for (auto [few, many] : {std::pair<index_t, index_t>{1, 2}, {2, 4}}) {
        compare(sampler, few, many, &quality::trigrams, "trigrams", true);
        compare(sampler, few, many, &quality::padding, "padding", true);
        compare(sampler, few, many, &quality::lengths, "distance of the lengths", false);
        if (const auto row = all_.find(sampler, few)) {
          const double ratio = all_.of(*row, [](const measured& m) { return m.seen.distinct; }).mean / expected_;
          support::say_claim(ratio >= 0.98, std::string(sampler) + " at " + std::to_string(few) + ": " +
                                                support::fixed(ratio, 3) +
                                                " times as many different words as among real ones (at least 0.98)");
        }
      }
    for (auto [few, many] : {std::pair<index_t, index_t>{1, 2}, {2, 4}}) {
      compare("factorized", few, many, &quality::trigrams, "trigrams", false);
      compare("factorized", few, many, &quality::padding, "padding", false);
    }
  }

  const settings& chosen_;
  quality real_;
  double expected_;
  std::map<std::string, std::vector<std::string>> texts_;
  support::results<quality> all_;
};

}  // namespace words
