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
    using std::exp, std::expm1, std::log, std::tanh;
    const Real now = Real(2) * static_cast<Real>(at.now) / static_cast<Real>(S - 1) - Real(1);
    const Real mean = tanh(static_cast<Real>(raw[0]) + now), k = exp(Real(2) - static_cast<Real>(raw[1]));
    const Real two_h = Real(2) * k / static_cast<Real>(S), ratio = exp(-two_h), mass = -expm1(-two_h);
    logistic_state<Real> seen{mean, k, two_h, ratio, mass, Real(0), Real(0), -two_h * ratio / mass};
    if (beyond == tails::cut) {
      // e^a and e^-b of [-1, 1]
      const Real a = (Real(-1) - mean) * k, b = (Real(1) - mean) * k, low = exp(a), high = exp(-b),
                 between = -expm1(Real(-2) * k);
      const Real below = low / (Real(1) + low), above = high / (Real(1) + high);
      seen.scale *= (Real(1) + low) * (Real(1) + high) / between;
      seen.by_mean = below - above;
      seen.by_steep += above * b - below * a + Real(2) * k * low * high / between;
    }
    seen.log_scale = log(seen.scale);
    return seen;
  }

  template <class Real, class Group, class Storage>
  DIMIX_HD kept_row<logistic_state<Real>, Real> keep(const Group& group, view<const Storage, 1> raw, place at,
                                                     view<Real, 1> weights) const {
    const logistic_state<Real> seen = observe<Real>(group, raw, at);
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
