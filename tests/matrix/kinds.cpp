// Noise of two kinds at one position, and positions of three kinds.
#include "matrix/matrix.hpp"

using namespace dimix;

namespace {

struct kind_is_position {
  int operator()(index_t d) const { return static_cast<int>(d); }
};

}  // namespace

TEST_CASE("matrix: masked or redrawn") {
  matrix::check("mask_and_replace", forward_process(mask_and_replace<4>{0.6}, log_linear{}));
}

TEST_CASE("matrix: a hidden position, a redrawn one, and levels") {
  const mixed space(kind_is_position{}, absorbing<4>{}, uniform<3>{}, birth_death<3>{});
  matrix::check("mixed", forward_process(space, log_linear{}), 3);
}
