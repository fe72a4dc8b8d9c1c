// A distillation step without its networks, in float32 and under a softmax head: K target draws and the mean of their rows from the student's
// logits at u, then value and gradient of datapoint + consistency + marginals with control variates at t. `library` makes the objective
// and evaluates it, as a training step does; `raw` is the same arithmetic in plain loops over pointers, on memory that is kept from one
// call to the next. Both share rows among the same threads.
// items: raw outputs at t and u. value: for given targets, so that other systems can be compared.
#include "distillation.hpp"

namespace {

using bench::array;
using bench::index_t;
using bench::token;
using bench::view;
using sizes = bench::distillation_sizes;

struct inputs : bench::distillation_targets {
  array<float, 4> raw, logits_u;  // (B, M, D, S), (B, K, D, S)

  explicit inputs(const sizes& n) : distillation_targets(n), raw(n.B, n.M, n.D, n.S), logits_u(n.B, n.K, n.D, n.S) {
    bench::fill_random(raw, 1);
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

class raw_loop : bench::plain_distillation {
 public:
  explicit raw_loop(const sizes& n)
      : plain_distillation(n, 2 * n.S), normaliser_(count(n.B * n.M * n.D)), sum_(count(n.B * n.D * n.S)) {}

  /// Draws by the running sum of a row.
  void draw(const inputs& in, at_u& to, const dimix::cpu& run_on) {
    bench::share_rows(run_on, n_.B * n_.D,
                      [&](int worker, index_t row) { draw_position(in, to, row / n_.D, row % n_.D, scratch_of(worker)); });
    ++to.step;
  }

  float run(const inputs& in, const token* draws, const float* student, array<float, 4>& gradient, const dimix::cpu& run_on) {
    return run_phases(
        in, draws, student, run_on, [&](index_t b, index_t d) { normalise(in, b, d); },
        [&](index_t b, index_t m) { gather(in, b, m); },
        [&](float* scratch, index_t b, index_t d) { differentiate(in, b, d, scratch, gradient.data()); });
  }

 private:
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
    float* top = log_p_at(b, d);
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
    double* likelihood = component_at(b, m);
    std::fill_n(likelihood, T_, 0.0);
    for (index_t d = 0; d < n_.D; ++d) {
      const float* z = in.raw.data() + ((b * n_.M + m) * n_.D + d) * n_.S;
      const float log_total = normaliser_[count((b * n_.M + m) * n_.D + d)];
      for (index_t k = 0; k < T_; ++k) likelihood[k] += static_cast<double>(z[target(b, k, d)] - log_total);
    }
  }

  void differentiate(const inputs& in, index_t b, index_t d, float* common, float* out) {
    const float* log_p = log_p_at(b, d);
    float* slope = common + n_.S;
    pull_of_marginals(b, d, common);
    const float scale = 1.0f / static_cast<float>(n_.B);
    for (index_t m = 0; m < n_.M; ++m) {
      const float* z = in.raw.data() + ((b * n_.M + m) * n_.D + d) * n_.S;
      float* gradient = out + ((b * n_.M + m) * n_.D + d) * n_.S;
      const float log_total = normaliser_[count((b * n_.M + m) * n_.D + d)], shift = log_weight() - log_total;
      for (index_t s = 0; s < n_.S; ++s) slope[s] = common[s] == 0 ? 0 : std::exp(z[s] + shift - log_p[s]) * common[s];
      const double* responsibility = component_at(b, m);
      for (index_t k = 0; k < T_; ++k) slope[target(b, k, d)] -= static_cast<float>(responsibility[k]);
      float total = 0;
      for (index_t s = 0; s < n_.S; ++s) total += slope[s];
      for (index_t s = 0; s < n_.S; ++s) gradient[s] = scale * (slope[s] - std::exp(z[s] - log_total) * total);
    }
  }

  std::vector<float> normaliser_;  // (B, M, D)
  std::vector<float> sum_;         // (B, D, S)
};

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

  /// Every array once per sweep, without fills and write-allocation. Outputs at t: read for normalisers, likelihoods and marginals, read for
  /// the gradient, which is written; at u: read. Arrays (B, D, S): P^ and log P written; log P, P^ and T read for the values and for the
  /// gradient. An exponential an output and sweep, and one a state of a position for 1 / P; logarithms of P, P^ and T.
  bench::work least() const {
    const double states = static_cast<double>(n.B * n.D * n.S), at_t = states * static_cast<double>(n.M),
                 of_draws = states * static_cast<double>(n.K);
    return {.items = at_t + of_draws,
            .bytes = sizeof(float) * (3 * at_t + of_draws + 8 * states),
            .exponentials = 2 * at_t + of_draws + states,
            .logarithms = 3 * states};
  }

  void library_step(const dimix::cpu& threads, dimix::recycled_memory& kept) {
    draw_with_library(n, in, drawn, threads);
    benchmark::DoNotOptimize(value_by_library(view<const token, 3>(drawn.x.data(), n.B, n.K, n.D), drawn.rows, threads, kept));
  }
  void raw_step() {
    raw.draw(in, drawn, run_on);
    benchmark::DoNotOptimize(raw.run(in, drawn.x.data(), drawn.rows.data(), gradient, run_on));
  }

 private:
  float value_by_library(view<const token, 3> draws, view<const float, 3> student, const dimix::cpu& threads,
                         dimix::recycled_memory& kept) {
    return bench::distillation_by_library(dimix::softmax{}, n, in, draws, student, in.raw, gradient, threads, kept);
  }
  /// Empty when library and raw loop agree.
  std::string compare() {
    array<float, 4> by_hand(n.B, n.M, n.D, n.S);  // (B, M, D, S)
    const float expected = raw.run(in, in.draws.data(), in.student.data(), by_hand, run_on);
    value = value_by_library(in.draws, in.student, run_on, memory);
    return bench::difference("value", expected, value) + bench::difference("gradient", by_hand, gradient);
  }
};

const bool registered = [] {
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
  return bench::register_distillation<problem>("objective", usual, large, linearity);
}();

}  // namespace
