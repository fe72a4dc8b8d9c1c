// truncated_logistic: two numbers a position become S ordered probabilities, a logistic cut into bins. For grey levels and other ordinal data:
// near levels share what a network says of one of them.
//
//   levels sit at c_s = -1 + (2 s + 1) / S, bins are w = 2 / S wide
//   μ = tanh(z_0 + 2 x_t / (S - 1) - 1),   k = exp(2 - z_1)               the mean starts at x_t, the scale at e^-2
//   p(s) = [σ(b) - σ(a)] / Z,   a = (c_s - w/2 - μ) k,   b = (c_s + w/2 - μ) k
//   tails::cut     Z = σ((1 - μ) k) - σ((-1 - μ) k): the logistic conditioned on [-1, 1]
//   tails::to_ends Z = 1: what lies beyond the ends belongs to the first and the last level
// σ(b) - σ(a) = σ(b) σ(-a) (1 - e^(a - b)), so that log p is a sum of three logarithms and nothing cancels however far s is from μ.
// Source: D3PM (Austin et al. 2021, section 4), tauLDR networks (both cut); to_ends: PixelCNN++ (Salimans et al. 2017).
#pragma once

#include <dimix/head/concept.hpp>

namespace dimix {

enum class tails { cut, to_ends };

template <class Real>
struct logistic_state {
  Real mean, steepness, log_total;  // μ, k, log Z
};

/// log of the logistic mass between a = (low - μ) k and b = (low + width - μ) k, and its slopes; either end may be infinite.
template <class Real>
struct logistic_bin {
  Real a, b, width_k;  // b - a = width k, infinite where an end is

  DIMIX_HD Real log_mass() const { return log_sigmoid(b) + log_sigmoid(-a) + log1m_exp(-width_k); }
  /// d log mass / d μ over k, with the sign of -d / d (position)
  DIMIX_HD Real by_mean() const { return sigmoid(a) - sigmoid(-b); }
  /// d log mass / d log k
  DIMIX_HD Real by_log_steepness() const {
    using std::expm1;
    const Real from_b = product_or_zero(sigmoid(-b), b), from_a = product_or_zero(sigmoid(a), a);
    return from_b - from_a + (width_k < infinity<Real>() ? width_k / expm1(width_k) : Real(0));
  }
};

template <class Real>
struct truncated_logistic_row {
  logistic_state<Real> at;
  index_t S;
  tails beyond;

  DIMIX_HD token fixed() const { return -1; }
  DIMIX_HD Real log_prob(index_t s) const { return bin(s).log_mass() - at.log_total; }

  template <class Group, class Slope, class Write>
  DIMIX_HD void backward(const Group& group, index_t, const Slope& slope, const Write& write) const {
    const auto total = [&](const auto& of) {
      const Real of_total = beyond == tails::cut ? of(whole()) : Real(0);
      return group.reduce(S, Real(0), plus{}, [&](index_t s) {
        const Real g = slope(s);
        return g == Real(0) ? Real(0) : g * (of(bin(s)) - of_total);
      });
    };
    const Real by_mean = at.steepness * total([](const auto& b) { return b.by_mean(); });
    const Real by_log_k = total([](const auto& b) { return b.by_log_steepness(); });
    if (group.leader()) {
      write(0, by_mean * (Real(1) - at.mean * at.mean));
      write(1, -by_log_k);
    }
    group.sync();
  }

  DIMIX_HD logistic_bin<Real> bin(index_t s) const {
    const Real width = Real(2) / static_cast<Real>(S), low = Real(-1) + width * static_cast<Real>(s);
    logistic_bin<Real> cut{(low - at.mean) * at.steepness, (low + width - at.mean) * at.steepness, width * at.steepness};
    if (beyond == tails::to_ends && (s == 0 || s == S - 1)) {
      if (s == 0) cut.a = -infinity<Real>();
      if (s == S - 1) cut.b = infinity<Real>();
      cut.width_k = infinity<Real>();
    }
    return cut;
  }
  DIMIX_HD logistic_bin<Real> whole() const {
    return {(Real(-1) - at.mean) * at.steepness, (Real(1) - at.mean) * at.steepness, Real(2) * at.steepness};
  }
};

struct truncated_logistic {
  index_t S;                  // levels, >= 2
  tails beyond = tails::cut;  // what becomes of the logistic outside [-1, 1]

  template <class Real>
  using state = logistic_state<Real>;
  static constexpr bool reads_logits = false;

  DIMIX_HD constexpr index_t outputs(index_t) const { return 2; }

  template <class Real, class Group, class Storage>
  DIMIX_HD logistic_state<Real> observe(const Group&, view<const Storage, 1> raw, place at) const {
    using std::exp, std::tanh;
    const Real now = Real(2) * static_cast<Real>(at.now) / static_cast<Real>(S - 1) - Real(1);
    logistic_state<Real> seen{tanh(static_cast<Real>(raw[0]) + now), exp(Real(2) - static_cast<Real>(raw[1])), Real(0)};
    if (beyond == tails::cut) seen.log_total = truncated_logistic_row<Real>{seen, S, beyond}.whole().log_mass();
    return seen;
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
