// truncated_logistic: two numbers a position become S ordered probabilities, a logistic cut into bins. For grey levels and other ordinal data:
// near levels share what a network says of one of them.
//
//   levels sit at c_s = -1 + (2 s + 1) / S, bins are w = 2 / S wide
//   μ = tanh(z_0 + 2 x_t / (S - 1) - 1),   k = exp(2 - z_1)               the mean starts at x_t, the scale at e^-2
//   p(s) = [σ(b) - σ(a)] / Z,   a = (c_s - w/2 - μ) k,   b = (c_s + w/2 - μ) k
//   tails::cut     Z = σ((1 - μ) k) - σ((-1 - μ) k): the logistic conditioned on [-1, 1]
//   tails::to_ends Z = 1: what lies beyond the ends belongs to the first and the last level
// With h = w k / 2, r = e^-2h, t the end of the bin next to μ, counted away from μ (negative: μ is in the bin), and v = e^-t:
//   p = C v / [(1 + v) (1 + r v)],   C = (1 - r) / Z
//   log p by its ends: σ(t) = 1 / (1 + v) and σ(-t - 2h) = r v / (1 + r v)
// where only positive terms are added, so that nothing cancels however far s is from μ. Sweeps over a row (head/truncated_logistic/ladder.hpp)
// take v of neighbours from one exponential: a division and a few products a state for p and its slopes. log p of one state is an exponential
// and a logarithm; what belongs to the row is made in observe.
// Float departs from double, on the same outputs, by the rounding of t and of log C: 2e-6 (1 + k) in log p.
// Source: D3PM (Austin et al. 2021, section 4), tauLDR networks (both cut); to_ends: PixelCNN++ (Salimans et al. 2017).
#pragma once

#include <dimix/head/truncated_logistic/row.hpp>
#include <dimix/head/truncated_logistic/state.hpp>

namespace dimix {

struct truncated_logistic {
  index_t S;                  // levels, >= 2
  tails beyond = tails::cut;  // what becomes of the logistic outside [-1, 1]

  template <class Real>
  using state = logistic_state<Real>;
  static constexpr bool reads_logits = false;

  DIMIX_HD constexpr index_t outputs(index_t) const { return 2; }

  template <class Real, class Group, class Storage>
  DIMIX_HD logistic_state<Real> observe(const Group&, view<const Storage, 1> raw, place at) const {
    return logistic_of(static_cast<Real>(raw[0]), static_cast<Real>(raw[1]), static_cast<Real>(at.now), S, beyond);
  }
  /// The states of neighbouring positions, side by side in lanes.
  template <class Real, class Group, class Storage>
  DIMIX_HD void observe_positions(const Group& group, view<const Storage, 2> raw, view<const token, 1> now,
                                  view<logistic_state<Real>, 1> states) const {
    group.for_each(now.extent(0), [=, *this](auto d) {
      const auto shift = each_of<Real>(d, [=](index_t i) { return raw(i, 0); });
      const auto scale = each_of<Real>(d, [=](index_t i) { return raw(i, 1); });
      const auto level = each_of<Real>(d, [=](index_t i) { return now[i]; });
      put(states, d, logistic_of(shift, scale, level, S, beyond));
    });
  }

  template <class Real, class Group, class Storage>
  DIMIX_HD kept_row<logistic_state<Real>, Real> keep(const Group& group, view<const Storage, 1> raw, place at,
                                                     view<Real, 1> weights) const {
    return keep_observed(group, raw, observe<Real>(group, raw, at), weights);
  }
  template <class Real, class Group, class Storage>
  DIMIX_HD kept_row<logistic_state<Real>, Real> keep_observed(const Group& group, view<const Storage, 1> raw,
                                                              const logistic_state<Real>& seen, view<Real, 1> weights) const {
    truncated_logistic_row<Real>{seen, S, beyond}.keep(group, weights);
    return {seen, Real(1), Real(0) * static_cast<Real>(raw[0]) + Real(0) * static_cast<Real>(raw[1])};
  }

  template <class Real, class Storage>
  DIMIX_HD truncated_logistic_row<Real> row(view<const Storage, 1>, place, logistic_state<Real> seen) const {
    return {seen, S, beyond};
  }
};

static_assert(head<truncated_logistic>);

template <class Space>
inline constexpr bool head_fits<truncated_logistic, Space> = !hides_somewhere<Space>;

}  // namespace dimix
