// dimix with CUDA: all of dimix.hpp, and the backend that runs the same row bodies on a device. To be compiled by nvcc.
#pragma once

#include <dimix/dimix.hpp>

#include <dimix/backend/cuda.cuh>        // sweeps as kernels on a stream
#include <dimix/backend/cuda/graph.cuh>  // a step or a whole path, recorded once
