// What the benchmarks of a distillation step share: sizes, tokens and target rows, the objective by the library, and the phases of the plain
// loops that do not depend on the head. Axes: B, M, K (draws of the student), D, S, threads; K + 1 targets in all.
#pragma once

#include <dimix/core/memory.hpp>
#include <dimix/objective.hpp>

#include "support.hpp"

#include <limits>

namespace bench {

inline constexpr float datapoint_weight = 0.1f, marginal_weight = 1.0f;
inline const std::vector<std::string> distillation_axes{"B", "M", "K", "D", "S", "threads"};

struct distillation_sizes {
  index_t B, M, K, D, S;
  int threads;

  explicit distillation_sizes(const shape& of)
      : B(of[0]), M(of[1]), K(of[2]), D(of[3]), S(of[4]), threads(static_cast<int>(of[5])) {}
};

/// What a step is given beside raw outputs.
struct distillation_targets {
  array<token, 2> x_t;               // (B, D)
  array<token, 3> x_0, draws;        // (B, 1, D), (B, K, D)
  array<float, 3> student, teacher;  // (B, D, S)

  explicit distillation_targets(const distillation_sizes& n)
      : x_t(n.B, n.D), x_0(n.B, 1, n.D), draws(n.B, n.K, n.D), student(n.B, n.D, n.S), teacher(n.B, n.D, n.S) {
    fill_tokens(x_t, n.S, 2);
    fill_tokens(x_0, n.S, 3);
    fill_tokens(draws, n.S, 4);
    fill_rows(student, 5);
    fill_rows(teacher, 6);
  }
};

/// Value and gradient of datapoint + consistency + marginals with control variates, the objective made as a training step makes it.
template <class Head>
float distillation_by_library(const Head& head, const distillation_sizes& n, const distillation_targets& given,
                              view<const token, 3> draws, view<const float, 3> student, view<const float, 4> raw,
                              array<float, 4>& gradient, const dimix::cpu& run_on, dimix::recycled_memory& memory) {
  using weights = dimix::item_weights<float>;
  auto loss = dimix::make_objective<float>(
      head, view<const token, 2>(given.x_t), n.M, n.S, dimix::objective_options<float>{.memory = &memory},
      dimix::correlation<float>{.tokens = given.x_0, .weights = weights{.common = datapoint_weight}},
      dimix::consistency<float>{.draws = {.tokens = draws}, .rows = {.target = student}},
      dimix::marginal_divergence<float>{.target = given.teacher, .weights = weights{.common = marginal_weight}});
  return dimix::value_and_gradient(loss, raw, gradient.whole(), run_on);
}

/// The plain loops, but for what the head makes of the outputs. Everything is a pointer into row-major arrays, on memory that is kept from one call to
/// the next; the threads are the only thing shared with the library.
class plain_distillation {
 protected:
  /// scratch: floats of a thread.
  plain_distillation(const distillation_sizes& n, index_t scratch)
      : n_(n),
        T_(n.K + 1),
        joint_(count(n.B * T_)),
        component_(count(n.B * n.M * T_)),
        log_p_(count(n.B * n.D * n.S)),
        values_(count(n.B * n.D)),
        scratch_(static_cast<std::size_t>(n.threads), std::vector<float>(count(scratch))) {}

  static std::size_t count(index_t n) { return static_cast<std::size_t>(n); }

  /// mix(b, d): log P of a position. gather(b, m): log-likelihoods of the targets under a component. differentiate(scratch, b, d).
  template <class Mix, class Gather, class Differentiate>
  float run_phases(const distillation_targets& given, const token* draws, const float* student, const dimix::cpu& run_on,
                   const Mix& mix, const Gather& gather, const Differentiate& differentiate) {
    given_ = &given, draws_ = draws, student_ = student;
    share_rows(run_on, n_.B * n_.D, [&](int, index_t row) { mix(row / n_.D, row % n_.D); });
    share_rows(run_on, n_.B * n_.M, [&](int, index_t row) { gather(row / n_.M, row % n_.M); });
    for (index_t b = 0; b < n_.B; ++b)
      for (index_t k = 0; k < T_; ++k) respond(b, k);
    share_rows(run_on, n_.B * n_.D, [&](int, index_t row) { values_[count(row)] = position_value(row / n_.D, row % n_.D); });
    float total = 0;
    for (index_t b = 0; b < n_.B; ++b) {
      for (index_t d = 0; d < n_.D; ++d) total += values_[count(b * n_.D + d)];
      for (index_t k = 0; k < T_; ++k) total -= target_weight(k) * joint_[count(b * T_ + k)];
    }
    share_rows(run_on, n_.B * n_.D,
               [&](int worker, index_t row) { differentiate(scratch_of(worker), row / n_.D, row % n_.D); });
    return total / static_cast<float>(n_.B);
  }

