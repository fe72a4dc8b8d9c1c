// from_score: the head of a network that predicts scores, one log s(y) for every state y, s(y) = p_t(y) / p_t(x_t). Its row is p(x_0 | x_t), so
// that every sampler and every loss takes such a network (denoiser/score_network.hpp puts it in place of another).
//   p_0(a) = p~(a) q(x_t | a) / sum,   p~ from the scores by forward_process/score_inverse.hpp
// s(x_t) = 1 whatever the network says there. Scores that no p_0 has would make p~ negative: p~(a) is at least epsilon times the sum of
// the moduli of its parts, which is what rounding leaves of it anyhow, and the rest is normalised. So log p stays finite and keeps a slope;
// where alpha = 0 and scores say nothing of x_0 any more, the row is about flat. Reading and writing a row costs what the inverse costs:
// O(S) in closed form, O(S^2) and O(S^3) for the gradient with tables.
// Source: the discrete Tweedie theorem of SEDD (Lou et al. 2024).
#pragma once

#include <dimix/forward_process/score_inverse.hpp>
#include <dimix/head/mixed.hpp>

namespace dimix {

/// What a row remembers: the largest log-score, the sum of the scores over e^top, and the log-normaliser.
template <class Real>
struct score_sums {
  Real top = Real(0), sum = Real(0), log_total = Real(0);
};

template <class Real, class Storage, class Inverse>
struct from_score_row {
  view<const Storage, 1> raw;  // (S)
  Inverse inverse;
  index_t d;
  token x;
  score_sums<Real> sums;

  template <class Group>
  DIMIX_HD static score_sums<Real> observe(const Group& group, view<const Storage, 1> raw, const Inverse& inverse, index_t d,
                                           token x) {
    using std::log;
    from_score_row row{raw, inverse, d, x, {}};
    const index_t S = inverse.states(d);
    if (row.fixed() >= 0) return row.sums;
    row.sums.top = group.reduce(S, -infinity<Real>(), maximum{},
                                [&](index_t y) { return row.reads(y) ? row.log_score(y) : -infinity<Real>(); });
    row.sums.sum = group.reduce(S, Real(0), plus{}, [&](index_t y) { return row.reads(y) ? row.score(y) : Real(0); });
    row.sums.log_total = log(group.reduce(
        S, Real(0), plus{}, [&](index_t a) { return row.possible(a) ? row.part(a).value * row.seen(a) : Real(0); }));
    return row.sums;
  }

  DIMIX_HD token fixed() const { return inverse.fixed(d, x); }
  DIMIX_HD Real log_prob(index_t a) const {
    using std::log;
    if (fixed() >= 0) return a == x ? Real(0) : -infinity<Real>();
    return possible(a) ? log(part(a).value) + log(seen(a)) - sums.log_total : -infinity<Real>();
  }

  /// With G(a) = slope(a) - p(a) sum slope, d loss / d log s(y) = s(y) sum_a G(a) / p~(a) d p~(a) / d s(y).
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Write>
  DIMIX_HD void backward(const Group& group, index_t, const Slope& slope, const Write& write) const {
    const index_t S = raw.extent(0);
    if (fixed() >= 0) return group.for_each(S, [&](index_t y) { write(y, Real(0)); });
    const index_t S_d = inverse.states(d);
    const Real all = group.reduce(S_d, Real(0), plus{}, [&](index_t a) { return possible(a) ? slope(a) : Real(0); });
    const auto weight = [&](token a) {
      using std::exp;
      if (!possible(a)) return cleaned{Real(0), false};
      const cleaned at = part(a);
      return cleaned{(slope(a) - exp(log_prob(a)) * all) * (at.of_size ? least() : Real(1)) / at.value, at.of_size};
    };
    const Real spread = inverse.spread(group, d, weight);
    group.for_each(S, [&](index_t y) {
      const bool moves = y != x && y < S_d && reads(y);
      write(y, moves ? score(y) * inverse.slope(d, static_cast<token>(y), weight, spread) : Real(0));
    });
  }

 private:
  /// p~(a) over e^top, and whether it is what rounding leaves: least times the size.
  struct cleaned {
    Real value;
    bool of_size;
  };
  DIMIX_HD static constexpr Real least() { return sizeof(Real) == 8 ? Real(0x1p-52) : Real(0x1p-23); }

  DIMIX_HD bool reads(index_t y) const { return inverse.reads(d, static_cast<token>(y)); }
  DIMIX_HD bool possible(index_t a) const { return a < inverse.states(d) && inverse.possible(d, x, static_cast<token>(a)); }
  DIMIX_HD Real seen(index_t a) const { return inverse.seen(d, x, static_cast<token>(a)); }
  DIMIX_HD Real log_score(index_t y) const { return y == x ? Real(0) : static_cast<Real>(raw[y]); }
  DIMIX_HD Real score(index_t y) const {
    using std::exp;
    return exp(log_score(y) - sums.top);
  }
  DIMIX_HD cleaned part(index_t a) const {
    const auto at = inverse.part(
        d, static_cast<token>(a), [this](index_t y) { return score(y); }, sums.sum);
    const Real floor = least() * at.size;
    return at.clean > floor ? cleaned{at.clean, false} : cleaned{floor, true};
  }
};

/// Inverse: what score_inverse_of(process.between(0, t)) gives.
template <class Inverse>
struct from_score {
  view<const Inverse, 1> inverses;  // (B)

  template <class Real>
  using state = score_sums<Real>;

  /// The gradient of one score reads all the others.
  static constexpr bool reads_other_outputs = true;
  /// They are ratios of the noisy law, not p(x_0 | x_t).
  static constexpr bool reads_logits = false;

  DIMIX_HD constexpr index_t outputs(index_t S) const { return S; }

  template <class Real, class Group, class Storage>
  DIMIX_HD score_sums<Real> observe(const Group& group, view<const Storage, 1> raw, place at) const {
    return at_position(inverses[at.item], at.dim, [&](const auto& own) {
      return from_score_row<Real, Storage, bare<decltype(own)>>::observe(group, raw, own, at.dim, at.now);
    });
  }

  template <class Real, class Storage>
  DIMIX_HD auto row(view<const Storage, 1> raw, place at, const score_sums<Real>& sums) const {
    const auto made = [&](const auto& own, auto) {
      return from_score_row<Real, Storage, bare<decltype(own)>>{raw, own, at.dim, at.now, sums};
    };
    const Inverse& inverse = inverses[at.item];
    if constexpr (requires { inverse.inverses; }) {
      const auto own_row = pick(inverse.inverses, inverse.space.kind(at.dim), made);
      return mixed_head_row<Real, std::remove_const_t<decltype(own_row)>>{own_row};
    } else {
      return made(inverse, 0);
    }
  }

 private:
  /// Without what keeps tables alive on the host, which a row cannot carry.
  template <class T>
  using bare = typename std::decay_t<T>::bare;
};

}  // namespace dimix
