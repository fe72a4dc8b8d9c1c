// truncated_logistic: two numbers a position become S ordered probabilities, a logistic cut into bins. For grey levels and other ordinal data:
// near levels share what a network says of one of them.
//
//   levels sit at c_s = -1 + (2 s + 1) / S, bins are w = 2 / S wide
//   μ = tanh(z_0 + 2 x_t / (S - 1) - 1),   k = exp(2 - z_1)               the mean starts at x_t, the scale at e^-2
//   p(s) = [σ(b) - σ(a)] / Z,   a = (c_s - w/2 - μ) k,   b = (c_s + w/2 - μ) k
//   tails::cut     Z = σ((1 - μ) k) - σ((-1 - μ) k): the logistic conditioned on [-1, 1]
//   tails::to_ends Z = 1: what lies beyond the ends belongs to the first and the last level
// With c = (c_s - μ) k the middle of the bin, h = w k / 2, t = |c| - h its end next to μ and o = |c| + h the other, q = e^-o:
//   log p + log Z = min(0, -t) + log(1 - e^-2h) - log(1 + g + q + g q),   g = e^-|t|
// where all terms of the last logarithm are positive, so that nothing cancels however far s is from μ. q = g e^-2h wherever μ is not in the
// bin: one exponential and one logarithm a state for log p, one exponential for the gradient; what belongs to the row is made in observe.
// Float departs from double, on the same outputs, by the rounding of c and, for small k, of log Z: 2e-6 (1 + k) in log p.
// Source: D3PM (Austin et al. 2021, section 4), tauLDR networks (both cut); to_ends: PixelCNN++ (Salimans et al. 2017).
#pragma once

#include <dimix/head/concept.hpp>

namespace dimix {

enum class tails { cut, to_ends };

template <class Real>
struct logistic_state {
  Real mean, steepness;    // μ, k
  Real each;               // log(1 - e^-2h) - log Z, of every bin with two ends
  Real ratio;              // e^-2h
  Real by_mean, by_steep;  // slopes of log Z by μ over k, and by log k
};

/// log of the logistic mass between a = (low - μ) k and b = (low + width - μ) k, and its slopes; either end may be infinite. For what is
/// asked once a row.
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

/// Two sums of one sweep.
template <class Number>
struct two_sums {
  Number by_mean, by_steep;

  DIMIX_HD friend two_sums operator+(two_sums a, two_sums b) { return {a.by_mean + b.by_mean, a.by_steep + b.by_steep}; }

  /// For a group of lanes.
  template <class Lanes>
  friend void add_lanes(two_sums& total, const two_sums<Lanes>& part) requires requires {
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
    using std::log1p;
    using number = typename number_at<Real, At>::type;
    const auto bin = middle(s);
    const number log_p = smaller(number(Real(0)), -bin.next) + at.each - log1p(bin.g + bin.q + bin.g * bin.q);
    if (beyond == tails::cut) return log_p;
    return at_ends(s, log_p, [](const auto& end) { return end.log_mass(); });
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Write>
  DIMIX_HD void backward(const Group& group, index_t, const Slope& slope, const Write& write) const {
    const Real h = at.steepness / static_cast<Real>(S), two_h = h + h;
    using std::expm1;
    const Real both_ends = two_h > Real(0) ? two_h / expm1(two_h) : Real(1);
    const auto sums_at = [&]<index_into<Slope> At>(At s) {
      using number = typename number_at<Real, At>::type;
      const auto bin = middle(s);
      const number one = Real(1), zero = Real(0), share = one / ((one + bin.g) * (one + bin.q));
      // σ(t) and σ(-o), for a bin right of μ; left of it the slope by μ changes sign
      const number inner = select(bin.next < zero, bin.g, one) * (one + bin.q) * share, outer = bin.q * (one + bin.g) * share;
      number by_mean = select(bin.c < zero, outer - inner, inner - outer);
      number by_steep = (bin.next + Real(2) * h) * outer - bin.next * inner + both_ends;
      if (beyond == tails::to_ends) {
        by_mean = at_ends(s, by_mean, [](const auto& end) { return end.by_mean(); });
        by_steep = at_ends(s, by_steep, [](const auto& end) { return end.by_log_steepness(); });
      }
      const number g = slope(s);
      return two_sums<number>{g * (by_mean - at.by_mean), g * (by_steep - at.by_steep)};
    };
    const two_sums<Real> total = group.reduce(S, two_sums<Real>{Real(0), Real(0)}, plus{}, sums_at);
    if (group.leader()) {
      write(0, at.steepness * total.by_mean * (Real(1) - at.mean * at.mean));
      write(1, -total.by_steep);
    }
    group.sync();
  }

 private:
  /// The bin of a level, by its middle c: next = t, g = e^-|t|, q = e^-(|c| + h).
  template <class Number>
  struct bin_at {
    Number c, next, g, q;
  };
  template <class At>
  DIMIX_HD auto middle(At s) const {
    using std::exp;
    using number = typename number_at<Real, At>::type;
    const Real h = at.steepness / static_cast<Real>(S);
    const number c = (number_of<Real>(s) * Real(2) + Real(1 - S)) * h - number(at.mean * at.steepness), zero = Real(0);
    const number away = larger(c, -c), t = away - number(h), g = exp(-larger(t, -t));
    const auto holds_mean = t < zero;
    number q = g * at.ratio;
    if (any(holds_mean)) q = select(holds_mean, exp(-away - number(h)), q);
    return bin_at<number>{c, t, g, q};
  }

  /// What belongs to the first and the last bin, which reach to infinity, in the place of x.
  template <class At, class Number, class Of>
  DIMIX_HD Number at_ends(At s, Number x, const Of& of) const {
    const auto first = equals<Real>(s, 0), last = equals<Real>(s, S - 1);
    if (any(first)) x = select(first, Number(of(end(false))), x);
    if (any(last)) x = select(last, Number(of(end(true))), x);
    return x;
  }
  DIMIX_HD logistic_bin<Real> end(bool last) const {
    const Real h = at.steepness / static_cast<Real>(S), inner = static_cast<Real>(S - 2) * h, mean = at.mean * at.steepness;
    if (last) return {inner - mean, infinity<Real>(), infinity<Real>()};
    return {-infinity<Real>(), -inner - mean, infinity<Real>()};
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
    const Real mean = tanh(static_cast<Real>(raw[0]) + now), k = exp(Real(2) - static_cast<Real>(raw[1]));
    const Real width_k = Real(2) * k / static_cast<Real>(S);
    logistic_state<Real> seen{mean, k, log1m_exp(-width_k), exp(-width_k), Real(0), Real(0)};
    if (beyond == tails::cut) {
      const logistic_bin<Real> whole{(Real(-1) - mean) * k, (Real(1) - mean) * k, Real(2) * k};
      seen.each -= whole.log_mass();
      seen.by_mean = whole.by_mean();
      seen.by_steep = whole.by_log_steepness();
    }
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
