// The two branches of guidance: the network that is asked for the class, and one that is not; λ is the same in both.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/check.hpp>
#include <dimix/denoiser/wrapper.hpp>

namespace dimix {

/// raw = the answer without the class: the request with class -1 for every item. A factorized network answers once for all
/// components: raw (B, 1, D, outputs); a mixture with the λ of the request: (B, M, D, outputs). Classes are left out of a request without them.
template <class Real, class Net>
array<Real, 4> unconditional_answer(const Net& net, request<Real> asked) {
  array<token, 1> none(asked.classes.extent(0));  // (B)
  none.fill(-1);
  asked.classes = none;
  if constexpr (!mixture_denoiser<Net, Real>) asked = without_latents(asked, 1);
  array<Real, 4> raw(asked.batch(), asked.components(), asked.dims(), net.outputs());  // (B, 1 or M, D, outputs)
  net(asked, raw.whole());
  return raw;
}

}  // namespace dimix
