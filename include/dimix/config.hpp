// The only file that looks at the compiler: everything else is the same text for g++, clang and nvcc.
//
//   DIMIX_HD          a function that runs on host and device; nothing outside nvcc
//   DIMIX_EXEC_CHECK_DISABLE   before a pass-through template whose callee may be host-only
//   DIMIX_ASSERT(x)   a check inside row bodies and kernels; only in debug builds (errors of callers are thrown, see core/error.hpp)
#pragma once

#include <cassert>

#if defined(__CUDACC__)
#define DIMIX_HD __host__ __device__
#define DIMIX_EXEC_CHECK_DISABLE _Pragma("nv_exec_check_disable")
#else
#define DIMIX_HD
#define DIMIX_EXEC_CHECK_DISABLE
#endif

#define DIMIX_ASSERT(condition) assert(condition)

static_assert(__cplusplus >= 202002L, "dimix needs C++20: compile with -std=c++20 or target_compile_features(cxx_std_20)");
