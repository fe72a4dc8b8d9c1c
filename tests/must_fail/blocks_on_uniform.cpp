// Blocks to come have to be hidden.
// error: sample_blocks: blocks to come are hidden by a mask, and this space has none; see dimix/sampler/blocks.hpp
#include <dimix/sampler/blocks.hpp>

struct net {
  dimix::index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const dimix::forward_process<dimix::absorbing<4>, dimix::log_linear> masked;
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> noisy;
void accepted() { dimix::sample_blocks(masked, net{}, {}); }

#ifdef OFFEND
void refused() { dimix::sample_blocks(noisy, net{}, {}); }
#endif
