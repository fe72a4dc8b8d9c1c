// Positions of several kinds need somebody who says which.
// error: Kinds must be trivially copyable and provide operator()(d) -> int, the kind of position d
#include <dimix/state_space.hpp>

struct in_turn {
  int operator()(dimix::index_t d) const { return static_cast<int>(d % 2); }
};
const dimix::mixed accepted(in_turn{}, dimix::absorbing<5>{}, dimix::uniform<3>{});

#ifdef OFFEND
const dimix::mixed refused(dimix::absorbing<5>{}, dimix::uniform<3>{});
#endif
