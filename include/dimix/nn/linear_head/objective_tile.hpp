// What the terms of an objective say of a tile of logits: values and sums of slopes, then the gradient in the place of the logits.
//
// With U(s) = sum over the marginal terms of d loss / d log P(s), V(s) = d loss / d log p_m(s) of the component terms, and
// T_m = sum_s [ρ_m(s) U(s) + π_m V(s)] - sum_k a_k γ_km, complete only after a walk over all states,
//   d loss / d z_m(s) = ρ_m(s) U(s) + π_m V(s) - sum_k a_k γ_km [x_k = s] - p_m(s) T_m
// Where mix() left e_m(s), the first and the last are e_m(s) [U(s) / sum_n e_n(s) - T_m / π_m height(s)]: no exponential beyond the mixture's.
#pragma once

#include <dimix/core/categorical.hpp>
#include <dimix/nn/linear_head/mixture.hpp>
#include <dimix/objective/gradient_row.hpp>

namespace dimix::nn {

template <class Real, class Rows, class... Terms>
struct objective_tile {
  const linear_likelihood<Real, Rows>& over;
  term_pack<Terms...> terms;

  static constexpr bool of_components = (Terms::uses_components || ...);

  /// What a row of a tile leaves behind.
  enum part : index_t { marginal_slope, component_slope, component_value };
  static constexpr index_t parts = of_components ? 3 : 1;

  static index_t spare(index_t states, index_t M) {
    return mixed_states<Real>::size(states, M) + (of_components ? M * states : 0);
  }

  /// slopes (rows, tiles, parts), values (positions, tiles, terms)
  template <class Group>
  void observe(const Group& group, const logit_tile<Real>& tile, view<Real, 1> spare, view<Real, 3> slopes,
               view<Real, 3> values) const {
    const auto mixed = mixed_states<Real>::in(spare, tile.states, tile.components);
    for (index_t i = 0; i < tile.positions; ++i) {
      const index_t position = tile.first_position + i;
      const place at = over.panels().place_of(position);
      const auto value = values.row(position, tile.number);  // (terms)
      for (Real& v : value) v = Real(0);
      for (index_t m = 0; m < tile.components; ++m)
        observe_component(group, tile, i, m, at, value, slopes.row(position * tile.components + m, tile.number));
      if constexpr (reads_marginals<Terms...>) {
        mix(group, over, tile, i, at, mixed);
        marginal_values(group, tile, at, mixed, value);
        marginal_slopes(group, tile, at, mixed);
        for (index_t m = 0; m < tile.components; ++m)
          slopes(position * tile.components + m, tile.number, marginal_slope) = group.reduce(
              tile.states, Real(0), plus{}, [&](auto s) { return read<Real>(tile.row(i, m), s) * read<Real>(mixed.slope, s); });
      }
    }
  }

  /// The logits become scale d loss / d z. totals (B, D, M): T_m; responsibility (B, M, K): a_k γ_km.
  template <class Group>
  void differentiate(const Group& group, const logit_tile<Real>& tile, view<Real, 1> spare, view<const Real, 3> totals,
                     view<const Real, 3> responsibility, Real scale) const {
    const auto mixed = mixed_states<Real>::in(spare, tile.states, tile.components);
    const auto targets = over.target_tokens();  // (B, K, D)
    const token excluded = states_of(over.panels().head().rows).excluded;
    for (index_t i = 0; i < tile.positions; ++i) {
      const place at = over.panels().place_of(tile.first_position + i);
      const auto V = [&](index_t m) {
        return spare.slice(mixed_states<Real>::size(tile.states, tile.components) + m * tile.states, tile.states);
      };
      if constexpr (of_components)
        for (index_t m = 0; m < tile.components; ++m) component_slopes(group, tile, i, m, at, V(m));
      if constexpr (reads_marginals<Terms...>) {
        mix(group, over, tile, i, at, mixed);
        marginal_slopes(group, tile, at, mixed);
      }
      for (index_t m = 0; m < tile.components; ++m) {
        const auto row = tile.row(i, m);
        const Real weight = std::exp(over.log_weights()(at.item, m)), total = totals(at.item, at.dim, m),
                   normaliser = over.normalisers()(at.item, at.dim, m);
        const Real above = weight == Real(0) ? Real(0) : total / weight;
        group.for_each(tile.states, [&](auto s) {
          using std::exp;
          using number = typename number_at<Real, decltype(s)>::type;
          number slope;
          if constexpr (reads_marginals<Terms...>)
            slope = read<Real>(row, s) * (read<Real>(mixed.slope, s) - read<Real>(mixed.height, s) * number(above));
          else
            slope = exp(read<Real>(row, s) - number(normaliser)) * number(-total);
          if constexpr (of_components) slope += read<Real>(V(m), s);
          write(row, s, slope * number(scale));
        });
        for (index_t k = 0; k < responsibility.extent(2); ++k)
          if (const token x = targets(at.item, k, at.dim); tile.holds(x))
            row[x - tile.first] -= scale * responsibility(at.item, m, k);
        if (tile.holds(excluded)) row[excluded - tile.first] = Real(0);
      }
    }
  }

