// Compiled for the processor of this machine (tests/CMakeLists.txt), beside files that are compiled for any.
#define TARGET_NAME native
#include "targets/objective_at.hpp"

namespace targets {

int native_width() { return dimix::native_lanes<float>; }
int native_width_in_sweeps() {
  int seen = 0;
  dimix::cpu(1).sweep<float>(1, 0, width_of_group{&seen});
  return seen;
}
std::vector<double> native_floats() { return native<float>(); }
std::vector<double> native_bfloats() { return native<dimix::bfloat16>(); }

}  // namespace targets

TEST_CASE("this file is compiled for lanes of its own") {
  CHECK(targets::native_width() >= 1);
  CHECK(targets::native_width_in_sweeps() == targets::native_width());
}
