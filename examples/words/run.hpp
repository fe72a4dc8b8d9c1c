// What one seed of the experiment is given and what comes out of it. The law of λ is a type: every one is compiled, each in a file of
// its own, and the program picks one.
#pragma once

#include "../support/results.hpp"
#include "quality.hpp"
#include "settings.hpp"

#include <dimix/backend/cpu.hpp>

#include <map>
#include <string>
#include <vector>

namespace words {

using measured = support::measured<quality>;  // a line of the table

struct outcome {
  std::vector<measured> rows;
  std::map<std::string, std::vector<std::string>> texts;  // the first samples of every row, by "sampler calls"
};

inline constexpr index_t shown = 64;

struct run_input {
  const settings& chosen;
  const array<token, 2>& train;  // (n, 8)
  const quality_meter& meter;
  index_t seed;
  dimix::cpu run_on;
};

outcome run_categorical(const run_input& in);  // categorical.cpp
outcome run_uniform(const run_input& in);      // uniform.cpp
outcome run_gaussian(const run_input& in);     // gaussian.cpp

}  // namespace words
