// Steps and rows of ordinal noise from t = 0.75 to s = 0.5, float32: a process whose laws are tables of S x S probabilities. The denoiser costs no
// more than the copy of its fixed logits (B, 1, D, S), which is part of the times; x_t is put back in place. Axes: B, D, S, threads.
//   draw/library    sampler::step, ancestral: x_0 from the row, then x_s from q(x_s | x_t, x_0); O(S) a position, no (B, S, S)
//   sum/library     sampler::step, analytic: x_s from the row summed over x_0
//   rows/library    sampler::rows: all rows summed over x_0, probabilities (B, D, S)
//   sum/raw         the step as it is written with tables of every item: three (B, S, S) from the cached laws, then plain loops over
//                   x_0, the row and a draw from its running sum
//   gemm            Eigen's product of (B D, S) with (S, S), one thread; its rate is what the sums are held against
// items: positions. The floor of the sums has their B D S^2 multiply-adds at the rate of gemm at the same shape, which ran before (of one
// thread, times the threads).
#include <dimix/sampler.hpp>
#include <dimix/state_space/ordinal.hpp>

#include "support.hpp"

#include <Eigen/Dense>

#include <algorithm>
#include <memory>

namespace {

using bench::array;
using bench::fixed_logits;
using bench::index_t;
using bench::token;
using bench::view;

constexpr double time_s = 0.5, time_t = 0.75;
constexpr std::uint64_t seed = 7;

struct problem {
  using process_type = dimix::forward_process<dimix::ordinal, dimix::linear>;
  template <class Method>
  using sampler_type = dimix::sampler<float, process_type, fixed_logits, Method>;

  bench::shape of;
  index_t B, D, S;
  int threads;
  process_type process;
  array<float, 4> logits;         // (B, 1, D, S)
  array<token, 2> x_t, x;         // (B, D)
  array<double, 1> s, t;          // (B)
  array<std::uint64_t, 1> items;  // (B)
  array<float, 3> no_latents;     // (B, 1, 0)
  dimix::cpu run_on;
  fixed_logits net;
  sampler_type<dimix::ancestral> drawing;
  sampler_type<dimix::analytic> summing;
  std::vector<float> raw, tables;  // (B, D, S), (3, B, S, S)
  double raw_seconds = 0, gemm_rate = 0;

  explicit problem(const bench::shape& shape)
      : of(shape),
        B(shape[0]),
        D(shape[1]),
        S(shape[2]),
        threads(static_cast<int>(shape[3])),
        process(dimix::ordinal(S)),
        logits(B, 1, D, S),
        x_t(B, D),
        x(B, D),
        s(B),
        t(B),
        items(B),
        no_latents(B, 1, 0),
        run_on(threads),
        net{logits.whole()},
        drawing(process, net, {}, {}, run_on),
        summing(process, net, {}, {}, run_on),
        raw(static_cast<std::size_t>(B * D * S)),
        tables(static_cast<std::size_t>(3 * B * S * S)) {
    bench::fill_random(logits, 1);
    bench::fill_tokens(x_t, S, 2);
    s.fill(time_s);
    t.fill(time_t);
    for (index_t b = 0; b < B; ++b) items(b) = static_cast<std::uint64_t>(b);
  }

  double multiply_adds() const { return static_cast<double>(B * D) * static_cast<double>(S * S); }
  /// The logits copied and read once; sums are part of it where gemm has run.
  bench::work least(bool sums) const {
    return {.items = static_cast<double>(x.size()),
            .bytes = 3.0 * static_cast<double>(B * D * S) * sizeof(float),
            .multiply_adds = sums && gemm_rate > 0 ? multiply_adds() : 0,
            .gemm_rate = gemm_rate * threads};
  }

  template <class Method>
  void step(sampler_type<Method>& sampler) {
    std::copy(x_t.begin(), x_t.end(), x.begin());
    dimix::sampler_state state{seed, 0};
    sampler.step(state, x, s, t, items);
  }

  void step_by_hand() {
    std::copy(x_t.begin(), x_t.end(), x.begin());
    std::copy(logits.begin(), logits.end(), raw.begin());
    const auto kernel = process.between<float>(time_s, time_t);
    const std::size_t cells = static_cast<std::size_t>(S * S), all = cells * static_cast<std::size_t>(B);
    for (std::size_t b = 0; b < static_cast<std::size_t>(B); ++b) {
      std::copy_n(kernel.to_s.data(), cells, tables.data() + b * cells);
      std::copy_n(kernel.to_t.data(), cells, tables.data() + all + b * cells);
      std::copy_n(kernel.step.data(), cells, tables.data() + 2 * all + b * cells);
    }
    run_on.for_each(B * D, [&](int, index_t row) {
      std::vector<float> p(static_cast<std::size_t>(S)), sum(static_cast<std::size_t>(S));
      const float* of_item = tables.data() + static_cast<std::size_t>(row / D) * cells;
      x.data()[row] = draw(raw.data() + row * S, x.data()[row], of_item, of_item + all, of_item + 2 * all, p.data(), sum.data(),
                           dimix::rng{seed}(dimix::purpose::transition, items.data()[row / D], 0, 0, row % D).first());
    });
  }

