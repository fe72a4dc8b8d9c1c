// The objective of a distillation step under truncated_logistic: value and gradient of datapoint + consistency + marginals with control
// variates, in float32, from raw outputs (B, M, D, 2) that stand for S ordered probabilities each. `library` makes the objective and
// evaluates it, as a training step does; `raw` is the same arithmetic in plain loops over pointers, on memory that is kept from one
// call to the next: it takes p and both slopes of a state from one exponential. Neither makes an array (B, M, D, S); extra_memory
// beside row_array, the bytes of one, says so. Axes: B, M, K (draws of the student), D, S, threads; K + 1 targets in all.
// items: states of all rows, B M D S. Evaluations that are needed, of a position in a sweep:
//   observe    M S exponentials (p of every state), M (K + 1) exponentials and logarithms (log p of the targets), S logarithms (log P)
//   values     2 S logarithms (of student and teacher)
//   gradient   S exponentials (1 / P), M S exponentials (p and its slopes)
// without the eight that a row needs once, and divisions: one a state in observe and gradient.
#include <dimix/core/memory.hpp>
#include <dimix/head/truncated_logistic.hpp>
#include <dimix/objective.hpp>

#include "support.hpp"

#include <algorithm>
#include <limits>
#include <memory>

namespace {

using bench::array;
using bench::index_t;
using bench::token;
using bench::view;

constexpr float datapoint_weight = 0.1f, marginal_weight = 1.0f;

struct sizes {
  index_t B, M, K, D, S;
  int threads;

  explicit sizes(const bench::shape& of) : B(of[0]), M(of[1]), K(of[2]), D(of[3]), S(of[4]), threads(static_cast<int>(of[5])) {}

  bench::work least() const {
    const double positions = static_cast<double>(B * D), states = positions * static_cast<double>(S),
                 of_components = states * static_cast<double>(M), of_targets = positions * static_cast<double>(M * (K + 1));
    return {.items = of_components,
            .bytes = bytes(),
            .exponentials = 2 * of_components + states + of_targets,
            .logarithms = 3 * states + of_targets};
  }

  /// Outputs read twice and their gradient written; log P written, read for the values and the gradient; two target rows read twice.
  double bytes() const {
    constexpr double real = sizeof(float);
    return real * (6 * static_cast<double>(B * M * D) + 7 * static_cast<double>(B * D * S));
  }
};

struct inputs {
  array<float, 4> raw;               // (B, M, D, 2)
  array<token, 2> x_t;               // (B, D)
  array<token, 3> x_0, draws;        // (B, 1, D), (B, K, D)
  array<float, 3> student, teacher;  // (B, D, S)

  explicit inputs(const sizes& n)
      : raw(n.B, n.M, n.D, 2),
        x_t(n.B, n.D),
        x_0(n.B, 1, n.D),
        draws(n.B, n.K, n.D),
        student(n.B, n.D, n.S),
        teacher(n.B, n.D, n.S) {
    bench::fill_random(raw, 1, 1.0);
    bench::fill_tokens(x_t, n.S, 2);
    bench::fill_tokens(x_0, n.S, 3);
    bench::fill_tokens(draws, n.S, 4);
    bench::fill_rows(student, 5);
    bench::fill_rows(teacher, 6);
  }
};

float with_library(const sizes& n, const inputs& in, array<float, 4>& gradient, const dimix::cpu& run_on,
                   dimix::recycled_memory& memory) {
  using real_weights = dimix::item_weights<float>;
  auto loss = dimix::make_objective<float>(
      dimix::truncated_logistic{n.S}, view<const token, 2>(in.x_t), n.M, n.S,
      dimix::objective_options<float>{.memory = &memory},
      dimix::correlation<float>{.tokens = in.x_0, .weights = real_weights{.common = datapoint_weight}},
      dimix::consistency<float>{.draws = {.tokens = in.draws}, .rows = {.target = in.student}},
      dimix::marginal_divergence<float>{.target = in.teacher, .weights = real_weights{.common = marginal_weight}});
  return dimix::value_and_gradient(loss, view<const float, 4>(in.raw), gradient.whole(), run_on);
}

/// The plain loops. Everything is a pointer into row-major arrays; the threads are the only thing shared with the library.
class raw_loop {
 public:
  explicit raw_loop(const sizes& n)
      : n_(n),
        T_(n.K + 1),
        rows_(count(n.B * n.M * n.D)),
        joint_(count(n.B * T_)),
        component_(count(n.B * n.M * T_)),
        log_p_(count(n.B * n.D * n.S)),
        values_(count(n.B * n.D)),
        scratch_(static_cast<std::size_t>(n.threads), std::vector<float>(count(n.S))) {}

