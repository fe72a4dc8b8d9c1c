// Every recorded case of a folder against the library. Compiled once, for golden_check and for the test that it can fail.
#pragma once

#include "golden/report.hpp"

#include <filesystem>

namespace golden {

/// A family of cases is known by its name and by the function that was recorded.
struct covered_family {
  const char *family, *source;
  void (*check)(const recorded_case&, case_report&);
};

/// Nothing where the family is not covered.
const covered_family* family_of(const recorded_case& recorded);

/// Compares what the family covers. An error that concerns no single output is a miss of the case.
case_report check_case(const recorded_case& recorded, const covered_family& family);

struct folder_result {
  index_t files = 0, ok = 0, missed = 0, unreadable = 0, skipped = 0;  // cases
  index_t checked = 0, recorded = 0;                                   // outputs of the cases that are covered
  double worst = 0;

  /// Nothing missed, nothing damaged, and something there to look at.
  bool good() const { return files > 0 && missed == 0 && unreadable == 0; }
};

/// A line per case, and the sums. Errors: file_error when `folder` is none.
folder_result check_folder(const std::filesystem::path& folder, std::ostream& out);

}  // namespace golden
