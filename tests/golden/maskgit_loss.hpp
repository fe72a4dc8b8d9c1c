// maskgit vit.py train_di4c, from x_0, recorded logits, uniforms and tokens. Rows of flattened (item, component) arrays are b M + m.
#pragma once

#include "golden/maskgit_sampling.hpp"
#include "golden/sdtt_loss.hpp"

namespace golden {

inline void check_maskgit_loss(const recorded_case& recorded, case_report& report) {
  const index_t B = recorded.config<index_t>("B"), M = recorded.config<index_t>("M"), D = recorded.config<index_t>("N"),
                S = recorded.config<index_t>("classes"), codebook = recorded.config<index_t>("codebook_size");
  const double r_delta = recorded.config<double>("r_delta"), alpha_const = recorded.config<double>("alpha_const");
  const std::string mode = recorded.config<std::string>("sched_mode");
  const auto r = recorded.input<double>("r", B);                                                        // (B)
  const auto x_0 = recorded.input<token>("code_data", B, D);                                            // (B, D)
  const auto teacher_raw = recorded.input<double>("teacher_logits_t", B, 1, D, S);                      // (B, 1, D, S)
  const auto student_raw = recorded.input<double>("student_logits_t", B, M, D, S);                      // (B, M, D, S)
  const auto student_u = recorded.input<double>("student_logits_u", B * M, 1, D, S);                    // (B M, 1, D, S)
  const auto draws = recorded.input<token>("x0_from_student_u", B, M, D);                               // (B, M, D)
  const auto x_t = maskgit_mask(mode, codebook, x_0, r, recorded.input<double>("uniform_mask", B, D));  // (B, D)
  const char* noise = recorded.config<std::string>("randomize") == "random" ? "uniform_confidence" : "gumbel";
  const maskgit_teacher_step to_u(recorded, mode, x_t, view<const double, 3>(teacher_raw.data(), B, D, S), r,
                                  recorded.input<token>("pred_code", B * M, D), recorded.input<double>(noise, B * M, D));

  const std::vector<std::string> corrupts{"dimix::forward_process::between", "dimix::two_time_kernel::corrupt"};
  report.check("masked_code", corrupts, [&] { return x_t; });
  report.check("mask", corrupts, [&] { return maskgit_mask_of(x_t, codebook); });
  report.check("tokens_to_reveal", {"dimix::maskgit::tokens_to_reveal"}, [&] { return to_u.counts; });
  report.check("code_u", {"dimix::maskgit::reveal_codes", "dimix::tempered::row", "dimix::noisy_score"},
               [&] { return to_u.code; });
  report.check("mask_rate", {"dimix::move_chance"}, [&] {
    std::vector<double> rates;
    for (double at : r) rates.push_back(maskgit_mask_rate(mode, at));
    return rates;
  });
  array<double, 1> distils(B), consists(B);  // (B)
  for (index_t b = 0; b < B; ++b) consists(b) = 1 - (distils(b) = dimix::maskgit::distillation_weight(r(b), r_delta));
  report.check("r_weight", {"dimix::maskgit::distillation_weight"}, [&] { return distils; });

  // all positions and classes are in the losses: the head is a softmax
  const dimix::softmax head;
  const site student{head, x_t.whole(), student_raw.whole()};
  const array<double, 3> teacher = site{head, x_t.whole(), teacher_raw.whole()}.marginals();         // (B, D, S)
  const array<double, 3> at_u = dimix::mean_rows<double>(head, to_u.code, student_u, M, S, run_on);  // (B, D, S)
  const view<const token, 3> data(x_0.data(), B, 1, D);                                              // (B, 1, D)
  const marginal_divergence marginal{teacher};
  const item_weights distil_weights{distils, 1 / r_delta}, consist_weights{consists};
  const distillation_bound distillation{teacher, distil_weights};
  const correlation consistency_of_draws{draws, consist_weights};
  const marginal_divergence consistency_of_rows{at_u, consist_weights};
  const std::vector<std::string> value{"dimix::objective::value", "dimix::marginals", "dimix::mean_rows"};
  const auto check_term = [&](const std::string& name, const auto& term) {
    report.check(name, value, [&] { return student.values(term); });
    report.check("grad_mean_" + name + "__wrt_student_logits_t", {"dimix::objective::gradient"},
                 [&] { return student.gradient(term); });
  };
  check_term("data_loss_cor", correlation{data});
  check_term("data_loss_indep", marginal);
  check_term("distil_loss_unweighted", distillation_bound{teacher});
  check_term("consis_loss_cor", correlation{draws});
  check_term("consis_loss_indep", marginal_divergence{at_u});

  // with their weights; the loss of a single item is its term
  const auto of_items = [&](const auto& loss_of) {
    std::vector<double> values;
    for (index_t b = 0; b < B; ++b) values.push_back(loss_of(student.items(b, 1), b));
    return values;
  };
  const auto of_item = [](const item_weights& weights, index_t b) {
    return item_weights{weights.per_item.slice(b, 1), weights.common};
  };
  report.check("distil_loss", {"dimix::objective::loss"}, [&] {
    return of_items([&](const auto& item, index_t b) {
      return item.loss(distillation_bound{teacher.whole().slice(b, 1), of_item(distil_weights, b)});
    });
  });
  report.check("grad_mean_distil_loss__wrt_student_logits_t", {"dimix::objective::gradient"},
               [&] { return student.gradient(distillation); });
  report.check("consis_loss", {"dimix::objective::loss"}, [&] {
    return of_items([&](const auto& item, index_t b) {
      return item.loss(correlation{draws.whole().slice(b, 1), of_item(consist_weights, b)},
                       marginal_divergence{at_u.whole().slice(b, 1), of_item(consist_weights, b)});
    });
  });

  for (const auto& [output, allowed] : recorded.outputs()) {
    const auto coefficients = [&](const std::string& word) {
      array<double, 1> result(B);  // (B)
      for (index_t b = 0; b < B; ++b) result(b) = alpha_const * dimix::weight_at(sdtt_time_weight(word), 1 - r(b));
      return result;
    };
    if (const auto word = inside(output, "time_coeff__"))
      report.check(output, {"dimix::weight_at"}, [&] { return coefficients(*word); });
    if (const auto word = inside(output, "loss__"))
      report.check(output, {"dimix::objective::loss", "dimix::weight_at"}, [&] {
        const array<double, 1> weight = coefficients(*word);
        return std::vector<double>{
            student.loss(distillation, correlation{data, {weight}}, marginal, consistency_of_draws, consistency_of_rows)};
      });
    if (const auto word = inside(output, "grad_loss__", "__wrt_student_logits_t"))
      report.check(output, {"dimix::objective::gradient", "dimix::weight_at"}, [&] {
        const array<double, 1> weight = coefficients(*word);
        return student.gradient(distillation, correlation{data, {weight}}, marginal, consistency_of_draws, consistency_of_rows);
      });
  }
}

}  // namespace golden