  token draw(const float* z, token y, const float* to_s, const float* to_t, const float* step, float* p, float* sum,
             std::uint64_t bits) const {
    float highest = z[0];
    for (index_t i = 1; i < S; ++i) highest = highest < z[i] ? z[i] : highest;
    for (index_t i = 0; i < S; ++i) p[i] = std::exp(z[i] - highest) / to_t[i * S + y];
    std::fill(sum, sum + S, 0.0f);
    for (index_t i = 0; i < S; ++i)
      for (index_t a = 0; a < S; ++a) sum[a] += p[i] * to_s[i * S + a];
    double total = 0;
    for (index_t a = 0; a < S; ++a) total += static_cast<double>(sum[a] *= step[a * S + y]);
    double left = dimix::unit(bits) * total;
    for (index_t a = 0; a < S; ++a)
      if ((left -= static_cast<double>(sum[a])) < 0) return static_cast<token>(a);
    return static_cast<token>(S - 1);
  }

  void gemm() {
    using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Eigen::Map<const matrix> a(logits.data(), B * D, S), b(tables.data(), S, S);
    Eigen::Map<matrix> out(raw.data(), B * D, S);
    out.noalias() = a * b;
  }

  /// The two steps draw the same law: the mean of x_s over positions agrees within five standard errors.
  std::string compare() {
    double sum = 0, squares = 0;
    step_by_hand();
    const array<token, 2> by_hand = x;  // (B, D)
    for (int which = 0; which < 2; ++which) {
      which == 0 ? step(drawing) : step(summing);
      for (index_t i = 0; i < x.size(); ++i) {
        const double difference = static_cast<double>(x.data()[i] - by_hand.data()[i]);
        sum += difference, squares += difference * difference;
      }
      if (std::abs(sum) > 5 * std::sqrt(squares)) return "library and raw loop disagree";
    }
    return {};
  }
};

void gemm(benchmark::State& state, const bench::shape& shape) {
  auto& p = bench::problem_at<problem>(shape);
  if (const std::string wrong = p.compare(); !wrong.empty()) return state.SkipWithError(wrong.c_str());
  p.gemm_rate = p.multiply_adds() / bench::run_timed(state, [&] { p.gemm(); });
  state.counters["gemm_gflops"] = 2e-9 * p.gemm_rate;
}
void raw_sum(benchmark::State& state, const bench::shape& shape) {
  auto& p = bench::problem_at<problem>(shape);
  p.raw_seconds = bench::run_timed(state, [&] { p.step_by_hand(); });
  bench::report(state, p.raw_seconds, p.least(true), p.threads);
}
template <class Once>
void library(benchmark::State& state, const bench::shape& shape, bool sums, const Once& once) {
  auto& p = bench::problem_at<problem>(shape);
  const double seconds = bench::run_timed(state, [&] { once(p); });
  bench::report(state, seconds, p.least(sums), p.threads);
  bench::report_against(state, seconds, p.raw_seconds);
}
void draw(benchmark::State& state, const bench::shape& shape) {
  library(state, shape, false, [](problem& p) { p.step(p.drawing); });
}
void sum(benchmark::State& state, const bench::shape& shape) {
  library(state, shape, true, [](problem& p) { p.step(p.summing); });
}
void rows(benchmark::State& state, const bench::shape& shape) {
  library(state, shape, true,
          [](problem& p) { benchmark::DoNotOptimize(p.drawing.rows(p.x_t, p.s, p.t, p.no_latents).data()); });
}

const bool registered = [] {
  const std::vector<std::string> axes{"B", "D", "S", "threads"};
  const std::vector<bench::shape> usual{{8, 512, 64, 1}, {8, 3072, 256, 1}, {8, 3072, 256, 2}}, large{{32, 3072, 256, 2}};
  for (int threads : {1, 2}) bench::register_rates(threads);
  for (const bench::shape& shape : bench::shapes_to_run(axes, usual, large))
    for (auto [what, run] : {std::pair{"gemm", &gemm}, std::pair{"sum/raw", &raw_sum}, std::pair{"draw/library", &draw},
                             std::pair{"sum/library", &sum}, std::pair{"rows/library", &rows}})
      benchmark::RegisterBenchmark(bench::name_of(std::string("ordinal_step/") + what, axes, shape).c_str(), run, shape)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
