// sdtt multi_round_sdtt.py di4c_loss, from x_0, raw outputs and recorded uniforms. Rows of flattened (item, component) arrays
// are b M + m.
#pragma once

#include "golden/sdtt_samplers.hpp"
#include "golden/site.hpp"

namespace golden {

/// "sigmoid" and "linear"; any other word means constant.
inline dimix::time_weight sdtt_time_weight(const std::string& word) {
  return word == "sigmoid"  ? dimix::time_weight::sigmoid
         : word == "linear" ? dimix::time_weight::linear
                            : dimix::time_weight::constant;
}

inline void check_sdtt_loss(const recorded_case& recorded, case_report& report) {
  const index_t B = recorded.input_extent("x0_data", 0), D = recorded.input_extent("x0_data", 1),
                V = recorded.config<index_t>("V"), T = recorded.config<index_t>("T"), M = recorded.config<index_t>("M"),
                teacher_components = recorded.input_extent("teacher_logits_t", 0) / B;
  const absorbing_process process = sdtt_process(recorded);
  const dimix::subs head = sdtt_head(recorded, process);
  const auto t = recorded.input<double>("t", B);                                                     // (B)
  const auto x_0 = recorded.input<token>("x0_data", B, D);                                           // (B, D)
  const auto student_raw = recorded.input<double>("student_logits_t", B, M, D, V);                   // (B, M, D, V)
  const auto teacher_raw = recorded.input<double>("teacher_logits_t", B, teacher_components, D, V);  // (B, 1 or M, D, V)
  const auto x_t = sdtt_corrupt(process, x_0, t, T, recorded.input<double>("uniform_mask", B, D));   // (B, D)
  array<token, 2> x_t_rows(B * M, D);                                                                // (B M, D)
  for (index_t row = 0; row < B * M; ++row) std::copy_n(x_t.whole().row(row / M).data(), D, x_t_rows.whole().row(row).data());
  const view<const double, 3> student_rows(student_raw.data(), B * M, D, V);  // (B M, D, V)

  report.check("move_chance_q_xt", {"dimix::move_chance", "dimix::discrete_time"}, [&] {
    std::vector<double> values;
    for (index_t b = 0; b < B; ++b) values.push_back(dimix::move_chance(process.schedule(), dimix::discrete_time(t(b), T)));
    return values;
  });
  report.check("x_t", {"dimix::two_time_kernel::corrupt"}, [&] { return x_t; });

  // the teacher's step from t to s = t - min(1/T, t/2), one draw a component
  const auto step_from_teacher = [&] {
    array<double, 1> t_rows(B * M), dt(B * M);  // (B M)
    for (index_t row = 0; row < B * M; ++row) {
      t_rows(row) = t(row / M);
      dt(row) = std::min(1 / static_cast<double>(T), t_rows(row) / 2);
    }
    return sdtt_ancestral_step(process, head, x_t_rows, recorded.input<double>("teacher_logits_update", B * M, D, V), t_rows,
                               dt, recorded.input<double>("uniform_ancestral", B * M, D, V));
  };
  report.check("x_s", {"dimix::draw_race", "dimix::masked_update_weight", "dimix::forward_process::between"},
               step_from_teacher);

  // a log-softmax over the log-rows of subs, as there
  const array<double, 3> subs_rows = log_rows(head, x_t_rows, student_rows);  // (B M, D, V)
  report.check("log_p0t_student_lam", {"dimix::subs::row", "dimix::softmax::row"},
               [&] { return log_rows(dimix::softmax{}, x_t_rows, subs_rows); });

  const site student{head, x_t.whole(), student_raw.whole()};
  const array<double, 3> teacher = site{head, x_t.whole(), teacher_raw.whole()}.marginals();  // (B, D, V)
  const view<const token, 3> data(x_0.data(), B, 1, D);                                       // (B, 1, D)
  const correlation datapoint{data};
  const marginal_divergence marginal{teacher};
  const std::vector<std::string> values = {"dimix::objective::value"}, gradients = {"dimix::objective::gradient"},
                                 from_teacher = {"dimix::objective::value", "dimix::marginals"};
  const auto check_term = [&](const std::string& name, const auto& term, const std::vector<std::string>& calls) {
    report.check(name, calls, [&] { return student.values(term); });
    report.check("grad_" + name + "__wrt_student_logits_t", gradients, [&] { return student.gradient(term); });
  };
  check_term("data_loss_cor", datapoint, values);
  check_term("data_loss_indep", marginal, from_teacher);
  check_term("data_loss_pointwise", joint_negative_log_likelihood{data}, values);
  report.check("grad_data_loss_cor__wrt_student_log_p0t", {"dimix::objective::gradient (softmax head)"}, [&] {
    return site{dimix::softmax{}, x_t.whole(), view<const double, 4>(subs_rows.data(), B, M, D, V)}.gradient(datapoint);
  });

  const auto check_sums = [&](const auto&... branch) {
    for (const auto& [output, allowed] : recorded.outputs()) {
      const auto coefficients = [&](const std::string& word) {
        array<double, 1> result(B);  // (B)
        for (index_t b = 0; b < B; ++b) result(b) = dimix::weight_at(sdtt_time_weight(word), t(b));
        return result;
      };
      const double scale = recorded.config<double>("alpha_const");
      if (const auto word = inside(output, "time_coeff__"))
        report.check(output, {"dimix::weight_at"}, [&] {
          array<double, 1> all = coefficients(*word);
          for (double& weight : all) weight *= scale;
          return all;
        });
      if (const auto word = inside(output, "loss__"))
        report.check(output, {"dimix::objective::loss", "dimix::weight_at"}, [&] {
          const array<double, 1> weight = coefficients(*word);
          return std::vector<double>{student.loss(correlation{data, {weight, scale}}, marginal, branch...)};
        });
      if (const auto word = inside(output, "grad_loss__", "__wrt_student_logits_t"))
        report.check(output, {"dimix::objective::gradient", "dimix::weight_at"}, [&] {
          const array<double, 1> weight = coefficients(*word);
          return student.gradient(correlation{data, {weight, scale}}, marginal, branch...);
        });
    }
  };

  if (recorded.config<std::string>("branch") == "distil") {
    const distillation_bound distillation{teacher};
    check_term("distil_loss", distillation, from_teacher);
    check_sums(distillation);
  } else {
    const array<token, 2> x_s = step_from_teacher();                                             // (B M, D)
    const auto student_s = recorded.input<double>("student_logits_s", B * M, 1, D, V);           // (B M, 1, D, V)
    const array<double, 3> at_s = dimix::mean_rows<double>(head, x_s, student_s, M, V, run_on);  // (B, D, V)
    const auto draws = recorded.input<token>("x0_from_student_s", B, M, D);                      // (B, M, D)
    const correlation consistency_of_draws{draws};
    const marginal_divergence consistency_of_rows{at_s};
    check_term("consis_loss_cor", consistency_of_draws, values);
    check_term("consis_loss_indep", consistency_of_rows, from_teacher);
    check_sums(consistency_of_draws, consistency_of_rows);
  }
}

}  // namespace golden
