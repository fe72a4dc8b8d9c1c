// A second round: its teacher is the first round's student, a mixture, at a few of its steps.
#pragma once

#include "students.hpp"

namespace theory {

/// Errors to the data by numbers of steps.
struct round_row {
  std::string name;
  std::vector<double> errors;  // of steps 1, 2, 4, 8
};

template <class Process, class Net>
round_row round_of(std::string name, const Process& process, const Net& net, const toy& data) {
  auto steps = exact_sampler(process, net);
  round_row row{std::move(name), {}};
  for (index_t n : {1, 2, 4, 8})
    row.errors.push_back(dimix::exact::total_variation(dimix::exact::law_after(steps, data.D, dimix::uniform_grid(n)),
                                                       data.over(process.space())));
  return row;
}

/// The product teacher, a student of 2 components of its 32 steps, and one of `components` of that student's 8 steps.
inline std::vector<round_row> two_rounds(const toy& data, index_t components, index_t iterations = 600) {
  const hiding process = hides(data);
  const dimix::tabular<hiding> teacher(process, data.sequences, data.law);
  const table_student first =
      taught(process, teacher, data.D, {.components = 2, .steps = 32, .iterations = iterations, .rate = 0.3});
  const table_student second =
      taught(process, first, data.D, {.components = components, .steps = 8, .iterations = iterations, .rate = 0.3});
  return {round_of("product teacher", process, teacher, data), round_of("first round, M = 2", process, first, data),
          round_of("second round, M = " + std::to_string(components), process, second, data)};
}

}  // namespace theory
