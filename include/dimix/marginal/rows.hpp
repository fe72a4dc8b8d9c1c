// The row bodies of the marginalisation: written once over a group, run by every backend (backend.hpp).
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/group.hpp>
#include <dimix/head.hpp>
#include <dimix/marginal/position_walk.hpp>

namespace dimix {

struct no_visit {
  template <class Group, class Row>
  DIMIX_HD void operator()(const Group&, const Row&, index_t, index_t, index_t) const {}
};

/// Targets are looked up in lanes where the row takes them and log p is more than what stands in memory.
template <class At, class Row>
concept gathers = requires(const Row row, At k, token (*at)(index_t)) {
  row.log_prob(gathered(k, at));
};
template <class At, class Row>
concept index_of_targets = std::is_same_v<At, index_t> || (has_prob<Row> && gathers<At, Row>);

/// Row (b, stretch of positions): of every position the normalisers of all components of the chunk, what they say of the targets and the
/// log-marginals over the chunk, all while its outputs are in the cache. tile: the weights of one component, then the sum over m of π_m p_md(s)
/// (S each), with marginals; else nothing.
template <class Real, class Storage, class Head, class Visit>
struct observe_row {
  Head head;
  view<const token, 2> tokens;   // (B, D)
  view<const Storage, 4> chunk;  // (B, Mc, D, outputs)
  index_t first;
  index_t length, positions;                            // of a stretch; that are walked together
  view<const Real, 2> log_weights;                      // (B, M)
  view<typename Head::template state<Real>, 3> states;  // (B, M, D)
  view<const token, 3> targets;                         // (B, D, K)
  view<double, 4> likelihoods;                          // (B, stretches, Mc, K)  l_km of the stretch
  view<Real, 3> log_marginals;                          // (B, D, S)  or empty
  view<Real, 3> spread;                                 // (B, D, S)  where the marginals come in several chunks; else empty
  view<unsigned char, 2> damaged;                       // (B, D)
  Visit visit;

  /// Reals of tile.
  static index_t tile_size(index_t S, bool marginals, index_t positions) { return marginals ? (1 + positions) * S : 0; }

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1> tile, index_t row_index) const {
    const index_t D = tokens.extent(1), S = log_marginals.extent(2), stretches = (D + length - 1) / length,
                  b = row_index / stretches, begin = row_index % stretches * length, end = smaller(D, begin + length),
                  Mc = chunk.extent(1), K = targets.extent(2);
    double* of_stretch = likelihoods.data() + row_index * Mc * K;  // (Mc, K)
    group.for_each(Mc * K, [&](index_t i) { of_stretch[i] = 0; });
    group.sync();
    last_row before;
    Real weight = Real(0);  // π_m
    for (index_t from = begin; from < end; from += positions) {
      const position_walk through{b, from, smaller(end, from + positions), Mc};
      const auto sum = [&](index_t d) { return tile.slice((1 + d - from) * S, S); };
      through.each([&](index_t c, index_t d) {
        if constexpr (observes_positions<Head, Group, Real, Storage>)
          if (d == from) {
            const index_t n = through.to - from;
            head.template observe_positions<Real>(group, view<const Storage, 2>(chunk[b][c].slice(from, n)),
                                                  tokens.row(b).slice(from, n), states.row(b, first + c).slice(from, n));
          }
        using std::exp;
        if (d == from) weight = exp(log_weights(b, first + c));
        component(group, b, c, d, weight, tile.slice(0, S), sum(d), of_stretch + c * K, through.soon(chunk, c, d), before);
      });
      group.sync();
      if (!log_marginals.empty())
        for (index_t d = from; d < through.to; ++d) close_marginals(group, b, d, sum(d));
    }
  }

 private:
  using row_type = row_of_head<Head, Real, Storage>;
  struct last_row {
    typename Head::template state<Real> state{};
    bool any = false;
  };