  float run(const inputs& in, array<float, 4>& gradient, const dimix::cpu& run_on) {
    share(run_on, n_.B * n_.D, [&](int, index_t row) { mix(in, row / n_.D, row % n_.D); });
    share(run_on, n_.B * n_.M, [&](int, index_t row) { gather(in, row / n_.M, row % n_.M); });
    for (index_t b = 0; b < n_.B; ++b)
      for (index_t k = 0; k < T_; ++k) respond(b, k);
    share(run_on, n_.B * n_.D, [&](int, index_t row) { values_[count(row)] = position_value(in, row / n_.D, row % n_.D); });
    float total = 0;
    for (index_t b = 0; b < n_.B; ++b) {
      for (index_t d = 0; d < n_.D; ++d) total += values_[count(b * n_.D + d)];
      for (index_t k = 0; k < T_; ++k) total -= target_weight(k) * joint_[count(b * T_ + k)];
    }
    share(run_on, n_.B * n_.D, [&](int worker, index_t row) {
      differentiate(in, row / n_.D, row % n_.D, scratch_[static_cast<std::size_t>(worker)].data(), gradient.data());
    });
    return total / static_cast<float>(n_.B);
  }

 private:
  /// A logistic cut into S bins: p(s) = each e^-max(t, 0) / ((1 + g) (1 + q)), as in the head's header.
  struct levels {
    float mean, k, h, each, ratio, by_mean, by_steep;

    struct state {
      float p, by_mean, by_steep;
    };
    state at(index_t s, index_t S) const {
      const float c = (static_cast<float>(2 * s + 1 - S) * h) - mean * k, away = std::abs(c), t = away - h;
      const float g = std::exp(-std::abs(t)), q = t < 0 ? std::exp(-away - h) : g * ratio, share = 1 / ((1 + g) * (1 + q));
      const float inner = (t < 0 ? g : 1) * (1 + q) * share, outer = q * (1 + g) * share, difference = inner - outer;
      return {each * (t < 0 ? 1 : g) * share, c < 0 ? -difference : difference, (away + h) * outer - t * inner};
    }
    float log_prob(index_t s, index_t S) const {
      const float c = (static_cast<float>(2 * s + 1 - S) * h) - mean * k, away = std::abs(c), t = away - h;
      const float g = std::exp(-std::abs(t)), q = std::exp(-away - h);
      return std::min(0.0f, -t) + std::log(each) - std::log1p(g + q + g * q);
    }
  };

  static std::size_t count(index_t n) { return static_cast<std::size_t>(n); }

  template <class F>
  void share(const dimix::cpu& run_on, index_t rows, const F& f) const {
    const index_t chunk = std::max<index_t>(1, std::min<index_t>(64, rows / (8 * n_.threads)));
    run_on.for_each((rows + chunk - 1) / chunk, [&](int worker, index_t c) {
      for (index_t row = c * chunk; row < std::min(rows, (c + 1) * chunk); ++row) f(worker, row);
    });
  }

  float weight() const { return 1.0f / static_cast<float>(n_.M); }
  float target_weight(index_t k) const { return k == 0 ? datapoint_weight : 1.0f / static_cast<float>(n_.K); }
  token target(const inputs& in, index_t b, index_t k, index_t d) const {
    return k == 0 ? in.x_0.data()[b * n_.D + d] : in.draws.data()[(b * n_.K + k - 1) * n_.D + d];
  }

  levels row_of(const float* z, token now) const {
    const double S = static_cast<double>(n_.S);
    const double mean = std::tanh(z[0] + 2 * now / (S - 1) - 1), k = std::exp(2.0 - z[1]);
    const double low = (-1 - mean) * k, high = (1 - mean) * k, of_low = 1 / (1 + std::exp(-low)),
                 of_high = 1 / (1 + std::exp(high));
    const double two_h = 2 * k / S, mass = 1 - of_high - of_low;
    const double by_mean = of_low - of_high, by_steep = of_high * high - of_low * low + 2 * k / std::expm1(2 * k);
    const auto real = [](double x) { return static_cast<float>(x); };
    return {real(mean),
            real(k),
            real(two_h / 2),
            real(-std::expm1(-two_h) / mass),
            real(std::exp(-two_h)),
            real(by_mean),
            real(by_steep - two_h / std::expm1(two_h))};
  }

