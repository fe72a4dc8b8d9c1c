// How many exponentials and logarithms this processor evaluates in a second: those of core/lanes.hpp over an array that stays in the
// first cache, measured in the same run as what is compared with it. Where arithmetic and not memory is the floor of a row, a benchmark
// counts its evaluations and says which fraction of these rates it reaches.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/group.hpp>

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <vector>

namespace bench {

struct exponential_of {
  template <class Number>
  Number operator()(Number x) const {
    using std::exp;
    return exp(x);
  }
};
struct logarithm_of {
  template <class Number>
  Number operator()(Number x) const {
    using std::log;
    return log(x);
  }
};

/// Evaluations per second of the best of nine runs, measured the first time that a number of threads is asked for.
template <class Of, class Real = float>
double evaluation_rate(int threads) {
  using dimix::index_t;
  static std::map<int, double> measured;
  double& best = measured[threads];
  if (best > 0) return best;
  constexpr index_t sweeps = 16;
  // Half of the smallest first cache. Of a size that it knows g++ unrolls, and warns of, what is left over by the lanes.
  const volatile index_t numbers = 16384 / sizeof(Real);
  const index_t size = numbers;
  const index_t parts = 256 * threads;
  const dimix::cpu run_on(threads);
  std::vector<std::vector<Real>> from(static_cast<std::size_t>(threads), std::vector<Real>(static_cast<std::size_t>(size))),
      to = from;
  for (auto& row : from)
    for (index_t i = 0; i < size; ++i) row[static_cast<std::size_t>(i)] = Real(0.01) + static_cast<Real>(i % 1000) / 200;
  for (int repeat = 0; repeat < 9; ++repeat) {
    const auto start = std::chrono::steady_clock::now();
    run_on.for_each(parts, [&](int worker, index_t) {
      const dimix::view<const Real, 1> x(from[static_cast<std::size_t>(worker)].data(), size);
      const dimix::view<Real, 1> y(to[static_cast<std::size_t>(worker)].data(), size);
      for (index_t sweep = 0; sweep < sweeps; ++sweep) {
        dimix::vector_group<Real>{}.for_each(size, [&](auto i) { write(y, i, Of{}(dimix::read<Real>(x, i))); });
        benchmark::ClobberMemory();
      }
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best = std::max(best, static_cast<double>(parts * sweeps * size) / seconds);
  }
  return best;
}

inline double exponential_rate(int threads) { return evaluation_rate<exponential_of>(threads); }
inline double logarithm_rate(int threads) { return evaluation_rate<logarithm_of>(threads); }

}  // namespace bench
