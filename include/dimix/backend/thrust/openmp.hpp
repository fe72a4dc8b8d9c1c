// Thrust on the threads of OpenMP: compile and link with -fopenmp (CMake: OpenMP::OpenMP_CXX).
#pragma once

#include <dimix/backend/thrust.hpp>

#include <thrust/system/omp/execution_policy.h>

namespace dimix {

inline namespace DIMIX_TARGET {
using thrust_openmp = thrust_backend<std::remove_cvref_t<decltype(thrust::omp::par)>>;
}

static_assert(backend<thrust_openmp>);

}  // namespace dimix
