// What one seed of the experiment is given and what comes out of it. The process and the law of λ are types: every choice is
// compiled, each process in a file of its own, and the program picks one.
#pragma once

#include "../support/results.hpp"
#include "quality.hpp"
#include "settings.hpp"

#include <map>
#include <string>
#include <vector>

namespace digits {

using measured = support::measured<quality>;  // a line of the table

struct outcome {
  std::vector<measured> rows;
  std::map<std::string, array<token, 2>> pictures;  // the first images of some rows, by "sampler calls"
};

inline constexpr index_t pictured = 64;

struct run_input {
  const settings& chosen;
  const image_split& images;
  const quality_meter& meter;
  index_t seed;
  dimix::cpu run_on;
};

outcome run_absorbing(const run_input& in);  // absorbing.cpp
outcome run_uniform(const run_input& in);    // uniform.cpp
outcome run_ordinal(const run_input& in);    // ordinal.cpp

}  // namespace digits
