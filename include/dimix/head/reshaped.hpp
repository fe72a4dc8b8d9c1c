// Rows reshaped before they are drawn from, as heads over another head, so that every sampler composes with them:
//   tempered   q(s) = p(s)^(1/τ) / sum p^(1/τ)                     temperature τ > 0; below 1 likely states gain
//   nucleus    the most probable states that hold `mass` together    (Holtzman et al. 2020), renormalised
//   top_k      the k most probable states, renormalised
// A row that is certain (an unmasked position of subs) stays as it is, and every row sums to 1 again: so temperature never changes how
// often a masked position is revealed. States that tie with the last one kept are kept.
//   under_head net(network, tempered{default_head(space), 0.7, S})     a network with that head instead
// Laws (tests/laws/reshaped.cpp): those of heads; τ = 1, mass = 1 and k = S change nothing.
// Cost beyond the inner head's: one sweep over S for tempered, about 60 for the others, which search the least log-probability kept.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/head/concept.hpp>
#include <dimix/head/softmax.hpp>

namespace dimix {

/// log q(s) = scale log p(s) - log_normaliser where log p(s) >= least, else -infinity.
template <class Inner, class Real>
struct reshaped_row {
  Inner inner;
  Real scale, least, log_normaliser;

  DIMIX_HD token fixed() const { return inner.fixed(); }
  template <index_of<Inner> At>
  DIMIX_HD auto log_prob(At s) const {
    using number = typename number_at<Real, At>::type;
    const number log_p = inner.log_prob(s);
    if (inner.fixed() >= 0) return log_p;
    return select(log_p >= number(least), number(scale) * log_p - number(log_normaliser), number(-infinity<Real>()));
  }

  template <class Group, class Slope, class Write>
  DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Write& write) const {
    backward(group, S, slope, prob_of{*this}, write);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Prob, class Write>
  DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Prob& prob, const Write& write) const {
    if (inner.fixed() >= 0) return inner.backward(group, S, slope, write);
    const kept_slope<Slope> kept{*this, slope};
    const Real total = group.reduce(S, Real(0), plus{}, kept);
    inner.backward(group, S, inner_slope<Slope, Prob>{kept, prob, total}, write);
  }

 private:
  /// slope(s) where s is kept. Functors and no lambdas, so that nvcc lets slopes of the host through.
  template <class Slope>
  struct kept_slope {
    const reshaped_row& row;
    const Slope& slope;

    DIMIX_EXEC_CHECK_DISABLE
    template <index_into<Slope> At>
    DIMIX_HD auto operator()(At s) const requires index_of<At, Inner> {
      using number = typename number_at<Real, At>::type;
      return select(row.inner.log_prob(s) >= number(row.least), number(slope(s)), number(Real(0)));
    }
  };
  /// d loss / d log p(s) of the inner row.
  template <class Slope, class Prob>
  struct inner_slope {
    const kept_slope<Slope>& kept;
    const Prob& prob;
    Real total;

    DIMIX_EXEC_CHECK_DISABLE
    template <index_into<Slope> At>
    DIMIX_HD auto operator()(At s) const requires index_of<At, Inner> {
      using number = typename number_at<Real, At>::type;
      return number(kept.row.scale) * (kept(s) - prob(s) * number(total));
    }
  };
};

/// What a reshaped row remembers.
template <class Inner, class Real>
struct reshaped_state {
  Inner inner;
  Real least, log_normaliser;
};

/// The least log-probability to keep: the largest x for which the states with log p >= x weigh `needed` together, weight(log p) each;
/// -infinity where all of them weigh less. Bisection to the last bit.
template <class Real, class Group, class Row, class Weight>
DIMIX_HD Real least_kept(const Group& group, const Row& row, index_t S, Real needed, const Weight& weight) {
  const auto enough = [&](Real x) {
    return group.reduce(S, Real(0), plus{}, [&]<index_of<Row> At>(At s) {
      using number = typename number_at<Real, At>::type;
      const number log_p = row.log_prob(s);
      return select(log_p >= number(x), number(weight(log_p)), number(Real(0)));
    }) >= needed;
  };
  Real high = group.reduce(S, -infinity<Real>(), maximum{}, [&]<index_of<Row> At>(At s) { return row.log_prob(s); });
  if (enough(high)) return high;
  Real low = high - Real(sizeof(Real) == 8 ? 745 : 104);  // e^low is 0: states below have no probability
  if (!enough(low)) return -infinity<Real>();
  for (Real middle = (low + high) / 2; middle != low && middle != high; middle = (low + high) / 2)
    (enough(middle) ? low : high) = middle;
  return low;
}

struct no_cut {
  double tau;
  template <class Real>
  DIMIX_HD Real scale() const {
    return static_cast<Real>(1 / tau);
  }
  template <class Real, class Group, class Row>
  DIMIX_HD Real least(const Group&, const Row&, index_t) const {
    return -infinity<Real>();
  }
};

/// What the three have in common. Cut: cut.scale<Real>(), cut.least(group, row, S).
template <class Head, class Cut>
struct reshaped_head {
  Head base;
  Cut cut;
  index_t count;  // S, the states of a row

