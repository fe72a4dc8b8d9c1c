// Students that the distiller teaches from draws, without any expectation.
#pragma once

#include "students.hpp"

namespace theory {

/// One-step error of a student that the distiller teaches from draws: teacher steps of 1/8, 16 items a step.
inline double error_by_draws(const toy& data, index_t components, double data_weight, index_t iterations, std::uint64_t seed) {
  const hiding process = hides(data);
  const dimix::tabular<hiding> teacher(process, data.sequences, data.law);
  table_student student(data.D, data.V + 1, components);
  auto distil = dimix::make_distiller<double>(process, teacher, student, dimix::detached{},
                                              {.components = components,
                                               .targets = 4,
                                               .shortest_gap = 1.0 / 8,
                                               .longest_gap = 1.0 / 8,
                                               .start_share = 0.25,
                                               .datapoint_weight = data_weight,
                                               .distillation_rows = 4,
                                               .distillation_time = 1.0 / 8,
                                               .seed = seed},
                                              dimix::cpu{1});
  const index_t B = 16;
  array<token, 2> x_0(B, data.D);  // (B, D)
  const dimix::rng random{seed + 100};
  for (index_t n = 0; n < iterations; ++n) {
    for (index_t b = 0; b < B; ++b) {
      const index_t i = dimix::draw_categorical(
          data.law.size(), [&](index_t s) { return std::log(data.law(s)); },
          random(dimix::purpose::user, static_cast<std::uint64_t>(n * B + b), 0, 0, 0));
      std::copy_n(data.sequences.whole().row(i).data(), data.D, x_0.whole().row(b).data());
    }
    distil.step(x_0, static_cast<std::uint64_t>(n * B));
    student.learn(0.05 * (1 - static_cast<double>(n) / static_cast<double>(iterations)));
  }
  auto steps = exact_sampler(process, student);
  return dimix::exact::total_variation(dimix::exact::law_after(steps, data.D, dimix::uniform_grid(1)),
                                       data.over(process.space()));
}

}  // namespace theory
