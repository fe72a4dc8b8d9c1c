// The row bodies of an objective: values at close, gradients, and what the components' sweep adds up on the way.
#pragma once

#include <dimix/marginal/rows.hpp>
#include <dimix/objective/terms.hpp>

namespace dimix {

/// What the terms of a site share.
template <class Real>
struct objective_site {
  view<const token, 2> tokens;        // (B, D)  x_t
  view<const token, 3> targets;       // (B, D, K)
  view<const Real, 2> log_weights;    // (B, M)
  view<const Real, 3> log_marginals;  // (B, D, S)
};

/// Whether the terms of a kind can be asked at At: lanes of indices, or one index, which all can.
template <class At, class Real, class... Terms>
concept index_of_components = ((!Terms::uses_components ||
                                requires(const Terms t, index_t b, At s, typename number_at<Real, At>::type x) {
                                  t.component(b, b, s, x);
                                }) &&
                               ...);
template <class At, class Real, class... Terms>
concept index_of_marginals = ((!Terms::uses_marginals ||
                               requires(const Terms t, index_t b, At s, typename number_at<Real, At>::type x) {
                                 t.marginal(b, b, s, x);
                               }) &&
                              ...);

/// Called in the sweep that observes: values of the component terms, summed over m in the order of the chunks.
template <class Real, class... Terms>
struct component_visit {
  term_pack<Terms...> terms;
  index_t states;                   // S
  view<const Real, 2> log_weights;  // (B, M)
  view<Real, 3> values;             // (terms, B, D)
  view<Real, 3> slopes;             // (B, M, D)  or empty: this part of d loss / d log π_m

  template <class Group, class Row>
  DIMIX_HD void operator()(const Group& group, const Row& row, index_t b, index_t m, index_t d) const {
    using std::exp;
    Real weighted = Real(0);
    terms.each([&](const auto& term, index_t j) {
      if constexpr (std::decay_t<decltype(term)>::uses_components) {
        const Real value =
            exp(log_weights(b, m)) *
            group.reduce(
                states, Real(0), plus{}, [&]<index_of_components<Real, Terms...> At>(At s) requires index_of<At, Row> {
                  return term.component(b, d, s, row.log_prob(s)).value;
                });
        if (group.leader()) values(j, b, d) = (m == 0 ? Real(0) : values(j, b, d)) + value;
        weighted += term.weight(b) * value;
      }
    });
    if (!slopes.empty() && group.leader()) slopes(b, m, d) = weighted;
  }
};

/// Row (b, d): what every term says of this position, from the finished marginals.
template <class Real, class... Terms>
struct value_row {
  term_pack<Terms...> terms;
  objective_site<Real> site;
  view<const Real, 3> component_values;  // (terms, B, D)
  view<Real, 3> values;                  // (terms, B, D)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1>, index_t row_index) const {
    const index_t b = row_index / site.tokens.extent(1), d = row_index % site.tokens.extent(1);
    index_t k = 0;  // runs over the targets of all joint terms
    terms.each([&](const auto& term, index_t j) {
      using term_type = std::decay_t<decltype(term)>;
      Real value = Real(0);
      if constexpr (term_type::uses_components) value += component_values(j, b, d);
      if constexpr (term_type::uses_marginals)
        value += group.reduce(
            site.log_marginals.extent(2), Real(0), plus{}, [&]<index_of_marginals<Real, Terms...> At>(At s) {
              return term.marginal(b, d, s, read<Real>(site.log_marginals.row(b, d), s)).value;
            });
      if constexpr (term_type::uses_joint) {
        if constexpr (term_type::control_variate)
          value += term.target_weight() * group.reduce(term.targets(), Real(0), plus{}, [&](index_t target) {
            return site.log_marginals(b, d, site.targets(b, d, k + target));
          });
        k += term.targets();
      }
      if (group.leader()) values(j, b, d) = value;
    });
  }
};