  float* scratch_of(int worker) { return scratch_[static_cast<std::size_t>(worker)].data(); }
  float log_weight() const { return -std::log(static_cast<float>(n_.M)); }
  float target_weight(index_t k) const { return k == 0 ? datapoint_weight : 1.0f / static_cast<float>(n_.K); }
  token target(index_t b, index_t k, index_t d) const {
    return k == 0 ? given_->x_0.data()[b * n_.D + d] : draws_[(b * n_.K + k - 1) * n_.D + d];
  }
  const float* student_at(index_t b, index_t d) const { return student_ + (b * n_.D + d) * n_.S; }
  const float* teacher_at(index_t b, index_t d) const { return given_->teacher.data() + (b * n_.D + d) * n_.S; }
  float* log_p_at(index_t b, index_t d) { return log_p_.data() + (b * n_.D + d) * n_.S; }
  double* component_at(index_t b, index_t m) { return component_.data() + (b * n_.M + m) * T_; }

  /// What the marginal terms and the control variates say of log P: d loss / d log P_d(s).
  void pull_of_marginals(index_t b, index_t d, float* pull) const {
    const float *student = student_at(b, d), *teacher = teacher_at(b, d);
    for (index_t s = 0; s < n_.S; ++s) pull[s] = -student[s] - marginal_weight * teacher[s];
    for (index_t k = 0; k < T_; ++k) pull[target(b, k, d)] += target_weight(k);
  }

  distillation_sizes n_;
  index_t T_;  // targets: the datapoint first, then the draws

 private:
  /// log p(x_k), and the responsibilities with their weights in the place of the likelihoods
  void respond(index_t b, index_t k) {
    double* likelihood = component_.data() + b * n_.M * T_ + k;
    double highest = -std::numeric_limits<double>::infinity(), total = 0;
    for (index_t m = 0; m < n_.M; ++m) highest = std::max(highest, likelihood[m * T_]);
    for (index_t m = 0; m < n_.M; ++m) total += std::exp(likelihood[m * T_] - highest);
    const double log_total = highest + std::log(total);
    joint_[count(b * T_ + k)] = log_weight() + static_cast<float>(log_total);
    for (index_t m = 0; m < n_.M; ++m)
      likelihood[m * T_] = static_cast<double>(target_weight(k)) * std::exp(likelihood[m * T_] - log_total);
  }

  float position_value(index_t b, index_t d) {
    const float *log_p = log_p_at(b, d), *student = student_at(b, d), *teacher = teacher_at(b, d);
    float of_student = 0, of_teacher = 0, of_targets = 0;
    for (index_t s = 0; s < n_.S; ++s)
      if (student[s] != 0) of_student += student[s] * (std::log(student[s]) - log_p[s]);
    for (index_t s = 0; s < n_.S; ++s)
      if (teacher[s] != 0) of_teacher += teacher[s] * (std::log(teacher[s]) - log_p[s]);
    for (index_t k = 0; k < T_; ++k) of_targets += target_weight(k) * log_p[target(b, k, d)];
    return of_student + marginal_weight * of_teacher + of_targets;
  }

  const distillation_targets* given_ = nullptr;
  const token* draws_ = nullptr;             // (B, K, D)
  const float* student_ = nullptr;           // (B, D, S)
  std::vector<float> joint_;                 // (B, T)
  std::vector<double> component_;            // (B, M, T)  log-likelihoods, summed as the library does; then responsibilities
  std::vector<float> log_p_;                 // (B, D, S)
  std::vector<float> values_;                // (B, D)
  std::vector<std::vector<float>> scratch_;  // (threads, scratch)
};

/// `raw` and `library` of a Problem with raw_step(), library_step(memory), least(), value and disagreement.
template <class Problem>
void raw_distillation(benchmark::State& state, const shape& asked) {
  Problem& p = problem_at<Problem>(asked);
  if (!p.disagreement.empty()) return state.SkipWithError(p.disagreement.c_str());
  p.raw_seconds = run_timed(state, [&] { p.raw_step(); });
  report(state, p.raw_seconds, p.least(), p.n.threads);
}
template <class Problem>
void library_distillation(benchmark::State& state, const shape& asked) {
  Problem& p = problem_at<Problem>(asked);
  if (!p.disagreement.empty()) return state.SkipWithError(p.disagreement.c_str());
  const double seconds = run_timed(state, [&] { p.library_step(p.run_on, p.memory); });
  report(state, seconds, p.least(), p.n.threads);
  report_against(state, seconds, p.raw_seconds);
  report_value(state, p.value);
  report_memory(state, peak_memory([&] {  // of one call, beside what it is given and fills
                  dimix::recycled_memory fresh;
                  p.library_step(dimix::cpu(p.n.threads), fresh);
                }));
  if constexpr (requires { p.report_more(state); }) p.report_more(state);
}

/// NAME/raw and NAME/library at every shape of the lists.
template <class Problem>
bool register_distillation(const std::string& name, const std::vector<shape>& usual, const std::vector<shape>& large,
                           const std::vector<shape>& linearity = {}) {
  for (int threads : {1, 2}) register_rates(threads);
  for (const shape& asked : shapes_to_run(distillation_axes, usual, large, linearity))
    for (auto [what, run] :
         {std::pair{"/raw", &raw_distillation<Problem>}, std::pair{"/library", &library_distillation<Problem>}})
      benchmark::RegisterBenchmark(name_of(name + what, distillation_axes, asked).c_str(), run, asked)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
  return true;
}

}  // namespace bench
