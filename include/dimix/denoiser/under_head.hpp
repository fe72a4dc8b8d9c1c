// under_head: a network that is there already, read through another head. It is itself a denoiser, so that every sampler takes it.
//   under_head colder(net, tempered{head_of(net, space), 0.7, space.max_states()});
#pragma once

#include <dimix/denoiser.hpp>

namespace dimix {

template <class Net, class Head>
class under_head {
 public:
  /// The network must outlive the object, and write what the head reads.
  under_head(const Net& net, const Head& head) : net_(net), head_(head) {}

  index_t outputs() const { return net_.outputs(); }
  const Head& head() const { return head_; }
  auto latent() const requires requires(const Net n) { n.latent(); }
  { return net_.latent(); }

  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    net_(asked, raw);
  }

 private:
  const Net& net_;
  Head head_;
};

}  // namespace dimix