  /// log P = log sum_m π_m p_m
  void mix(const inputs& in, index_t b, index_t d) {
    float* sum = log_p_.data() + (b * n_.D + d) * n_.S;
    std::fill_n(sum, n_.S, 0.0f);
    for (index_t m = 0; m < n_.M; ++m) {
      const index_t place = (b * n_.M + m) * n_.D + d;
      const levels here = rows_[count(place)] = row_of(in.raw.data() + 2 * place, in.x_t.data()[b * n_.D + d]);
      for (index_t s = 0; s < n_.S; ++s) sum[s] += here.at(s, n_.S).p;
    }
    for (index_t s = 0; s < n_.S; ++s) sum[s] = std::log(sum[s] * weight());
  }

  void gather(const inputs& in, index_t b, index_t m) {
    double* likelihood = component_.data() + (b * n_.M + m) * T_;
    std::fill_n(likelihood, T_, 0.0);
    for (index_t d = 0; d < n_.D; ++d)
      for (index_t k = 0; k < T_; ++k)
        likelihood[k] += static_cast<double>(rows_[count((b * n_.M + m) * n_.D + d)].log_prob(target(in, b, k, d), n_.S));
  }

  /// log p(x_k), and the responsibilities with their weights in the place of the likelihoods
  void respond(index_t b, index_t k) {
    double* likelihood = component_.data() + b * n_.M * T_ + k;
    double highest = -std::numeric_limits<double>::infinity(), total = 0;
    for (index_t m = 0; m < n_.M; ++m) highest = std::max(highest, likelihood[m * T_]);
    for (index_t m = 0; m < n_.M; ++m) total += std::exp(likelihood[m * T_] - highest);
    const double log_total = highest + std::log(total);
    joint_[count(b * T_ + k)] = std::log(weight()) + static_cast<float>(log_total);
    for (index_t m = 0; m < n_.M; ++m)
      likelihood[m * T_] = static_cast<double>(target_weight(k)) * std::exp(likelihood[m * T_] - log_total);
  }

  float position_value(const inputs& in, index_t b, index_t d) const {
    const float* log_p = log_p_.data() + (b * n_.D + d) * n_.S;
    const float* student = in.student.data() + (b * n_.D + d) * n_.S;
    const float* teacher = in.teacher.data() + (b * n_.D + d) * n_.S;
    float of_student = 0, of_teacher = 0, of_targets = 0;
    for (index_t s = 0; s < n_.S; ++s)
      if (student[s] != 0) of_student += student[s] * (std::log(student[s]) - log_p[s]);
    for (index_t s = 0; s < n_.S; ++s)
      if (teacher[s] != 0) of_teacher += teacher[s] * (std::log(teacher[s]) - log_p[s]);
    for (index_t k = 0; k < T_; ++k) of_targets += target_weight(k) * log_p[target(in, b, k, d)];
    return of_student + marginal_weight * of_teacher + of_targets;
  }

  void differentiate(const inputs& in, index_t b, index_t d, float* pull, float* out) const {
    const float* log_p = log_p_.data() + (b * n_.D + d) * n_.S;
    const float* student = in.student.data() + (b * n_.D + d) * n_.S;
    const float* teacher = in.teacher.data() + (b * n_.D + d) * n_.S;
    for (index_t s = 0; s < n_.S; ++s) pull[s] = -student[s] - marginal_weight * teacher[s];
    for (index_t k = 0; k < T_; ++k) pull[target(in, b, k, d)] += target_weight(k);
    for (index_t s = 0; s < n_.S; ++s) pull[s] *= weight() * std::exp(-log_p[s]);
    const float scale = 1.0f / static_cast<float>(n_.B);
    for (index_t m = 0; m < n_.M; ++m) {
      const index_t place = (b * n_.M + m) * n_.D + d;
      const levels& here = rows_[count(place)];
      float by_mean = 0, by_steep = 0;
      const auto add = [&](const levels::state& at, float slope) {
        by_mean += slope * (at.by_mean - here.by_mean);
        by_steep += slope * (at.by_steep - here.by_steep);
      };
      for (index_t s = 0; s < n_.S; ++s) {
        const levels::state at = here.at(s, n_.S);
        add(at, pull[s] * at.p);
      }
      const double* responsibility = component_.data() + (b * n_.M + m) * T_;
      for (index_t k = 0; k < T_; ++k) add(here.at(target(in, b, k, d), n_.S), -static_cast<float>(responsibility[k]));
      out[2 * place] = scale * here.k * (1 - here.mean * here.mean) * by_mean;
      out[2 * place + 1] = -scale * by_steep;
    }
  }

