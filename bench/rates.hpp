// What this machine can do, measured in the run that reports it with as many threads as the benchmark that is compared: bytes copied and
// read. Exponentials are in transcendentals.hpp; matrix products are timed at the sizes of the benchmark that needs them.
//
// Environment:
//   DIMIX_BENCH_COPY_MB  megabytes of each of the two arrays of the copy; twice the last-level cache when it is not set
#pragma once

#include <dimix/backend.hpp>
#include <dimix/group.hpp>

#include <benchmark/benchmark.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <map>
#include <vector>

namespace bench {

using dimix::index_t;
using dimix::view;

inline double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The most of `amount` per second that one of `rounds` calls reached.
template <class F>
double best_rate(int rounds, double amount, const F& once) {
  double best = 0;
  for (int round = 0; round < rounds; ++round) {
    const auto start = std::chrono::steady_clock::now();
    once();
    benchmark::ClobberMemory();
    best = std::max(best, amount / seconds_since(start));
  }
  return best;
}

/// The last-level cache that one core reaches, in bytes; 0 where it is not known. A virtual machine tells by CPUID (sysconf) of all caches of
/// the processor that it runs on.
inline index_t last_level_cache() {
  index_t kilobytes = 0;
  for (int level : {2, 3}) {
    std::ifstream file("/sys/devices/system/cpu/cpu0/cache/index" + std::to_string(level) + "/size");
    index_t size = 0;
    if (file >> size) kilobytes = std::max(kilobytes, size);
  }
  return kilobytes > 0 ? kilobytes * 1024 : std::max<index_t>(0, static_cast<index_t>(sysconf(_SC_LEVEL3_CACHE_SIZE)));
}

/// Floats of one of the two arrays of the copy. Both together are four times the last-level cache, at most 2 GiB.
inline index_t copy_size() {
  constexpr index_t mega = index_t{1} << 20, floats = mega / static_cast<index_t>(sizeof(float));
  if (const char* given = std::getenv("DIMIX_BENCH_COPY_MB")) return dimix::larger<index_t>(1, std::atol(given)) * floats;
  return dimix::clamp<index_t>(2 * last_level_cache(), 64 * mega, 1024 * mega) / mega * floats;
}

struct copy_arrays {
  std::vector<float> from = std::vector<float>(static_cast<std::size_t>(copy_size()), 1.0f), to = from;

  double bytes() const { return static_cast<double>(from.size() * sizeof(float)); }

  /// f(first, count) for pieces that the threads share.
  template <class F>
  void share(const dimix::cpu& run_on, const F& f) const {
    constexpr std::size_t piece = std::size_t{1} << 18;  // floats: 1 MiB
    run_on.for_each(static_cast<index_t>((from.size() + piece - 1) / piece), [&](int, index_t i) {
      const std::size_t first = static_cast<std::size_t>(i) * piece;
      f(first, std::min(piece, from.size() - first));
    });
  }
  void copy(const dimix::cpu& run_on) {
    share(run_on, [&](std::size_t first, std::size_t count) {
      std::memcpy(to.data() + first, from.data() + first, count * sizeof(float));
    });
    benchmark::ClobberMemory();
  }
  void read(const dimix::cpu& run_on) const {
    share(run_on, [&](std::size_t first, std::size_t count) {
      const view<const float, 1> piece(from.data() + first, static_cast<index_t>(count));
      benchmark::DoNotOptimize(dimix::vector_group<float>{}.reduce(piece.extent(0), 0.0f, dimix::plus{},
                                                                   [&](auto s) { return dimix::read<float>(piece, s); }));
    });
  }
};

/// A rate per number of threads, measured the first time that it is asked for.
template <class Measure>
double once_per(std::map<int, double>& measured, int threads, const Measure& measure) {
  const auto found = measured.find(threads);
  return found != measured.end() ? found->second : measured[threads] = measure(dimix::cpu(threads));
}

/// Bytes per second of a copy, counted as one read and one write.
inline double copy_bandwidth(int threads) {
  static std::map<int, double> measured;
  return once_per(measured, threads, [](const dimix::cpu& run_on) {
    copy_arrays arrays;
    return best_rate(25, 2 * arrays.bytes(), [&] { arrays.copy(run_on); });
  });
}

/// Bytes per second of a sum over an array.
inline double read_bandwidth(int threads) {
  static std::map<int, double> measured;
  return once_per(measured, threads, [](const dimix::cpu& run_on) {
    const copy_arrays arrays;
    return best_rate(25, arrays.bytes(), [&] { arrays.read(run_on); });
  });
}

}  // namespace bench
