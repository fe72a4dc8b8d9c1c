// The mixture over the components of one position, on a tile: what marginals, values and slopes read. A tile holds all components, so the
// sum over them is made where the logits are.
#pragma once

#include <dimix/nn/linear_head/likelihood.hpp>

namespace dimix::nn {

/// Scratch of a tile for one position: (states) each, and (M).
template <class Real>
struct mixed_states {
  view<Real, 1> log_marginal;  // log P(s)
  view<Real, 1> over_sum;      // 1 / sum_m e_m(s), 0 where nothing is possible
  view<Real, 1> height;        // π_m p_m(s) = height(s) e_m(s)
  view<Real, 1> slope;         // of the objective
  view<Real, 1> shift;         // (M)  log-normaliser - log π_m

  static constexpr index_t size(index_t states, index_t M) { return 4 * states + M; }
  static mixed_states in(view<Real, 1> spare, index_t states, index_t M) {
    const auto part = [&](index_t j) { return spare.slice(j * states, states); };
    return {part(0), part(1), part(2), part(3), spare.slice(4 * states, M)};
  }
};

/// log P(s) = log sum_m π_m p_m(s) at the i-th position of the tile, whose logits become e_m(s) = π_m p_m(s) / max_n π_n p_n(s):
/// nothing underflows that P does not.
template <class Real, class Group, class Rows>
void mix(const Group& group, const linear_likelihood<Real, Rows>& over, const logit_tile<Real>& tile, index_t i, place at,
         const mixed_states<Real>& mixed) {
  const index_t M = tile.components;
  for (index_t m = 0; m < M; ++m) mixed.shift[m] = over.normalisers()(at.item, at.dim, m) - over.log_weights()(at.item, m);
  group.for_each(tile.states, [&](auto s) {
    using std::exp, std::log;
    using number = typename number_at<Real, decltype(s)>::type;
    const number none = -infinity<Real>(), zero = Real(0), one = Real(1);
    const auto weighted = [&](index_t m) { return read<Real>(tile.row(i, m), s) - number(mixed.shift[m]); };
    number top = weighted(0);
    for (index_t m = 1; m < M; ++m) top = larger(top, weighted(m));
    top = select(top > none, top, zero);
    number sum = zero;
    for (index_t m = 0; m < M; ++m) {
      const number e = exp(weighted(m) - top);
      write(tile.row(i, m), s, e);
      sum += e;
    }
    write(mixed.log_marginal, s, top + log(sum));
    write(mixed.over_sum, s, select(sum > zero, one / sum, zero));
    write(mixed.height, s, exp(top));
  });
}

}  // namespace dimix::nn
