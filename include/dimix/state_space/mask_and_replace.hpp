// mask_and_replace<S>: S - 1 values and the mask, which is the last state. A hit of noise masks the position for good with probability
// mask_share, and else redraws its value uniformly: what is not masked may still be wrong. mask_and_replace<> takes S at run time.
//
// Per unit of the schedule's noise a value is masked at rate c = mask_share and redrawn at rate 1 - c, two independent clocks:
//   not masked at σ: e^(-c σ),  not redrawn: e^(-(1 - c) σ),  neither: e^-σ = alpha
// The mask absorbs, so that all of x_1 is masked; a schedule with alpha(1) > 0 leaves e^(-c σ(1)) of the values visible, which the law of
// x_1 leaves out, as it does for absorbing.  c -> 1 is absorbing<S>, c -> 0 is uniform<S - 1> on the values.
// Source: VQ-Diffusion (Gu et al. 2022), "mask-and-replace", whose cumulated alpha, K beta and gamma are e^-σ, e^(-c σ) - e^-σ and
// 1 - e^(-c σ) here: one schedule drives the three, where that paper chooses two.
#pragma once

#include <dimix/state_space.hpp>

namespace dimix {

template <index_t S = 0>
class mask_and_replace : state_count<S> {
  static_assert(S == 0 || S >= 3, "mask_and_replace<S>: needs two values to replace by and the mask, S >= 3");

 public:
  using state_count<S>::states_vary;

  /// mask_share in (0, 1): the share of the hits that mask.
  explicit mask_and_replace(double mask_share = 0.9)
    requires(S != 0)
      : mask_share_(checked(S, mask_share)) {}
  mask_and_replace(index_t states, double mask_share)
    requires(S == 0)
      : state_count<S>{states}, mask_share_(checked(states, mask_share)) {}

  DIMIX_HD constexpr index_t states(index_t) const { return this->count(); }
  DIMIX_HD constexpr index_t max_states() const { return this->count(); }
  DIMIX_HD constexpr token mask() const { return static_cast<token>(this->count() - 1); }
  DIMIX_HD constexpr double prior(index_t, token s) const { return s == mask() ? 1.0 : 0.0; }
  DIMIX_HD constexpr token draw_prior(index_t, std::uint64_t) const { return mask(); }
  DIMIX_HD constexpr double mask_share() const { return mask_share_; }

 private:
  static double checked(index_t states, double mask_share) {
    expects(states >= 3, "mask_and_replace: S = ", states, " states; two values and the mask are needed");
    expects(mask_share > 0 && mask_share < 1, "mask_and_replace: mask_share = ", mask_share,
            " lies outside (0, 1); absorbing and uniform are its ends");
    return mask_share;
  }

  double mask_share_;
};

static_assert(replacing_space<mask_and_replace<18>> && replacing_space<mask_and_replace<>>);
static_assert(!revealing_space<mask_and_replace<18>> && equal_states<mask_and_replace<18>>);

}  // namespace dimix
