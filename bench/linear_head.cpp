// The objective of a linear head: value and gradients of hidden vectors and matrix, for datapoint + consistency + marginals with control
// variates, in float32, from hidden vectors (B, M, D, H) and a vocabulary matrix (S, H). `library` makes the objective and evaluates it;
// `raw` makes the logits (B, M, D, S) in one product, takes the ordinary objective of them and multiplies its gradient back: 3 products
// and two arrays of logits. Axes: B, M, K (draws of the student), D, H, S, threads; K + 1 targets in all.
//
// A product is 2 B M D H S operations. Counters:
//   products     that the library needs: logits three times (the marginals need all normalisers, the gradient all sums of slopes), G W, G^T h
//   gemm_gflops  of Eigen's product in this run, all threads: the best of the three shapes of the library's own tiles
//   extra_share  extra_memory over the bytes of hidden + matrix + their gradients
//   over_floor   is that of the products where they take longest
// items: logits.
#include <dimix/core/memory.hpp>
#include <dimix/nn/linear_head.hpp>

#include "support.hpp"

#include <memory>

namespace {

using bench::array;
using bench::index_t;
using bench::token;
using bench::view;

struct sizes {
  index_t B, M, K, D, H, S;
  int threads;

  explicit sizes(const bench::shape& of)
      : B(of[0]), M(of[1]), K(of[2]), D(of[3]), H(of[4]), S(of[5]), threads(static_cast<int>(of[6])) {}

  double logits() const { return static_cast<double>(B * M * D * S); }
  double product() const { return 2 * logits() * static_cast<double>(H); }
  double arrays() const { return 2 * sizeof(float) * static_cast<double>(B * M * D * H + S * H); }
  /// Hidden vectors and matrix read once a product, gradients written once.
  double bytes(int products) const { return arrays() / 2 * (products + 1); }
};

struct inputs {
  array<float, 4> hidden, d_hidden;  // (B, M, D, H)
  array<float, 2> matrix, d_matrix;  // (S, H)
  array<token, 2> x_t;               // (B, D)
  array<token, 3> x_0, draws;        // (B, 1, D), (B, K, D)
  array<float, 3> student, teacher;  // (B, D, S)

  explicit inputs(const sizes& n)
      : hidden(n.B, n.M, n.D, n.H),
        d_hidden(n.B, n.M, n.D, n.H),
        matrix(n.S, n.H),
        d_matrix(n.S, n.H),
        x_t(n.B, n.D),
        x_0(n.B, 1, n.D),
        draws(n.B, n.K, n.D),
        student(n.B, n.D, n.S),
        teacher(n.B, n.D, n.S) {
    bench::fill_random(hidden, 1, 1.5);
    bench::fill_random(matrix, 2, 4 / std::sqrt(static_cast<double>(n.H)));
    bench::fill_tokens(x_0, n.S, 3);
    bench::fill_tokens(draws, n.S, 4);
    bench::fill_rows(student, 5);
    bench::fill_rows(teacher, 6);
  }
};

/// f(terms...)
template <class F>
auto with_terms(const inputs& in, const F& f) {
  using weights = dimix::item_weights<float>;
  return f(dimix::correlation<float>{.tokens = in.x_0, .weights = weights{.common = 0.1f}},
           dimix::consistency<float>{.draws = {.tokens = in.draws}, .rows = {.target = in.student}},
           dimix::marginal_divergence<float>{.target = in.teacher});
}

constexpr int products = 5;

float with_library(const sizes& n, inputs& in, const dimix::cpu& run_on, dimix::recycled_memory& memory) {
  return with_terms(in, [&](auto... terms) {
    auto loss = dimix::nn::make_linear_objective<float>(dimix::nn::linear_head<float>{in.matrix}, in.x_t, n.M,
                                                        {.memory = &memory}, terms...);
    static_assert(loss.products == products);
    return value_and_gradient(loss, view<const float, 4>(in.hidden), {in.d_hidden, in.d_matrix}, run_on);
  });
}

/// Logits in memory: threads share the states of the products.
class raw_form {
 public:
  explicit raw_form(const sizes& n) : logits_(n.B, n.M, n.D, n.S), gradient_(n.B, n.M, n.D, n.S) {}

  float run(const sizes& n, inputs& in, const dimix::cpu& run_on, dimix::recycled_memory& memory) {
    const index_t rows = n.B * n.M * n.D, part = (n.S + n.threads - 1) / n.threads,
                  row_part = (rows + n.threads - 1) / n.threads;
    const auto matrix = [](float* data, index_t r, index_t c) { return dimix::nn::columns(view<float, 2>(data, r, c)); };
    const auto h = matrix(in.hidden.data(), rows, n.H), W = matrix(in.matrix.data(), n.S, n.H);
    auto z = matrix(logits_.data(), rows, n.S), G = matrix(gradient_.data(), rows, n.S);
    run_on.for_each(n.threads, [&](int, index_t i) {
      const index_t first = i * part, count = std::min(part, n.S - first);
      if (count > 0) z.middleRows(first, count).noalias() = W.middleCols(first, count).transpose() * h;
    });
    const float value = with_terms(in, [&](auto... terms) {
      auto loss = dimix::make_objective<float>(dimix::softmax{}, view<const token, 2>(in.x_t), n.M, n.S,
                                               dimix::objective_options<float>{.memory = &memory}, terms...);
      return dimix::value_and_gradient(loss, view<const float, 4>(logits_), gradient_.whole(), run_on);
    });
    run_on.for_each(n.threads, [&](int, index_t i) {
      const index_t row = i * row_part, r = std::min(row_part, rows - row), first = i * part,
                    count = std::min(part, n.S - first);
      if (r > 0) matrix(in.d_hidden.data(), rows, n.H).middleCols(row, r).noalias() = W * G.middleCols(row, r);
      if (count > 0)
        matrix(in.d_matrix.data(), n.S, n.H).middleCols(first, count).noalias() = h * G.middleRows(first, count).transpose();
    });
    return value;
  }

