// The unnormalised row of a masked position needs a mask.
// error: masked_update_weight: only a space with a mask has this row; see dimix/sampler/ancestral.hpp
#include <dimix/forward_process.hpp>
#include <dimix/sampler/ancestral.hpp>

const dimix::forward_process<dimix::absorbing<4>, dimix::log_linear> masked;
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> noisy;
double accepted() { return dimix::masked_update_weight(masked.between(0.25, 0.5), 0, -1.0); }

#ifdef OFFEND
double refused() { return dimix::masked_update_weight(noisy.between(0.25, 0.5), 0, -1.0); }
#endif
