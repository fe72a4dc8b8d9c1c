// The matrix of processes and distillation: one distiller, one student, one target, and every process of the catalogue. Claimed for each: the
// law of x_0 after one step of the mixture student has less than half the distance to the data that the product of the exact marginals has,
// and a factorized student with the same losses and budget; without the data term, from the teacher alone, it is still nearer than both.
// Laws are exact, by enumeration of x_1 and λ; distances are total variations.
#pragma once

#include <dimix/denoiser/tabular.hpp>
#include <dimix/distiller.hpp>
#include <dimix/sampler.hpp>

#include "laws/support.hpp"
#include "matrix/table_student.hpp"

#include <cmath>
#include <cstdio>

namespace matrix {

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
  const index_t D = data.sequences.extent(1), S = process.max_states();
  index_t components = 1, coordinates = 0;
  if constexpr (requires { net.latent(); }) components = net.latent().components(), coordinates = net.latent().dims();
  std::vector<std::vector<token>> states;  // S^D
  laws::for_each_sequence(D, S, [&](const auto& x) { states.push_back(x); });
  std::vector<double> law(states.size());
  dimix::sampler<double, Process, Net> steps(process, net, {}, {}, dimix::cpu{1});
  array<double, 1> s(1), t(1);  // (B)
  t.fill(1);
  for (auto& x_1 : states) {
    double prior = 1;
    for (index_t d = 0; d < D; ++d) prior *= process.space().prior(d, x_1[static_cast<std::size_t>(d)]);
    if (prior == 0) continue;
    for (index_t m = 0; m < components; ++m) {
      array<double, 3> latents(1, 1, coordinates);  // (B, 1, L)
      latents.fill(static_cast<double>(m));
      const auto rows = steps.rows(view<const token, 2>(x_1.data(), 1, D), s, t, latents);  // (1, D, S)
      for (std::size_t x = 0; x < states.size(); ++x) {
        double p = prior / static_cast<double>(components);
        for (index_t d = 0; d < D; ++d) p *= rows(0, d, states[x][static_cast<std::size_t>(d)]);
        law[x] += p;
      }
    }
  }
  double error = 0;
  for (std::size_t x = 0; x < states.size(); ++x) {
    double wanted = 0;
    for (index_t n = 0; n < data.law.size(); ++n)
      if (std::equal(states[x].begin(), states[x].end(), data.sequences.whole().row(n).begin())) wanted += data.law(n);
    error += std::abs(law[x] - wanted) / 2;
  }
  return error;
}

/// The error of a student of so many components after distillation from the exact teacher, with a data term of this weight.
template <class Process>
double distilled_error(const Process& process, const all_agree& data, index_t components, double data_weight) {
  const index_t D = data.sequences.extent(1), B = 16, steps = 2500;
  const dimix::tabular<Process> teacher(process, data.sequences, data.law);
  table_student student(D, process.max_states(), components);
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
