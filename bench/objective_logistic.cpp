// The objective of a distillation step under truncated_logistic: value and gradient of datapoint + consistency + marginals with control
// variates, in float32, from raw outputs (B, M, D, 2) that stand for S ordered probabilities each. `library` makes the objective and
// evaluates it, as a training step does; `raw` is the same arithmetic in plain loops over pointers, on memory that is kept from one
// call to the next: it takes p and both slopes of a state from one exponential. Neither makes an array (B, M, D, S); extra_memory
// beside row_array, the bytes of one, says so.
// items: states of all rows, B M D S. Evaluations that are needed, of a position in a sweep:
//   observe    M S exponentials (p of every state), M (K + 1) exponentials and logarithms (log p of the targets), S logarithms (log P)
//   values     2 S logarithms (of student and teacher)
//   gradient   S exponentials (1 / P), M S exponentials (p and its slopes)
// without the eight that a row needs once, and divisions: one a state in observe and gradient. The library makes most of the exponentials
// of states by products, and none for targets; `least` counts what is needed where every state is evaluated by itself.
#include <dimix/head/truncated_logistic.hpp>

#include "distillation.hpp"

namespace {

using bench::array;
using bench::index_t;
using bench::token;
using bench::view;
using sizes = bench::distillation_sizes;

struct inputs : bench::distillation_targets {
  array<float, 4> raw;  // (B, M, D, 2)

  explicit inputs(const sizes& n) : distillation_targets(n), raw(n.B, n.M, n.D, 2) { bench::fill_random(raw, 1, 1.0); }
};

class raw_loop : bench::plain_distillation {
 public:
  explicit raw_loop(const sizes& n) : plain_distillation(n, n.S), rows_(count(n.B * n.M * n.D)) {}

  float run(const inputs& in, array<float, 4>& gradient, const dimix::cpu& run_on) {
    return run_phases(
        in, in.draws.data(), in.student.data(), run_on, [&](index_t b, index_t d) { mix(in, b, d); },
        [&](index_t b, index_t m) { gather(b, m); },
        [&](float* scratch, index_t b, index_t d) { differentiate(b, d, scratch, gradient.data()); });
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
    float* sum = log_p_at(b, d);
    std::fill_n(sum, n_.S, 0.0f);
    for (index_t m = 0; m < n_.M; ++m) {
      const index_t place = (b * n_.M + m) * n_.D + d;
      const levels here = rows_[count(place)] = row_of(in.raw.data() + 2 * place, in.x_t.data()[b * n_.D + d]);
      for (index_t s = 0; s < n_.S; ++s) sum[s] += here.at(s, n_.S).p;
    }
    for (index_t s = 0; s < n_.S; ++s) sum[s] = std::log(sum[s]) + log_weight();
  }

  void gather(index_t b, index_t m) {
    double* likelihood = component_at(b, m);
    std::fill_n(likelihood, T_, 0.0);
    for (index_t d = 0; d < n_.D; ++d)
      for (index_t k = 0; k < T_; ++k)
        likelihood[k] += static_cast<double>(rows_[count((b * n_.M + m) * n_.D + d)].log_prob(target(b, k, d), n_.S));
  }

  void differentiate(index_t b, index_t d, float* pull, float* out) {
    const float* log_p = log_p_at(b, d);
    pull_of_marginals(b, d, pull);
    for (index_t s = 0; s < n_.S; ++s) pull[s] *= std::exp(log_weight() - log_p[s]);
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
      const double* responsibility = component_at(b, m);
      for (index_t k = 0; k < T_; ++k) add(here.at(target(b, k, d), n_.S), -static_cast<float>(responsibility[k]));
      out[2 * place] = scale * here.k * (1 - here.mean * here.mean) * by_mean;
      out[2 * place + 1] = -scale * by_steep;
    }
  }

  std::vector<levels> rows_;  // (B, M, D)
};

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

  /// Outputs read twice and their gradient written; log P written, read for the values and the gradient; two target rows read twice.
  bench::work least() const {
    const double positions = static_cast<double>(n.B * n.D), states = positions * static_cast<double>(n.S),
                 of_components = states * static_cast<double>(n.M),
                 of_targets = positions * static_cast<double>(n.M * (n.K + 1));
    return {.items = of_components,
            .bytes = sizeof(float) * (6 * positions * static_cast<double>(n.M) + 7 * states),
            .exponentials = 2 * of_components + states + of_targets,
            .logarithms = 3 * states + of_targets};
  }

  void library_step(const dimix::cpu& threads, dimix::recycled_memory& kept) {
    benchmark::DoNotOptimize(value_by_library(threads, kept));
  }
  void raw_step() { benchmark::DoNotOptimize(raw.run(in, gradient, run_on)); }
  void report_more(benchmark::State& state) const {
    state.counters["row_array"] =
        benchmark::Counter(least().items * sizeof(float), benchmark::Counter::kDefaults, benchmark::Counter::kIs1024);
  }

 private:
  float value_by_library(const dimix::cpu& threads, dimix::recycled_memory& kept) {
    return bench::distillation_by_library(dimix::truncated_logistic{n.S}, n, in, in.draws, in.student, in.raw, gradient,
                                          threads, kept);
  }
  /// Empty when library and raw loop agree.
  std::string compare() {
    array<float, 4> by_hand(n.B, n.M, n.D, 2);  // (B, M, D, 2)
    const float expected = raw.run(in, by_hand, run_on);
    value = value_by_library(run_on, memory);
    return bench::difference("value", expected, value) + bench::difference("gradient", by_hand, gradient);
  }
};

const bool registered = [] {
  const std::vector<bench::shape> usual{{64, 16, 16, 64, 17, 1},  // digits
                                        {1, 16, 16, 192, 256, 1},
                                        {1, 16, 16, 192, 256, 2}};  // a part of CIFAR's pixels
  const std::vector<bench::shape> large{{2, 16, 16, 3072, 256, 1}, {2, 16, 16, 3072, 256, 2}};
  return bench::register_distillation<problem>("truncated_logistic", usual, large);
}();

}  // namespace
