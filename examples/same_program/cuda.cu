// A device of NVIDIA: rows queued on a stream, in memory that both sides reach.
#include <dimix/backend/cuda.cuh>
#include <dimix/backend/thrust/cuda.cuh>  // managed_memory

#include "same_program/run.hpp"

int main() {
  dimix::managed_memory memory;
  return same_program::run(dimix::gpu{}, &memory);
}
