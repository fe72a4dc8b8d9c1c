// Theorem 2 on random students: the losses bound the distance between the teacher after N steps and the student after one. Mean losses are exact,
// so that one violation would refute it.
#pragma once

#include "students.hpp"

#include <limits>

namespace theory {

/// Adds the log-rows of a denoiser at every knot and x_t to a student's logits, no smaller than `least`.
template <class Process, class Net>
void centre_at(const Process& process, const Net& net, table_student& student, index_t D, index_t knots, double least = -6) {
  const auto states = dimix::exact::joint_states::of(process.space(), D);
  const index_t n = states.size(), S = process.max_states(), M = student.latent().components();
  std::vector<index_t> all;
  for (index_t i = 0; i < n; ++i) all.push_back(i);
  const array<token, 2> x_t = states.tokens(all);  // (n, D)
  array<double, 1> times(n);                       // (n)
  const array<double, 3> latents(n, 1, 0);         // (n, 1, 0)
  array<double, 4> raw(n, 1, D, S);                // (n, 1, D, S)
  for (index_t k = 1; k < knots; ++k) {
    times.fill(static_cast<double>(k) / static_cast<double>(knots - 1));
    net(dimix::request<double>{x_t, times, latents, {}}, raw.whole());
    for (index_t row = 0; row < n * M; ++row)
      for (index_t i = 0; i < D * S; ++i)
        student.logits()(k * n * M + row, i) += std::max(raw.data()[row / M * D * S + i], least);
  }
}

struct bound_report {
  index_t students = 0, violations = 0;
  double smallest_ratio = std::numeric_limits<double>::infinity();  // of bound / distance
  std::string where;
};

/// So many students, shared among the data laws and N in 2, 4, 8: 1 to 4 components, logits off by up to 0.05 to 4, every other around the teacher's.
inline bound_report bound_on_random_students(const std::vector<toy>& laws, index_t students) {
  bound_report report;
  const index_t kinds = static_cast<index_t>(laws.size()) * 3;
  index_t kind = 0;
  for (const toy& data : laws)
    for (index_t N : {2, 4, 8}) {
      const index_t each = students * (kind + 1) / kinds - students * kind / kinds;
      ++kind;
      const hiding process = hides(data);
      const dimix::tabular<hiding> teacher(process, data.sequences, data.law);
      auto teacher_steps = exact_sampler(process, teacher);
      const std::vector<matrix> kernels = step_kernels(teacher_steps, data.D, N);
      const joint_law start = dimix::exact::prior_law(process, data.D);
      for (index_t i = 0; i < each; ++i, ++report.students) {
        const double spread = 0.05 * std::pow(80.0, (static_cast<double>(i) + 0.5) / static_cast<double>(each));
        table_student student(data.D, data.V + 1, 1 + i % 4, {N + 1, spread, static_cast<std::uint64_t>(report.students)});
        if (i % 2 == 0) centre_at(process, teacher, student, data.D, N + 1);
        auto steps = exact_sampler(process, student);
        const student_distance here = distance_of(kernels, jump_kernels(steps, data.D, N), start);
        report.violations += here.to_teacher > here.bound;
        if (here.bound / here.to_teacher < report.smallest_ratio) {
          report.smallest_ratio = here.bound / here.to_teacher;
          report.where = data.name + ", N = " + std::to_string(N) + ", M = " + std::to_string(1 + i % 4);
        }
      }
    }
  return report;
}

}  // namespace theory
