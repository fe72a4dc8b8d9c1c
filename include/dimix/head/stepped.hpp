// stepped<Head, Space, Real>: the row of p(x_s | x_t) instead of p(x_0 | x_t): another head pushed through the posterior kernel of the
// forward process, one kernel per item. With it every objective and every draw works at any s < t:
//   p(x_s = a) = sum_{x_0} q(x_s = a | x_0, x_t) p(x_0)        (forward_process/kernel.hpp, reverse_row)
// Backward: with h(a) = the share of p(a) that comes from x_0 = a kept until s, in [0, 1],
//   d loss / d log p_0(x) = g(x) h(x) + [p_0(x) / Z(x) / W] sum_a g(a) (1 - h(a))
#pragma once

#include <dimix/forward_process/kernel.hpp>
#include <dimix/head.hpp>

namespace dimix {

template <class Inner, class Space, class Real>
struct stepped_row {
  Inner inner;
  reverse_row<Space, Real> step;

  DIMIX_HD token fixed() const {
    return step.frozen ? step.y : inner.fixed() >= 0 && step.kernel.hit_s == Real(0) ? inner.fixed() : token{-1};
  }
  DIMIX_HD Real log_prob(index_t a) const { return step.log_prob(static_cast<token>(a), inner.log_prob(a)); }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Write>
  DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Write& write) const {
    using std::exp;
    const auto from_kept = [&](index_t a) {
      const Real kept = step.log_kept(static_cast<token>(a), inner.log_prob(a));
      return kept == -infinity<Real>() ? Real(0) : exp(kept - log_prob(a));
    };
    if (step.frozen)
      return inner.backward(
          group, S, [](index_t) { return Real(0); }, write);
    const Real spread = group.reduce(S, Real(0), plus{}, [&](index_t a) {
      const Real g = slope(a);
      return g == Real(0) ? Real(0) : g * (Real(1) - from_kept(a));
    });
    inner.backward(
        group, S,
        [&](index_t x) {
          const Real g = slope(x);
          const Real hit = exp(inner.log_prob(x) - step.log_z(static_cast<token>(x)) - step.log_w);
          return (g == Real(0) ? Real(0) : g * from_kept(x)) + hit * spread;
        },
        write);
  }
};

template <class Head, class Space, class Kernel>
struct stepped {
  Head inner;
  view<const Kernel, 1> kernels;  // (B) process.between(s[b], t[b])

  template <class Real>
  using state = typename Head::template state<Real>;

  DIMIX_HD constexpr index_t outputs(index_t S) const { return inner.outputs(S); }

  template <class Real, class Group, class Storage>
  DIMIX_HD state<Real> observe(const Group& group, view<const Storage, 1> raw, place at) const {
    return inner.template observe<Real>(group, raw, at);
  }

  template <class Real, class Storage>
  DIMIX_HD auto row(view<const Storage, 1> raw, place at, state<Real> remembered) const {
    const auto base = inner.template row<Real>(raw, at, remembered);
    return stepped_row<decltype(base), Space, Real>{
        base, reverse_row<Space, Real>::make(kernels[at.item], at.dim, at.now, base.log_prob(at.now))};
  }
};

}  // namespace dimix
