// The command line of an example: options with their defaults, and one sentence for every wrong one.
//
//   command_line line("digits", "Trains a teacher ...");
//   line.add("seed", "the first seed", chosen.seed);
//   line.add("fresh", "train anew", chosen.fresh);
//   if (!line.read(argc, argv)) return std::nullopt;      // --help was asked for and has been printed
//   at_least("seed", chosen.seed, 0);
// Errors: invalid_argument.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/view.hpp>

#include <cxxopts.hpp>

#include <algorithm>
#include <cctype>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>
#include <vector>

namespace support {

using dimix::index_t;

class command_line {
 public:
  command_line(const std::string& program, const std::string& about) : options_(program, about + "\n") {}

  /// An option whose value is kept in `target`; what stands there is the default, an empty text is none.
  template <class T>
  void add(const std::string& name, const std::string& help, T& target) {
    auto value = cxxopts::value(target);
    if constexpr (std::same_as<T, std::string>) {
      if (!target.empty()) value->default_value(target);
    } else if constexpr (!std::same_as<T, bool>) {
      std::ostringstream text;
      text << target;
      value->default_value(text.str());
    }
    options_.add_option("", cxxopts::Option(name, help, value));
  }

  /// Reads the words into the targets. False: --help was printed.
  bool read(int argc, char** argv) {
    options_.add_option("", cxxopts::Option("h,help", "this text", cxxopts::value<bool>()));
    try {
      const auto given = options_.parse(argc, argv);
      if (given.count("help") > 0) {
        std::fputs(options_.help().c_str(), stdout);
        return false;
      }
      dimix::expects(given.unmatched().empty(), "unexpected argument '",
                     given.unmatched().empty() ? "" : given.unmatched().front(), "'");
    } catch (const cxxopts::exceptions::exception& wrong) {
      dimix::fail(wrong.what(), "; --help lists the options");
    }
    return true;
  }

 private:
  cxxopts::Options options_;
};

/// "1,2,4" -> "1", "2", "4"
inline std::vector<std::string> words_in(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream text(list);
  for (std::string word; std::getline(text, word, ',');) words.push_back(word);
  return words;
}

/// The numbers of a list, each in [least, most].
inline std::vector<double> numbers_in(const char* name, const std::string& list, double least, double most) {
  std::vector<double> numbers;
  for (const std::string& word : words_in(list)) {
    char* end = nullptr;
    numbers.push_back(std::strtod(word.c_str(), &end));
    dimix::expects(!word.empty() && *end == 0 && numbers.back() >= least && numbers.back() <= most, "--", name, ": '", word,
                   "' is no number in [", least, ", ", most, "]");
  }
  dimix::expects(!numbers.empty(), "--", name, " names no number");
  return numbers;
}

/// "1,2,4" as numbers of network calls.
inline std::vector<index_t> numbers_of_calls(const std::string& list) {
  std::vector<index_t> calls;
  for (const std::string& word : words_in(list)) {
    const bool digits_only = !word.empty() && word.size() <= 6 &&
                             std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c); });
    dimix::expects(digits_only && std::stol(word) >= 1, "--steps: '", word, "' is not a number of network calls");
    calls.push_back(std::stol(word));
  }
  dimix::expects(!calls.empty(), "--steps names no number of network calls");
  return calls;
}

inline void one_of(const char* name, const std::string& value, const std::vector<std::string>& allowed) {
  std::string list;
  for (const std::string& word : allowed) list += (list.empty() ? "" : ", ") + word;
  dimix::expects(std::count(allowed.begin(), allowed.end(), value) == 1, "--", name, " = '", value, "' is none of ", list);
}

inline void at_least(const char* name, index_t value, index_t least) {
  dimix::expects(value >= least && value <= 100'000'000, "--", name, " = ", value, " lies outside [", least, ", 1e8]");
}

}  // namespace support
