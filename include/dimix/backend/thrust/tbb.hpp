// Thrust on the threads of oneTBB: link with -ltbb (CMake: TBB::tbb).
#pragma once

#include <dimix/backend/thrust.hpp>

#include <thrust/system/tbb/execution_policy.h>

namespace dimix {

inline namespace DIMIX_TARGET {
using thrust_tbb = thrust_backend<std::remove_cvref_t<decltype(thrust::tbb::par)>>;
}

static_assert(backend<thrust_tbb>);

}  // namespace dimix
