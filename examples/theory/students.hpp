// Students of M components that reach in one step what their teacher reaches in N: the losses of Di4C in expectation, by our objective, level after
// level from small t to t = 1. Learned all at once, what a level learns from the one below it is wrong for long; in this order every level has
// a finished one below it.
#pragma once

#include "../support/table_student.hpp"
#include "errors.hpp"
#include "matrices.hpp"

namespace theory {

using support::table_student;

struct lessons {
  index_t components = 2;
  index_t steps = 16;        // N of the teacher: the student's levels are t_k = k / N
  index_t iterations = 600;  // of Adam for every level
  double rate = 0.05;        // falls to 0 along a level
  std::uint64_t seed = 1;
};

template <class Process, class Net>
auto exact_sampler(const Process& process, const Net& net) {
  return dimix::sampler<double, Process, Net>(process, net, {.scope = dimix::latent_scope::per_step}, {}, dimix::cpu{1});
}

/// Learns E -log p(x_0 | x_t) at one time over all x_t: `target` (n, n) is the law of x_0 from each of them, of which those in `reached` count.
template <class Process>
void learn_level(const Process& process, table_student& student, const matrix& target, const joint_law& reached, double t,
                 const lessons& plan) {
  const auto& states = reached.states;
  std::vector<index_t> from, to;
  std::vector<double> weight;
  for (index_t i = 0; i < reached.size(); ++i)
    for (index_t j = 0; reached[i] > 0 && j < reached.size(); ++j)
      if (target(i, j) > 1e-12 && i != j) from.push_back(i), to.push_back(j), weight.push_back(target(i, j));
  const auto B = static_cast<index_t>(from.size());
  const index_t D = states.dims(), M = plan.components, S = process.max_states();
  const array<token, 2> x_t = states.tokens(from), x_0 = states.tokens(to);  // (B, D)
  array<double, 1> times(B), weights(B);                                     // (B)
  array<double, 3> latents(B, M, 1);                                         // (B, M, 1)
  for (index_t b = 0; b < B; ++b) weights(b) = static_cast<double>(B) * weight[static_cast<std::size_t>(b)];
  times.fill(t);
  dimix::enumerate_latents(student.latent(), latents.whole());
  array<double, 4> raw(B, M, D, S), gradient(B, M, D, S);  // (B, M, D, S)
  const dimix::joint_negative_log_likelihood<double> term{view<const token, 3>(x_0.data(), B, 1, D), {weights}};
  student.forget();
  for (index_t n = 0; n < plan.iterations; ++n) {
    student.forward({x_t, times, latents, {}}, raw.whole());
    auto loss = dimix::make_objective<double>(dimix::head_of(student, process.space()), x_t, M, S, {}, term);
    value_and_gradient(loss, view<const double, 4>(raw), gradient.whole(), dimix::cpu{1});
    student.backward(view<const double, 4>(gradient));
    student.learn(plan.rate * std::min(1.0, 2 * (1 - static_cast<double>(n) / static_cast<double>(plan.iterations))));
  }
}

/// A student of this teacher, a product or itself a mixture.
template <class Process, class Teacher>
table_student taught(const Process& process, const Teacher& teacher, index_t D, const lessons& plan) {
  table_student student(D, process.max_states(), plan.components, {.knots = plan.steps + 1, .spread = 0.5, .seed = plan.seed});
  auto teacher_steps = exact_sampler(process, teacher);
  auto student_steps = exact_sampler(process, student);
  const std::vector<matrix> kernels = step_kernels(teacher_steps, D, plan.steps);
  std::vector<joint_law> reached{dimix::exact::prior_law(process, D)};  // at t_N, t_{N-1}, ..., t_1
  for (std::size_t k = kernels.size(); k-- > 1;) reached.push_back(pushed(reached.back(), kernels[k]));
  matrix below;
  for (index_t k = 1; k <= plan.steps; ++k) {
    const double t = static_cast<double>(k) / static_cast<double>(plan.steps);
    const matrix& kernel = kernels[static_cast<std::size_t>(k - 1)];
    if (k > 1) student.start_from_below(k);
    learn_level(process, student, k == 1 ? kernel : then(kernel, below), reached[static_cast<std::size_t>(plan.steps - k)], t,
                plan);
    below = dimix::exact::transition_matrix(student_steps, D, {0, t});
  }
  return student;
}

struct student_row {
  std::string name;
  index_t steps = 0, components = 0;  // N of the teacher, M
  double teacher_to_data = 0, one_step_to_data = 0, two_steps_to_data = 0;
  student_distance distance{};
};

template <class Process>
student_row measured(const Process& process, const toy& data, const lessons& plan) {
  const dimix::tabular<Process> teacher(process, data.sequences, data.law);
  table_student student = taught(process, teacher, data.D, plan);
  auto teacher_steps = exact_sampler(process, teacher);
  auto student_steps = exact_sampler(process, student);
  const auto wanted = data.over(process.space());
  const auto to_data = [&](auto& steps, index_t n) {
    return dimix::exact::total_variation(dimix::exact::law_after(steps, data.D, dimix::uniform_grid(n)), wanted);
  };
  return {data.name,
          plan.steps,
          plan.components,
          to_data(teacher_steps, plan.steps),
          to_data(student_steps, 1),
          to_data(student_steps, 2),
          distance_of(step_kernels(teacher_steps, data.D, plan.steps), jump_kernels(student_steps, data.D, plan.steps),
                      dimix::exact::prior_law(process, data.D))};
}

}  // namespace theory
