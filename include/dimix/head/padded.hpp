// padded<Head, Space>: another head over the states that a position has. Where S differs from position to position, arrays hold the largest;
// states beyond states(d) are impossible, and the outputs that stand for them are not read and get no gradient.
#pragma once

#include <dimix/core/elementwise.hpp>
#include <dimix/head/concept.hpp>

namespace dimix {

template <class Inner>
struct padded_row {
  Inner inner;
  index_t states, used, outputs;  // S_d; outputs that the inner row reads, and all of them

  DIMIX_HD token fixed() const { return inner.fixed(); }
  template <index_of<Inner> At>
  DIMIX_HD auto log_prob(At s) const {
    using real = decltype(inner.log_prob(index_t{}));
    using number = typename number_at<real, At>::type;
    return up_to<real>(states, s, number(-infinity<real>()), [this](auto one) { return inner.log_prob(one); });
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Write>
  DIMIX_HD void backward(const Group& group, index_t, const Slope& slope, const Write& write) const {
    inner.backward(group, states, slope, write);
    end_outputs(group, write);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Prob, class Write>
  DIMIX_HD void backward(const Group& group, index_t, const Slope& slope, const Prob& prob, const Write& write) const {
    backward_with(inner, group, states, slope, prob, write);
    end_outputs(group, write);
  }

 private:
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Write>
  DIMIX_HD void end_outputs(const Group& group, const Write& write) const {
    group.for_each(outputs - used, [&](index_t o) { write(used + o, decltype(inner.log_prob(o))(0)); });
  }
};

template <class Head, class Space>
struct padded {
  [[no_unique_address]] Head inner;
  [[no_unique_address]] Space space;

  template <class Real>
  using state = typename Head::template state<Real>;
  using over = heads<Head>;

  DIMIX_HD constexpr index_t outputs(index_t S) const { return inner.outputs(S); }

  template <class Real, class Group, class Storage>
  DIMIX_HD state<Real> observe(const Group& group, view<const Storage, 1> raw, place at) const {
    return inner.template observe<Real>(group, raw.slice(0, used(at)), at);
  }

  template <class Real, class Group, class Storage>
  DIMIX_HD kept_row<state<Real>, Real> keep(const Group& group, view<const Storage, 1> raw, place at,
                                            view<Real, 1> weights) const {
    const index_t states = space.states(at.dim);
    group.for_each(weights.extent(0) - states, [&](index_t s) { weights[states + s] = Real(0); });
    return keep_row<Real>(group, inner, raw.slice(0, used(at)), at, weights.slice(0, states));
  }

  template <class Real>
  DIMIX_HD state<Real> unobserved(const place& at) const requires draws_unobserved<Head, Real> {
    return inner.template unobserved<Real>(at);
  }

  template <class Real, class Storage>
  DIMIX_HD auto row(view<const Storage, 1> raw, place at, state<Real> remembered) const {
    const auto own = inner.template row<Real>(raw.slice(0, used(at)), at, remembered);
    return padded_row<std::remove_const_t<decltype(own)>>{own, space.states(at.dim), used(at), raw.extent(0)};
  }

 private:
  DIMIX_HD index_t used(place at) const { return inner.outputs(space.states(at.dim)); }
};

template <class Head, class Space>
padded(Head, Space) -> padded<Head, Space>;

}  // namespace dimix
