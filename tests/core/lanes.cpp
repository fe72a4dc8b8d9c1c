// Lanes of any processor; those of this one are in targets/native_lanes.cpp.
#include "core/lanes.hpp"

TEST_CASE_TEMPLATE("lanes: exp, log, log1p and expm1 to two units in the last place, other operations as those of the numbers",
                   Real, float, double) {
  check_all_of_numbers<Real>();
}

TEST_CASE("lanes: elements of any storage at any alignment") { check_all_of_memory(); }
