// The bins that a logistic is cut into, each seen from μ: t its end next to μ (negative: μ is in the bin), v = e^-t, and r = e^-2h.
// A level right of μ and its mirror image left of it are the same bin but for `side`.
#pragma once

#include <dimix/core/elementwise.hpp>

namespace dimix {

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

template <class Number>
struct logistic_bin {
  Number side;  // 1 right of μ, -1 left of it; of the bin that holds μ either is right
  Number t, v;
  Number one_v, one_rv;  // 1 + v, 1 + r v: their inverses are σ at both ends of the bin

  DIMIX_HD Number both() const { return one_v * one_rv; }
};

/// With the inverse of both().
template <class Number>
struct divided_bin : logistic_bin<Number> {
  Number share;

  /// The mass of the bin over 1 - r.
  DIMIX_HD Number weight() const { return this->v * share; }
  /// σ(t) and σ(t + 2h)
  DIMIX_HD Number inner() const { return this->one_rv * share; }
  DIMIX_HD Number outer() const { return this->one_v * share; }
};
template <class Number>
[[gnu::always_inline]] DIMIX_HD inline divided_bin<Number> divided(const logistic_bin<Number>& bin) {
  return {bin, Number(real_of_t<Number>(1)) / bin.both()};
}
/// Two of them by one division. Their product is a Real, since μ is in one of them at most.
template <class Number>
struct two_divided_bins {
  divided_bin<Number> first, second;
};
template <class Number>
[[gnu::always_inline]] DIMIX_HD inline two_divided_bins<Number> divided(const logistic_bin<Number>& a,
                                                                        const logistic_bin<Number>& b) {
  const Number share = Number(real_of_t<Number>(1)) / (a.both() * b.both());
  return {{a, share * b.both()}, {b, share * a.both()}};
}

/// The bins [from, to) of a row: bin s begins at first + s step.
template <class Real>
struct logistic_bins {
  Real first, step, ratio;  // (-1 - μ) k, 2h, r
  index_t from, to;

  template <class At>
  [[gnu::always_inline]] DIMIX_HD auto at(At s) const {
    using std::exp;
    using number = typename number_at<Real, At>::type;
    const number a = number_of<Real>(s) * number(step) + number(first), minus_b = -a - number(step), one = Real(1);
    // beyond -40, where μ is in the bin, 1 is nothing beside v in any Real, and r v nothing beside 1
    const number t = larger(larger(a, minus_b), number(Real(-40)));
    return bin(select(a > minus_b, one, -one), t, exp(-t));
  }
  template <class Number>
  [[gnu::always_inline]] DIMIX_HD logistic_bin<Number> bin(Number side, Number t, Number v) const {
    const Number one = Real(1);
    return {side, t, v, one + v, one + v * Number(ratio)};
  }
};

/// The logistic mass of the first or the last bin of to_ends, between a = (low - μ) k and b = (high - μ) k, of which one is infinite.
template <class Real>
struct logistic_end {
  Real a, b;

  DIMIX_HD Real log_mass() const { return log_sigmoid(b) + log_sigmoid(-a); }
  DIMIX_HD Real mass() const {
    using std::exp;
    return exp(log_mass());
  }
  /// d log mass / d μ over k, with the sign of -d / d (position)
  DIMIX_HD Real by_mean() const { return sigmoid(a) - sigmoid(-b); }
  /// d log mass / d log k
  DIMIX_HD Real by_log_steepness() const { return product_or_zero(sigmoid(-b), b) - product_or_zero(sigmoid(a), a); }
};

}  // namespace dimix