  sizes n_;
  index_t T_;                                // targets: the datapoint first, then the draws
  std::vector<levels> rows_;                 // (B, M, D)
  std::vector<float> joint_;                 // (B, T)
  std::vector<double> component_;            // (B, M, T)  log-likelihoods, summed as the library does; then responsibilities
  std::vector<float> log_p_;                 // (B, D, S)
  std::vector<float> values_;                // (B, D)
  std::vector<std::vector<float>> scratch_;  // (threads, S)
};

/// One shape with its inputs; kept until another shape is asked for.
struct problem {
  bench::shape of;
  sizes n;
  inputs in;
  array<float, 4> gradient;  // (B, M, D, 2)
  dimix::cpu run_on;
  dimix::recycled_memory memory;
  raw_loop raw;
  double raw_seconds = 0;
  float value = 0;  // of the library
  std::string disagreement;

  explicit problem(const bench::shape& shape)
      : of(shape), n(shape), in(n), gradient(n.B, n.M, n.D, 2), run_on(n.threads), raw(n), disagreement(compare()) {}

  static problem& at(const bench::shape& shape) {
    static std::unique_ptr<problem> last;
    if (!last || last->of != shape) {
      last.reset();
      last = std::make_unique<problem>(shape);
    }
    return *last;
  }

  /// Of one call, beside inputs and gradient.
  double extra_memory() {
    return bench::peak_memory([&] {
      dimix::recycled_memory fresh;
      with_library(n, in, gradient, dimix::cpu(n.threads), fresh);
    });
  }

 private:
  /// Value to 1e-4, gradient to 1e-4 of its largest entry; empty when they agree.
  std::string compare() {
    array<float, 4> by_hand(n.B, n.M, n.D, 2);  // (B, M, D, 2)
    const float expected = raw.run(in, by_hand, run_on), got = with_library(n, in, gradient, run_on, memory);
    value = got;
    float largest = 0, error = 0;
    for (index_t i = 0; i < gradient.size(); ++i) {
      largest = std::max(largest, std::abs(by_hand.data()[i]));
      error = std::max(error, std::abs(by_hand.data()[i] - gradient.data()[i]));
    }
    if (std::abs(expected - got) <= 1e-4f * std::abs(expected) && largest > 0 && error <= 1e-4f * largest) return {};
    return "library and raw loop disagree: values " + std::to_string(got) + " and " + std::to_string(expected) +
           ", largest gradient " + std::to_string(largest) + ", largest difference " + std::to_string(error);
  }
};

void raw(benchmark::State& state, const bench::shape& shape) {
  problem& p = problem::at(shape);
  if (!p.disagreement.empty()) return state.SkipWithError(p.disagreement.c_str());
  p.raw_seconds = bench::run_timed(state, [&] { benchmark::DoNotOptimize(p.raw.run(p.in, p.gradient, p.run_on)); });
  bench::report(state, p.raw_seconds, p.n.least(), p.n.threads);
}

void library(benchmark::State& state, const bench::shape& shape) {
  problem& p = problem::at(shape);
  if (!p.disagreement.empty()) return state.SkipWithError(p.disagreement.c_str());
  const double seconds =
      bench::run_timed(state, [&] { benchmark::DoNotOptimize(with_library(p.n, p.in, p.gradient, p.run_on, p.memory)); });
  bench::report(state, seconds, p.n.least(), p.n.threads);
  bench::report_against(state, seconds, p.raw_seconds);
  bench::report_value(state, p.value);
  bench::report_memory(state, p.extra_memory());
  state.counters["row_array"] =
      benchmark::Counter(p.n.least().items * sizeof(float), benchmark::Counter::kDefaults, benchmark::Counter::kIs1024);
}

const bool registered = [] {
  const std::vector<std::string> axes{"B", "M", "K", "D", "S", "threads"};
  const std::vector<bench::shape> usual{{64, 16, 16, 64, 17, 1},  // digits
                                        {1, 16, 16, 192, 256, 1},
                                        {1, 16, 16, 192, 256, 2}};  // a part of CIFAR's pixels
  const std::vector<bench::shape> large{{2, 16, 16, 3072, 256, 1}, {2, 16, 16, 3072, 256, 2}};
  for (int threads : {1, 2}) bench::register_rates(threads);
  for (const bench::shape& shape : bench::shapes_to_run(axes, usual, large))
    for (auto [what, run] : {std::pair{"truncated_logistic/raw", &raw}, std::pair{"truncated_logistic/library", &library}})
      benchmark::RegisterBenchmark(bench::name_of(what, axes, shape).c_str(), run, shape)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
