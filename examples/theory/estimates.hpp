// What estimates from draws of λ cost: the variance of the consistency loss's gradient with and without control variates, and the bias of the
// mixture's log-likelihood from M draws.
#pragma once

#include "bound.hpp"

namespace theory {

struct variance_report {
  double noise = 0;           // of the student's logits around the teacher's
  double largest_gap = 0;     // between the means of both gradients, in standard errors
  double variance_ratio = 0;  // trace of the variance without over with control variates
};

/// par3, N = 16, t = 8/16, u = 7/16, x_t all hidden; M = K = 4. Gradients to the logits (M, D, S), one item a draw.
inline variance_report control_variates(double noise, index_t draws = 4000) {
  const toy data = par3();
  const hiding process = hides(data);
  const dimix::tabular<hiding> teacher(process, data.sequences, data.law);
  const index_t D = data.D, S = data.V + 1, M = 4, K = 4, B = draws;
  const double t = 8.0 / 16, u = 7.0 / 16;
  table_student student(D, S, M, {.knots = 17, .spread = 0});
  centre_at(process, teacher, student, D, 17, -30);
  for (index_t i = 0; i < student.logits().size(); ++i)
    student.logits().data()[i] +=
        noise * dimix::normal_quantile(dimix::unit(dimix::rng{3}(dimix::purpose::user, 0, 0, 0, i).first()));

  const dimix::cpu run_on{1};
  const dimix::rng random{11};
  array<token, 2> x_t(B, D), x_u(B * K, D), x_0(B * K, D);  // (B, D), (B K, D)
  x_t.fill(process.space().mask()), x_u.fill(process.space().mask());
  array<std::uint64_t, 1> items(B), draws_of_items(B * K);  // (B), (B K)
  for (index_t i = 0; i < B * K; ++i) draws_of_items(i) = static_cast<std::uint64_t>(i);
  auto teacher_steps = exact_sampler(process, teacher);
  dimix::sampler_state state{5, 0};
  teacher_steps.step(state, x_u, dimix::exact::repeated(u, B * K), dimix::exact::repeated(t, B * K), draws_of_items);

  const auto head = dimix::head_of(student, process.space());
  array<double, 3> latents_u(B * K, 1, 1), latents(B, M, 1);
  dimix::draw_latents(student.latent(), dimix::latent_draws::iid, random, draws_of_items, 1, latents_u.whole());
  dimix::enumerate_latents(student.latent(), latents.whole());
  array<double, 4> raw_u(B * K, 1, D, S), raw(B, M, D, S);
  student({x_u, dimix::exact::repeated(u, B * K), latents_u, {}}, raw_u.whole());
  student({x_t, dimix::exact::repeated(t, B), latents, {}}, raw.whole());
  const array<double, 3> mean = dimix::draw_with_mean_rows<double>(head, x_u, raw_u, K, S, random, dimix::purpose::target,
                                                                   draws_of_items, 0, x_0.whole(), run_on);  // (B, D, S)
  const view<const token, 3> targets(x_0.data(), B, K, D);
  const auto gradient_of = [&](const auto& term) {
    array<double, 4> gradient(B, M, D, S);
    auto loss = dimix::make_objective<double>(head, x_t, M, S, {}, term);
    value_and_gradient(loss, view<const double, 4>(raw), gradient.whole(), run_on);
    for (double& g : gradient) g *= static_cast<double>(B);  // of one item
    return gradient;
  };
  const auto plain = gradient_of(dimix::joint_negative_log_likelihood<double>{targets}),
             varied = gradient_of(dimix::consistency<double>{{targets}, {mean}});

  variance_report report{noise};
  double trace_plain = 0, trace_varied = 0;
  const index_t coordinates = M * D * S;
  for (index_t i = 0; i < coordinates; ++i) {
    double sums[3] = {}, squares[3] = {};
    for (index_t b = 0; b < B; ++b) {
      const double p = plain.data()[b * coordinates + i], v = varied.data()[b * coordinates + i];
      for (int j = 0; const double x : {p, v, p - v}) sums[j] += x, squares[j++] += x * x;
    }
    const auto n = static_cast<double>(B);
    const auto variance = [&](int j) { return (squares[j] - sums[j] * sums[j] / n) / (n - 1); };
    trace_plain += variance(0), trace_varied += variance(1);
    if (variance(2) > 1e-20)
      report.largest_gap = std::max(report.largest_gap, std::abs(sums[2] / n) / std::sqrt(variance(2) / n));
  }
  report.variance_ratio = trace_plain / trace_varied;
  return report;
}

struct bias_row {
  index_t draws = 0;  // M
  double plain = 0, jackknife = 0;
};

/// E log p^(x) - log p(x) over M draws of a λ with two equally likely values, exactly: over how many of the draws are the first.
inline bias_row likelihood_bias(index_t M) {
  const index_t D = 2, S = 2;
  const double chance[2][2] = {{0.8, 0.7}, {0.3, 0.4}};  // of state 0, by λ and position
  array<token, 2> x_t(M + 1, D);                         // (M + 1, D)
  array<token, 3> targets(M + 1, 1, D);                  // (M + 1, 1, D)  all zero
  array<double, 4> raw(M + 1, M, D, S);                  // (M + 1, M, D, S)
  for (index_t first = 0; first <= M; ++first)
    for (index_t m = 0; m < M; ++m)
      for (index_t d = 0; d < D; ++d) {
        const double p = chance[m < first ? 0 : 1][d];
        raw(first, m, d, 0) = std::log(p), raw(first, m, d, 1) = std::log(1 - p);
      }
  const dimix::cpu run_on{1};
  const auto plain = dimix::log_likelihood<double>(dimix::softmax{}, x_t, raw, targets, S, run_on);  // (M + 1, 1)
  const double truth = std::log((0.8 * 0.7 + 0.3 * 0.4) / 2);
  bias_row row{M, -truth, -truth};
  const auto binomial = [&](index_t first) {
    const auto n = static_cast<double>(M), k = static_cast<double>(first);
    return std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::log(2.0));
  };
  for (index_t first = 0; first <= M; ++first) row.plain += binomial(first) * plain(first, 0);
  if (M >= 2) {
    const auto better = dimix::log_likelihood<double, dimix::jackknife>(dimix::softmax{}, x_t, raw, targets, S, run_on);
    for (index_t first = 0; first <= M; ++first) row.jackknife += binomial(first) * better(first, 0);
  }
  return row;
}

}  // namespace theory
