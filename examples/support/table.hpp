// Text tables: columns as wide as their widest cell, numbers to the right and words to the left, for the terminal or as Markdown.
//
//   support::table quality({"sampler", "calls", "distance"});
//   quality.add({"teacher", "4", support::fixed(0.7312, 3)});
//   std::fputs(quality.text().c_str(), stdout);
#pragma once

#include <dimix/core/error.hpp>

#include <algorithm>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace support {

/// A number with so many digits after the point.
inline std::string fixed(double value, int digits) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

class table {
 public:
  explicit table(std::vector<std::string> header) : header_(std::move(header)) {
    dimix::expects(!header_.empty(), "table: there are no columns");
  }

  /// A row of as many cells as the header has; throws invalid_argument otherwise.
  void add(std::vector<std::string> row) {
    dimix::expects(row.size() == header_.size(), "table: a row of ", row.size(), " cells under a header of ", header_.size());
    rows_.push_back(std::move(row));
  }

  /// A line between what was added and what comes; Markdown has none.
  void add_rule() { rules_.push_back(rows_.size()); }

  std::string text() const {
    std::string out = line(header_, "  ", "", ""), rule;
    for (std::size_t column = 0; column < header_.size(); ++column)
      rule += (column ? "  " : "") + std::string(width(column), '-');
    rule += '\n';
    out += rule;
    for (std::size_t row = 0; row < rows_.size(); ++row) {
      if (row > 0 && std::find(rules_.begin(), rules_.end(), row) != rules_.end()) out += rule;
      out += line(rows_[row], "  ", "", "");
    }
    return out;
  }

  std::string markdown() const {
    std::string out = line(header_, " | ", "| ", " |"), rule = "|";
    for (std::size_t column = 0; column < header_.size(); ++column)
      rule += (numeric(column) ? std::string(width(column) + 1, '-') + ":" : std::string(width(column) + 2, '-')) + "|";
    out += rule + "\n";
    for (const auto& row : rows_) out += line(row, " | ", "| ", " |");
    return out;
  }

 private:
  /// Characters, not bytes, of UTF-8 text.
  static std::size_t length(std::string_view text) {
    return static_cast<std::size_t>(
        std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
  }

  std::size_t width(std::size_t column) const {
    std::size_t widest = std::max<std::size_t>(length(header_[column]), 3);
    for (const auto& row : rows_) widest = std::max(widest, length(row[column]));
    return widest;
  }

  /// Columns whose cells all start like a number (or are empty or a dash) stand to the right.
  bool numeric(std::size_t column) const {
    return !rows_.empty() && std::all_of(rows_.begin(), rows_.end(), [&](const auto& row) {
      const std::string& cell = row[column];
      return cell.empty() || std::string_view("+-.0123456789").find(cell[0]) != std::string_view::npos;
    });
  }

  std::string line(const std::vector<std::string>& cells, const char* between, const char* before, const char* after) const {
    std::string out = before;
    for (std::size_t column = 0; column < cells.size(); ++column) {
      const std::string space(width(column) - length(cells[column]), ' ');
      out += (column ? between : "") + (numeric(column) ? space + cells[column] : cells[column] + space);
    }
    out += after;
    if (*after == '\0') out.erase(out.find_last_not_of(' ') + 1);
    return out + "\n";
  }

  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
  std::vector<std::size_t> rules_;
};

}  // namespace support
