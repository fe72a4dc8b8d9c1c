// The matrix of processes and distillation: one distiller, one student, one target, and every process of the catalogue. Claimed for each: the
// law of x_0 after one step of the mixture student has less than half the distance to the data that the product of the exact marginals has,
// and a factorized student with the same losses and budget; without the data term, from the teacher alone, it is still nearer than both.
// Laws are exact, by enumeration of x_1 and λ; distances are total variations.
#pragma once

#include <dimix/denoiser/tabular.hpp>
#include <dimix/distiller.hpp>
#include <dimix/exact.hpp>
#include <dimix/sampler.hpp>

#include "laws/support.hpp"
#include "support/table_student.hpp"

#include <cmath>
#include <cstdio>

namespace matrix {

using dimix::array;
using dimix::index_t;
using dimix::token;

/// Half of all sequences are 00..0, half 11..1.
struct all_agree {
  array<token, 2> sequences;  // (2, D)
  array<double, 1> law;       // (2)
  explicit all_agree(index_t D) : sequences(2, D), law(2) {
    law.fill(0.5);
    for (index_t d = 0; d < D; ++d) sequences(1, d) = 1;
  }
};

/// Total variation between the data and the law of x_0 after one step from t = 1, x_1 from the prior: exact.
template <class Process, class Net>
double one_step_error(const Process& process, const Net& net, const all_agree& data) {
  dimix::sampler<double, Process, Net> steps(process, net, {}, {}, dimix::cpu{1});
  const auto law = dimix::exact::law_after(steps, data.sequences.extent(1), dimix::uniform_grid(1));
  return dimix::exact::total_variation(law, dimix::exact::law_of(law.states, data.sequences, data.law));
}

/// The error of a student of so many components after distillation from the exact teacher, with a data term of this weight.
template <class Process>
double distilled_error(const Process& process, const all_agree& data, index_t components, double data_weight) {
  const index_t D = data.sequences.extent(1), B = 16, steps = 2500;
  const dimix::tabular<Process> teacher(process, data.sequences, data.law);
  support::table_student student(D, process.max_states(), components);
  auto distil = dimix::make_distiller<double>(
      process, teacher, student, dimix::detached{},
      {.components = components, .targets = 4, .datapoint_weight = data_weight, .distillation_rows = 4, .seed = 5},
      dimix::cpu{1});
  array<token, 2> x_0(B, D);  // (B, D)
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < D; ++d) x_0(b, d) = static_cast<token>(b % 2);
  for (index_t n = 0; n < steps; ++n) {
    distil.step(x_0, static_cast<std::uint64_t>(n * B));
    student.learn(0.05 * (1 - static_cast<double>(n) / static_cast<double>(steps)));
  }
  return one_step_error(process, student, data);
}

/// Checks the claims and prints the row of the matrix.
template <class Process>
double check(const char* name, const Process& process, index_t D = 2) {
  const all_agree data(D);
  const dimix::tabular<Process> teacher(process, data.sequences, data.law);
  const double product = one_step_error(process, teacher, data), factorized = distilled_error(process, data, 1, 1),
               mixture = distilled_error(process, data, 4, 1), alone = distilled_error(process, data, 4, 0);
  std::printf("%-20s D = %d   product %.4f   factorized %.4f   mixture %.4f   from the teacher alone %.4f\n", name,
              static_cast<int>(D), product, factorized, mixture, alone);
  CHECK(mixture < product / 2);
  CHECK(mixture < factorized / 2);
  CHECK(alone < product);
  CHECK(alone < factorized);
  return mixture;
}

}  // namespace matrix
