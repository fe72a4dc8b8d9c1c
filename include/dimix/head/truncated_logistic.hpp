// truncated_logistic: two numbers a position become S ordered probabilities, a logistic cut into bins. For grey levels and other ordinal data:
// near levels share what a network says of one of them.
//
//   levels sit at c_s = -1 + (2 s + 1) / S, bins are w = 2 / S wide
//   μ = tanh(z_0 + 2 x_t / (S - 1) - 1),   k = exp(2 - z_1)               the mean starts at x_t, the scale at e^-2
//   p(s) = [σ(b) - σ(a)] / Z,   a = (c_s - w/2 - μ) k,   b = (c_s + w/2 - μ) k
//   tails::cut     Z = σ((1 - μ) k) - σ((-1 - μ) k): the logistic conditioned on [-1, 1]
//   tails::to_ends Z = 1: what lies beyond the ends belongs to the first and the last level
// With c = (c_s - μ) k the middle of the bin, h = w k / 2, t = |c| - h its end next to μ (negative: μ is in the bin), r = e^-2h, and
// u = e^min(t, 0), v = e^-max(t, 0), of which one is 1:
//   p = C u v / [(u + v) (u + r v)],   C = (1 - r) / Z
//   log p by its ends: σ(t) = u / (u + v) and σ(-t - 2h) = r v / (u + r v)
// where only positive terms are added, so that nothing cancels however far s is from μ: one exponential a state for p and its slopes, one
// logarithm more for log p; what belongs to the row is made in observe.
// Float departs from double, on the same outputs, by the rounding of c and of log C: 2e-6 (1 + k) in log p.
// Source: D3PM (Austin et al. 2021, section 4), tauLDR networks (both cut); to_ends: PixelCNN++ (Salimans et al. 2017).
#pragma once

#include <dimix/head/concept.hpp>

namespace dimix {

enum class tails { cut, to_ends };

template <class Real>
struct logistic_state {
  Real mean, steepness;    // μ, k
  Real ratio;              // r
  Real scale, log_scale;   // C
  Real by_mean, by_steep;  // slopes of log Z by μ over k, and of -log C by log k
};

/// The logistic mass of the first or the last bin of to_ends, between a = (low - μ) k and b = (high - μ) k, of which one is infinite.
template <class Real>
struct logistic_end {
  Real a, b;

  DIMIX_HD Real log_mass() const { return log_sigmoid(b) + log_sigmoid(-a); }
  /// d log mass / d μ over k, with the sign of -d / d (position)
  DIMIX_HD Real by_mean() const { return sigmoid(a) - sigmoid(-b); }
  /// d log mass / d log k
  DIMIX_HD Real by_log_steepness() const { return product_or_zero(sigmoid(-b), b) - product_or_zero(sigmoid(a), a); }
};

/// Two sums of one sweep.
template <class Number>
struct two_sums {
  Number by_mean, by_steep;

  DIMIX_HD friend two_sums operator+(two_sums a, two_sums b) { return {a.by_mean + b.by_mean, a.by_steep + b.by_steep}; }

  /// For a group of lanes.
  template <class Lanes>
  DIMIX_HD friend void add_lanes(two_sums& total, const two_sums<Lanes>& part) requires requires {
    Lanes::width;
  }
  {
    for (int w = 0; w < Lanes::width; ++w) {
      total.by_mean += part.by_mean[w];
      total.by_steep += part.by_steep[w];
    }
  }
};

template <class Real>
struct truncated_logistic_row {
  logistic_state<Real> at;
  index_t S;
  tails beyond;

  DIMIX_HD token fixed() const { return -1; }

  template <class At>
  DIMIX_HD auto log_prob(At s) const {
    using std::log;
    const auto bin = bin_of(s);
    const auto log_p = at.log_scale + smaller(bin.t, -bin.t) - log(bin.both());
    if (beyond == tails::cut) return log_p;
    return at_ends(s, log_p, [](const auto& end) { return end.log_mass(); });
  }