/// Where log P_d(s) is lower than this, the ratio p / P is taken in the log: 1 / P could be more than a Real holds.
template <std::floating_point Real>
DIMIX_HD constexpr Real least_log_divisor() {
  return sizeof(Real) == 8 ? Real(-600) : Real(-60);
}

/// Row (b, positions): the gradients of all components of the chunk. tile: the slopes and the probabilities of one component, then what the
/// marginals say of every position (S each); then one gradient (outputs) where it is kept apart.
template <class Real, class Storage, class Head, class... Terms>
struct gradient_row {
  Head head;
  term_pack<Terms...> terms;
  objective_site<Real> site;
  view<const typename Head::template state<Real>, 3> states;  // (B, M, D)
  view<const Storage, 4> chunk;                               // (B, Mc, D, outputs)
  index_t first;
  view<const Real, 3> responsibility;  // (B, M, K)  weight(b) a_k γ_km, or c_km of a jackknife
  view<Real, 3> slopes;                // (B, M, D)  or empty: the marginal part of d loss / d log π_m
  view<Storage, 4> out;                // (B, Mc, D, outputs)
  bool accumulate;
  Real scale;
  index_t states_of_a_row, positions;  // S; positions that are walked together

  /// Reals of tile.
  static constexpr index_t tile_size(index_t S, index_t outputs, index_t positions) {
    return (2 + positions) * S + (apart ? outputs : 0);
  }

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1> tile, index_t row_index) const {
    const index_t D = site.tokens.extent(1), S = states_of_a_row, rows = (D + positions - 1) / positions, b = row_index / rows,
                  from = row_index % rows * positions, to = smaller(D, from + positions);
    const auto slope = tile.slice(0, S), prob = tile.slice(S, S),
               whole = tile.slice((2 + positions) * S, apart ? chunk.extent(3) : 0);
    const position_walk through{b, from, to, chunk.extent(1)};
    const auto of_all = [&](index_t d) { return tile.slice((2 + d - from) * S, S); };
    unsigned divided = 0;  // one bit a position
    for (index_t d = from; d < to; ++d)
      if (changes(b, d) && marginal_slopes(group, b, d, of_all(d))) divided |= 1u << (d - from);
    if constexpr (reads_marginals_alone) clear(group, slope);
    Real weight = Real(0);  // π_m
    through.each([&](index_t c, index_t d) {
      using std::exp;
      if (d == from) weight = exp(site.log_weights(b, first + c));
      component(group, through, c, d, weight, of_all(d), (divided >> (d - from) & 1) != 0, slope, prob, whole);
    });
  }

 private:
  using row_type = row_of_head<Head, Real, Storage>;

  DIMIX_HD row_type row_of(index_t b, index_t c, index_t d) const {
    return head.template row<Real>(chunk.row(b, c, d), place{b, d, site.tokens(b, d)}, states(b, first + c, d));
  }
  /// Whether gradients are more than caches hold, so that who reads them next does not find them there anyway.
  DIMIX_HD bool past_caches() const {
    constexpr index_t most = index_t{32} << 20;
    return !accumulate && out.size() * static_cast<index_t>(sizeof(Storage)) >= most;
  }
  /// Whether outputs can change the rows of a position.
  DIMIX_HD bool changes(index_t b, index_t d) const {
    for (index_t c = 0; c < chunk.extent(1); ++c)
      if (row_of(b, c, d).fixed() < 0) return true;
    return false;
  }

  template <class Group>
  DIMIX_HD void component(const Group& group, const position_walk& through, index_t c, index_t d, Real weight,
                          view<Real, 1> of_all, bool divided, view<Real, 1> slope, view<Real, 1> prob,
                          view<Real, 1> whole) const {
    const index_t S = slope.extent(0), b = through.item;
    const auto row = row_of(b, c, d);
    const auto target = out.row(b, c, d);
    if (row.fixed() >= 0) {
      if (!accumulate) group.for_each(target.extent(0), [&](index_t o) { target[o] = Storage(Real(0)); });
      return;
    }
    const auto soon = through.soon(out, c, d);  // (outputs)
    const bool adds = accumulate, past = past_caches();
    // copies, so that a loop need not read them again after what it writes
    const auto put = [group, target, soon, adds, past, scale = scale](auto o, auto g) {
      if (past) return write_past_caches(group, target, o, g * scale);
      write(target, o, adds ? read<Real>(target, o) + g * scale : g * scale);
      expect(group, soon, o);
    };
    const auto chunk_soon = through.soon(chunk, c, d);  // (outputs)
    if constexpr (reads_marginals_alone) {
      const auto pulled = [=](auto s, auto p) { return p * (read<Real>(of_all, s) * weight); };
      const auto of_targets = [=](auto s) { return read<Real>(slope, s); };
      const auto prob_at = [=]<index_of<row_type> At>(At s) {
        expect(group, chunk_soon, s);
        return prob_of{row}(s);
      };
      if constexpr (requires { row.backward_by_prob(group, prob, prob_at, pulled, of_targets, weight, S, put); })
        if (divided && slopes.empty()) {  // no sweep for slopes: those of the targets are all that is made before
          const Real total = subtract_targets(group, b, first + c, d, slope);
          const index_t lead = past ? before_streams(group, target) : 0;
          row.backward_by_prob(group, prob, prob_at, pulled, of_targets, total, lead, put);
          group.sync();
          return clear_targets(group, b, d, slope);
        }
      const auto slope_of_prob = [&](auto s, auto p) { return pulled(s, p) + of_targets(s); };
      if constexpr (requires { row.backward_by_prob(group, S, slope_of_prob, put); })
        if (divided && slopes.empty()) {
          subtract_targets(group, b, first + c, d, slope);
          row.backward_by_prob(group, S, slope_of_prob, put);
          group.sync();
          return clear_targets(group, b, d, slope);
        }
    }
    component_slopes(group, row, b, first + c, d, weight, of_all, divided, slope, prob, chunk_soon);
    const auto slope_at = [&](auto s) { return read<Real>(slope, s); };
    const auto backward = [&](const auto& to) {
      const auto prob_at = [&](auto s) { return read<Real>(prob, s); };
      if constexpr (requires { row.backward(group, S, slope_at, prob_at, to); })
        row.backward(group, S, slope_at, prob_at, to);
      else
        row.backward(group, S, slope_at, to);
    };
    if constexpr (apart) {
      backward([&](auto o, auto g) { write(whole, o, g); });
      group.sync();
      group.for_each(whole.extent(0), [&](auto o) { put(o, read<Real>(whole, o)); });
    } else {
      backward(put);
    }
    group.sync();
    if constexpr (reads_marginals_alone) clear(group, slope);
  }

  /// U(s) = sum over terms of weight d value / d log P_d(s), into the tile: divided by P_d(s), and then true comes back, where every P
  /// that matters is large enough.
  template <class Group>
  DIMIX_HD bool marginal_slopes(const Group& group, index_t b, index_t d, view<Real, 1> U) const {
    if constexpr (!reads_marginals<Terms...>) return true;
    const view<const Real, 1> log_p = site.log_marginals.row(b, d);  // (S)
    group.for_each(
        U.extent(0), [&]<index_of_marginals<Real, Terms...> At>(At s) {
          typename number_at<Real, At>::type total = Real(0);
          terms.each([&](const auto& term, index_t) {
            if constexpr (std::decay_t<decltype(term)>::uses_marginals)
              total += term.marginal(b, d, s, read<Real>(log_p, s)).slope * term.weight(b);
          });
          write(U, s, total);
        });
    group.sync();
    index_t k = 0;
    terms.each([&](const auto& term, index_t) {
      using term_type = std::decay_t<decltype(term)>;
      if constexpr (term_type::uses_joint) {
        if constexpr (term_type::control_variate)
          if (group.leader())
            for (index_t target = 0; target < term.targets(); ++target)
              U[site.targets(b, d, k + target)] += term.weight(b) * term.target_weight();
        k += term.targets();
      }
    });
    group.sync();
    // log P where something hangs on it, else 0
    const auto log_divisor = [&](auto s) {
      using number = decltype(read<Real>(log_p, s));
      const number x = read<Real>(log_p, s), zero = Real(0);
      return select(read<Real>(U, s) != zero && x > number(-infinity<Real>()), x, zero);
    };
    const Real highest = group.reduce(U.extent(0), Real(0), maximum{}, [&](auto s) { return -log_divisor(s); });
    if (highest > -least_log_divisor<Real>()) return false;
    group.for_each(U.extent(0), [&](auto s) {
      using std::exp;
      write(U, s, read<Real>(U, s) * exp(-log_divisor(s)));
    });
    group.sync();
    return true;
  }

  /// d loss / d log p_md(s), and p_md(s) where the head or the marginal part wants it.
  template <class Group, class Row>
  DIMIX_HD void component_slopes(const Group& group, const Row& row, index_t b, index_t m, index_t d, Real weight,
                                 view<Real, 1> of_all, bool divided, view<Real, 1> slope, view<Real, 1> prob,
                                 view<const Storage, 1> soon) const {
    using std::exp;
    const Real log_weight = site.log_weights(b, m);
    // ρ_m(s) U(s)
    const auto marginal_part = [&](auto s, auto log_p, auto p) {
      using number = decltype(p);
      const number pull = read<Real>(of_all, s), zero = Real(0);
      if (divided) return p * (pull * number(weight));
      const number weighted = log_p + number(log_weight);
      const auto counts = pull != zero && weighted > number(-infinity<Real>());
      return select(counts, exp(weighted - read<Real>(site.log_marginals.row(b, d), s)) * pull, zero);
    };
    group.for_each(
        of_all.extent(0), [&]<index_of<Row> At>(At s) requires index_of_components<At, Real, Terms...> {
          using number = typename number_at<Real, At>::type;
          const number log_p = row.log_prob(s), p = exp(log_p);
          number total = Real(0);
          if constexpr (reads_marginals<Terms...>) total = marginal_part(s, log_p, p);
          terms.each([&](const auto& term, index_t) {
            if constexpr (std::decay_t<decltype(term)>::uses_components)
              total += term.component(b, d, s, log_p).slope * (weight * term.weight(b));
          });
          write(slope, s, total);
          write(prob, s, p);
          expect(group, soon, s);
        });
    if constexpr (reads_marginals<Terms...>)
      if (!slopes.empty()) {
        const Real sum = group.reduce(of_all.extent(0), Real(0), plus{}, [&]<index_of<Row> At>(At s) {
          return marginal_part(s, row.log_prob(s), read<Real>(prob, s));
        });
        if (group.leader()) slopes(b, m, d) = sum;
      }
    group.sync();
    subtract_targets(group, b, m, d, slope);
  }

  /// Slopes of a row that is none of the fast ones leave the tile as they found it, without any.
  template <class Group>
  DIMIX_HD static void clear(const Group& group, view<Real, 1> slope) {
    group.for_each(slope.extent(0), [&]<class At>(At s) { write(slope, s, typename number_at<Real, At>::type(Real(0))); });
    group.sync();
  }
  template <class Group>
  DIMIX_HD void clear_targets(const Group& group, index_t b, index_t d, view<Real, 1> slope) const {
    if (group.leader())
      for (index_t k = 0; k < responsibility.extent(2); ++k) slope[site.targets(b, d, k)] = Real(0);
    group.sync();
  }
  /// Their sum.
  template <class Group>
  DIMIX_HD Real subtract_targets(const Group& group, index_t b, index_t m, index_t d, view<Real, 1> slope) const {
    Real total = Real(0);
    for (index_t k = 0; k < responsibility.extent(2); ++k) {
      total -= responsibility(b, m, k);
      if (group.leader()) slope[site.targets(b, d, k)] -= responsibility(b, m, k);
    }
    group.sync();
    return total;
  }

  static constexpr bool apart = reads_other_outputs<Head>;
  static constexpr bool reads_marginals_alone = reads_marginals<Terms...> && !(Terms::uses_components || ...) && !apart;
};

}  // namespace dimix
