// Thrust on the threads of OpenMP where the compiler has them, else on one.
#include "same_program/run.hpp"

#ifdef _OPENMP
#include <dimix/backend/thrust/openmp.hpp>

int main() { return same_program::run(dimix::thrust_openmp{}); }
#else
#include <dimix/backend/thrust.hpp>

int main() { return same_program::run(dimix::thrust_sequential{}); }
#endif
