// What a comparison found: per case the largest error over tolerance, the outputs that were checked, and the public calls that
// they came from.
#pragma once

#include "golden/recorded.hpp"

#include <cmath>
#include <limits>
#include <ostream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace golden {

/// |ours - recorded| / (atol + rtol |recorded|). Equal numbers have 0, also when both are infinite or both not a number; a
/// single not-a-number, and any difference where none is allowed, have infinity.
inline double error_over_tolerance(double ours, double recorded, tolerance allowed) {
  if (ours == recorded || (std::isnan(ours) && std::isnan(recorded))) return 0;
  const double ratio = std::abs(ours - recorded) / (allowed.atol + allowed.rtol * std::abs(recorded));
  return std::isfinite(ratio) ? ratio : std::numeric_limits<double>::infinity();
}

class case_report {
 public:
  explicit case_report(const recorded_case& recorded) : recorded_(recorded) {
    for (const auto& [output, allowed] : recorded.outputs()) unchecked_.insert(output);
  }

  /// Compares ours(), a range of numbers in row-major order, with an output, if that was recorded. calls: the public calls that
  /// ours() gets its numbers from. An error thrown on the way is a miss.
  template <class Ours>
  void check(const std::string& output, const std::vector<std::string>& calls, const Ours& ours) {
    if (unchecked_.erase(output) == 0) return;
    for (const std::string& call : calls)
      if (std::find(calls_.begin(), calls_.end(), call) == calls_.end()) calls_.push_back(call);
    ++checked_;
    try {
      compare(output, ours());
    } catch (const std::exception& reason) {
      add_miss(output, reason.what());
    }
  }

  bool ok() const { return misses_.empty(); }
  double worst() const { return worst_; }
  /// An error outside the comparison of a single output.
  void miss(const std::string& reason) { add_miss("the case", reason); }
  index_t checked() const { return checked_; }
  index_t recorded() const { return static_cast<index_t>(recorded_.outputs().size()); }

  /// The recorded outputs that no call of the library was compared with.
  const std::set<std::string>& skipped() const { return unchecked_; }

  /// One line, and below it the calls, what was missed and what is not covered.
  void print(std::ostream& out) const {
    print_line(out, checked_ == 0 ? "-" : short_text(worst_), ok() ? "ok" : "MISS");
    if (!calls_.empty()) print_list(out, "calls", calls_);
    for (const std::string& text : misses_) out << "      missed: " << text << '\n';
    if (!unchecked_.empty()) print_list(out, "skipped", {unchecked_.begin(), unchecked_.end()});
  }
  /// The line of a case of a family that is not covered.
  void print_skipped(std::ostream& out) const {
    print_line(out, "-", "skipped: family " + recorded_.family() + " is not covered");
  }

  static std::string short_text(double number) {
    std::ostringstream text;
    text.precision(3);
    text << number;
    return text.str();
  }

 private:
  void print_line(std::ostream& out, const std::string& worst, const std::string& verdict) const {
    const auto padded = [](const std::string& text, std::size_t width) {
      return text + std::string(width - std::min(width, text.size()), ' ');
    };
    out << "  " << padded(recorded_.name(), 49) << " worst " << padded(worst, 10) << checked_ << " of " << recorded()
        << " outputs  " << verdict << '\n';
  }

  template <class Numbers>
  void compare(const std::string& output, const Numbers& ours) {
    const std::vector<double> recorded = recorded_.output(output);
    const index_t count = static_cast<index_t>(std::distance(ours.begin(), ours.end()));
    if (count != static_cast<index_t>(recorded.size()))
      return add_miss(output, std::to_string(count) + " numbers, and " + std::to_string(recorded.size()) + " were recorded");
    double worst = 0;
    std::size_t worst_at = 0;
    auto number = ours.begin();
    for (std::size_t i = 0; i < recorded.size(); ++i, ++number) {
      const double error = error_over_tolerance(static_cast<double>(*number), recorded[i], recorded_.outputs().at(output));
      if (error > worst) worst = error, worst_at = i;
    }
    worst_ = std::max(worst_, worst);
    if (worst <= 1) return;
    std::ostringstream text;
    text.precision(17);
    text << "ours " << static_cast<double>(*(ours.begin() + static_cast<std::ptrdiff_t>(worst_at))) << ", recorded "
         << recorded[worst_at] << " at flat index " << worst_at << " (error over tolerance " << worst << ")";
    add_miss(output, text.str());
  }

  void add_miss(const std::string& output, const std::string& reason) {
    misses_.push_back(output + ": " + reason);
    if (!(worst_ > 1)) worst_ = std::numeric_limits<double>::infinity();
  }

  static void print_list(std::ostream& out, const std::string& title, const std::vector<std::string>& names) {
    std::string line = "      " + title + ":";
    for (std::size_t i = 0; i < names.size(); ++i) {
      const std::string next = " " + names[i] + (i + 1 < names.size() ? "," : "");
      if (line.size() + next.size() > 126) {
        out << line << '\n';
        line = "         ";
      }
      line += next;
    }
    out << line << '\n';
  }

  const recorded_case& recorded_;
  std::set<std::string> unchecked_;
  std::vector<std::string> calls_, misses_;
  double worst_ = 0;
  index_t checked_ = 0;
};

}  // namespace golden
