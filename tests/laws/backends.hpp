// The backend that the laws run on, in one place: the same sources are compiled once more for every other backend (tests/CMakeLists.txt), which
// says which by a macro. Without one it is cpu.
//   laws::tested       its type
//   laws::on(threads)  one that uses so many threads, where it can be told
#pragma once

#include <dimix/backend.hpp>

#if defined(DIMIX_TEST_ON_THRUST_SEQUENTIAL)
#include <dimix/backend/thrust.hpp>
#elif defined(DIMIX_TEST_ON_THRUST_OPENMP)
#include <dimix/backend/thrust/openmp.hpp>

#include <omp.h>
#elif defined(DIMIX_TEST_ON_THRUST_TBB)
#include <dimix/backend/thrust/tbb.hpp>
#elif defined(DIMIX_TEST_ON_THRUST_CUDA)
#include <dimix/backend/thrust/cuda.cuh>
#endif

namespace laws {

#if defined(DIMIX_TEST_ON_THRUST_SEQUENTIAL)
using tested = dimix::thrust_sequential;
inline tested on(int) { return tested{}; }
#elif defined(DIMIX_TEST_ON_THRUST_OPENMP)
using tested = dimix::thrust_openmp;
inline tested on(int threads) {
  omp_set_num_threads(threads);
  return tested{};
}
#elif defined(DIMIX_TEST_ON_THRUST_TBB)
using tested = dimix::thrust_tbb;
inline tested on(int) { return tested{}; }
#elif defined(DIMIX_TEST_ON_THRUST_CUDA)
using tested = dimix::thrust_cuda;
inline tested on(int) { return tested{}; }
/// Before main: arrays that are given no memory resource take memory of both sides.
inline std::pmr::memory_resource* const memory_before = [] {
  static dimix::managed_memory of_both_sides;
  return std::pmr::set_default_resource(&of_both_sides);
}();
#else
using tested = dimix::cpu;
inline tested on(int threads) { return tested(threads); }
#endif

}  // namespace laws
