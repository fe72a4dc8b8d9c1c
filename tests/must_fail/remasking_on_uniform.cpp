// A token can be hidden again only where there is a mask.
// error: remasking: a token is hidden again only where noise does nothing but hide, as absorbing; see dimix/sampler/remasking.hpp
#include <dimix/sampler.hpp>
#include <dimix/sampler/remasking.hpp>

struct net {
  dimix::index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const dimix::forward_process<dimix::absorbing<4>, dimix::log_linear> masked;
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> noisy;
const dimix::remasking method{dimix::remask_cap(0.1)};
void accepted() { dimix::sample(masked, net{}, {}, dimix::cpu{1}, method); }

#ifdef OFFEND
void refused() { dimix::sample(noisy, net{}, {}, dimix::cpu{1}, method); }
#endif
