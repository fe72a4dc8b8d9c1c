// Targets of self-distillation through time (SDTT; Deschenaux and Gulcehre 2024): what k steps of a teacher say of every masked position.
//   from x_t take k ancestral steps to s; the target of a position is the teacher's row p(x_0^d | .) at the step that revealed it, the
//   last step's where it is still masked
// A student that learns these rows at (x_t, t) does in one step what its teacher does in k; made the teacher of the next round, with
// steps k times as long, it doubles (k = 2) again. The losses are distillation_bound, reverse_divergence, squared_error and
// total_variation of objective/terms.hpp. Source: sdtt core/distill/multi_round_sdtt.py _teacher_logprobs_on_mask.
// Laws (tests/laws/objective_sdtt.cpp): k = 1 gives the teacher's rows at t; the mean of many is the average over the paths, by
// enumeration, in a first round and in a second.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/array.hpp>
#include <dimix/core/check.hpp>
#include <dimix/forward_process.hpp>
#include <dimix/head.hpp>
#include <dimix/sampler/ancestral.hpp>

#include <algorithm>
#include <vector>

namespace dimix {

/// Target rows at x_t (B, D) from `steps` even steps from t (B) to s (B): (B, D, S) probabilities. A position revealed in x_t has the row
/// of its token. The draws of item b are those of (purpose::teacher, items[b]). Cost: `steps` network calls.
/// Throws invalid_argument unless 0 <= s <= t <= 1 and steps >= 1, numeric_error when a row has no positive probability.
template <class Real, class Process, class Teacher, backend Backend>
array<Real, 3> teacher_rows(const Process& process, const Teacher& teacher, view<const token, 2> x_t, view<const double, 1> t,
                            view<const double, 1> s, index_t steps, rng random, view<const std::uint64_t, 1> items,
                            const Backend& run_on, view<const token, 1> classes = {}) {
  static_assert(revealing_space<typename Process::space_type>,
                "teacher_rows: only noise that does nothing but hide, as absorbing, says when a position was revealed; see "
                "dimix/distiller/teacher_rows.hpp");
  static_assert(factorized_denoiser<Teacher, Real> && !mixture_denoiser<Teacher, Real>,
                "teacher_rows: the teacher must be factorized; distil a mixture with dimix/distiller.hpp");
  const index_t B = x_t.extent(0), D = x_t.extent(1), S = process.max_states();
  expects(steps >= 1, "teacher_rows: steps = ", steps, "; at least one is needed");
  expects_shape("teacher_rows: t", t, B);
  expects_shape("teacher_rows: s", s, B);
  expects_shape("teacher_rows: items", items, B);
  if (!classes.empty()) expects_shape("teacher_rows: classes", classes, B);
  expects_tokens("teacher_rows: x_t", x_t, process.space());
  expects_draws("teacher_rows", steps - 1, 1, D);
  using kernel = typename Process::template kernel<Real>;
  const auto head = head_of(teacher, process.space());
  const token mask = process.space().mask();
  array<token, 2> x(B, D);                         // (B, D)
  array<Real, 4> raw(B, 1, D, teacher.outputs());  // (B, 1, D, outputs)
  array<Real, 3> none(B, 1, 0), rows(B, D, S);     // (B, 1, 0), (B, D, S)
  array<Real, 1> times(B);                         // (B)
  std::copy(x_t.begin(), x_t.end(), x.begin());
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < D; ++d) rows(b, d, x(b, d)) = Real(1);
  for (index_t i = 0; i < steps; ++i) {
    std::vector<kernel> step;  // (B)
    for (index_t b = 0; b < B; ++b) {
      const auto at = [&](index_t n) {
        return n == steps ? s(b) : t(b) + (s(b) - t(b)) * static_cast<double>(n) / static_cast<double>(steps);
      };
      step.push_back(process.template between<Real>(at(i + 1), at(i)));
      times(b) = static_cast<Real>(at(i));
    }
    teacher(request<Real>{x, times, none, items, i, classes}, raw.whole());
    run_on.template sweep<Real>(B * D, 0, [&](const auto& group, auto, index_t row_index) {
      const index_t b = row_index / D, d = row_index % D;
      const place at{b, d, x(b, d)};
      if (at.now != mask) return;
      const auto row = make_row<Real>(group, head, view<const Real, 4>(raw).row(b, index_t{0}, d), at);
      const auto bits_of = [&](purpose what) { return random(purpose::teacher, items(b), i, what == purpose::denoise, d); };
      group.for_each(S, [&](index_t a) {
        using std::exp;
        rows(b, d, a) = exp(row.log_prob(a));
      });
      x(b, d) = ancestral{}.draw(
          step[static_cast<std::size_t>(b)], at, S, [&] { return row; }, bits_of);
    });
    for (index_t j = 0; j < x.size(); ++j)
      expects<numeric_error>(x.data()[j] >= 0, "teacher_rows: the teacher's row of item ", j / D, " position ", j % D,
                             " in step ", i, " has no positive probability (non-finite logits?)");
  }
  return rows;
}

}  // namespace dimix
