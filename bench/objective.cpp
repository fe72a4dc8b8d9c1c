// A distillation step without its networks, in float32 and under a softmax head: K target draws and the mean of their rows from the student's
// logits at u, then value and gradient of datapoint + consistency + marginals with control variates at t. `library` makes the objective
// and evaluates it, as a training step does; `raw` is the same arithmetic in plain loops over pointers, on memory that is kept from one
// call to the next. Both share rows among the same threads. Axes: B, M, K (draws of the student), D, S, threads; K + 1 targets in all.
// items: raw outputs at t and u. value: for given targets, so that other systems can be compared.
#include <dimix/core/memory.hpp>
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

  /// Every array once per sweep, without fills and write-allocation. Outputs at t: read for normalisers, likelihoods and marginals, read for
  /// the gradient, which is written; at u: read. Arrays (B, D, S): P^ and log P written; log P, P^ and T read for the values and for the
  /// gradient. An exponential an output and sweep, and one a state of a position for 1 / P; logarithms of P, P^ and T.
  bench::work least() const {
    const double states = static_cast<double>(B * D * S), at_t = states * static_cast<double>(M),
                 at_u = states * static_cast<double>(K);
    return {.items = at_t + at_u,
            .bytes = sizeof(float) * (3 * at_t + at_u + 8 * states),
            .exponentials = 2 * at_t + at_u + states,
            .logarithms = 3 * states};
  }
};

struct inputs {
  array<float, 4> raw, logits_u;     // (B, M, D, S), (B, K, D, S)
  array<token, 2> x_t;               // (B, D)
  array<token, 3> x_0, draws;        // (B, 1, D), (B, K, D)
  array<float, 3> student, teacher;  // (B, D, S)

  explicit inputs(const sizes& n)
      : raw(n.B, n.M, n.D, n.S),
        logits_u(n.B, n.K, n.D, n.S),
        x_t(n.B, n.D),
        x_0(n.B, 1, n.D),
        draws(n.B, n.K, n.D),
        student(n.B, n.D, n.S),
        teacher(n.B, n.D, n.S) {
    bench::fill_random(raw, 1);
    bench::fill_tokens(x_t, n.S, 2);
    bench::fill_tokens(x_0, n.S, 3);
    bench::fill_tokens(draws, n.S, 4);
    bench::fill_rows(student, 5);
    bench::fill_rows(teacher, 6);
    bench::fill_random(logits_u, 7);
  }
};

/// What the student says at u.
struct at_u {
  array<token, 2> x;              // (B K, D)
  array<float, 3> rows;           // (B, D, S)
  array<std::uint64_t, 1> items;  // (B K)
  array<token, 2> x_u;            // (B K, D)
  index_t step = 0;

  explicit at_u(const sizes& n) : x(n.B * n.K, n.D), rows(n.B, n.D, n.S), items(n.B * n.K), x_u(n.B * n.K, n.D) {
    for (index_t i = 0; i < items.size(); ++i) items(i) = static_cast<std::uint64_t>(i);
    bench::fill_tokens(x_u, n.S, 2);
  }
};

void draw_with_library(const sizes& n, const inputs& in, at_u& to, const dimix::cpu& run_on) {
  to.rows = dimix::draw_with_mean_rows<float>(
      dimix::softmax{}, to.x_u, view<const float, 4>(in.logits_u.data(), n.B * n.K, 1, n.D, n.S), n.K, n.S, dimix::rng{8},
      dimix::purpose::target, to.items, to.step++ % 1000, to.x.whole(), run_on);
}

float with_library(const sizes& n, const inputs& in, view<const token, 3> draws, view<const float, 3> student,
                   array<float, 4>& gradient, const dimix::cpu& run_on, dimix::recycled_memory& memory) {
  using real_weights = dimix::item_weights<float>;
  auto loss = dimix::make_objective<float>(
      dimix::softmax{}, view<const token, 2>(in.x_t), n.M, n.S, dimix::objective_options<float>{.memory = &memory},
      dimix::correlation<float>{.tokens = in.x_0, .weights = real_weights{.common = datapoint_weight}},
      dimix::consistency<float>{.draws = {.tokens = draws}, .rows = {.target = student}},
      dimix::marginal_divergence<float>{.target = in.teacher, .weights = real_weights{.common = marginal_weight}});
  return dimix::value_and_gradient(loss, view<const float, 4>(in.raw), gradient.whole(), run_on);
}

