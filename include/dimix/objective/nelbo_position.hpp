// One position of the continuous-time bound (nelbo.hpp): its value l and the slopes d l / d log p_0(z), for each kind of kernel.
#pragma once

#include <dimix/objective/position_scores.hpp>

namespace dimix {

/// l and d l / d log p_0(z) of one position. x_0 and x_t tokens; log_p(s) the denoiser's log-row; beta the jump rate at t
/// and decay = -alpha' = beta alpha, which stays finite where alpha reaches 0.
/// Where the two scores are close (late times) their relative difference u comes from  s_θ(y) - s_q(y) = alpha c(y), and alpha
/// beta = decay: the value keeps its digits and reaches its limit 0 at alpha = 0, the slopes theirs.
template <class Space, class Real>
struct rank_one_nelbo_position {
  reverse_row<Space, Real> step;
  token x_0;
  Real beta, decay;

  template <class Group, class LogP>
  DIMIX_HD Real value(const Group& group, index_t S, const LogP& log_p) const {
    if (step.frozen) return Real(0);
    if constexpr (masked_space<Space>) return -masked_weight() * log_p(x_0);
    return at_x() * group.reduce(S, Real(0), plus{}, [&](index_t y) {
      if (y == step.y) return Real(0);
      const auto s = scores(static_cast<token>(y), log_p(y), log_p(step.y));
      if (s.close()) return decay * s.c * one_minus_log1p_over(s.u);
      return beta * (product_or_zero(s.of_data(), s.log_q - s.log_m) - s.of_data() + s.of_model());
    });
  }

  /// slope(z) for every z.
  template <class Group, class LogP, class Store>
  DIMIX_HD void slopes(const Group& group, index_t S, const LogP& log_p, const Store& store) const {
    using std::exp;
    if (step.frozen) return group.for_each(S, [&](index_t z) { store(z, Real(0)); });
    if constexpr (masked_space<Space>)
      return group.for_each(S, [&](index_t z) { store(z, z == x_0 ? -masked_weight() : Real(0)); });
    const auto pull = [&](index_t y) {  // d l / d s_θ(y)
      if (y == step.y) return Real(0);
      const auto s = scores(static_cast<token>(y), log_p(y), log_p(step.y));
      return at_x() * (s.close() ? decay * s.c / s.of_model() : beta * (Real(1) - exp(s.log_q - s.log_m)));
    };
    rank_one_position_scores<Space, Real>{{step}}.slopes(group, S, log_p, pull, store);
  }

 private:
  /// The scores of the data and of the model at one y, c(y), and u = s_θ / s_q - 1.
  struct pair_of_scores {
    Real log_q, log_m, c, u;
    DIMIX_HD bool close() const { return u > Real(-0.3) && u < Real(0.3); }
    DIMIX_HD Real of_data() const {
      using std::exp;
      return exp(log_q);
    }
    DIMIX_HD Real of_model() const {
      using std::exp;
      return exp(log_m);
    }
  };

  DIMIX_HD pair_of_scores scores(token y, Real log_p_y, Real log_p_x) const {
    using std::exp, std::expm1, std::log;
    const auto& k = step.kernel;
    const Real hit_x = k.hit_t * at_x(), hit_y = k.hit_t * k.prior(step.d, y), z_same = k.kept_t + hit_x;
    const Real q = k.marginal_t(step.d, x_0, y) / (x_0 == step.y ? z_same : hit_x);
    // W - 1 / Z(x_0) over alpha, and the difference of the parts that were not hit
    const Real lift = (x_0 == step.y ? -expm1(log_p_x) : -exp(log_p_x)) / (z_same * hit_x);
    const Real kept = (y == x_0 ? expm1(log_p_y) : exp(log_p_y)) / hit_x;
    const Real c = kept + hit_y * lift;
    const Real log_m = score_row<Space, Real>{step}.log_score(y, log_p_y);
    return {log(q), log_m, c, k.kept_t * c / q};
  }

  DIMIX_HD Real at_x() const { return step.kernel.prior(step.d, step.y); }
  DIMIX_HD Real masked_weight() const { return decay * at_x() / step.kernel.hit_t; }
};

/// The same from tables, as the formula stands: O(S^2).
template <class Space, class Real>
struct table_nelbo_position {
  table_kernel<Space, Real> kernel;
  index_t d;
  token x_0, x;
  Real beta;
  table_position_scores<Real> scores;

  template <class Group, class LogP>
  DIMIX_HD Real value(const Group& group, index_t S, const LogP& log_p) const {
    if (impossible()) return Real(0);
    scores.prepare(group, S, log_p);
    return group.reduce(S, Real(0), plus{}, [&](index_t y) {
      const Real jump = rate_from(y);
      if (jump == Real(0)) return Real(0);
      const Real of_data = data_score(y), of_model = scores.of_model(y, log_p(y)), u = of_model / of_data - Real(1);
      // s log(s / s_θ) - s + s_θ, with the ratio's distance from 1 taken out; data that cannot score leave s_θ
      return jump * (of_data == Real(0) ? of_model : of_data * u * one_minus_log1p_over(u));
    });
  }

  template <class Group, class LogP, class Store>
  DIMIX_HD void slopes(const Group& group, index_t S, const LogP& log_p, const Store& store) const {
    if (impossible()) return group.for_each(S, [&](index_t z) { store(z, Real(0)); });
    scores.prepare(group, S, log_p);
    const auto pull = [&](index_t y) {
      const Real jump = rate_from(y);
      return jump == Real(0) ? Real(0) : jump * (Real(1) - data_score(y) / scores.of_model(y, log_p(y)));
    };
    scores.slopes(group, S, log_p, pull, store);
  }

 private:
  /// x_0 cannot have become x
  DIMIX_HD bool impossible() const { return kernel.to_t(x_0, x) == Real(0); }
  DIMIX_HD Real rate_from(index_t y) const { return beta * rate_into<Real>(kernel.space, d, static_cast<token>(y), x); }
  DIMIX_HD Real data_score(index_t y) const { return dimix::data_score<Real>(kernel, d, x_0, x, static_cast<token>(y)); }
};

template <class Space, class Real, class LogP>
DIMIX_HD auto make_nelbo_position(const two_time_kernel<Space, Real>& kernel, index_t d, token x, token x_0, Real beta,
                                  Real decay, const LogP& log_p, view<Real, 1>) {
  return rank_one_nelbo_position<Space, Real>{reverse_row<Space, Real>::make(kernel, d, x, log_p(x)), x_0, beta, decay};
}
template <class Space, class Real, class LogP>
DIMIX_HD auto make_nelbo_position(const table_kernel<Space, Real>& kernel, index_t d, token x, token x_0, Real beta, Real,
                                  const LogP& log_p, view<Real, 1> tile) {
  return table_nelbo_position<Space, Real>{kernel, d, x_0, x, beta, make_scores(kernel, d, x, log_p, tile)};
}

}  // namespace dimix