  template <class At>
  DIMIX_HD auto prob(At s) const {
    const auto bin = bin_of(s);
    return prob_at_ends(s, at.scale * bin.g / bin.both());
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Write>
  DIMIX_HD void backward(const Group& group, index_t, const Slope& slope, const Write& write) const {
    backward_by_prob(
        group, S, [&]<index_into<Slope> At>(At s, auto) { return slope(s); }, write);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Write>
  DIMIX_HD void backward_by_prob(const Group& group, index_t, const Slope& slope, const Write& write) const {
    const Real two_h = Real(2) * half_width();
    const auto sums_at = [&]<slope_index_by_prob<Real, Slope> At>(At s) __attribute__((always_inline)) {
      using number = typename number_at<Real, At>::type;
      const auto bin = bin_of(s);
      const number share = Real(1) / bin.both(), outer = bin.rv * (bin.u + bin.v) * share,
                   apart = outer - bin.u * bin.u_rv * share;
      // right of μ; left of it the slope by μ changes sign
      number by_mean = select(bin.c < number(Real(0)), apart, -apart) - at.by_mean;
      number by_steep = bin.t * apart + two_h * outer - at.by_steep;
      if (beyond == tails::to_ends) {
        by_mean = at_ends(s, by_mean, [](const auto& end) { return end.by_mean(); });
        by_steep = at_ends(s, by_steep, [](const auto& end) { return end.by_log_steepness(); });
      }
      const number g = slope(s, prob_at_ends(s, at.scale * bin.g * share));
      return two_sums<number>{g * by_mean, g * by_steep};
    };
    const two_sums<Real> total = group.reduce(S, two_sums<Real>{Real(0), Real(0)}, plus{}, sums_at);
    if (group.leader()) {
      write(0, at.steepness * total.by_mean * (Real(1) - at.mean * at.mean));
      write(1, -total.by_steep);
    }
    group.sync();
  }

 private:
  /// The bin of a level, by its middle c.
  template <class Number>
  struct bin_at {
    Number c, t, g, u, v, rv, u_rv;  // g = u v, rv = r v, u_rv = u + r v

    DIMIX_HD Number both() const { return (u + v) * u_rv; }
  };
  template <class At>
  [[gnu::always_inline]] DIMIX_HD auto bin_of(At s) const {
    using std::exp;
    using number = typename number_at<Real, At>::type;
    const Real h = half_width(), first = static_cast<Real>(1 - S) * h - at.mean * at.steepness;
    const number c = number_of<Real>(s) * number(h + h) + number(first), one = Real(1);
    // beyond -40 u is nothing beside v in any Real, and r nothing beside u
    const number t = larger(larger(c, -c) - number(h), number(Real(-40))), g = exp(smaller(t, -t));
    const auto holds_mean = t < number(Real(0));
    const number u = select(holds_mean, g, one), v = select(holds_mean, one, g), rv = at.ratio * v;
    return bin_at<number>{c, t, g, u, v, rv, u + rv};
  }
  DIMIX_HD Real half_width() const { return at.steepness / static_cast<Real>(S); }

  template <class At, class Number>
  DIMIX_HD Number prob_at_ends(At s, Number p) const {
    if (beyond == tails::cut) return p;
    return at_ends(s, p, [](const auto& end) {
      using std::exp;
      return exp(end.log_mass());
    });
  }

  /// What belongs to the first and the last bin, which reach to infinity, in the place of x.
  template <class At, class Number, class Of>
  DIMIX_HD Number at_ends(At s, Number x, const Of& of) const {
    const auto first = equals<Real>(s, 0), last = equals<Real>(s, S - 1);
    if (any(first)) x = select(first, Number(of(end(false))), x);
    if (any(last)) x = select(last, Number(of(end(true))), x);
    return x;
  }
  DIMIX_HD logistic_end<Real> end(bool last) const {
    const Real inner = static_cast<Real>(S - 2) * half_width(), mean = at.mean * at.steepness;
    if (last) return {inner - mean, infinity<Real>()};
    return {-infinity<Real>(), -inner - mean};
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
    using std::exp, std::expm1, std::log, std::tanh;
    const Real now = Real(2) * static_cast<Real>(at.now) / static_cast<Real>(S - 1) - Real(1);
    const Real mean = tanh(static_cast<Real>(raw[0]) + now), k = exp(Real(2) - static_cast<Real>(raw[1]));
    const Real two_h = Real(2) * k / static_cast<Real>(S), ratio = exp(-two_h), mass = -expm1(-two_h);
    logistic_state<Real> seen{mean, k, ratio, mass, Real(0), Real(0), -two_h * ratio / mass};
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

  template <class Real, class Storage>
  DIMIX_HD truncated_logistic_row<Real> row(view<const Storage, 1>, place, logistic_state<Real> seen) const {
    return {seen, S, beyond};
  }
};

static_assert(head<truncated_logistic>);

template <class Space>
inline constexpr bool head_fits<truncated_logistic, Space> = !hides_somewhere<Space>;

}  // namespace dimix
