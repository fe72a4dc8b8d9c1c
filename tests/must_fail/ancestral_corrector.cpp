// A corrector needs a method with rates.
// error: sampler::correct: Method must provide correction(process, t, noise), as euler and tau_leaping do
#include <dimix/sampler.hpp>

struct net {
  dimix::index_t outputs() const { return 4; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const dimix::forward_process<dimix::uniform<4>, dimix::log_linear> letters;
template <class Method>
void correct() {
  dimix::sampler_state state;
  dimix::sampler<float, dimix::forward_process<dimix::uniform<4>, dimix::log_linear>, net, Method>(letters, net{})
      .correct(state, {}, {}, {}, {});
}
void accepted() { correct<dimix::euler>(); }

#ifdef OFFEND
void refused() { correct<dimix::ancestral>(); }
#endif
