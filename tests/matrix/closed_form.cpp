// Noise that hides, and noise that draws from a prior.
#include "matrix/matrix.hpp"

using namespace dimix;

TEST_CASE("matrix: absorbing") {
  const double mixture = matrix::check("absorbing", forward_process(absorbing<4>{}, log_linear{}));
  CHECK(mixture < std::sqrt(2.0) - 1);  // no product comes nearer than this to two agreeing bits
}

TEST_CASE("matrix: uniform") { matrix::check("uniform", forward_process(uniform<3>{}, log_linear{})); }

TEST_CASE("matrix: a prior of one's own") { matrix::check("skewed prior", forward_process(laws::skewed{}, log_linear{})); }
