// The scores of one position that bounds compare, for each kind of kernel:
//   of the data    s_q(y) = q_{t|0}(y | x_0) / q_{t|0}(x | x_0)
//   of a denoiser  s_θ(y) = sum_z p_0(z) q_{t|0}(y | z) / q_{t|0}(x | z)        z that cannot have become x do not count
// and the way back:  pull(y) = d loss / d s_θ(y)  ->  slope(z) = d loss / d log p_0(z) = p_0(z) sum_y pull(y) q(y | z) / q(x | z).
// Where noise is redrawn from π, also beside a mask: O(1) a score, O(S) for all slopes. With tables: S O(S) for the scores that a jump asks
// for, in double, and the same for all slopes.
// y is an index or lanes of them, and p(y) the denoiser's probability there, which lies in memory: weighed_row.
// The sum itself is that of forward_process/scores_of.hpp. Source: Campbell et al. 2022 (propositions 1 and 3), SEDD (Lou et al. 2024). Laws:
// those of the bounds, nelbo.hpp, ct_elbo.hpp, score_entropy.hpp.
#pragma once

#include <dimix/core/categorical.hpp>
#include <dimix/core/elementwise.hpp>
#include <dimix/forward_process.hpp>
#include <dimix/forward_process/reverse_rate.hpp>
#include <dimix/group.hpp>
#include <dimix/head/concept.hpp>

#include <cstdint>

namespace dimix {

/// A denoiser's row with its probabilities in memory: p(s) = weights[s] times each.
template <class Row, class Real>
struct weighed_row {
  Row row;
  view<Real, 1> weights;  // (S)
  Real each;

  template <index_of<Row> At>
  DIMIX_HD auto log_prob(At s) const {
    return row.log_prob(s);
  }
  template <class At>
  DIMIX_HD auto prob(At s) const {
    return read<Real>(weights, s) * typename number_at<Real, At>::type(each);
  }
  /// slope (S), of log p
  template <class Group, class Write>
  DIMIX_HD void backward(const Group& group, view<Real, 1> slope, const Write& write) const {
    backward_with(
        row, group, slope.extent(0), [slope](auto s) { return read<Real>(slope, s); }, [this](auto s) { return this->prob(s); },
        write);
  }
};

/// From the raw outputs of a position; a certain row has its weights too.
template <class Real, class Group, class Head, class Storage>
DIMIX_HD auto weigh_row(const Group& group, const Head& head, view<const Storage, 1> raw, const place& at,
                        view<Real, 1> weights) {
  const auto kept = keep_row<Real>(group, head, raw, at, weights);
  const auto row = head.template row<Real>(raw, at, kept.state);
  const token fixed = row.fixed();
  if (fixed >= 0)
    group.for_each(weights.extent(0), [=](auto s) {
      using number = typename number_at<Real, decltype(s)>::type;
      write(weights, s, select(equals<Real>(s, fixed), number(Real(1)), number(Real(0))));
    });
  group.sync();
  return weighed_row<std::remove_const_t<decltype(row)>, Real>{row, weights, fixed >= 0 ? Real(1) : kept.each};
}

/// 1 - p(s); from the other probabilities where they lie in memory, so that it keeps its digits.
template <class Real, class Group, class Row>
DIMIX_HD Real other_than(const Group& group, const Row& row, index_t s) {
  using std::expm1;
  if constexpr (requires { row.weights; })
    return group.reduce(row.weights.extent(0), Real(0), plus{}, [&](auto i) {
      using number = typename number_at<Real, decltype(i)>::type;
      return number(select(equals<Real>(i, s), number(Real(0)), number(row.prob(i))));
    });
  else
    return -expm1(smaller(row.log_prob(s), Real(0)));
}

/// q(y | x_0) of the time t.
template <class Real, class Kernel, class At>
DIMIX_HD auto marginal_at(const Kernel& kernel, index_t d, token x_0, At y) {
  if constexpr (several_indices<At> && requires { kernel.marginal_t(d, x_0, y); })
    return kernel.marginal_t(d, x_0, y);
  else
    return each_of<Real>(y, [&](index_t one) { return kernel.marginal_t(d, x_0, static_cast<token>(one)); });
}

/// s_q(y); 0 where x_0 cannot have become x.
template <class Real, class Kernel, class At>
DIMIX_HD auto data_score(const Kernel& kernel, index_t d, token x_0, token x, At y) {
  using number = typename number_at<Real, At>::type;
  const Real seen = kernel.marginal_t(d, x_0, x);
  return seen == Real(0) ? number(Real(0)) : number(marginal_at<Real>(kernel, d, x_0, y) / number(seen));
}

/// Jumps y -> x, y a state of position d, before the schedule's factor: 0 for x itself. space: that of the position.
template <class Real, class Space, class At>
DIMIX_HD auto rate_into(const Space& space, index_t d, At y, token x) {
  using number = typename number_at<Real, At>::type;
  if constexpr (rate_space<Space>) {
    return number(each_of<Real>(y, [&](index_t one) { return one == x ? 0.0 : space.base_rate(static_cast<token>(one), x); }));
  } else {
    number rate = static_cast<Real>(base_rate(space, d, x == 0 ? token{1} : token{0}, x));  // of any y but x and the mask
    if constexpr (replacing_space<Space>) rate = select(equals<Real>(y, space.mask()), number(Real(0)), rate);
    return number(select(equals<Real>(y, x), number(Real(0)), rate));
  }
}

/// s_θ where noise is redrawn from π: s(y) = kept p_0(y) / Z(y) + noise(y) W, with noise(y) = (1 - alpha) π(y), and for a mask beside the values
/// what to_mask says; W = sum_z p_0(z) / Z(z). Z takes one value for z = x and another elsewhere.
template <class Space, class Real>
struct closed_position_scores {
  two_time_kernel<Space, Real> kernel;  // of the clock that redraws
  index_t d;
  token x, mask;  // the mask beside the values; -1: none
  Real over_z_same, over_z_other, w, to_mask;
  bool frozen;  // x can only have come from itself: no y scores

