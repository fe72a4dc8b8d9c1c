// Errors of the CUDA runtime, thrown as sentences.
#pragma once

#include <dimix/core/error.hpp>

#include <cuda_runtime.h>

namespace dimix {

/// The device is missing, out of memory, or has stopped.
struct cuda_error : error {
  using error::error;
};

inline void expects_cuda(cudaError_t status, const char* what) {
  expects<cuda_error>(status == cudaSuccess, "cuda: ", what, ": ", cudaGetErrorString(status));
}

}  // namespace dimix
