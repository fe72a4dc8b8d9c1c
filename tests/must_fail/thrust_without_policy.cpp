// A backend of Thrust runs rows by an execution policy of the host.
// error: thrust_backend<Policy>: Policy must be an execution policy of a host system of Thrust
#include <dimix/backend/thrust.hpp>

const dimix::thrust_backend accepted(thrust::cpp::par);

#ifdef OFFEND
struct one_after_the_other {};
const dimix::thrust_backend refused(one_after_the_other{});
#endif
