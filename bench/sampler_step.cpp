// One ancestral step from t = 0.75 to s = 0.5, float32, absorbing and uniform, log-linear schedule, with a denoiser that costs
// no more than the copy of its fixed logits (B, 1, D, S). `library` is sampler::step; `raw` is the same work in plain loops
// over pointers, from the same random bits: a normaliser, and a draw from blocks of 64 states. One network call and x_t put
// back in place are part of either. Axes: B, D, S (with the mask, where there is one), threads.
// draws/library is draw_tokens, a token from every row of the logits without network or copy, and draws/maximum a loop that only finds every
// row's maximum: over_maximum says how much a draw costs beyond looking at the row.
// items: positions. Absorbing: 3/4 of the positions are masked, and a third of those is revealed.
#include <dimix/marginal/functions.hpp>
#include <dimix/sampler.hpp>

#include "support.hpp"

#include <algorithm>
#include <limits>
#include <memory>

namespace {

using bench::array;
using bench::fixed_logits;
using bench::index_t;
using bench::token;
using bench::view;

constexpr double time_s = 0.5, time_t = 0.75;
constexpr std::uint64_t seed = 7;

/// The plain loops, from the coefficients of the step's kernel.
class raw_loop {
 public:
  raw_loop(index_t B, index_t D, index_t S, bool masked)
      : B_(B), D_(D), S_(S), masked_(masked), raw_(static_cast<std::size_t>(B * D * S)) {}

  template <class Kernel>
  void run(const Kernel& kernel, const array<float, 4>& logits, array<token, 2>& x, const array<std::uint64_t, 1>& items,
           const dimix::cpu& run_on) {
    std::copy(logits.begin(), logits.end(), raw_.begin());
    const double at_y = masked_ ? 1.0 : 1.0 / static_cast<double>(S_);
    const double kept_s = kernel.kept_s, hit_s = kernel.hit_s, stay = kernel.stay, jump = kernel.jump;
    const chances other = shares(stay * hit_s * at_y, jump * at_y * kept_s, jump * at_y * hit_s);
    const chances same = shares(stay * (kept_s + hit_s * at_y), jump * at_y * kept_s, jump * at_y * hit_s);
    bench::share_rows(run_on, B_ * D_,
                      [&](int, index_t row) { x.data()[row] = draw(other, same, x.data()[row], items.data()[row / D_], row); });
  }

 private:
  struct chances {
    std::uint64_t to_same, to_revealed;  // of 2^64; the rest is a draw of the noise
  };
  static chances shares(double same, double revealed, double lost) {
    const double total = same + revealed + lost;
    return {share(same / total), share(revealed / total)};
  }
  static std::uint64_t share(double p) { return p >= 1 ? ~std::uint64_t{0} : static_cast<std::uint64_t>(p * 0x1.0p64); }

  token draw(const chances& other, const chances& same, token y, std::uint64_t item, index_t row) const {
    const dimix::rng random{seed};
    const float* z = raw_.data() + row * S_;
    const index_t d = row % D_, states = masked_ ? S_ - 1 : S_;
    if (masked_ && y != S_ - 1) return y;
    const float log_total = normaliser(z, states);
    const dimix::random_block move = random(dimix::purpose::transition, item, 0, 0, d);
    if (masked_ && !(move.first() - other.to_same < other.to_revealed && move.first() >= other.to_same)) return y;
    const token x_0 = categorical(z, states, log_total, random(dimix::purpose::denoise, item, 0, 0, d));
    if (masked_) return x_0;
    const chances& law = x_0 == y ? same : other;
    if (move.first() < law.to_same) return y;
    if (move.first() - law.to_same < law.to_revealed) return x_0;
    const std::uint64_t bits = move.second(), S = static_cast<std::uint64_t>(S_);
    return static_cast<token>(((bits >> 32) * S + ((bits & 0xffffffffu) * S >> 32)) >> 32);
  }

  static float normaliser(const float* z, index_t states) {
    float highest = z[0], total = 0;
    for (index_t s = 1; s < states; ++s) highest = highest < z[s] ? z[s] : highest;
    for (index_t s = 0; s < states; ++s) total += std::exp(z[s] - highest);
    return highest + std::log(total);
  }

  /// Blocks of 64 states: the sum of all, then the block, then the state in it.
  static token categorical(const float* z, index_t states, float log_total, const dimix::random_block& bits) {
    constexpr index_t block = 64;
    const auto block_sum = [&](index_t first) {
      double sum = 0;
      for (index_t s = first; s < std::min(states, first + block); ++s) sum += static_cast<double>(std::exp(z[s] - log_total));
      return sum;
    };
    double total = 0;
    for (index_t first = 0; first < states; first += block) total += block_sum(first);
    index_t chosen = 0;
    double chosen_sum = 1;
    std::uint64_t reach = 0;
    for (index_t first = 0; first < states; first += block) {
      const double sum = block_sum(first);
      const std::uint64_t width = share(sum / total);
      chosen = first;
      chosen_sum = sum;
      if (bits.first() - reach < width) break;
      reach += width;
    }
    reach = 0;
    index_t s = chosen;
    for (; s < std::min(states, chosen + block) - 1; ++s) {
      const std::uint64_t width = share(static_cast<double>(std::exp(z[s] - log_total)) / chosen_sum);
      if (bits.second() - reach < width) break;
      reach += width;
    }
    return static_cast<token>(s);
  }