  template <class Group, class Row>
  DIMIX_HD static closed_position_scores make(const Group& group, const two_time_kernel<Space, Real>& kernel, index_t d,
                                              token x, const Row& row) {
    using std::exp;
    const Real other = kernel.hit_t * kernel.prior(d, x), same = kernel.kept_t + other;
    if (other == Real(0)) return {kernel, d, x, -1, Real(0), Real(0), Real(0), Real(0), true};
    const Real over_same = Real(1) / same, over_other = Real(1) / other,
               w = exp(row.log_prob(index_t{x})) * over_same + other_than<Real>(group, row, x) * over_other;
    return {kernel, d, x, -1, over_same, over_other, w, Real(0), false};
  }

  template <class Group, class P, class Jumps>
  DIMIX_HD void prepare(const Group&, index_t, const P&, const Jumps&) const {}
  template <class At, class Jumps>
  DIMIX_HD auto jump(At y, const Jumps& jumps) const {
    return jumps(y);
  }

  /// (1 - alpha) π(y)
  template <class At>
  DIMIX_HD auto noise(At y) const {
    using number = typename number_at<Real, At>::type;
    const number redrawn =
        number(kernel.hit_t) * each_of<Real>(y, [this](index_t one) { return kernel.prior(d, static_cast<token>(one)); });
    return mask < 0 ? redrawn : number(select(equals<Real>(y, mask), number(to_mask), redrawn));
  }
  /// kept / Z(y)
  template <class At>
  DIMIX_HD auto of_kept(At y) const {
    using number = typename number_at<Real, At>::type;
    const number factor = number(kernel.kept_t) * over_z(y);
    return mask < 0 ? factor : number(select(equals<Real>(y, mask), number(Real(0)), factor));
  }

  template <class At, class Number>
  DIMIX_HD Number of_model(At y, Number p) const {
    return of_kept(y) * p + noise(y) * Number(w);
  }
  /// log s_θ(y), also where p_0(y) is too small for a Real.
  template <class At, class Row>
  DIMIX_HD auto log_of_model(At y, const Row& row) const {
    using std::log;
    using number = typename number_at<Real, At>::type;
    const number s = of_model(y, number(row.prob(y)));
    if (any(!(s > number(least_sum<Real>()))))
      return log_add(number(log(of_kept(y)) + row.log_prob(y)), number(log(noise(y) * number(w))));
    return number(log(s));
  }

