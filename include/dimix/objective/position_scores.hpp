// The scores of one position that bounds compare, for each kind of kernel:
//   of the data    s_q(y) = q_{t|0}(y | x_0) / q_{t|0}(x | x_0)
//   of a denoiser  s_θ(y) = sum_z p_0(z) q_{t|0}(y | z) / q_{t|0}(x | z)        z that cannot have become x do not count
// and the way back:  pull(y) = d loss / d s_θ(y)  ->  slope(z) = d loss / d log p_0(z) = p_0(z) sum_y pull(y) q(y | z) / q(x | z).
// Identity + rank one: O(1) a score, O(S) for all slopes; others: O(S) a score, O(S^2) for all slopes.
// The sum itself is that of forward_process/scores_of.hpp. Source: Campbell et al. 2022 (propositions 1 and 3), SEDD (Lou et al. 2024). Laws:
// those of the bounds, nelbo.hpp, ct_elbo.hpp, score_entropy.hpp.
#pragma once

#include <dimix/forward_process.hpp>
#include <dimix/forward_process/reverse_rate.hpp>
#include <dimix/forward_process/score.hpp>
#include <dimix/group.hpp>

namespace dimix {

/// s_q(y); 0 where x_0 cannot have become x.
template <class Real, class Kernel>
DIMIX_HD Real data_score(const Kernel& kernel, index_t d, token x_0, token x, token y) {
  const Real seen = kernel.marginal_t(d, x_0, x);
  return seen == Real(0) ? Real(0) : kernel.marginal_t(d, x_0, y) / seen;
}

/// Jumps y -> x before the schedule's factor, as rows of S entries hold them: 0 for x itself, and for states that the position lacks.
template <class Real, class Space>
DIMIX_HD Real rate_into(const Space& space, index_t d, token y, token x) {
  return y == x || y >= space.states(d) ? Real(0) : static_cast<Real>(base_rate(space, d, y, x));
}

/// s_θ where noise is identity + rank one.
template <class Space, class Real>
struct rank_one_position_scores {
  score_row<Space, Real> row;

  template <class Group, class LogP>
  DIMIX_HD void prepare(const Group&, index_t, const LogP&) const {}

  /// log s_θ(y), given log p_0(y)
  DIMIX_HD Real log_of_model(index_t y, Real log_p) const { return row.log_score(static_cast<token>(y), log_p); }
  DIMIX_HD Real of_model(index_t y, Real log_p) const {
    using std::exp;
    return exp(log_of_model(y, log_p));
  }

  /// store(z, slope(z)) for every z; the sum over y is shared.
  template <class Group, class LogP, class Pull, class Store>
  DIMIX_HD void slopes(const Group& group, index_t S, const LogP& log_p, const Pull& pull, const Store& store) const {
    const auto& step = row.step;
    if (step.frozen) return group.for_each(S, [&](index_t z) { store(z, Real(0)); });
    const auto& k = step.kernel;
    const Real shared =
        group.reduce(S, Real(0), plus{}, [&](index_t y) { return pull(y) * k.hit_t * k.prior(step.d, static_cast<token>(y)); });
    group.for_each(S, [&](index_t z) {
      using std::exp;
      const Real over_z = exp(log_p(z) - step.log_z(static_cast<token>(z)));
      store(z, over_z * (k.kept_t * pull(z) + shared));
    });
  }
};

/// q(y | z) / q(x | z) from any kernel, as table_quotients from tables.
template <class Kernel>
struct kernel_quotients {
  Kernel kernel;
  index_t d;
  token x;

  DIMIX_HD index_t states() const { return kernel.space.states(d); }
  DIMIX_HD double operator()(index_t z, index_t y) const {
    const double seen = static_cast<double>(kernel.marginal_t(d, static_cast<token>(z), x));
    return seen > 0 ? static_cast<double>(kernel.marginal_t(d, static_cast<token>(z), static_cast<token>(y))) / seen : 0.0;
  }
};

/// s_θ as the sum stands. tile: p_0(z) and pull(y), S each; prepare fills the first.
template <class Real, class Quotients>
struct summed_position_scores {
  Quotients quotient;
  view<Real, 1> tile;  // (2 S)

  template <class Group, class LogP>
  DIMIX_HD void prepare(const Group& group, index_t S, const LogP& log_p) const {
    group.for_each(S, [&](index_t z) {
      using std::exp;
      tile[z] = exp(log_p(z));
    });
    group.sync();
  }

  DIMIX_HD Real of_model(index_t y, Real) const {
    return static_cast<Real>(summed_score(quotient, y, [this](index_t z) { return tile[z]; }));
  }
  DIMIX_HD Real log_of_model(index_t y, Real log_p) const {
    using std::log;
    return log(of_model(y, log_p));
  }

  template <class Group, class LogP, class Pull, class Store>
  DIMIX_HD void slopes(const Group& group, index_t S, const LogP&, const Pull& pull, const Store& store) const {
    group.for_each(S, [&](index_t y) { tile[S + y] = pull(y); });
    group.sync();
    group.for_each(S, [&](index_t z) {
      double sum = 0;
      for (index_t y = 0; y < S; ++y) sum += product_or_zero(static_cast<double>(tile[S + y]), quotient(z, y));
      store(z, static_cast<Real>(static_cast<double>(tile[z]) * sum));
    });
  }
};
template <class Real>
using table_position_scores = summed_position_scores<Real, table_quotients<Real>>;

/// Reals of tile per state: the slopes, and what scores need beside them.
template <class Kernel>
inline constexpr index_t score_tiles = 3;
template <class Space, class Real>
inline constexpr index_t score_tiles<two_time_kernel<Space, Real>> = 1;
template <class Space, class Real, class... Kernels>
inline constexpr index_t score_tiles<mixed_kernel<Space, Real, pack<Kernels...>>> = ((score_tiles<Kernels> == 3) || ...) ? 3
                                                                                                                         : 1;

/// The scores of position d at x, from the denoiser's log-row log_p(s). tile: what score_tiles counts, beyond the slopes.
template <class Space, class Real, class LogP>
DIMIX_HD auto make_scores(const two_time_kernel<Space, Real>& kernel, index_t d, token x, const LogP& log_p, view<Real, 1>) {
  return rank_one_position_scores<Space, Real>{score_row<Space, Real>::make(kernel, d, x, log_p(x))};
}
template <class Space, class Real, class LogP>
DIMIX_HD auto make_scores(const table_kernel<Space, Real>& kernel, index_t, token x, const LogP&, view<Real, 1> tile) {
  return table_position_scores<Real>{{kernel.to_t, kernel.to_t, x}, tile};
}
template <class Space, class Real, class LogP>
DIMIX_HD auto make_scores(const mask_and_replace_kernel<Space, Real>& kernel, index_t d, token x, const LogP&,
                          view<Real, 1> tile) {
  return summed_position_scores<Real, kernel_quotients<mask_and_replace_kernel<Space, Real>>>{{kernel, d, x}, tile};
}

}  // namespace dimix
