// An objective of nothing is a mistake.
// error: objective: needs at least one term; see dimix/objective/terms.hpp
#include <dimix/objective.hpp>

const dimix::view<const dimix::token, 2> x_t;
void accepted() { dimix::make_objective<double>(dimix::softmax{}, x_t, 1, 4, {}, dimix::distillation_bound<double>{}); }

#ifdef OFFEND
void refused() { dimix::make_objective<double>(dimix::softmax{}, x_t, 1, 4, {}); }
#endif