  DIMIX_HD row_type row_of(index_t b, index_t c, index_t d) const {
    return head.template row<Real>(chunk.row(b, c, d), place{b, d, tokens(b, d)}, states(b, first + c, d));
  }

  template <class Group>
  DIMIX_HD void component(const Group& group, index_t b, index_t c, index_t d, Real weight, view<Real, 1> weights,
                          view<Real, 1> sum, double* of_targets, view<const Storage, 1> soon, last_row& before) const {
    const index_t m = first + c;
    const place at{b, d, tokens(b, d)};
    const view<const Storage, 1> raw = chunk.row(b, c, d);
    const auto seen = look_at(group, raw, at, m, weights, before);
    const auto row = head.template row<Real>(raw, at, seen.state);
    add_targets(group, row, b, d, seen, weights, of_targets);
    if (group.leader() && c == 0) damaged(b, d) = 0;
    if (row.fixed() >= 0) return;
    before = {seen.state, true};
    if (!log_marginals.empty()) {
      const Real share = weight * seen.each;
      group.for_each(sum.extent(0), [&](auto s) {
        expect(group, soon, s);
        const auto part = read<Real>(weights, s) * decltype(read<Real>(weights, s))(share);
        write(sum, s, c == 0 ? part : read<Real>(sum, s) + part);
      });
      group.sync();
    }
    visit(group, row, b, m, d);
    const Real doubt = doubt_of(group, seen, raw, soon);
    if (group.leader() && doubt != Real(0)) damaged(b, d) = 1;
  }

  using seen_row = kept_row<typename Head::template state<Real>, Real>;

  /// The state of a row, in its place, and for marginals its weights.
  template <class Group>
  DIMIX_HD seen_row look_at(const Group& group, view<const Storage, 1> raw, const place& at, index_t m, view<Real, 1> weights,
                            const last_row& before) const {
    if constexpr (observes_positions<Head, Group, Real, Storage>) {
      const auto& state = states(at.item, m, at.dim);
      return log_marginals.empty() ? seen_row{state, Real(1)} : head.keep_observed(group, raw, state, weights);
    } else {
      const seen_row seen = log_marginals.empty()
                                ? seen_row{head.template observe<Real>(group, raw, at), Real(1)}
                                : keep_row(group, head, raw, at, weights, before.any ? &before.state : nullptr);
      if (group.leader()) states(at.item, m, at.dim) = seen.state;
      return seen;
    }
  }

  /// l_km of this position, for every target that is known: from the row's probabilities, where these are at hand and log p is more than
  /// what stands in memory.
  template <class Group>
  DIMIX_HD void add_targets(const Group& group, const row_type& row, index_t b, index_t d, const seen_row& seen,
                            view<Real, 1> weights, double* of_targets) const {
    if (targets.empty()) return;
    const view<const token, 1> x = targets.row(b, d);  // (K)
    if constexpr (has_prob<row_type>)
      if (!log_marginals.empty() && row.fixed() < 0) {
        group.sync();
        return group.for_each(x.extent(0), [&]<index_of_targets<row_type> At>(At k) {
          add_target(
              x, k, [&](auto s) { return log_of_kept(row, seen.each, weights, s); }, of_targets);
        });
      }
    group.for_each(x.extent(0), [&]<index_of_targets<row_type> At>(At k) {
      add_target(
          x, k, [&](auto s) { return row.log_prob(s); }, of_targets);
    });
  }
  template <class LogProb>
  DIMIX_HD static void add_target(view<const token, 1> x, index_t k, const LogProb& log_prob, double* of_targets) {
    if (x[k] >= 0) of_targets[k] += static_cast<double>(log_prob(static_cast<index_t>(x[k])));
  }
  template <int W, class LogProb>
  static void add_target(view<const token, 1> x, lane_index<W> k, const LogProb& log_prob, double* of_targets) {
    const auto here = gathered(k, [x](index_t i) { return x[i]; });
    const auto known = log_prob(std::remove_const_t<decltype(here)>{here.each < 0 ? 0 : here.each});
    const lanes<Real, W> zero = Real(0), log_p = select(number_of<Real>(here) < zero, zero, known);
    for (int w = 0; w < W; ++w) of_targets[k.first + w] += static_cast<double>(log_p[w]);
  }
  template <class At>
  DIMIX_HD static auto log_of_kept(const row_type& row, Real each, view<Real, 1> weights, At s) {
    using std::log;
    using number = typename number_at<Real, At>::type;
    const number p = read<Real>(weights, s) * number(each);
    return any(p < number(least_sum<Real>())) ? row.log_prob(s) : log(p);
  }

