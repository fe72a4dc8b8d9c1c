// The threads and vectors of this machine.
#include "same_program/run.hpp"

int main() { return same_program::run(dimix::cpu{}); }