 private:
  array<float, 4> logits_, gradient_;  // (B, M, D, S)
};

/// Operations per second of Eigen's product on all threads: the best of logits, G W and G^T h, at the sizes of the library's panels, and
/// at the larger ones of `raw`.
double gemm_rate(const sizes& n, const dimix::cpu& run_on) {
  const index_t rows = std::min<index_t>(512, n.B * n.M * n.D), states = std::min<index_t>(1024, n.S), repeats = 24;
  using matrix = Eigen::MatrixXf;
  const auto ones = [](index_t r, index_t c) { return matrix(matrix::Constant(r, c, 0.5f)); };
  double best = 0;
  const auto time = [&](const auto& left, const auto& right, index_t r, index_t inner, index_t c) {
    std::vector<matrix> to(static_cast<std::size_t>(n.threads), matrix(r, c));
    for (int repeat = 0; repeat < 7; ++repeat) {
      const auto start = std::chrono::steady_clock::now();
      run_on.for_each(n.threads * repeats,
                      [&](int worker, index_t) { to[static_cast<std::size_t>(worker)].noalias() = left * right; });
      const double work = 2.0 * static_cast<double>(r * inner * c * n.threads * repeats);
      best = std::max(best, work / bench::seconds_since(start));
    }
  };
  const matrix h = ones(n.H, rows), W = ones(n.H, states), G = ones(states, rows);
  time(W.transpose(), h, states, n.H, rows);
  time(W, G, n.H, states, rows);
  time(h, G.transpose(), n.H, rows, states);
  return best;
}

struct problem {
  bench::shape of;
  sizes n;
  inputs in;
  dimix::cpu run_on;
  dimix::recycled_memory memory;
  double gemm, raw_seconds = 0;
  std::string disagreement;

  explicit problem(const bench::shape& shape)
      : of(shape), n(shape), in(n), run_on(n.threads), gemm(gemm_rate(n, run_on)), disagreement(compare()) {}

  void report(benchmark::State& state, double seconds, int count) const {
    bench::report(
        state, seconds,
        {.items = n.logits(), .bytes = n.bytes(count), .multiply_adds = count * n.product() / 2, .gemm_rate = gemm / 2},
        n.threads);
    state.counters["products"] = count;
    state.counters["gemm_gflops"] = gemm * 1e-9;
  }

 private:
  /// Value to 1e-4, gradients to 1e-4 of their largest entry; empty when they agree.
  std::string compare() {
    raw_form raw(n);
    const float expected = raw.run(n, in, run_on, memory);
    const array<float, 4> hidden = in.d_hidden;  // (B, M, D, H)
    const array<float, 2> matrix = in.d_matrix;  // (S, H)
    const float got = with_library(n, in, run_on, memory);
    return bench::difference("value", expected, got) + bench::difference("gradient of hidden", hidden, in.d_hidden) +
           bench::difference("gradient of the matrix", matrix, in.d_matrix);
  }
};

void raw(benchmark::State& state, const bench::shape& shape) {
  problem& p = bench::problem_at<problem>(shape);
  if (!p.disagreement.empty()) return state.SkipWithError(p.disagreement.c_str());
  raw_form form(p.n);
  form.run(p.n, p.in, p.run_on, p.memory);
  p.raw_seconds = bench::run_timed(state, [&] { benchmark::DoNotOptimize(form.run(p.n, p.in, p.run_on, p.memory)); });
  p.report(state, p.raw_seconds, 3);
  bench::report_memory(state, 2 * sizeof(float) * p.n.logits());
}

void library(benchmark::State& state, const bench::shape& shape) {
  problem& p = bench::problem_at<problem>(shape);
  if (!p.disagreement.empty()) return state.SkipWithError(p.disagreement.c_str());
  const double seconds =
      bench::run_timed(state, [&] { benchmark::DoNotOptimize(with_library(p.n, p.in, p.run_on, p.memory)); });
  p.report(state, seconds, products);
  bench::report_against(state, seconds, p.raw_seconds);
  const double extra = bench::peak_memory([&] {
    dimix::recycled_memory fresh;
    with_library(p.n, p.in, dimix::cpu(p.n.threads), fresh);
  });
  bench::report_memory(state, extra);
  state.counters["extra_share"] = extra / p.n.arrays();
}

const bool registered = [] {
  const std::vector<std::string> axes{"B", "M", "K", "D", "H", "S", "threads"};
  const std::vector<bench::shape> usual{{4, 4, 4, 64, 64, 512, 1},
                                        {1, 16, 16, 64, 256, 4096, 1},
                                        {1, 4, 4, 128, 256, 50258, 1},
                                        {1, 4, 4, 128, 256, 50258, 2},
                                        {1, 4, 4, 128, 768, 50258, 2}};
  const std::vector<bench::shape> large{{1, 16, 16, 512, 256, 50258, 2}, {1, 64, 16, 128, 256, 50258, 2}};
  for (const bench::shape& shape : bench::shapes_to_run(axes, usual, large))
    for (auto [what, run] : {std::pair{"linear_head/raw", &raw}, std::pair{"linear_head/library", &library}})
      benchmark::RegisterBenchmark(bench::name_of(what, axes, shape).c_str(), run, shape)
          ->UseRealTime()
          ->Unit(benchmark::kMillisecond);
  return true;
}();

}  // namespace
