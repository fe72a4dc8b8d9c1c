// What the examples print: tables and the progress of long loops.
#include "support/progress.hpp"
#include "support/table.hpp"

#include <dimix/core/error.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <limits>
#include <string>

TEST_CASE("a table lines up, numbers to the right, in text and in Markdown") {
  support::table table({"sampler", "calls", "distance"});
  table.add({"teacher", "4", support::fixed(0.7312, 3)});
  table.add_rule();
  table.add({"one λ per path", "16", "-"});
  CHECK(table.text() ==
        "sampler         calls  distance\n"
        "--------------  -----  --------\n"
        "teacher             4     0.731\n"
        "--------------  -----  --------\n"
        "one λ per path     16         -\n");
  CHECK(table.markdown() ==
        "| sampler        | calls | distance |\n"
        "|----------------|------:|---------:|\n"
        "| teacher        |     4 |    0.731 |\n"
        "| one λ per path |    16 |        - |\n");
  CHECK_THROWS_AS(table.add({"too", "few"}), dimix::invalid_argument);
  CHECK_THROWS_AS(support::table({}), dimix::invalid_argument);
}

namespace {

/// What a loop of `total` iterations prints to a file, which is no terminal.
std::string printed(dimix::index_t first, dimix::index_t total, double loss) {
  std::FILE* file = std::tmpfile();
  REQUIRE(file != nullptr);
  {
    support::progress bar({.label = "teacher", .total = total, .first = first, .out = file});
    for (dimix::index_t i = first + 1; i <= total; ++i) bar.update(i, loss);
    bar.update(total, loss);  // once more does no harm
  }
  std::string text(static_cast<std::size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  REQUIRE(std::fread(text.data(), 1, text.size(), file) == text.size());
  std::fclose(file);
  return text;
}

}  // namespace

TEST_CASE("progress in a log is a line for every ten per cent") {
  const std::string text = printed(0, 1000, 0.5);
  CHECK(std::count(text.begin(), text.end(), '\n') == 10);
  CHECK(text.find('\r') == text.npos);
  CHECK(text.starts_with("teacher [##------------------]  10%  loss 0.5  "));
  CHECK(text.find("] 100%  loss 0.5") != text.npos);
  CHECK(text.ends_with(" in all\n"));
}

TEST_CASE("a resumed loop begins where it was, and a loss that is no number is left out") {
  const std::string text = printed(450, 1000, std::numeric_limits<double>::quiet_NaN());
  CHECK(std::count(text.begin(), text.end(), '\n') == 6);
  CHECK(text.starts_with("teacher [##########----------]  50%  "));
  CHECK(text.find("loss") == text.npos);
}

TEST_CASE("a loop of few iterations prints one line for each") {
  const std::string text = printed(0, 3, 1);
  CHECK(std::count(text.begin(), text.end(), '\n') == 3);
}
