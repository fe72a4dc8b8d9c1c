// A device of NVIDIA, in memory that both sides reach.
#include <dimix/backend/thrust/cuda.cuh>

#include "same_program/run.hpp"

int main() {
  const dimix::thrust_cuda run_on;
  return same_program::run(run_on, run_on.memory());
}