/// The plain loops. Everything is a pointer into row-major arrays; the threads are the only thing shared with the library.
class raw_loop {
 public:
  explicit raw_loop(const sizes& n)
      : n_(n),
        T_(n.K + 1),
        normaliser_(count(n.B * n.M * n.D)),
        joint_(count(n.B * T_)),
        component_(count(n.B * n.M * T_)),
        top_(count(n.B * n.D * n.S)),
        sum_(count(n.B * n.D * n.S)),
        values_(count(n.B * n.D)),
        scratch_(static_cast<std::size_t>(n.threads), std::vector<float>(count(2 * n.S))) {}

  /// Draws by the running sum of a row.
  void draw(const inputs& in, at_u& to, const dimix::cpu& run_on) {
    share(run_on, n_.B * n_.D, [&](int worker, index_t row) {
      draw_position(in, to, row / n_.D, row % n_.D, scratch_[static_cast<std::size_t>(worker)].data());
    });
    ++to.step;
  }

  float run(const inputs& in, const token* draws, const float* student, array<float, 4>& gradient, const dimix::cpu& run_on) {
    draws_ = draws, student_ = student;
    share(run_on, n_.B * n_.D, [&](int, index_t row) { normalise(in, row / n_.D, row % n_.D); });
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
  static std::size_t count(index_t n) { return static_cast<std::size_t>(n); }

  template <class F>
  void share(const dimix::cpu& run_on, index_t rows, const F& f) const {
    const index_t chunk = std::max<index_t>(1, std::min<index_t>(64, rows / (8 * n_.threads)));
    run_on.for_each((rows + chunk - 1) / chunk, [&](int worker, index_t c) {
      for (index_t row = c * chunk; row < std::min(rows, (c + 1) * chunk); ++row) f(worker, row);
    });
  }

  float log_weight() const { return -std::log(static_cast<float>(n_.M)); }
  float target_weight(index_t k) const { return k == 0 ? datapoint_weight : 1.0f / static_cast<float>(n_.K); }
  token target(const inputs& in, index_t b, index_t k, index_t d) const {
    return k == 0 ? in.x_0.data()[b * n_.D + d] : draws_[(b * n_.K + k - 1) * n_.D + d];
  }

  void draw_position(const inputs& in, at_u& to, index_t b, index_t d, float* weights) const {
    float* mean = to.rows.data() + (b * n_.D + d) * n_.S;
    std::fill_n(mean, n_.S, 0.0f);
    for (index_t k = 0; k < n_.K; ++k) {
      const index_t draw = b * n_.K + k;
      const float* z = in.logits_u.data() + (draw * n_.D + d) * n_.S;
      float highest = z[0];
      for (index_t s = 1; s < n_.S; ++s) highest = highest < z[s] ? z[s] : highest;
      float total = 0;
      for (index_t s = 0; s < n_.S; ++s) total += weights[s] = std::exp(z[s] - highest);
      const float share = 1 / (total * static_cast<float>(n_.K));
      for (index_t s = 0; s < n_.S; ++s) mean[s] += weights[s] * share;
      const auto bits = dimix::rng{8}(dimix::purpose::target, static_cast<std::uint64_t>(draw), to.step % 1000, 0, d);
      double left = dimix::unit(bits.first()) * static_cast<double>(total);
      index_t s = 0;
      while (s + 1 < n_.S && (left -= static_cast<double>(weights[s])) >= 0) ++s;
      to.x(draw, d) = static_cast<token>(s);
    }
  }

  /// log-normalisers of all components, and log P = log sum_m π_m p_m as a running maximum and sum
  void normalise(const inputs& in, index_t b, index_t d) {
    float* top = top_.data() + (b * n_.D + d) * n_.S;
    float* sum = sum_.data() + (b * n_.D + d) * n_.S;
    std::fill_n(top, n_.S, -std::numeric_limits<float>::infinity());
    std::fill_n(sum, n_.S, 0.0f);
    for (index_t m = 0; m < n_.M; ++m) {
      const float* z = in.raw.data() + ((b * n_.M + m) * n_.D + d) * n_.S;
      float highest = z[0];
      for (index_t s = 1; s < n_.S; ++s) highest = highest < z[s] ? z[s] : highest;
      float total = 0;
      for (index_t s = 0; s < n_.S; ++s) total += std::exp(z[s] - highest);
      const float log_total = highest + std::log(total);
      normaliser_[count((b * n_.M + m) * n_.D + d)] = log_total;
      const float shift = log_weight() - log_total;
      for (index_t s = 0; s < n_.S; ++s) {
        const float x = z[s] + shift;
        if (top[s] >= x) {
          sum[s] += std::exp(x - top[s]);
        } else {
          sum[s] = 1 + sum[s] * std::exp(top[s] - x);
          top[s] = x;
        }
      }
    }
    for (index_t s = 0; s < n_.S; ++s) top[s] += std::log(sum[s]);
  }

  void gather(const inputs& in, index_t b, index_t m) {
    double* likelihood = component_.data() + (b * n_.M + m) * T_;
    std::fill_n(likelihood, T_, 0.0);
    for (index_t d = 0; d < n_.D; ++d) {
      const float* z = in.raw.data() + ((b * n_.M + m) * n_.D + d) * n_.S;
      const float log_total = normaliser_[count((b * n_.M + m) * n_.D + d)];
      for (index_t k = 0; k < T_; ++k) likelihood[k] += static_cast<double>(z[target(in, b, k, d)] - log_total);
    }
  }

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

  float position_value(const inputs& in, index_t b, index_t d) const {
    const float* log_p = top_.data() + (b * n_.D + d) * n_.S;
    const float* student = student_ + (b * n_.D + d) * n_.S;
    const float* teacher = in.teacher.data() + (b * n_.D + d) * n_.S;
    float of_student = 0, of_teacher = 0, of_targets = 0;
    for (index_t s = 0; s < n_.S; ++s)
      if (student[s] != 0) of_student += student[s] * (std::log(student[s]) - log_p[s]);
    for (index_t s = 0; s < n_.S; ++s)
      if (teacher[s] != 0) of_teacher += teacher[s] * (std::log(teacher[s]) - log_p[s]);
    for (index_t k = 0; k < T_; ++k) of_targets += target_weight(k) * log_p[target(in, b, k, d)];
    return of_student + marginal_weight * of_teacher + of_targets;
  }

  void differentiate(const inputs& in, index_t b, index_t d, float* common, float* out) const {
    const float* log_p = top_.data() + (b * n_.D + d) * n_.S;
    const float* student = student_ + (b * n_.D + d) * n_.S;
    const float* teacher = in.teacher.data() + (b * n_.D + d) * n_.S;
    float* slope = common + n_.S;
    for (index_t s = 0; s < n_.S; ++s) common[s] = -student[s] - marginal_weight * teacher[s];
    for (index_t k = 0; k < T_; ++k) common[target(in, b, k, d)] += target_weight(k);
    const float scale = 1.0f / static_cast<float>(n_.B);
    for (index_t m = 0; m < n_.M; ++m) {
      const float* z = in.raw.data() + ((b * n_.M + m) * n_.D + d) * n_.S;
      float* gradient = out + ((b * n_.M + m) * n_.D + d) * n_.S;
      const float log_total = normaliser_[count((b * n_.M + m) * n_.D + d)], shift = log_weight() - log_total;
      for (index_t s = 0; s < n_.S; ++s) slope[s] = common[s] == 0 ? 0 : std::exp(z[s] + shift - log_p[s]) * common[s];
      const double* responsibility = component_.data() + (b * n_.M + m) * T_;
      for (index_t k = 0; k < T_; ++k) slope[target(in, b, k, d)] -= static_cast<float>(responsibility[k]);
      float total = 0;
      for (index_t s = 0; s < n_.S; ++s) total += slope[s];
      for (index_t s = 0; s < n_.S; ++s) gradient[s] = scale * (slope[s] - std::exp(z[s] - log_total) * total);
    }
  }

  sizes n_;
  const token* draws_ = nullptr;             // (B, K, D)
  const float* student_ = nullptr;           // (B, D, S)
  index_t T_;                                // targets: the datapoint first, then the draws
  std::vector<float> normaliser_, joint_;    // (B, M, D), (B, T)
  std::vector<double> component_;            // (B, M, T)  log-likelihoods, summed as the library does; then responsibilities
  std::vector<float> top_, sum_;             // (B, D, S); top_ becomes log P
  std::vector<float> values_;                // (B, D)
  std::vector<std::vector<float>> scratch_;  // (threads, 2 S)
};

/// One shape with its inputs; kept until another shape is asked for.
struct problem {
  bench::shape of;
  sizes n;
  inputs in;
  array<float, 4> gradient;  // (B, M, D, S)
  at_u drawn;
  dimix::cpu run_on;
  dimix::recycled_memory memory;
  raw_loop raw;
  double raw_seconds = 0;
  float value = 0;  // of the library
  std::string disagreement;

