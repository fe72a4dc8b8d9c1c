// What the benchmarks share: shapes from the environment, inputs from counter-based random numbers, and counters that say what a
// benchmark has to do at least, and how near its time comes to that at the rates of this machine (rates.hpp), measured in the same run.
//
// Environment:
//   DIMIX_BENCH_LISTS    which of the built-in lists of shapes: "usual" when it is not set, "large" (the paper's pixels and tokens),
//                        "linearity" (one axis at a time), or several: DIMIX_BENCH_LISTS="usual,large"
//   DIMIX_BENCH_SHAPES   shapes instead of the built-in ones, separated by ';', each in the order of the program's axes:
//                        DIMIX_BENCH_SHAPES="2,16,16,3072,256,2;1,4,4,128,50258,2"
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/denoiser.hpp>

#include "memory.hpp"
#include "rates.hpp"
#include "transcendentals.hpp"

#include <cstdio>
#include <memory>
#include <sstream>
#include <string>

namespace bench {

using dimix::array;
using dimix::token;

/// A shape as it stands in the environment and in the name of a benchmark: one number per axis.
using shape = std::vector<index_t>;

inline std::string name_of(const std::string& what, const std::vector<std::string>& axes, const shape& sizes) {
  std::string name = what;
  for (std::size_t i = 0; i < axes.size(); ++i) name += "/" + axes[i] + ":" + std::to_string(sizes[i]);
  return name;
}

inline std::vector<shape> shapes_of_lists(const std::map<std::string, std::vector<shape>>& lists) {
  const char* given = std::getenv("DIMIX_BENCH_LISTS");
  std::vector<shape> result;
  std::istringstream names(given == nullptr ? "usual" : given);
  for (std::string name; std::getline(names, name, ',');) {
    const auto list = lists.find(name);
    if (list == lists.end()) {
      std::fprintf(stderr, "DIMIX_BENCH_LISTS: '%s' is none of usual, large and linearity\n", name.c_str());
      std::exit(2);
    }
    result.insert(result.end(), list->second.begin(), list->second.end());
  }
  return result;
}

/// The shapes to run. A malformed list ends the program, because it is read before main.
inline std::vector<shape> shapes_to_run(const std::vector<std::string>& axes, const std::vector<shape>& usual,
                                        const std::vector<shape>& large, const std::vector<shape>& linearity = {}) {
  const char* given = std::getenv("DIMIX_BENCH_SHAPES");
  if (given == nullptr) return shapes_of_lists({{"usual", usual}, {"large", large}, {"linearity", linearity}});
  std::vector<shape> result;
  std::istringstream list(given);
  for (std::string entry; std::getline(list, entry, ';');) {
    shape sizes;
    std::istringstream numbers(entry);
    for (std::string number; std::getline(numbers, number, ',');) {
      char* end = nullptr;
      sizes.push_back(static_cast<index_t>(std::strtoll(number.c_str(), &end, 10)));
      if (number.empty() || *end != '\0' || sizes.back() < 1) sizes.clear();
      if (sizes.empty()) break;
    }
    if (sizes.size() != axes.size()) {
      std::fprintf(stderr, "DIMIX_BENCH_SHAPES: '%s' is not a list of %zu numbers from 1 on, in the order", entry.c_str(),
                   axes.size());
      for (const std::string& axis : axes) std::fprintf(stderr, " %s", axis.c_str());
      std::fprintf(stderr, "\n");
      std::exit(2);
    }
    result.push_back(sizes);
  }
  return result;
}

/// One shape with its inputs, a Problem{shape} with a member `of`; kept until another shape is asked for.
template <class Problem>
Problem& problem_at(const shape& asked) {
  static std::unique_ptr<Problem> last;
  if (!last || last->of != asked) {
    last.reset();
    last = std::make_unique<Problem>(asked);
  }
  return *last;
}

// ---- inputs ----

/// Numbers in (-spread, spread), the same for the same seed.
template <int Rank>
void fill_random(array<float, Rank>& out, std::uint64_t seed, double spread = 4.0) {
  const dimix::rng random{seed};
  for (index_t i = 0; i < out.size(); i += 4) {
    const dimix::random_block bits = random(dimix::purpose::user, static_cast<std::uint64_t>(i), 0, 0, 0);
    for (index_t j = i; j < dimix::smaller<index_t>(i + 4, out.size()); ++j)
      out.data()[j] = static_cast<float>((std::ldexp(static_cast<double>(bits.word[j - i]) + 0.5, -31) - 1.0) * spread);
  }
}

/// Rows that sum to 1 over the last axis.
inline void fill_rows(array<float, 3>& out, std::uint64_t seed) {
  fill_random(out, seed);
  const index_t S = out.extent(2);
  for (float* row = out.begin(); row != out.end(); row += S) {
    double total = 0;
    for (index_t s = 0; s < S; ++s) total += static_cast<double>(row[s] = std::exp(row[s]));
    for (index_t s = 0; s < S; ++s) row[s] = static_cast<float>(static_cast<double>(row[s]) / total);
  }
}

/// Tokens in [0, S).
template <int Rank>
void fill_tokens(array<token, Rank>& out, index_t S, std::uint64_t seed) {
  const dimix::rng random{seed};
  for (index_t i = 0; i < out.size(); ++i)
    out.data()[i] = static_cast<token>(
        dimix::unit(random(dimix::purpose::user, static_cast<std::uint64_t>(i), 0, 0, 0).first()) * static_cast<double>(S));
}

/// A denoiser that costs no more than the copy of its fixed logits.
struct fixed_logits {
  view<const float, 4> logits;  // (B, 1, D, S)