  /// The chunk's log-sum, on top of the chunks before. A certain row is that of all components.
  template <class Group>
  DIMIX_HD void close_marginals(const Group& group, index_t b, index_t d, view<Real, 1> sum) const {
    const view<Real, 1> log_p = log_marginals.row(b, d);  // (S)
    const auto row = row_of(b, 0, d);
    if (row.fixed() >= 0) {
      if (first == 0) group.for_each(sum.extent(0), [&]<index_of<row_type> At>(At s) { put(log_p, b, d, s, row.log_prob(s)); });
      return;
    }
    group.for_each(sum.extent(0), [&]<index_of<row_type> At>(At s) {
      using std::log;
      using number = typename number_at<Real, At>::type;
      const number total = read<Real>(sum, s);
      const number x = any(total < number(least_sum<Real>())) ? sum_in_log(b, d, s) : log(total);
      put(log_p, b, d, s, x);
    });
  }

  template <class At>
  DIMIX_HD auto sum_in_log(index_t b, index_t d, At s) const {
    using std::exp, std::log;
    using number = typename number_at<Real, At>::type;
    const number none = -infinity<Real>(), zero = Real(0);
    number top = none, sum = zero;
    const auto of = [&](index_t c) { return row_of(b, c, d).log_prob(s) + number(log_weights(b, first + c)); };
    for (index_t c = 0; c < chunk.extent(1); ++c) top = larger(top, of(c));
    for (index_t c = 0; c < chunk.extent(1); ++c) sum += select(top > none, exp(of(c) - top), zero);
    return select(top > none, top + log(sum), none);
  }

  /// log P_d(s) itself, or one more summand e^x of a running (maximum, sum of exponentials above it).
  template <class At, class Number>
  DIMIX_HD void put(view<Real, 1> highest, index_t b, index_t d, At s, Number x) const {
    using std::exp;
    if (spread.empty()) return write(highest, s, x);
    const auto sum = spread.row(b, d);  // (S)
    const Number none = -infinity<Real>(), zero = Real(0), one = Real(1);
    if (first == 0) {
      write(highest, s, x);
      write(sum, s, select(x > none, one, zero));
      return;
    }
    const Number before = read<Real>(highest, s), gap = x - before, smaller_part = exp(smaller(gap, -gap));
    const Number so_far = read<Real>(sum, s);
    const auto above = gap > zero;
    write(highest, s, select(above, x, before));
    write(sum, s, select(x > none, select(above, so_far * smaller_part + one, so_far + smaller_part), so_far));
  }
};

/// Row (b, component of the chunk): l_km, the sum over stretches.
struct likelihood_row {
  view<const double, 4> of_stretches;  // (B, stretches, Mc, K)
  index_t first;
  view<double, 3> component;  // (B, M, K)

  template <class Group, class Real>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t row_index) const {
    const index_t b = row_index / of_stretches.extent(2), c = row_index % of_stretches.extent(2);
    group.for_each(component.extent(2), [&](index_t k) {
      double sum = 0;
      for (index_t stretch = 0; stretch < of_stretches.extent(1); ++stretch) sum += of_stretches(b, stretch, c, k);
      component(b, first + c, k) = sum;
    });
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
