// A position with one state has nothing to say.
// error: a state space needs at least 2 states
#include <dimix/state_space.hpp>

const dimix::uniform<2> accepted;

#ifdef OFFEND
const dimix::uniform<1> refused;
#endif
