// One position of the continuous-time bound (nelbo.hpp): its value l and the slopes d l / d log p_0(z), for each kind of kernel.
#pragma once

#include <dimix/objective/position_scores.hpp>

namespace dimix {

/// l and d l / d log p_0(z) of one position. x_0 and x_t tokens; row the denoiser's, weighed; beta the jump rate at t
/// and decay = -alpha' = beta alpha, which stays finite where alpha reaches 0.
/// Where the two scores are close (late times) their relative difference u comes from  s_θ(y) - s_q(y) = alpha c(y), and alpha
/// beta = decay: the value keeps its digits and reaches its limit 0 at alpha = 0, the slopes theirs.
template <class Space, class Real>
struct rank_one_nelbo_position {
  closed_position_scores<Space, Real> scores;
  token x_0;
  Real beta, decay;
  Real over_q;      // 1 / q(x | x_0)
  Real lift, at_0;  // Z(other) (W - 1 / Z(x_0)) over alpha; p_0(x_0) - 1

  template <class Group, class Row>
  DIMIX_HD static rank_one_nelbo_position make(const Group& group, const two_time_kernel<Space, Real>& kernel, index_t d,
                                               token x, token x_0, Real beta, Real decay, const Row& row) {
    using std::exp;
    const auto scores = closed_position_scores<Space, Real>::make(group, kernel, d, x, row);
    if (scores.frozen) return {scores, x_0, beta, decay, Real(0), Real(0), Real(0)};
    const Real without_x_0 = other_than<Real>(group, row, x_0);
    return {scores,
            x_0,
            beta,
            decay,
            x_0 == x ? scores.over_z_same : scores.over_z_other,
            (x_0 == x ? without_x_0 : -exp(row.log_prob(index_t{x}))) * scores.over_z_same,
            -without_x_0};
  }

  /// Whether the value is that of log p_0(x_0) alone.
  static constexpr bool reads_data_alone = masked_space<Space>;

  template <class Group, class Row>
  DIMIX_HD Real value(const Group& group, index_t S, const Row& row) const {
    using std::log;
    if (scores.frozen) return Real(0);
    if constexpr (masked_space<Space>) {
      return -masked_weight() * row.log_prob(index_t{x_0});
    } else {
      return at_x() * group.reduce(S, Real(0), plus{}, [&](auto y) {
        using number = typename number_at<Real, decltype(y)>::type;
        const auto s = compared(y, number(row.prob(y)));
        number part = number(decay * scores.over_z_other) * s.c * one_minus_log1p_over(s.u);
        if (any(!s.close())) {
          const number whole = number(beta) * (s.m - s.q - product_or_zero(s.q, number(log(s.m / s.q))));
          part = select(s.close(), part, whole);
        }
        return number(select(equals<Real>(y, scores.x), number(Real(0)), part));
      });
    }
  }

  /// slope(z) for every z.
  template <class Group, class Row>
  DIMIX_HD void slopes(const Group& group, index_t S, const Row& row, view<Real, 1> slope) const {
    if constexpr (masked_space<Space>) {
      const Real weight = scores.frozen ? Real(0) : -masked_weight();
      group.for_each(S, [&](auto z) {
        using number = typename number_at<Real, decltype(z)>::type;
        write(slope, z, number(select(equals<Real>(z, x_0), number(weight), number(Real(0)))));
      });
    } else {
      const auto pull = [&](auto y) {  // d l / d s_θ(y)
        using number = typename number_at<Real, decltype(y)>::type;
        const auto s = compared(y, number(row.prob(y)));
        const number zero = Real(0), none_of_data = select(s.q == zero, number(Real(1)), number(Real(1)) - s.q / s.m);
        const number g = select(s.close(), number(decay * scores.over_z_other) * (s.c / s.m), number(beta) * none_of_data);
        return number(select(equals<Real>(y, scores.x), zero, number(at_x()) * g));
      };
      scores.slopes(
          group, S, [&](auto z) { return row.prob(z); }, pull, slope);
    }
  }

 private:
  /// The scores of the data and of the model at one y, Z(other) c(y), and u = s_θ / s_q - 1.
  template <class Number>
  struct pair_of_scores {
    Number q, m, c, u;
    DIMIX_HD auto close() const { return u > Number(Real(-0.3)) && u < Number(Real(0.3)); }
  };