  template <class Real>
  using state = reshaped_state<typename Head::template state<Real>, Real>;
  using over = heads<Head>;

  DIMIX_HD constexpr index_t outputs(index_t states) const { return base.outputs(states); }

  template <class Real, class Group, class Storage>
  DIMIX_HD state<Real> observe(const Group& group, view<const Storage, 1> raw, place at) const {
    state<Real> seen{base.template observe<Real>(group, raw, at), Real(0), Real(0)};
    const auto given = base.template row<Real>(raw, at, seen.inner);
    if (given.fixed() >= 0) return seen;
    const auto scaled = cut_off<Real>(group, given, seen);
    seen.log_normaliser = log_sum_exp<Real>(group, count, scaled);
    return seen;
  }
  template <class Real, class Group, class Storage>
  DIMIX_HD kept_row<state<Real>, Real> keep(const Group& group, view<const Storage, 1> raw, place at,
                                            view<Real, 1> weights) const {
    state<Real> seen{base.template observe<Real>(group, raw, at), Real(0), Real(0)};
    const auto given = base.template row<Real>(raw, at, seen.inner);
    if (given.fixed() >= 0) return {seen, Real(1)};
    const auto scaled = cut_off<Real>(group, given, seen);
    const kept_row<Real, Real> kept =
        keep_exponentials<Real>(group, count, scaled, weights, -infinity<Real>(), [](auto) { return Real(0); });
    seen.log_normaliser = kept.state;
    return {seen, kept.each};
  }

  /// Where nothing is cut off, states keep their ratios whatever the normalisers.
  template <class Real>
  DIMIX_HD state<Real> unobserved(const place& at) const requires(draws_unobserved<Head, Real>&& std::is_same_v<Cut, no_cut>) {
    return {base.template unobserved<Real>(at), -infinity<Real>(), Real(0)};
  }

  template <class Real, class Storage>
  DIMIX_HD auto row(view<const Storage, 1> raw, place at, state<Real> seen) const {
    const auto given = base.template row<Real>(raw, at, seen.inner);
    return reshaped_row<std::remove_const_t<decltype(given)>, Real>{given, cut.template scale<Real>(), seen.least,
                                                                    seen.log_normaliser};
  }

 private:
  /// scale log p(s) of the states that are kept.
  template <class Real, class Row>
  struct scaled_row {
    const Row& row;
    Real scale, least;

    DIMIX_EXEC_CHECK_DISABLE
    template <index_of<Row> At>
    DIMIX_HD auto operator()(At s) const {
      using number = typename number_at<Real, At>::type;
      const number log_p = row.log_prob(s);
      return select(log_p >= number(least), number(scale) * log_p, number(-infinity<Real>()));
    }
  };
  template <class Real, class Group, class Row>
  DIMIX_HD scaled_row<Real, Row> cut_off(const Group& group, const Row& given, state<Real>& seen) const {
    seen.least = cut.template least<Real>(group, given, count);
    return {given, cut.template scale<Real>(), seen.least};
  }
};

struct mass_cut {
  double mass;
  template <class Real>
  DIMIX_HD Real scale() const {
    return Real(1);
  }
  template <class Real, class Group, class Row>
  DIMIX_HD Real least(const Group& group, const Row& row, index_t S) const {
    return least_kept(group, row, S, static_cast<Real>(mass), [](auto log_p) {
      using std::exp;
      return exp(log_p);
    });
  }
};

struct count_cut {
  index_t k;
  template <class Real>
  DIMIX_HD Real scale() const {
    return Real(1);
  }
  template <class Real, class Group, class Row>
  DIMIX_HD Real least(const Group& group, const Row& row, index_t S) const {
    return least_kept(group, row, S, static_cast<Real>(k), [](auto) { return Real(1); });
  }
};

template <class Head>
struct tempered : reshaped_head<Head, no_cut> {
  /// τ > 0 over rows of S states.
  tempered(const Head& inner, double tau, index_t S) : reshaped_head<Head, no_cut>{inner, {tau}, S} {
    expects(tau > 0 && tau < infinity<double>(), "tempered: tau = ", tau, " is not a positive number");
  }
};

template <class Head>
struct nucleus : reshaped_head<Head, mass_cut> {
  /// mass in (0, 1] over rows of S states.
  nucleus(const Head& inner, double mass, index_t S) : reshaped_head<Head, mass_cut>{inner, {mass}, S} {
    expects(mass > 0 && mass <= 1, "nucleus: mass = ", mass, " lies outside (0, 1]");
  }
};

template <class Head>
struct top_k : reshaped_head<Head, count_cut> {
  /// k >= 1 of rows of S states.
  top_k(const Head& inner, index_t k, index_t S) : reshaped_head<Head, count_cut>{inner, {k}, S} {
    expects(k >= 1, "top_k: k = ", k, "; at least 1 state is kept");
  }
};

static_assert(head<tempered<softmax>> && head<nucleus<softmax>> && head<top_k<softmax>>);

}  // namespace dimix