  /// slope(z) for every z; the sum over y is shared.
  template <class Group, class P, class Pull>
  DIMIX_HD void slopes(const Group& group, index_t S, const P& p, const Pull& pull, view<Real, 1> slope) const {
    if (frozen)
      return group.for_each(S, [&](auto z) { write(slope, z, typename number_at<Real, decltype(z)>::type(Real(0))); });
    const Real shared = group.reduce(S, Real(0), plus{}, [&](auto y) {
      using number = typename number_at<Real, decltype(y)>::type;
      const number g = pull(y);
      write(slope, y, g);
      return number(g * noise(y));
    });
    group.for_each(S, [&](auto z) {
      using number = typename number_at<Real, decltype(z)>::type;
      const number own = over_z(z) * p(z) * (number(kernel.kept_t) * read<Real>(slope, z) + number(shared));
      write(slope, z, mask < 0 ? own : number(select(equals<Real>(z, mask), number(Real(0)), own)));
    });
  }

 private:
  template <class At>
  DIMIX_HD auto over_z(At y) const {
    using number = typename number_at<Real, At>::type;
    return number(select(equals<Real>(y, x), number(over_z_same), number(over_z_other)));
  }
};

/// A group for sums in double of the same threads.
template <class Group>
DIMIX_HD const Group& in_double(const Group& group) {
  return group;
}
inline namespace DIMIX_TARGET {
template <class Real>
DIMIX_HD vector_group<double> in_double(const vector_group<Real>&) {
  return {};
}
}  // namespace DIMIX_TARGET

/// s_θ from tables, as the sum stands, with p_0(z) / q(x | z) in double, whose range holds any quotient of floats; a q(x | z) below the least
/// normal double counts as that number. made, seen: q(y | z) above and below, the same table.
/// tile: p_0(z) / q(x | z) as doubles; s_θ, then pull; jumps.
template <class Real>
struct table_position_scores {
  view<const Real, 2> made, seen;  // (S, S)
  token x;
  view<Real, 1> tile;

  /// Tiles of S Reals; one of them is for what the address of a double asks for.
  static constexpr index_t tiles = 5;

  template <class Group, class P, class Jumps>
  DIMIX_HD void prepare(const Group& group, index_t S, const P& p, const Jumps& jumps) const {
    const view<double, 1> w = quotients(S);
    const view<Real, 1> scores = values(S), rates = jumps_of(S);
    group.for_each(S, [&](index_t z) {
      const double at_x = static_cast<double>(seen(z, x));
      w[z] = at_x > 0 ? static_cast<double>(p(z)) / larger(at_x, 0x1p-1022) : 0.0;
    });
    group.sync();
    in_double(group).for_each(S, [&](auto y) {
      using number = typename number_at<double, decltype(y)>::type;
      const auto rate = jumps(y);
      write(rates, y, rate);
      if (!any(rate != decltype(rate)(0))) return;
      number sums[4] = {0.0, 0.0, 0.0, 0.0};  // so that one addition does not wait for another
      index_t z = 0;
      for (; z + 4 <= S; z += 4)
        for (int i = 0; i < 4; ++i) sums[i] += number(w[z + i]) * read<double>(made.row(z + i), y);
      for (; z < S; ++z) sums[0] += number(w[z]) * read<double>(made.row(z), y);
      write(scores, y, (sums[0] + sums[1]) + (sums[2] + sums[3]));
    });
    group.sync();
  }
  template <class At, class Jumps>
  DIMIX_HD auto jump(At y, const Jumps&) const {
    return read<Real>(jumps_of(states()), y);
  }

  /// Where there is a jump.
  template <class At, class Number>
  DIMIX_HD Number of_model(At y, Number) const {
    return read<Real>(values(states()), y);
  }
  template <class At, class Row>
  DIMIX_HD auto log_of_model(At y, const Row&) const {
    using std::log;
    return log(read<Real>(values(states()), y));
  }

