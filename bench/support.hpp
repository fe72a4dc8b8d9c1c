// What the benchmarks share: shapes from the environment, inputs from counter-based random numbers, and counters that say how
// many bytes a benchmark moves and which fraction that is of the rate at which this machine copies memory, measured in the
// same run.
//
// Environment:
//   DIMIX_BENCH_SHAPES   shapes instead of the built-in ones, separated by ';', each in the order of the program's axes:
//                        DIMIX_BENCH_SHAPES="2,16,16,3072,256,2;1,4,4,128,50258,2"
//   DIMIX_BENCH_LARGE=1  the built-in shapes and those of the paper's pixels and tokens beside them
//   DIMIX_BENCH_COPY_MB  megabytes of each of the two arrays of the copy; twice the last-level cache when it is not set
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/array.hpp>
#include <dimix/core/rng.hpp>

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

namespace bench {

using dimix::array;
using dimix::index_t;
using dimix::token;
using dimix::view;

/// A shape as it stands in the environment and in the name of a benchmark: one number per axis.
using shape = std::vector<index_t>;

inline std::string name_of(const std::string& what, const std::vector<std::string>& axes, const shape& sizes) {
  std::string name = what;
  for (std::size_t i = 0; i < axes.size(); ++i) name += "/" + axes[i] + ":" + std::to_string(sizes[i]);
  return name;
}

/// The shapes to run. A malformed list ends the program, because it is read before main.
inline std::vector<shape> shapes_to_run(const std::vector<std::string>& axes, std::vector<shape> usual,
                                        const std::vector<shape>& large) {
  const char* given = std::getenv("DIMIX_BENCH_SHAPES");
  if (given == nullptr) {
    if (std::getenv("DIMIX_BENCH_LARGE") != nullptr) usual.insert(usual.end(), large.begin(), large.end());
    return usual;
  }
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

// ---- how fast this machine copies ----

/// Floats of one of the two arrays of the copy. Both together are four times the last-level cache, at most 2 GiB.
inline index_t copy_size() {
  constexpr index_t mega = index_t{1} << 20, floats = mega / static_cast<index_t>(sizeof(float));
  if (const char* given = std::getenv("DIMIX_BENCH_COPY_MB")) return dimix::larger<index_t>(1, std::atol(given)) * floats;
  const index_t cache = static_cast<index_t>(sysconf(_SC_LEVEL3_CACHE_SIZE));  // 0 or -1 where it is not known
  return dimix::clamp<index_t>(2 * cache, 64 * mega, 1024 * mega) / mega * floats;
}

struct copy_arrays {
  std::vector<float> from = std::vector<float>(static_cast<std::size_t>(copy_size()), 1.0f), to = from;

  /// One copy, in pieces that the threads share. Counted as one read and one write.
  double bytes() const { return 2.0 * static_cast<double>(from.size() * sizeof(float)); }
  void run(const dimix::cpu& run_on) {
    constexpr std::size_t piece = std::size_t{1} << 18;  // floats: 1 MiB
    run_on.for_each(static_cast<index_t>((from.size() + piece - 1) / piece), [&](int, index_t i) {
      const std::size_t first = static_cast<std::size_t>(i) * piece, count = std::min(piece, from.size() - first);
      std::memcpy(to.data() + first, from.data() + first, count * sizeof(float));
    });
    benchmark::ClobberMemory();
  }
};

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Bytes per second of the best of seven copies, measured the first time that a number of threads is asked for.
inline double copy_bandwidth(int threads) {
  static std::map<int, double> measured;
  double& best = measured[threads];
  if (best == 0) {
    copy_arrays arrays;
    const dimix::cpu run_on(threads);
    for (int repeat = 0; repeat < 7; ++repeat) {
      const auto start = std::chrono::steady_clock::now();
      arrays.run(run_on);
      best = std::max(best, arrays.bytes() / seconds_since(start));
    }
  }
  return best;
}

// ---- what a benchmark reports ----

/// Runs `once` until the benchmark has enough; returns the seconds of one call by the clock on the wall.
template <class F>
double run_timed(benchmark::State& state, const F& once) {
  const auto start = std::chrono::steady_clock::now();
  for (auto iteration : state) {
    (void)iteration;
    once();
    benchmark::ClobberMemory();
  }
  return seconds_since(start) / static_cast<double>(state.iterations());
}

/// bytes          moved by one iteration, by the count that the benchmark documents
/// bytes_per_second, items_per_second
/// of_copy        bytes per second over copy_bandwidth(threads). Arrays that fit into a cache can pass 1.
inline void report(benchmark::State& state, double seconds, double bytes, double items, int threads) {
  using benchmark::Counter;
  state.counters["bytes"] = Counter(bytes, Counter::kDefaults, Counter::kIs1024);
  state.counters["bytes_per_second"] = Counter(bytes, Counter::kIsIterationInvariantRate, Counter::kIs1024);
  state.counters["items_per_second"] = Counter(items, Counter::kIsIterationInvariantRate);
  state.counters["of_copy"] = Counter(bytes / seconds / copy_bandwidth(threads));
}

/// over_raw       time over that of the raw loop at the same shape, which ran just before; absent when a filter left it out
inline void report_against(benchmark::State& state, double seconds, double raw_seconds) {
  if (raw_seconds > 0) state.counters["over_raw"] = benchmark::Counter(seconds / raw_seconds);
}

/// A row for the copy itself.
inline void register_copy(int threads) {
  benchmark::RegisterBenchmark(("copy/threads:" + std::to_string(threads)).c_str(),
                               [threads](benchmark::State& state) {
                                 copy_arrays arrays;
                                 const dimix::cpu run_on(threads);
                                 const double seconds = run_timed(state, [&] { arrays.run(run_on); });
                                 report(state, seconds, arrays.bytes(), static_cast<double>(arrays.from.size()), threads);
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMillisecond);
}

}  // namespace bench