  index_t outputs() const { return logits.extent(3); }
  void operator()(const dimix::request<float>&, view<float, 4> raw) const {
    std::copy(logits.begin(), logits.end(), raw.begin());
  }
};

// ---- what the raw loops share ----

/// f(worker, row) for every row, handed out as the library hands them out.
template <class F>
void share_rows(const dimix::cpu& run_on, index_t rows, const F& f) {
  const index_t chunk = std::max<index_t>(1, std::min<index_t>(64, rows / (8 * run_on.threads())));
  run_on.for_each((rows + chunk - 1) / chunk, [&](int worker, index_t c) {
    for (index_t row = c * chunk; row < std::min(rows, (c + 1) * chunk); ++row) f(worker, row);
  });
}

/// Entries to 1e-4 of the largest: what is wrong, or nothing.
template <int Rank>
std::string difference(const char* what, const array<float, Rank>& expected, const array<float, Rank>& got) {
  float largest = 0, error = 0;
  for (index_t i = 0; i < expected.size(); ++i) {
    largest = std::max(largest, std::abs(expected.data()[i]));
    error = std::max(error, std::abs(expected.data()[i] - got.data()[i]));
  }
  if (largest > 0 && error <= 1e-4f * largest) return {};
  return std::string(what) + ": largest " + std::to_string(largest) + ", largest difference " + std::to_string(error) + "; ";
}
/// Values to 1e-4.
inline std::string difference(const char* what, float expected, float got) {
  if (std::abs(expected - got) <= 1e-4f * std::abs(expected)) return {};
  return std::string(what) + ": " + std::to_string(expected) + " by the raw loop and " + std::to_string(got) + "; ";
}

// ---- what a benchmark reports ----

/// What one iteration has to do at least, by the count that the benchmark documents. What is 0 is no part of the floor.
struct work {
  double items = 0;
  double bytes = 0;  // of all sweeps that are needed, read and written
  double exponentials = 0, logarithms = 0;
  double multiply_adds = 0;  // with their rate at the sizes in question
  double gemm_rate = 0;

  double transcendental_seconds(int threads) const {
    return exponentials / exponential_rate(threads) + logarithms / logarithm_rate(threads);
  }
  double gemm_seconds() const { return multiply_adds > 0 ? multiply_adds / gemm_rate : 0; }
  /// Seconds: the longest of bytes at the rate of a copy, transcendentals and multiply-adds.
  double floor(int threads) const {
    return std::max({bytes / copy_bandwidth(threads), transcendental_seconds(threads), gemm_seconds()});
  }
};

/// Runs `once` until the benchmark has enough; returns the median of the seconds of a call by the clock on the wall.
template <class F>
double run_timed(benchmark::State& state, const F& once) {
  std::vector<double> seconds;
  for (auto iteration : state) {
    (void)iteration;
    const auto start = std::chrono::steady_clock::now();
    once();
    benchmark::ClobberMemory();
    seconds.push_back(seconds_since(start));
  }
  const auto middle = seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2);
  std::nth_element(seconds.begin(), middle, seconds.end());
  return *middle;
}

/// median          seconds of an iteration, from run_timed
/// items, bytes    per second
/// of_copy         bytes per second over copy_bandwidth(threads). Arrays that fit into a cache can pass 1.
/// of_transcendental, of_gemm    the same of the other rates, where the work has such a part
/// floor           seconds: work::floor
/// over_floor      median over floor
inline void report(benchmark::State& state, double seconds, const work& least, int threads) {
  const auto say = [&](const char* name, double value) { state.counters[name] = benchmark::Counter(value); };
  say("median", seconds);
  say("items", least.items / seconds);
  say("bytes", least.bytes / seconds);
  say("of_copy", least.bytes / seconds / copy_bandwidth(threads));
  if (least.exponentials + least.logarithms > 0) say("of_transcendental", least.transcendental_seconds(threads) / seconds);
  if (least.multiply_adds > 0) say("of_gemm", least.gemm_seconds() / seconds);
  say("floor", least.floor(threads));
  say("over_floor", seconds / least.floor(threads));
}

/// The same where bytes alone are the floor.
inline void report(benchmark::State& state, double seconds, double bytes, double items, int threads) {
  report(state, seconds, {.items = items, .bytes = bytes}, threads);
}

/// extra_memory    bytes, of peak_memory()
inline void report_memory(benchmark::State& state, double bytes) {
  state.counters["extra_memory"] = benchmark::Counter(bytes, benchmark::Counter::kDefaults, benchmark::Counter::kIs1024);
}

/// over_raw        time over that of the raw loop at the same shape, which ran just before; absent when a filter left it out. Another name
///                 where something else is compared.
inline void report_against(benchmark::State& state, double seconds, double other_seconds, const char* name = "over_raw") {
  if (other_seconds > 0) state.counters[name] = benchmark::Counter(seconds / other_seconds);
}

/// value           of the loss for inputs that the programs in bench/peers make as well
inline void report_value(benchmark::State& state, double value) { state.counters["value"] = benchmark::Counter(value); }

/// A row for the machine itself.
inline void register_rates(int threads) {
  const auto rate = [threads](const char* name, double (*measure)(int)) {
    benchmark::RegisterBenchmark(("rate/" + std::string(name) + "/threads:" + std::to_string(threads)).c_str(),
                                 [=](benchmark::State& state) {
                                   for (auto iteration : state) (void)iteration;
                                   state.counters["per_second"] = benchmark::Counter(measure(threads));
                                 })
        ->Iterations(1);
  };
  rate("copy", &copy_bandwidth);
  rate("read", &read_bandwidth);
  rate("exponential", &exponential_rate);
  rate("logarithm", &logarithm_rate);
}

}  // namespace bench
