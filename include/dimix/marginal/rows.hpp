// The row bodies of the marginalisation: written once over a group, run by every backend (backend.hpp).
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/group.hpp>
#include <dimix/head.hpp>

namespace dimix {

struct no_visit {
  template <class Group, class Row>
  DIMIX_HD void operator()(const Group&, const Row&, index_t, index_t, index_t) const {}
};

/// Row (b, d): normalisers of all components of the chunk, and the running log-sum over m of π_m p_md(s).
template <class Real, class Storage, class Head, class Visit>
struct observe_row {
  Head head;
  view<const token, 2> tokens;   // (B, D)
  view<const Storage, 4> chunk;  // (B, Mc, D, outputs)
  index_t first;
  view<const Real, 2> log_weights;                      // (B, M)
  view<typename Head::template state<Real>, 3> states;  // (B, M, D)
  bool marginals;
  view<Real, 3> top, spread;       // (B, D, S)  running maximum and sum of exponentials
  view<unsigned char, 2> damaged;  // (B, D)
  Visit visit;

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t row_index) const {
    const index_t b = row_index / tokens.extent(1), d = row_index % tokens.extent(1);
    const place at{b, d, tokens(b, d)};
    Real doubt = Real(0);  // stays 0 while every output is finite
    for (index_t c = 0; c < chunk.extent(1); ++c) {
      const index_t m = first + c;
      const view<const Storage, 1> raw = chunk.row(b, c, d);
      const auto state = head.template observe<Real>(group, raw, at);
      const auto row = head.template row<Real>(raw, at, state);
      if (group.leader()) states(b, m, d) = state;
      if (marginals && (row.fixed() < 0 || m == 0)) add_to_marginals(group, row, b, m, d);
      if (row.fixed() >= 0) continue;
      doubt += group.reduce(raw.extent(0), Real(0), plus{}, [&](auto o) { return Real(0) * read<Real>(raw, o); });
      visit(group, row, b, m, d);
    }
    if (group.leader()) damaged(b, d) = doubt != Real(0);
  }

 private:
  /// log sum over m of π_m p_md(s) as (maximum, sum of exponentials above it); a certain row is that of all components.
  template <class Group, class Row>
  DIMIX_HD void add_to_marginals(const Group& group, const Row& row, index_t b, index_t m, index_t d) const {
    const view<Real, 1> highest = top.row(b, d), sum = spread.row(b, d);  // (S)
    const Real log_weight = row.fixed() >= 0 ? Real(0) : log_weights(b, m);
    group.for_each(highest.extent(0), [&]<index_of<Row> At>(At s) {
      using number = typename number_at<Real, At>::type;
      const number x = row.log_prob(s) + log_weight, none = -infinity<Real>(), zero = Real(0), one = Real(1);
      if (m == 0) {
        write(highest, s, x);
        write(sum, s, select(x > none, one, zero));
        return;
      }
      using std::exp;
      const number before = read<Real>(highest, s), gap = x - before, smaller_part = exp(smaller(gap, -gap));
      const number so_far = read<Real>(sum, s);
      const auto above = gap > zero;
      write(highest, s, select(above, x, before));
      write(sum, s, select(x > none, select(above, so_far * smaller_part + one, so_far + smaller_part), so_far));
    });
  }
};

/// Row (b, component of the chunk): l_km for every target k.
template <class Real, class Storage, class Head>
struct likelihood_row {
  Head head;
  view<const token, 2> tokens;   // (B, D)
  view<const Storage, 4> chunk;  // (B, Mc, D, outputs)
  index_t first;
  view<const token, 3> targets;                               // (B, K, D)
  view<const typename Head::template state<Real>, 3> states;  // (B, M, D)
  view<double, 3> component;                                  // (B, M, K)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t row_index) const {
    const index_t b = row_index / chunk.extent(1), c = row_index % chunk.extent(1), m = first + c;
    group.for_each(targets.extent(1), [&](index_t k) { component(b, m, k) = 0; });
    for (index_t d = 0; d < tokens.extent(1); ++d) {
      const auto row = head.template row<Real>(chunk.row(b, c, d), place{b, d, tokens(b, d)}, states(b, m, d));
      group.for_each(targets.extent(1), [&](index_t k) {
        const token x = targets(b, k, d);
        if (x >= 0) component(b, m, k) += static_cast<double>(row.log_prob(x));
      });
    }
  }
};

/// Row (b, k): log p(x_k) and the log-responsibilities, from l_km.
template <class Real>
struct responsibility_row {
  view<const Real, 2> log_weights;   // (B, M)
  view<const double, 3> component;   // (B, M, K)
  view<Real, 3> log_responsibility;  // (B, M, K)
  view<Real, 2> joint;               // (B, K)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t row_index) const {
    const index_t b = row_index / joint.extent(1), k = row_index % joint.extent(1);
    const auto weighted = [&](index_t m) { return static_cast<double>(log_weights(b, m)) + component(b, m, k); };
    const double total = log_sum_exp<double>(group, component.extent(1), weighted);
    group.for_each(component.extent(1),
                   [&](index_t m) { log_responsibility(b, m, k) = static_cast<Real>(weighted(m) - total); });
    if (group.leader()) joint(b, k) = static_cast<Real>(total);
  }
};

/// Row (b, d): the running sum becomes log P_d(s), in the place of the maximum.
template <class Real>
struct close_marginal_row {
  view<Real, 3> top, spread;  // (B, D, S)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t row_index) const {
    const index_t b = row_index / top.extent(1), d = row_index % top.extent(1);
    const view<Real, 1> highest = top.row(b, d), sum = spread.row(b, d);  // (S)
    group.for_each(highest.extent(0), [&](auto s) {
      using std::log;
      using number = typename number_at<Real, decltype(s)>::type;
      const number total = read<Real>(sum, s);
      write(highest, s, select(total == number(Real(0)), number(-infinity<Real>()), read<Real>(highest, s) + log(total)));
    });
  }
};

}  // namespace dimix
