// stepped<Head, Kernel>: the row of p(x_s | x_t) instead of p(x_0 | x_t): another head pushed through the posterior kernel of the
// forward process, one kernel per item. With it every objective and every draw works at any s < t:
//   p(x_s = a) = sum_{x_0} q(x_s = a | x_0, x_t) p(x_0),    d log p(x_s = a) / d log p_0(x) = q(a | x, x_t) p_0(x) / p(a)
// Cost beyond the other head's: O(1) a state where noise is identity + rank one, O(S) with tables; backward, without the row's probabilities
// at hand, O(S^2) with tables.
#pragma once

#include <dimix/forward_process/kernel.hpp>
#include <dimix/head.hpp>

namespace dimix {

/// Reverse: what kernel.reverse(d, x_t, inner row) gives.
template <class Inner, class Reverse>
struct stepped_row {
  Inner inner;
  Reverse step;

  DIMIX_HD token fixed() const { return step.fixed(inner.fixed()); }
  template <index_of<Reverse> At>
  DIMIX_HD auto log_prob(At a) const {
    return step.log_prob(a);
  }
  template <index_of<Reverse> At>
  DIMIX_HD auto prob(At a) const requires has_prob<Reverse> {
    return step.prob(a);
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Write>
  DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Write& write) const {
    inner.backward(group, S, step.slope_of_denoised(group, S, slope), write);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Prob, class Write>
  DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Prob& prob, const Write& write) const {
    if constexpr (requires { step.slope_of_denoised(group, S, slope, prob); })
      inner.backward(group, S, step.slope_of_denoised(group, S, slope, prob), write);
    else
      backward(group, S, slope, write);
  }
};

template <class Head, class Kernel>
struct stepped {
  Head inner;
  view<const Kernel, 1> kernels;  // (B) process.between(s[b], t[b])

  template <class Real>
  using state = typename Head::template state<Real>;
  using over = heads<Head>;
  /// With tables, of a kind of position too, the gradient of one output reads all the others.
  static constexpr bool reads_other_outputs = rate_space<decltype(Kernel::space)> || requires(const Kernel kernel) {
    kernel.space.spaces();
  };

  DIMIX_HD constexpr index_t outputs(index_t S) const { return inner.outputs(S); }

  template <class Real, class Group, class Storage>
  DIMIX_HD state<Real> observe(const Group& group, view<const Storage, 1> raw, place at) const {
    return inner.template observe<Real>(group, raw, at);
  }

  template <class Real, class Storage>
  DIMIX_HD auto row(view<const Storage, 1> raw, place at, state<Real> remembered) const {
    const auto base = inner.template row<Real>(raw, at, remembered);
    const auto step = kernels[at.item].reverse(at.dim, at.now, base);
    return stepped_row<decltype(base), std::remove_const_t<decltype(step)>>{base, step};
  }
};

}  // namespace dimix