  explicit problem(const bench::shape& shape)
      : of(shape),
        n(shape),
        in(n),
        gradient(n.B, n.M, n.D, n.S),
        drawn(n),
        run_on(n.threads),
        raw(n),
        disagreement(compare()) {}

  static problem& at(const bench::shape& shape) {
    static std::unique_ptr<problem> last;
    if (!last || last->of != shape) {
      last.reset();
      last = std::make_unique<problem>(shape);
    }
    return *last;
  }

  void library_step(dimix::recycled_memory& kept) {
    draw_with_library(n, in, drawn, run_on);
    benchmark::DoNotOptimize(
        with_library(n, in, view<const token, 3>(drawn.x.data(), n.B, n.K, n.D), drawn.rows, gradient, run_on, kept));
  }
  void raw_step() {
    raw.draw(in, drawn, run_on);
    benchmark::DoNotOptimize(raw.run(in, drawn.x.data(), drawn.rows.data(), gradient, run_on));
  }
  /// Of one call, beside inputs, draws and gradient.
  double extra_memory() {
    return bench::peak_memory([&] {
      dimix::recycled_memory fresh;
      library_step(fresh);
    });
  }

 private:
  /// Value to 1e-4, gradient to 1e-4 of its largest entry; empty when they agree.
  std::string compare() {
    array<float, 4> by_hand(n.B, n.M, n.D, n.S);  // (B, M, D, S)
    const float expected = raw.run(in, in.draws.data(), in.student.data(), by_hand, run_on),
                got = with_library(n, in, in.draws, in.student, gradient, run_on, memory);
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
  p.raw_seconds = bench::run_timed(state, [&] { p.raw_step(); });
  bench::report(state, p.raw_seconds, p.n.least(), p.n.threads);
}

void library(benchmark::State& state, const bench::shape& shape) {
  problem& p = problem::at(shape);
  if (!p.disagreement.empty()) return state.SkipWithError(p.disagreement.c_str());
  const double seconds = bench::run_timed(state, [&] { p.library_step(p.memory); });
  bench::report(state, seconds, p.n.least(), p.n.threads);
  bench::report_against(state, seconds, p.raw_seconds);
  bench::report_value(state, p.value);
  bench::report_memory(state, p.extra_memory());
}

const bool registered = [] {
  const std::vector<std::string> axes{"B", "M", "K", "D", "S", "threads"};
  const std::vector<bench::shape> usual{
      {4, 16, 16, 64, 64, 1},   {16, 16, 16, 64, 64, 1},  {4, 4, 16, 64, 64, 1},
      {4, 64, 16, 64, 64, 1},   {4, 16, 64, 64, 64, 1},   {4, 16, 16, 256, 64, 1},
      {4, 16, 16, 64, 256, 1},  {4, 16, 16, 64, 64, 2},   {64, 16, 16, 64, 17, 1},  // digits
      {1, 16, 16, 192, 256, 1}, {1, 16, 16, 192, 256, 2},                           // a part of CIFAR's pixels
      {1, 4, 4, 8, 50258, 1},                                                       // a few tokens of GPT-2
  };
  const std::vector<bench::shape> large{
      {2, 16, 16, 3072, 256, 1}, {2, 16, 16, 3072, 256, 2}, {1, 4, 4, 128, 50258, 1}, {1, 4, 4, 128, 50258, 2}};
  std::vector<bench::shape> linearity;
  for (index_t M : {4, 16, 64, 256, 1024}) linearity.push_back({1, M, 16, 256, 256, 2});
  for (index_t K : {4, 64, 256}) linearity.push_back({1, 16, K, 256, 256, 2});
  for (int threads : {1, 2}) bench::register_rates(threads);
  for (const bench::shape& shape : bench::shapes_to_run(axes, usual, large, linearity))
    for (auto [what, run] : {std::pair{"objective/raw", &raw}, std::pair{"objective/library", &library}})
      benchmark::RegisterBenchmark(bench::name_of(what, axes, shape).c_str(), run, shape)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