  index_t B_, D_, S_;
  bool masked_;
  std::vector<float> raw_;  // (B, D, S)
};

template <class Space>
struct problem {
  using process_type = dimix::forward_process<Space, dimix::log_linear>;
  static constexpr bool masked = dimix::masked_space<Space>;

  bench::shape of;
  index_t B, D, S;
  int threads;
  process_type process;
  array<float, 4> logits;         // (B, 1, D, S)
  array<token, 2> x_t, x;         // (B, D)
  array<double, 1> s, t;          // (B)
  array<std::uint64_t, 1> items;  // (B)
  dimix::cpu run_on;
  fixed_logits net;
  dimix::sampler<float, process_type, fixed_logits> sampler;
  raw_loop raw;
  double raw_seconds = 0, bytes = 0;
  std::string disagreement;

  explicit problem(const bench::shape& shape)
      : of(shape),
        B(shape[0]),
        D(shape[1]),
        S(shape[2]),
        threads(static_cast<int>(shape[3])),
        process(Space{{S}}),
        logits(B, 1, D, S),
        x_t(B, D),
        x(B, D),
        s(B),
        t(B),
        items(B),
        run_on(threads),
        net{logits.whole()},
        sampler(process, net, {}, {}, run_on),
        raw(B, D, S, masked) {
    bench::fill_random(logits, 1);
    bench::fill_tokens(x_t, masked ? S - 1 : S, 2);
    s.fill(time_s);
    t.fill(time_t);
    double read = static_cast<double>(B * D);  // rows
    if constexpr (masked) {
      index_t hidden = 0;
      for (index_t i = 0; i < x_t.size(); ++i) {
        if (i % 4 != 0) x_t.data()[i] = process.space().mask();
        hidden += x_t.data()[i] == process.space().mask();
      }
      read = static_cast<double>(hidden) * (time_t - time_s) / time_t;  // those that are revealed
    }
    // The copy of the logits, and every row of which something is drawn read once.
    bytes = (2 * static_cast<double>(B * D) + read) * static_cast<double>(S) * sizeof(float);
    disagreement = compare();
  }

  bench::work least() const { return {.items = static_cast<double>(x.size()), .bytes = bytes}; }

  void step_by_hand() {
    std::copy(x_t.begin(), x_t.end(), x.begin());
    raw.run(process.template between<float>(time_s, time_t), logits, x, items, run_on);
  }
  void step_of_library() {
    std::copy(x_t.begin(), x_t.end(), x.begin());
    dimix::sampler_state state{seed, 0};
    sampler.step(state, x, s, t, items);
  }

 private:
  struct mean_of_differences {
    double count = 0, sum = 0, squares = 0;

    void add(double difference) {
      count += 1;
      sum += difference;
      squares += difference * difference;
    }
    /// Within five standard errors of zero.
    bool vanishes() const { return std::abs(sum) <= 5 * std::sqrt(squares); }
    std::string text() const { return std::to_string(sum / count) + " +- " + std::to_string(std::sqrt(squares) / count); }
  };

  /// One law: the logit of the state that was drawn, and whether the position moved, agree in the mean over positions and
  /// items.
  /// Which word means which state is the library's own business, so that tokens need not be equal. Empty when they agree.
  std::string compare() {
    const index_t repeats = dimix::clamp<index_t>(20000 / (B * D), 1, 40);
    mean_of_differences logit, moved;
    index_t moves = 0;
    for (index_t repeat = 0; repeat < repeats; ++repeat) {
      for (index_t i = 0; i < B; ++i) items(i) = static_cast<std::uint64_t>(repeat * B + i);
      step_by_hand();
      const array<token, 2> by_hand = x;  // (B, D)
      step_of_library();
      for (index_t b = 0; b < B; ++b)
        for (index_t d = 0; d < D; ++d) {
          logit.add(static_cast<double>(logits(b, 0, d, x(b, d)) - logits(b, 0, d, by_hand(b, d))));
          moved.add(static_cast<double>(x(b, d) != x_t(b, d)) - static_cast<double>(by_hand(b, d) != x_t(b, d)));
          moves += x(b, d) != x_t(b, d);
        }
    }
    if (moves > 0 && logit.vanishes() && moved.vanishes()) return {};
    return "library and raw loop disagree: mean difference of the drawn logit " + logit.text() + ", of the moves " +
           moved.text() + ", " + std::to_string(moves) + " moves";
  }
};

template <class Space>
void raw(benchmark::State& state, const bench::shape& shape) {
  auto& p = bench::problem_at<problem<Space>>(shape);
  if (!p.disagreement.empty()) return state.SkipWithError(p.disagreement.c_str());
  p.raw_seconds = bench::run_timed(state, [&] { p.step_by_hand(); });
  bench::report(state, p.raw_seconds, p.least(), p.threads);
}

template <class Space>
void library(benchmark::State& state, const bench::shape& shape) {
  auto& p = bench::problem_at<problem<Space>>(shape);
  if (!p.disagreement.empty()) return state.SkipWithError(p.disagreement.c_str());
  const double seconds = bench::run_timed(state, [&] { p.step_of_library(); });
  bench::report(state, seconds, p.least(), p.threads);
  bench::report_against(state, seconds, p.raw_seconds);
}

/// Rows to draw from without a network in between.
struct rows_of_logits {
  bench::shape of;
  index_t B, D, S;
  int threads;
  array<float, 4> logits;         // (B, 1, D, S)
  array<token, 2> x_t;            // (B, D)
  array<token, 3> drawn;          // (B, 1, D)
  array<float, 2> highest;        // (B, D)
  array<std::uint64_t, 1> items;  // (B)
  dimix::cpu run_on;
  double maximum_seconds = 0;