  template <class At, class Number>
  DIMIX_HD pair_of_scores<Number> compared(At y, Number p) const {
    const Number noise = scores.noise(y), kept = scores.kernel.kept_t, part = scores.kernel.kept_t * scores.over_z_other;
    const auto is_x_0 = equals<Real>(y, x_0);
    const Number q = (select(is_x_0, kept, Number(Real(0))) + noise) * Number(over_q);
    const Number c = select(is_x_0, Number(at_0), p) + noise * Number(lift);
    return {q, scores.of_model(y, p), c, part * c / q};
  }

  DIMIX_HD Real at_x() const { return scores.kernel.prior(scores.d, scores.x); }
  DIMIX_HD Real masked_weight() const { return decay * at_x() / scores.kernel.hit_t; }
};

/// The same from tables, as the formula stands: O(S^2).
template <class Space, class Real>
struct table_nelbo_position {
  table_kernel<Space, Real> kernel;
  index_t d;
  token x_0, x;
  Real beta;
  table_position_scores<Real> scores;

  static constexpr bool reads_data_alone = false;

  template <class Group, class Row>
  DIMIX_HD Real value(const Group& group, index_t S, const Row& row) const {
    if (impossible()) return Real(0);
    const auto jumps = [&](auto y) { return number_times(beta, rate_into<Real>(kernel.space, d, y, x)); };
    scores.prepare(
        group, S, [&](index_t z) { return row.prob(z); }, jumps);
    return group.reduce(S, Real(0), plus{}, [&](auto y) {
      using number = typename number_at<Real, decltype(y)>::type;
      const number zero = Real(0), jump = scores.jump(y, jumps);
      if (!any(jump != zero)) return zero;
      const number of_data = data_score(y), of_model = scores.of_model(y, zero), u = of_model / of_data - number(Real(1));
      // s log(s / s_θ) - s + s_θ, with the ratio's distance from 1 taken out; data that cannot score leave s_θ
      return number(select(jump == zero, zero, jump * select(of_data == zero, of_model, of_data * log1p_below_tangent(u))));
    });
  }

  /// After value.
  template <class Group, class Row>
  DIMIX_HD void slopes(const Group& group, index_t S, const Row& row, view<Real, 1> slope) const {
    if (impossible()) return group.for_each(S, [&](index_t z) { slope[z] = Real(0); });
    const auto pull = [&](auto y) {
      using number = typename number_at<Real, decltype(y)>::type;
      const number zero = Real(0), jump = scores.jump(y, no_jumps{});
      if (!any(jump != zero)) return zero;
      return number(select(jump == zero, zero, jump * (number(Real(1)) - data_score(y) / scores.of_model(y, zero))));
    };
    scores.slopes(
        group, S, [&](auto z) { return row.prob(z); }, pull, slope);
  }

 private:
  struct no_jumps {};

  /// x_0 cannot have become x
  DIMIX_HD bool impossible() const { return kernel.to_t(x_0, x) == Real(0); }
  template <class At>
  DIMIX_HD auto data_score(At y) const {
    return dimix::data_score<Real>(kernel, d, x_0, x, y);
  }
  template <class Number>
  DIMIX_HD static Number number_times(Real factor, Number x) {
    return Number(factor) * x;
  }
};

template <class Group, class Space, class Real, class Row>
DIMIX_HD auto make_nelbo_position(const Group& group, const two_time_kernel<Space, Real>& kernel, index_t d, token x, token x_0,
                                  Real beta, Real decay, const Row& row, view<Real, 1>) {
  return rank_one_nelbo_position<Space, Real>::make(group, kernel, d, x, x_0, beta, decay, row);
}
template <class Group, class Space, class Real, class Row>
DIMIX_HD auto make_nelbo_position(const Group& group, const table_kernel<Space, Real>& kernel, index_t d, token x, token x_0,
                                  Real beta, Real, const Row& row, view<Real, 1> tile) {
  return table_nelbo_position<Space, Real>{kernel, d, x_0, x, beta, make_scores(group, kernel, d, x, row, tile)};
}

}  // namespace dimix
