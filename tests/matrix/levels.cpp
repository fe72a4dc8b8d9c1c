// Noise with jump rates of its own: kernels from tables.
#include "matrix/matrix.hpp"

using namespace dimix;

TEST_CASE("matrix: ordinal") {
  matrix::check("ordinal", forward_process(ordinal(4, {.rate_sigma = 1.5, .target_sigma = 5}), log_linear{}));
}

TEST_CASE("matrix: birth and death") { matrix::check("birth_death", forward_process(birth_death<4>{}, log_linear{})); }

TEST_CASE("matrix: rates that no balance binds") {
  matrix::check("rate_table, a circle", forward_process(laws::circle(), log_linear{}));
}
