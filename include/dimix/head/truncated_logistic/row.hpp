// The row of truncated_logistic: log p, p, and the slopes of log p by μ and k from its bins; see head/truncated_logistic.hpp.
#pragma once

#include <dimix/head/concept.hpp>
#include <dimix/head/truncated_logistic/ladder.hpp>
#include <dimix/head/truncated_logistic/state.hpp>

namespace dimix {

template <class Real>
struct truncated_logistic_row {
  logistic_state<Real> at;
  index_t S;
  tails beyond;

  DIMIX_HD token fixed() const { return -1; }

  template <class At>
  DIMIX_HD auto log_prob(At s) const {
    using std::log;
    const auto bin = bins().at(s);
    return at_ends(s, at.log_scale - bin.t - log(bin.both()), [](const auto& end) { return end.log_mass(); });
  }

  template <class At>
  DIMIX_HD auto prob(At s) const {
    using number = typename number_at<Real, At>::type;
    return at_ends(s, number(at.scale) * divided(bins().at(s)).weight(), [](const auto& end) { return end.mass(); });
  }

  /// p of all states, for head.keep.
  template <class Group>
  DIMIX_HD void keep(const Group& group, view<Real, 1> weights) const {
    for_each_bin(
        group, bins(), [scale = at.scale, weights](auto s, const auto& bin) __attribute__((always_inline)) {
          const auto weight = bin.weight();
          write(weights, s, decltype(weight)(scale) * weight);
        });
    if (beyond == tails::cut) return;
    if (group.leader())
      for (index_t s = 0; s < S; s += S - 1) weights[s] = end(s).mass();
    group.sync();
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
    const Real scale = at.scale, mean_of_all = at.by_mean, two_h = at.two_h, steep_of_all = two_h - at.by_steep;
    const auto slopes_at =
        [=, &slope]<slope_index_by_prob<Real, Slope> At>(At s, const auto& bin) __attribute__((always_inline)) {
      using number = typename number_at<Real, At>::type;
      const number one = Real(1), outer = bin.outer(), balance = bin.inner() + (outer - one);
      const number g = slope(s, number(scale) * bin.weight());
      return two_sums<number>{g * (bin.side * balance - number(mean_of_all)),
                              g * (number(steep_of_all) - number(two_h) * outer - bin.t * balance)};
    };
    if (beyond == tails::to_ends) group.sync();  // the members see other slopes than they wrote
    two_sums<Real> total = sum_of_bins(group, bins(), slopes_at);
    if (beyond == tails::to_ends)
      for (index_t s = 0; s < S; s += S - 1) {
        const logistic_end<Real> outermost = end(s);
        const Real g = slope(s, outermost.mass());
        total = total + two_sums<Real>{g * outermost.by_mean(), g * outermost.by_log_steepness()};
      }
    if (group.leader()) {
      write(0, at.steepness * total.by_mean * (Real(1) - at.mean * at.mean));
      write(1, -total.by_steep);
    }
    group.sync();
  }

 private:
  /// Of to_ends without the ends.
  DIMIX_HD logistic_bins<Real> bins() const {
    const index_t from = beyond == tails::cut ? 0 : 1;
    return {(Real(-1) - at.mean) * at.steepness, at.two_h, at.ratio, from, S - from};
  }

  /// What belongs to the first and the last bin of to_ends, which reach to infinity, in the place of x.
  template <class At, class Number, class Of>
  DIMIX_HD Number at_ends(At s, Number x, const Of& of) const {
    if (beyond == tails::cut) return x;
    for (index_t outermost = 0; outermost < S; outermost += S - 1) {
      const auto here = equals<Real>(s, outermost);
      if (any(here)) x = select(here, Number(of(end(outermost))), x);
    }
    return x;
  }
  DIMIX_HD logistic_end<Real> end(index_t s) const {
    const Real inner = static_cast<Real>(S - 2) * at.steepness / static_cast<Real>(S), mean = at.mean * at.steepness;
    if (s > 0) return {inner - mean, infinity<Real>()};
    return {-infinity<Real>(), -inner - mean};
  }
};

}  // namespace dimix
