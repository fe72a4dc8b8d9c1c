// A denoiser has to say how many numbers it writes per position.
// error: Net must provide outputs() and operator()(request<Real>, view<Real, 4>) const; see dimix/denoiser.hpp
#include <dimix/sampler.hpp>

struct good {
  dimix::index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> process;
void accepted() { dimix::sample(process, good{}, {}); }

#ifdef OFFEND
struct without_outputs {
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
void refused() { dimix::sample(process, without_outputs{}, {}); }
#endif
