// with_head: a network with a head of its own, where the space's default is not meant.
//   with_head<mlp_denoiser<float>, truncated_logistic> net(truncated_logistic{17}, arguments of the network...);
#pragma once

#include <dimix/denoiser.hpp>

#include <utility>

namespace dimix {

template <class Net, class Head>
class with_head : public Net {
 public:
  template <class... Arguments>
  explicit with_head(const Head& head, Arguments&&... arguments) : Net(std::forward<Arguments>(arguments)...), head_(head) {}

  const Head& head() const { return head_; }

 private:
  Head head_;
};

}  // namespace dimix