 private:
  /// Values of the component terms, averaged with π, and the sum of their slopes.
  template <class Group>
  void observe_component(const Group& group, const logit_tile<Real>& tile, index_t i, index_t m, place at, view<Real, 1> value,
                         view<Real, 1> left) const {
    for (Real& x : left) x = Real(0);
    if constexpr (of_components) {
      const index_t b = at.item, d = at.dim;
      const auto row = tile.row(i, m);
      const Real weight = std::exp(over.log_weights()(b, m)), normaliser = over.normalisers()(b, d, m);
      const index_t excluded = states_of(over.panels().head().rows).excluded - tile.first;
      terms.each([&](const auto& term, index_t j) {
        if constexpr (std::decay_t<decltype(term)>::uses_components) {
          const auto said = [&](auto s) {
            using number = typename number_at<Real, decltype(s)>::type;
            return term.component(b, d, offset_by(s, tile.first), read<Real>(row, s) - number(normaliser));
          };
          const Real own = weight * group.reduce(
                                        tile.states, Real(0),
                                        plus{}, [&]<index_of_components<Real, Terms...> At>(At s) { return said(s).value; });
          value[j] += own;
          left[component_value] += term.weight(b) * own;
          left[component_slope] += term.weight(b) * weight *
                                   group.reduce(
                                       tile.states, Real(0), plus{}, [&]<index_of_components<Real, Terms...> At>(At s) {
                                         using number = typename number_at<Real, At>::type;
                                         return select(equals<Real>(s, excluded), number(Real(0)), said(s).slope);
                                       });
        }
      });
    }
  }

  /// π_m V(s), from the logits
  template <class Group>
  void component_slopes(const Group& group, const logit_tile<Real>& tile, index_t i, index_t m, place at,
                        view<Real, 1> to) const {
    const index_t b = at.item, d = at.dim;
    const Real weight = std::exp(over.log_weights()(b, m)), normaliser = over.normalisers()(b, d, m);
    const auto row = tile.row(i, m);
    group.for_each(
        tile.states, [&]<index_of_components<Real, Terms...> At>(At s) {
          using number = typename number_at<Real, At>::type;
          number total = Real(0);
          terms.each([&](const auto& term, index_t) {
            if constexpr (std::decay_t<decltype(term)>::uses_components)
              total += term.component(b, d, offset_by(s, tile.first), read<Real>(row, s) - number(normaliser)).slope *
                       number(weight * term.weight(b));
          });
          write(to, s, total);
        });
  }

  template <class Group>
  void marginal_values(const Group& group, const logit_tile<Real>& tile, place at, const mixed_states<Real>& mixed,
                       view<Real, 1> value) const {
    index_t k = 0;  // runs over the targets of all joint terms
    terms.each([&](const auto& term, index_t j) {
      using term_type = std::decay_t<decltype(term)>;
      if constexpr (term_type::uses_marginals)
        value[j] += group.reduce(
            tile.states, Real(0), plus{}, [&]<index_of_marginals<Real, Terms...> At>(At s) {
              return term.marginal(at.item, at.dim, offset_by(s, tile.first), read<Real>(mixed.log_marginal, s)).value;
            });
      if constexpr (term_type::uses_joint) {
        if constexpr (term_type::control_variate)
          for_targets_here(term, k, tile, at, [&](index_t s) { value[j] += term.target_weight() * mixed.log_marginal[s]; });
        k += term.targets();
      }
    });
  }

  /// U(s) / sum_m e_m(s) into mixed.slope
  template <class Group>
  void marginal_slopes(const Group& group, const logit_tile<Real>& tile, place at, const mixed_states<Real>& mixed) const {
    group.for_each(
        tile.states, [&]<index_of_marginals<Real, Terms...> At>(At s) {
          typename number_at<Real, At>::type total = Real(0);
          terms.each([&](const auto& term, index_t) {
            if constexpr (std::decay_t<decltype(term)>::uses_marginals)
              total += term.marginal(at.item, at.dim, offset_by(s, tile.first), read<Real>(mixed.log_marginal, s)).slope *
                       term.weight(at.item);
          });
          write(mixed.slope, s, total);
        });
    index_t k = 0;
    terms.each([&](const auto& term, index_t) {
      using term_type = std::decay_t<decltype(term)>;
      if constexpr (term_type::uses_joint) {
        if constexpr (term_type::control_variate)
          for_targets_here(term, k, tile, at,
                           [&](index_t s) { mixed.slope[s] += term.weight(at.item) * term.target_weight(); });
        k += term.targets();
      }
    });
    group.for_each(tile.states,
                   [&](auto s) { write(mixed.slope, s, read<Real>(mixed.slope, s) * read<Real>(mixed.over_sum, s)); });
  }

  /// f(s - first) for the targets of a term, from number k on, that the tile holds.
  template <class Term, class F>
  void for_targets_here(const Term& term, index_t k, const logit_tile<Real>& tile, place at, const F& f) const {
    for (index_t target = 0; target < term.targets(); ++target)
      if (const token x = over.target_tokens()(at.item, k + target, at.dim); tile.holds(x)) f(x - tile.first);
  }
};

}  // namespace dimix::nn
