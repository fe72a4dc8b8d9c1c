// softmax: p(s) = exp(z_s) / sum exp(z).  Backward: d loss / d z_s = g_s - p_s sum_s' g_s', with g = d loss / d log p.
#pragma once

#include <dimix/head/concept.hpp>

namespace dimix {

/// exp(value(i) - top). A functor and no lambda, so that nvcc lets a value of the host through.
template <class Real, class Value>
struct exp_above {
  const Value& value;
  Real top;

  DIMIX_EXEC_CHECK_DISABLE
  template <index_into<Value> At>
  DIMIX_HD auto operator()(At i) const {
    using std::exp;
    return exp(value(i) - top);
  }
};

/// The sum of the exponentials of n numbers: the maximum first, so that the second pass is plain arithmetic.
DIMIX_EXEC_CHECK_DISABLE
template <std::floating_point Real, class Group, class Value>
DIMIX_HD exp_sum<Real> exp_sum_of(const Group& group, index_t n, const Value& value) {
  const Real top = group.reduce(n, -infinity<Real>(), maximum{}, value);
  if (top == -infinity<Real>()) return {};
  return {top, group.reduce(n, Real(0), plus{}, exp_above<Real, Value>{value, top})};
}
/// Its logarithm.
DIMIX_EXEC_CHECK_DISABLE
template <std::floating_point Real, class Group, class Value>
DIMIX_HD Real log_sum_exp(const Group& group, index_t n, const Value& value) {
  return exp_sum_of<Real>(group, n, value).log();
}

/// The same of n values with the exponentials kept: weights (n) holds exp(value(i) - top), and p(i) = weights[i] times `each`. guess: what a
/// similar row had for a state; if it is close, no maximum is looked for and top is the guess. -infinity is none. doubt(i): NaN where what value
/// i was made of is not finite, else 0.
DIMIX_EXEC_CHECK_DISABLE
template <std::floating_point Real, class Group, class Value, class Doubt>
DIMIX_HD kept_row<Real, Real> keep_exponentials(const Group& group, index_t n, const Value& value, view<Real, 1> weights,
                                                Real guess, const Doubt& doubt) {
  using std::log;
  const auto keep_above = [&](Real top) {
    return group.reduce(n, Real(0), plus{}, [=]<index_into<Value> At>(At i) {
      const auto weight = exp_above<Real, Value>{value, top}(i), beside = weight + doubt(i);
      write(weights, i, weight);
      return beside;
    });
  };
  Real top = guess, total = is_finite(guess) ? keep_above(guess) : Real(0);
  if (!(total > Real(0x1p-20) && total < Real(0x1p20))) {
    top = group.reduce(n, -infinity<Real>(), maximum{}, value);
    total = keep_above(top);
  }
  return {top + log(total), Real(1) / total, Real(0) * total};
}
/// Of a row of outputs (n), all of which are looked at.
DIMIX_EXEC_CHECK_DISABLE
template <std::floating_point Real, class Group, class Value, class Storage>
DIMIX_HD kept_row<Real, Real> keep_softmax(const Group& group, view<const Storage, 1> raw, const Value& value,
                                           view<Real, 1> weights, Real guess) {
  return keep_exponentials<Real>(group, raw.extent(0), value, weights, guess, [=](auto i) {
    const auto output = read<Real>(raw, i);
    return output - output;
  });
}

/// The backward with slopes of the form slope(s, p) + certain(s), of which the second ones sum to `certain_total`: one evaluation of prob(s),
/// which kept (S) holds for the second pass, whose lanes begin at `lead`. What certain(s) reads may have been written just before: only the second pass does.
DIMIX_EXEC_CHECK_DISABLE
template <class Real, class Group, class Prob, class Slope, class Certain, class Write>
DIMIX_HD void backward_of_softmax(const Group& group, view<Real, 1> kept, const Prob& prob, const Slope& slope,
                                  const Certain& certain, Real certain_total, index_t lead, const Write& write) {
  const Real total = certain_total + group.reduce(kept.extent(0), Real(0), plus{}, [=]<index_into<Prob> At>(At s) {
    const auto p = prob(s);
    dimix::write(kept, s, p);
    return slope(s, p);
  });
  const auto of_state = [=](auto s) {
    const auto p = read<Real>(kept, s);
    write(s, slope(s, p) + (certain(s) - p * total));
  };
  group.for_each(lead, of_state);
  group.for_each(kept.extent(0) - lead, [=](auto s) { of_state(offset_by(s, lead)); });
}

template <class Real, class Storage>
struct softmax_row {
  view<const Storage, 1> raw;  // (S)
  Real log_normaliser;

  DIMIX_HD token fixed() const { return -1; }
  template <class At>
  DIMIX_HD auto log_prob(At s) const {
    return read<Real>(raw, s) - log_normaliser;
  }
  /// Asks for what a walk along the row reads half a page later: hardware that runs ahead of a walk stops at a page's end.
  template <class Group, class At>
  DIMIX_HD void expect(const Group& group, At s) const {
    dimix::expect(group, raw, offset_by(s, 512));
  }

  template <class Group, class Slope, class Write>
  DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Write& write) const {
    backward(group, S, slope, prob_of{*this}, write);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Prob, class Write>
  DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Prob& prob, const Write& write) const {
    const Real total = group.reduce(S, Real(0), plus{}, slope);
    group.for_each(S, [&]<slope_index<Slope, Write> At>(At s) { write(s, slope(s) - prob(s) * total); });
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Prob, class Slope, class Certain, class Write>
  DIMIX_HD void backward_by_prob(const Group& group, view<Real, 1> kept, const Prob& prob, const Slope& slope,
                                 const Certain& certain, Real certain_total, index_t lead, const Write& write) const {
    backward_of_softmax(group, kept, prob, slope, certain, certain_total, lead, write);
  }
};

struct softmax {
  template <class Real>
  using state = Real;  // the log-normaliser

  DIMIX_HD constexpr index_t outputs(index_t S) const { return S; }

  template <class Real, class Group, class Storage>
  DIMIX_HD Real observe(const Group& group, view<const Storage, 1> raw, place) const {
    return log_sum_exp<Real>(group, raw.extent(0), [&](auto s) { return read<Real>(raw, s); });
  }
  template <class Real, class Group, class Storage>
  DIMIX_HD kept_row<Real, Real> keep(const Group& group, view<const Storage, 1> raw, place, view<Real, 1> weights,
                                     Real guess = -infinity<Real>()) const {
    return keep_softmax<Real>(
        group, raw, [raw](auto s) { return read<Real>(raw, s); }, weights, guess);
  }

  /// What stands in for the normaliser where only ratios count.
  template <class Real>
  DIMIX_HD Real unobserved(const place&) const {
    return Real(0);
  }

  template <class Real, class Storage>
  DIMIX_HD softmax_row<Real, Storage> row(view<const Storage, 1> raw, place, Real log_normaliser) const {
    return {raw, log_normaliser};
  }
};

static_assert(head<softmax> && std::is_empty_v<softmax>);

/// The mask of a space would be a value like others.
template <class Space>
inline constexpr bool head_fits<softmax, Space> = !hides_somewhere<Space>;

}  // namespace dimix
