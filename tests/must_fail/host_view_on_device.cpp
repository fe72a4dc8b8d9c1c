// The memory space is in the type: a view of host memory is never taken for one of device memory.
// error: device_space>
#include <dimix/core/view.hpp>

void kernel(dimix::view<const float, 2, dimix::device_space>);
void accepted(dimix::view<float, 2, dimix::device_space> on_device) { kernel(on_device); }

#ifdef OFFEND
void refused(dimix::view<float, 2> on_host) { kernel(on_host); }
#endif
