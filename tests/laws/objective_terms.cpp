// Every term of an objective keeps the laws alone, over softmax rows.
#include "laws/objective.hpp"

using namespace dimix;

TEST_CASE("laws: every term alone") {
  laws::site<double, softmax> at(softmax{}, array<token, 2>(2, 3), 3, 4, 2);
  laws::check_terms_alone(at, laws::on(1));
}
