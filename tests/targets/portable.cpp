// Two files of one program, compiled for different processors, agree: no function of the one takes the place of the other's.
#define TARGET_NAME portable
#include "targets/objective_at.hpp"

namespace targets {
int native_width();
std::vector<double> native_floats(), native_bfloats();
}  // namespace targets

namespace {

void check_agreement(const std::vector<double>& here, const std::vector<double>& there, double tolerance) {
  REQUIRE(here.size() == there.size());
  double largest = 0, apart = 0;
  for (std::size_t i = 1; i < here.size(); ++i) {
    largest = std::max(largest, std::abs(here[i]));
    apart = std::max(apart, std::abs(here[i] - there[i]));
  }
  CHECK(std::abs(here[0] - there[0]) <= tolerance * std::abs(here[0]));
  CHECK(largest > 0);
  CHECK(apart <= tolerance * largest);
}

}  // namespace

TEST_CASE("an objective compiled for this processor agrees with one compiled for any") {
  int seen = 0;
  dimix::cpu(1).sweep<float>(1, 0, targets::width_of_group{&seen});
  CHECK(seen == dimix::native_lanes<float>);
  MESSAGE("lanes of float: ", dimix::native_lanes<float>, " here, ", targets::native_width(), " there");
  check_agreement(targets::portable<float>(), targets::native_floats(), 2e-6);
  check_agreement(targets::portable<dimix::bfloat16>(), targets::native_bfloats(),
                  8e-3);  // half a last place of bfloat16 either way
}
