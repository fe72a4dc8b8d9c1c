// tauldr losses.py DistilChain.calc_loss, from raw outputs and recorded draws. Rows of flattened (item, component) arrays are
// b M + m.
#pragma once

#include <dimix/distiller/time_law.hpp>

#include "golden/report.hpp"
#include "golden/site.hpp"
#include "golden/tauldr_rate.hpp"

namespace golden {

/// The time schedules of tauldr; any other word means linear.
inline dimix::time_weight tauldr_time_weight(const std::string& word) {
  return word == "none"      ? dimix::time_weight::constant
         : word == "zero"    ? dimix::time_weight::zero
         : word == "sigmoid" ? dimix::time_weight::sigmoid
                             : dimix::time_weight::linear;
}

/// delta_t and t of every item, from recorded uniforms: (B) each.
inline std::vector<double> tauldr_gaps(const recorded_case& recorded) {
  std::vector<double> delta = recorded.input("uniform_delta_t");
  for (double& u : delta)
    u = dimix::log_uniform(u, recorded.config<double>("min_distil_time"), recorded.config<double>("max_distil_time"));
  return delta;
}
inline std::vector<double> tauldr_times(const recorded_case& recorded) {
  std::vector<double> t = recorded.input("uniform_t");
  const std::vector<double> delta = tauldr_gaps(recorded);
  for (std::size_t b = 0; b < t.size(); ++b)
    t[b] = dimix::between(t[b], recorded.config<double>("min_time") + delta.at(b), 1.0);
  return t;
}
/// The coefficient of the datapoint term: (B).
inline array<double, 1> tauldr_coefficients(const recorded_case& recorded, const std::string& word) {
  const std::vector<double> t = tauldr_times(recorded);
  array<double, 1> weight(static_cast<index_t>(t.size()));  // (B)
  std::transform(t.begin(), t.end(), weight.begin(), [&](double at) { return dimix::weight_at(tauldr_time_weight(word), at); });
  return weight;
}

inline void check_tauldr_times(const recorded_case& recorded, case_report& report) {
  report.check("delta_t", {"dimix::log_uniform"}, [&] { return tauldr_gaps(recorded); });
  report.check("t", {"dimix::between", "dimix::log_uniform"}, [&] { return tauldr_times(recorded); });
  report.check("u", {"dimix::between", "dimix::log_uniform"}, [&] {
    std::vector<double> u = tauldr_times(recorded);
    const std::vector<double> delta = tauldr_gaps(recorded);
    for (std::size_t b = 0; b < u.size(); ++b) u[b] -= delta[b];
    return u;
  });
  report.check("mint", {"dimix::atom_and_interval"}, [&] {
    const double lowest = recorded.config<double>("min_time"), width = recorded.config<double>("max_distil_time");
    std::vector<double> tau = recorded.input("uniform_mint");
    const std::vector<double> hit = recorded.input("bernoulli_mint");
    for (std::size_t row = 0; row < tau.size(); ++row)
      tau[row] = dimix::atom_and_interval(tau[row], hit.at(row) != 0, lowest, width);
    return tau;
  });
  for (const auto& [output, allowed] : recorded.outputs())
    if (const auto word = inside(output, "time_coeff__"))
      report.check(output, {"dimix::weight_at"}, [&] { return tauldr_coefficients(recorded, *word); });
}

/// The rows that x_t and x_u were drawn from: clamped transitions, and their guarded posterior.
inline void check_tauldr_rows(const recorded_case& recorded, case_report& report) {
  const index_t B = recorded.config<index_t>("B"), M = recorded.config<index_t>("M"), D = recorded.config<index_t>("D"),
                S = recorded.config<index_t>("S");
  with_tauldr_process(recorded, [&](const auto& process) {
    const auto clamped = [&](double s, double t) { return clamped_transition(process, s, t); };
    const auto x_t = recorded.input<token>("x_t", B, D);  // (B, D)
    const std::vector<double> t = tauldr_times(recorded), delta = tauldr_gaps(recorded);
    const std::vector<std::string> calls = {"dimix::forward_process::between", "dimix::tauldr::clamped"};
    report.check("q_t_given_0_rows", calls, [&] {
      const auto x_0 = recorded.input<token>("x0_data", B, D);  // (B, D)
      std::vector<double> values;
      for (index_t b = 0; b < B; ++b) {
        const dimix::table to_t = clamped(0, t[static_cast<std::size_t>(b)]);
        for (index_t d = 0; d < D; ++d)
          for (index_t s = 0; s < S; ++s) values.push_back(to_t(x_0(b, d), s));
      }
      return values;
    });
    report.check("p_u_given_x0_and_t", {"dimix::tauldr::posterior_row", "dimix::tauldr::guarded"}, [&] {
      const double eps = recorded.config<double>("eps_ratio");
      const auto x_0 = recorded.input<token>("x0_from_teacher_t", B * M, D);  // (B M, D)
      std::vector<double> values;
      for (index_t row = 0; row < B * M; ++row) {
        const auto b = static_cast<std::size_t>(row / M);
        const double u = t[b] - delta[b];
        const dimix::table to_s = dimix::tauldr::guarded(clamped(0, u), eps),
                           to_t = dimix::tauldr::guarded(clamped(0, t[b]), eps),
                           step = dimix::tauldr::guarded(clamped(u, t[b]), eps);  // (S, S)
        const dimix::table_kernel<dimix::uniform<>, double> kernel{{S}, to_s, to_t, step};
        for (index_t d = 0; d < D; ++d) {
          const auto p = dimix::tauldr::posterior_row(kernel, x_0(row, d), x_t(row / M, d), eps);  // (S)
          values.insert(values.end(), p.begin(), p.end());
        }
      }
      return values;
    });
  });
}

inline void check_tauldr_distil_chain(const recorded_case& recorded, case_report& report) {
  check_tauldr_times(recorded, report);
  check_tauldr_rows(recorded, report);

  const index_t B = recorded.config<index_t>("B"), M = recorded.config<index_t>("M"), D = recorded.config<index_t>("D"),
                S = recorded.config<index_t>("S");
  const auto x_0 = recorded.input<token>("x0_data", B, D);                                  // (B, D)
  const auto draws = recorded.input<token>("x0_from_student_u", B, M, D);                   // (B, M, D)
  const auto x_t = recorded.input<token>("x_t", B, D);                                      // (B, D)
  const auto x_mint = recorded.input<token>("x_mint", B * M, D);                            // (B M, D)
  const auto student_t = recorded.input<double>("student_logits_t", B, M, D, S);            // (B, M, D, S)
  const auto student_u = recorded.input<double>("student_logits_u", B, M, D, S);            // (B, M, D, S)
  const auto teacher_t = recorded.input<double>("teacher_logits_t", B, 1, D, S);            // (B, 1, D, S)
  const auto student_mint = recorded.input<double>("student_logits_mint", B * M, 1, D, S);  // (B M, 1, D, S)
  const auto teacher_mint = recorded.input<double>("teacher_logits_mint", B * M, 1, D, S);  // (B M, 1, D, S)

  const dimix::softmax head;
  const site student{head, x_t.whole(), student_t.whole()}, small_times{head, x_mint.whole(), student_mint.whole()};
  const array<double, 3> teacher = site{head, x_t.whole(), teacher_t.whole()}.marginals();              // (B, D, S)
  const array<double, 3> teacher_small = site{head, x_mint.whole(), teacher_mint.whole()}.marginals();  // (B M, D, S)
  const array<double, 3> at_u =
      site{head, x_t.whole(), student_u.whole()}.marginals();  // (B, D, S); a softmax row sees no tokens
  const view<const token, 3> data(x_0.data(), B, 1, D);        // (B, 1, D)
  const marginal_divergence marginal{teacher}, consistency_of_rows{at_u};
  const correlation consistency_of_draws{draws};
  const joint_negative_log_likelihood likelihood_of_draws{draws};
  const distillation_bound distillation{teacher_small};

  const auto check_term = [&](const std::string& name, const auto& term, const std::vector<std::string>& calls) {
    report.check(name, calls, [&] { return student.values(term); });
    report.check("grad_mean_" + name + "__wrt_student_logits_t", {"dimix::objective::gradient"},
                 [&] { return student.gradient(term); });
  };
  const std::vector<std::string> value = {"dimix::objective::value"},
                                 value_of_rows = {"dimix::objective::value", "dimix::marginals"};
  check_term("data_loss_cor__cv", correlation{data}, value);
  check_term("data_loss_cor__nocv", joint_negative_log_likelihood{data}, value);
  check_term("data_loss_indep", marginal, value_of_rows);
  check_term("consis_loss_cor__cv", consistency_of_draws, value);
  check_term("consis_loss_cor__nocv", likelihood_of_draws, value);
  check_term("consis_loss_indep", consistency_of_rows, value_of_rows);

  // the mean over the components of an item is the loss of a site with M items
  report.check("distil_loss", {"dimix::objective::loss", "dimix::marginals"}, [&] {
    std::vector<double> values;
    for (index_t b = 0; b < B; ++b)
      values.push_back(small_times.items(b * M, M).loss(distillation_bound{teacher_small.whole().slice(b * M, M)}));
    return values;
  });
  for (const char* name : {"grad_mean_distil_loss__wrt_student_logits_mint", "grad_loss__wrt_student_logits_mint"})
    report.check(name, {"dimix::objective::gradient"}, [&] { return small_times.gradient(distillation); });

  const std::vector<std::string> loss = {"dimix::objective::loss", "dimix::marginals", "dimix::weight_at"},
                                 gradient = {"dimix::objective::gradient", "dimix::marginals", "dimix::weight_at"};
  for (const auto& [output, allowed] : recorded.outputs()) {
    if (const auto word = inside(output, "loss__cv_"))
      report.check(output, loss, [&] {
        const array<double, 1> weight = tauldr_coefficients(recorded, *word);
        return std::vector<double>{
            student.loss(correlation{data, {weight}}, marginal, consistency_of_draws, consistency_of_rows) +
            small_times.loss(distillation)};
      });
    if (const auto word = inside(output, "loss__nocv_"))
      report.check(output, loss, [&] {
        const array<double, 1> weight = tauldr_coefficients(recorded, *word);
        return std::vector<double>{student.loss(joint_negative_log_likelihood{data, {weight}}, likelihood_of_draws) +
                                   small_times.loss(distillation)};
      });
    if (const auto word = inside(output, "grad_loss__cv_", "__wrt_student_logits_t"))
      report.check(output, gradient, [&] {
        const array<double, 1> weight = tauldr_coefficients(recorded, *word);
        return student.gradient(correlation{data, {weight}}, marginal, consistency_of_draws, consistency_of_rows);
      });
    if (const auto word = inside(output, "grad_loss__nocv_", "__wrt_student_logits_t"))
      report.check(output, gradient, [&] {
        const array<double, 1> weight = tauldr_coefficients(recorded, *word);
        return student.gradient(joint_negative_log_likelihood{data, {weight}}, likelihood_of_draws);
      });
    if (const auto word = inside(
            output, "eval_return__"))  // means of datapoint and marginal, distillation, consistency, its correlation part
      report.check(output, loss, [&] {
        const array<double, 1> weight = tauldr_coefficients(recorded, *word);
        return std::vector<double>{student.loss(correlation{data, {weight}}, marginal), small_times.loss(distillation),
                                   student.loss(consistency_of_draws, consistency_of_rows), student.loss(consistency_of_draws)};
      });
  }
}

}  // namespace golden
