// What the program was asked for; settings.cpp reads it.
#pragma once

#include <dimix/core/view.hpp>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace words {

using dimix::index_t;

struct settings {
  std::string data = DIMIX_EXAMPLE_DATA "/words/words.txt";
  std::string latent = "categorical";
  index_t components = 256, targets = 0, axes = 8;
  std::vector<index_t> steps = {1, 2, 3, 4, 8};
  index_t samples = 10'000;
  index_t seeds = 1, seed = 1;
  std::string out = "words", save, load;
  bool fresh = false, on_validation = false;
  index_t teacher_steps = 8000, student_steps = 1600, batch = 4, rounds = 1;
  double datapoint = 1, start_share = 0.3;
  index_t threads = 0;
};

/// The settings of a command line; nothing when --help was asked for and has been printed. Errors: invalid_argument.
std::optional<settings> parse(int argc, char** argv);

/// What a checkpoint must have been made with to be taken up by this run.
std::map<std::string, std::string> words_of(const settings& chosen, index_t seed, bool student);

}  // namespace words