  explicit rows_of_logits(const bench::shape& shape)
      : of(shape),
        B(shape[0]),
        D(shape[1]),
        S(shape[2]),
        threads(static_cast<int>(shape[3])),
        logits(B, 1, D, S),
        x_t(B, D),
        drawn(B, 1, D),
        highest(B, D),
        items(B),
        run_on(threads) {
    bench::fill_random(logits, 1);
    for (index_t b = 0; b < B; ++b) items(b) = static_cast<std::uint64_t>(b);
  }

  double bytes() const { return static_cast<double>(logits.size()) * sizeof(float); }
  void draw() {
    dimix::draw_tokens<float>(dimix::softmax{}, x_t, logits.whole(), S, dimix::rng{seed}, dimix::purpose::denoise, items, 0,
                              drawn, run_on);
  }
  void maximum() {
    bench::share_rows(run_on, B * D, [&](int, index_t row) { highest.data()[row] = highest_of(logits.data() + row * S); });
  }

  /// 64 maxima side by side, which the compiler keeps in vectors.
  float highest_of(const float* z) const {
    constexpr index_t width = 64;
    float most[width];
    std::fill(most, most + width, -std::numeric_limits<float>::infinity());
    index_t s = 0;
    for (; s + width <= S; s += width)
      for (index_t w = 0; w < width; ++w) most[w] = most[w] < z[s + w] ? z[s + w] : most[w];
    for (; s < S; ++s) most[0] = most[0] < z[s] ? z[s] : most[0];
    for (index_t half = width / 2; half > 0; half /= 2)
      for (index_t w = 0; w < half; ++w) most[w] = most[w] < most[w + half] ? most[w + half] : most[w];
    return most[0];
  }
};

void maximum(benchmark::State& state, const bench::shape& shape) {
  auto& p = bench::problem_at<rows_of_logits>(shape);
  p.maximum_seconds = bench::run_timed(state, [&] { p.maximum(); });
  bench::report(state, p.maximum_seconds, p.bytes(), static_cast<double>(p.x_t.size()), p.threads);
}

void draws(benchmark::State& state, const bench::shape& shape) {
  auto& p = bench::problem_at<rows_of_logits>(shape);
  const double seconds = bench::run_timed(state, [&] { p.draw(); });
  bench::report(state, seconds, p.bytes(), static_cast<double>(p.x_t.size()), p.threads);
  if (p.maximum_seconds > 0) state.counters["over_maximum"] = seconds / p.maximum_seconds;
}

const std::vector<std::string> axes{"B", "D", "S", "threads"};

void register_draws(const bench::shape& shape) {
  for (auto [what, run] : {std::pair{"maximum", &maximum}, std::pair{"library", &draws}})
    benchmark::RegisterBenchmark(bench::name_of(std::string("sampler_step/draws/") + what, axes, shape).c_str(), run, shape)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
}

template <class Space>
void register_space(const std::string& space, const bench::shape& shape) {
  for (auto [what, run] : {std::pair{"/raw", &raw<Space>}, std::pair{"/library", &library<Space>}})
    benchmark::RegisterBenchmark(bench::name_of("sampler_step/" + space + what, axes, shape).c_str(), run, shape)
        ->UseRealTime()
        ->Unit(benchmark::kMillisecond);
}

const bool registered = [] {
  const std::vector<bench::shape> usual{{16, 64, 64, 1},   {64, 64, 64, 1},  {16, 256, 64, 1},
                                        {16, 64, 256, 1},  {16, 64, 64, 2},  {64, 64, 18, 1},  // digits
                                        {1, 16, 50258, 1}, {1, 16, 50258, 2}};                 // a few tokens of GPT-2
  const std::vector<bench::shape> large{{16, 3072, 256, 1}, {16, 3072, 256, 2}, {4, 256, 50258, 1}, {4, 256, 50258, 2}};
  for (int threads : {1, 2}) bench::register_rates(threads);
  for (const bench::shape& shape : bench::shapes_to_run(axes, usual, large)) {
    register_space<dimix::absorbing<>>("absorbing", shape);
    register_space<dimix::uniform<>>("uniform", shape);
    register_draws(shape);
  }
  return true;
}();

}  // namespace