  template <class Group, class P, class Pull>
  DIMIX_HD void slopes(const Group& group, index_t S, const P&, const Pull& pull, view<Real, 1> slope) const {
    const view<const double, 1> w = quotients(S);
    const view<Real, 1> pulls = values(S);
    group.for_each(S, [&](auto y) { write(pulls, y, pull(y)); });
    group.sync();
    // those that are not 0 lie in [from, to)
    const auto pulled = [&](auto y, Real otherwise) {
      using number = typename number_at<Real, decltype(y)>::type;
      return number(select(read<Real>(pulls, y) != number(Real(0)), number_of<Real>(y), number(otherwise)));
    };
    const Real none = static_cast<Real>(S);
    const auto from = static_cast<index_t>(group.reduce(S, none, minimum{}, [&](auto y) { return pulled(y, none); }));
    const index_t to =
        1 + static_cast<index_t>(group.reduce(S, Real(-1), maximum{}, [&](auto y) { return pulled(y, Real(-1)); }));
    const auto alone = in_double(one_member(group));
    group.for_each(S, [&](index_t z) {
      const view<const Real, 1> row = made.row(z);
      const double sum = alone.reduce(larger(to - from, index_t{0}), 0.0, plus{}, [&](auto i) {
        const auto y = offset_by(i, from);
        return read<double>(view<const Real, 1>(pulls), y) * read<double>(row, y);
      });
      slope[z] = static_cast<Real>(w[z] * sum);
    });
  }

 private:
  DIMIX_HD index_t states() const { return made.extent(0); }
  DIMIX_HD static constexpr index_t reals() { return static_cast<index_t>(sizeof(double) / sizeof(Real)); }
  DIMIX_HD view<double, 1> quotients(index_t S) const {
    const auto beyond = reinterpret_cast<std::uintptr_t>(tile.data()) % alignof(double);
    return {reinterpret_cast<double*>(tile.data() + (beyond == 0 ? 0 : 1)), S};
  }
  DIMIX_HD view<Real, 1> values(index_t S) const { return tile.slice((reals() + 1) * S, S); }
  DIMIX_HD view<Real, 1> jumps_of(index_t S) const { return tile.slice((reals() + 2) * S, S); }
};

/// Reals of tile per state: the slopes, the probabilities, and what scores need beside them.
template <class Kernel>
inline constexpr index_t score_tiles = 2 + table_position_scores<float>::tiles;
template <class Space, class Real>
inline constexpr index_t score_tiles<two_time_kernel<Space, Real>> = 2;
template <class Space, class Real>
inline constexpr index_t score_tiles<mask_and_replace_kernel<Space, Real>> = 2;
template <class Space, class Real, class... Kernels>
inline constexpr index_t score_tiles<mixed_kernel<Space, Real, pack<Kernels...>>> = [] {
  index_t most = 0;
  ((most = larger(most, score_tiles<Kernels>)), ...);
  return most;
}();

/// The scores of position d at x, from the denoiser's row. tile: what score_tiles counts, beyond slopes and probabilities.
template <class Group, class Space, class Real, class Row>
DIMIX_HD auto make_scores(const Group& group, const two_time_kernel<Space, Real>& kernel, index_t d, token x, const Row& row,
                          view<Real, 1>) {
  return closed_position_scores<Space, Real>::make(group, kernel, d, x, row);
}
template <class Group, class Space, class Real, class Row>
DIMIX_HD auto make_scores(const Group&, const table_kernel<Space, Real>& kernel, index_t, token x, const Row&,
                          view<Real, 1> tile) {
  return table_position_scores<Real>{kernel.to_t, kernel.to_t, x, tile};
}
/// x_t the mask: Z = hit / kept of the clock that hides, whatever z. x_t a value: Z is the other clock's, and the mask scores with that ratio.
template <class Group, class Space, class Real, class Row>
DIMIX_HD auto make_scores(const Group& group, const mask_and_replace_kernel<Space, Real>& kernel, index_t d, token x,
                          const Row& row, view<Real, 1>) {
  using scores = closed_position_scores<uniform<>, Real>;
  const auto& hidden = kernel.hidden;
  const index_t mask = kernel.space.mask();
  if (kernel.masked(x)) {
    const Real over_z = hidden.kept_t / hidden.hit_t, w = other_than<Real>(group, row, mask) * over_z;
    return scores{kernel.redrawn, d, x, x, over_z, over_z, w, Real(0), hidden.hit_t == Real(0)};
  }
  scores result = scores::make(group, kernel.redrawn, d, x, row);
  result.w -= row.prob(mask) * result.over_z_other;  // the mask is no value
  result.mask = kernel.space.mask();
  result.to_mask = hidden.hit_t / hidden.kept_t;
  return result;
}

}  // namespace dimix
