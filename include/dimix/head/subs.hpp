// subs: the substitution parameterisation of masked diffusion. x_0 is never the mask, and a position that is not masked keeps
// its token for certain.  Source: MDLM (Sahoo et al. 2024); sdtt multi_round_sdtt.py _subs_parameterization.
//
//   masked:    p(s) = softmax of z without the mask
//   unmasked:  p(s) = [s = x_t], no output matters and the gradient is zero
#pragma once

#include <dimix/head/softmax.hpp>

namespace dimix {

template <class Real, class Storage>
struct subs_row {
  softmax_row<Real, Storage> masked;
  token now, mask;
  Real excluded;  // log-probability that stands for "impossible"

  DIMIX_HD token fixed() const { return now == mask ? token{-1} : now; }

  template <class At>
  DIMIX_HD auto log_prob(At s) const {
    using number = typename number_at<Real, At>::type;
    if (now != mask) return select(equals<Real>(s, now), number(Real(0)), number(excluded));
    return masked.log_prob(s) + select(equals<Real>(s, mask), number(excluded), number(Real(0)));
  }
  template <class Group, class At>
  DIMIX_HD void expect(const Group& group, At s) const {
    masked.expect(group, s);
  }

  template <class Group, class Slope, class Write>
  DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Write& write) const {
    backward(group, S, slope, prob_of{masked}, write);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Prob, class Write>
  DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Prob& prob, const Write& write) const {
    if (now != mask) return group.for_each(S, [&](index_t s) { write(s, Real(0)); });
    const auto live = [&](auto s, auto value) { return select(equals<Real>(s, mask), decltype(value)(Real(0)), value); };
    const Real total = group.reduce(S, Real(0), plus{}, [&]<index_into<Slope> At>(At s) { return live(s, slope(s)); });
    group.for_each(S, [&]<slope_index<Slope, Write> At>(At s) { write(s, live(s, slope(s) - prob(s) * total)); });
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Prob, class Slope, class Certain, class Write>
  DIMIX_HD void backward_by_prob(const Group& group, view<Real, 1> kept, const Prob& prob, const Slope& slope,
                                 const Certain& certain, Real certain_total, index_t lead, const Write& write) const {
    const auto live = [&](auto s, auto p) { return select(equals<Real>(s, mask), decltype(p)(Real(0)), slope(s, p)); };
    backward_of_softmax(group, kept, prob, live, certain, certain_total, lead, write);
  }
};

struct subs {
  token mask;
  /// The log-probability of what cannot be. -1e6 instead of -infinity reproduces the recorded arrays of sdtt.
  double excluded = -infinity<double>();

  template <class Real>
  using state = Real;  // the log-normaliser over the states that are not the mask

  DIMIX_HD constexpr index_t outputs(index_t S) const { return S; }

  template <class Real, class Group, class Storage>
  DIMIX_HD Real observe(const Group& group, view<const Storage, 1> raw, place at) const {
    if (at.now != mask) return Real(0);
    return log_sum_exp<Real>(group, raw.extent(0), values<Real, Storage>{raw, mask});
  }
  template <class Real, class Group, class Storage>
  DIMIX_HD kept_row<Real, Real> keep(const Group& group, view<const Storage, 1> raw, place at, view<Real, 1> weights,
                                     Real guess = -infinity<Real>()) const {
    if (at.now == mask) return keep_softmax<Real>(group, raw, values<Real, Storage>{raw, mask}, weights, guess);
    return {Real(0), Real(1)};
  }

  template <class Real>
  DIMIX_HD Real unobserved(const place&) const {
    return Real(0);
  }

  template <class Real, class Storage>
  DIMIX_HD subs_row<Real, Storage> row(view<const Storage, 1> raw, place at, Real log_normaliser) const {
    return {{raw, log_normaliser}, at.now, mask, static_cast<Real>(excluded)};
  }

 private:
  /// The raw outputs without that of the mask.
  template <class Real, class Storage>
  struct values {
    view<const Storage, 1> raw;  // (S)
    token mask;

    template <class At>
    DIMIX_HD auto operator()(At s) const {
      using number = typename number_at<Real, At>::type;
      return select(equals<Real>(s, mask), number(-infinity<Real>()), read<Real>(raw, s));
    }
  };
};

static_assert(head<subs>);

template <class Space>
inline constexpr bool head_fits<subs, Space> = revealing_space<Space>;

}  // namespace dimix
