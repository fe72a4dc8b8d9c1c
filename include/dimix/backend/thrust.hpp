// Thrust runs the sweep: thrust::for_each over the rows, under an execution policy of one of its systems. On the host a row is what it is
// with cpu, the processor's vectors on one thread with a tile of that thread, so that every result is that of cpu bit for bit.
//
//   thrust_sequential   thrust::cpp::par    one thread                         here
//   thrust_openmp       thrust::omp::par    threads of OpenMP                  dimix/backend/thrust/openmp.hpp
//   thrust_tbb          thrust::tbb::par    threads of oneTBB                  dimix/backend/thrust/tbb.hpp
//   thrust_cuda         thrust::cuda::par   one thread of the device per row   dimix/backend/thrust/cuda.cuh
//
// How many threads there are is asked of OpenMP or oneTBB (OMP_NUM_THREADS, tbb::global_control). A row body does not throw, as everywhere:
// OpenMP would end the program. Thrust of CCCL 3.0 or newer, which CUDA 13 brings, is needed; CMake: dimix::thrust.
// The names of Thrust's types hold its version and the compiler: a function that takes such a backend cannot be called from a .cu file and
// defined in a .cpp file, or the other way round.
// Laws (tests/thrust): those of backend.hpp; the same bits as cpu; and tests/laws run on each of them.
#pragma once

#include <dimix/backend.hpp>

#include <thrust/for_each.h>
#include <thrust/iterator/counting_iterator.h>
#include <thrust/system/cpp/execution_policy.h>
#include <thrust/version.h>

#include <concepts>
#include <type_traits>

#if THRUST_VERSION < 300000
#error "dimix needs Thrust 3.0 or newer: link dimix::thrust, or put the folder cccl of CUDA 13 before the others"
#endif

namespace dimix {

inline namespace DIMIX_TARGET {

/// Policy: of a system of the host. A value, as the policy is.
template <class Policy>
class thrust_backend {
  static_assert(std::derived_from<Policy, thrust::cpp::execution_policy<Policy>>,
                "thrust_backend<Policy>: Policy must be an execution policy of a host system of Thrust: thrust::cpp::par, "
                "thrust::omp::par or "
                "thrust::tbb::par; the device has a backend of its own, see dimix/backend/thrust.hpp");

 public:
  using space = host_space;

  explicit thrust_backend(Policy policy = {}) : policy_(policy) {}

  /// body(group, tile, row), see backend.hpp.
  template <class Real, class Body>
  void sweep(index_t rows, index_t tile, const Body& body) const {
    const thrust::counting_iterator<index_t> first(0);
    thrust::for_each(policy_, first, first + rows, [&body, tile](index_t row) {
      const scratch<Real> mine(tile);
      body(vector_group<Real>{}, mine.all(), row);
    });
  }

 private:
  Policy policy_;
};

using thrust_sequential = thrust_backend<std::remove_cvref_t<decltype(thrust::cpp::par)>>;

}  // namespace DIMIX_TARGET

static_assert(backend<thrust_sequential>);

}  // namespace dimix
