// latent_points: the law of λ as points with weights, so that an average over λ is a sum: E f(λ) = sum_m w_m f(λ_m).
//   a finite law         its components: exact
//   any other            Gauss-Legendre points u on (0, 1) of every axis, λ = quantile(u): exact for polynomials in u up to degree
//                        2 n - 1, an error that falls faster than any power of n where f(λ(u)) is analytic on [0, 1], O(1/n) at jumps
//   no λ at all          one point without coordinates
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/denoiser.hpp>
#include <dimix/latent.hpp>

#include <cmath>
#include <numbers>
#include <utility>
#include <vector>

namespace dimix::exact {

struct latent_points {
  array<double, 2> values;      // (M, L)
  std::vector<double> weights;  // (M)  sum to 1

  index_t count() const { return values.extent(0); }
  view<const double, 1> point(index_t m) const { return values.whole()[m]; }  // (L)
  double weight(index_t m) const { return weights[static_cast<std::size_t>(m)]; }
};

/// Points u in (0, 1), rising, and weights that sum to 1: the n zeros of the Legendre polynomial, by Newton's method. n >= 1.
inline std::pair<std::vector<double>, std::vector<double>> gauss_legendre(index_t n) {
  expects(n >= 1, "exact: quadrature over λ with ", n, " points an axis; at least 1 is needed");
  std::vector<double> points, weights;
  for (index_t i = 0; i < n; ++i) {
    double x = -std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (static_cast<double>(n) + 0.5)), slope = 1;
    for (int round = 0; round < 100; ++round) {
      double before = 0, here = 1;  // P_{k-1}, P_k at x
      for (index_t k = 1; k <= n; ++k) {
        const double c = static_cast<double>(k), next = ((2 * c - 1) * x * here - (c - 1) * before) / c;
        before = std::exchange(here, next);
      }
      slope = static_cast<double>(n) * (x * here - before) / (x * x - 1);
      const double moved = here / slope;
      x -= moved;
      if (std::abs(moved) < 1e-15) break;
    }
    points.push_back((1 + x) / 2);
    weights.push_back(1 / ((1 - x * x) * slope * slope));
  }
  return {points, weights};
}

inline constexpr index_t most_points = 100'000;

/// The points of a law; per_axis: of a law that is not finite, n on each of L axes, n^L together (at most 1e5).
template <latent_law Law>
latent_points points_of(const Law& law, index_t per_axis = 32) {
  latent_points result;
  if constexpr (requires { law.components(); }) {
    const index_t M = law.components();
    result.values.resize(M, 1);  // (M, 1)
    exp_sum<double> total;
    const auto log_weight = [&](index_t m) {
      if constexpr (weighted_law<Law>)
        return law.log_weight(m);
      else
        return static_cast<double>(m - m);
    };
    if constexpr (weighted_law<Law>) expects_weights(law);
    for (index_t m = 0; m < M; ++m) {
      result.values(m, 0) = static_cast<double>(m);
      total = merge(total, exp_sum<double>::of(log_weight(m)));
    }
    for (index_t m = 0; m < M; ++m) result.weights.push_back(std::exp(log_weight(m) - total.log()));
  } else {
    const auto [u, w] = gauss_legendre(per_axis);
    const index_t L = law.dims();
    const double count = std::pow(static_cast<double>(per_axis), static_cast<double>(L));
    expects(count <= static_cast<double>(most_points), "exact: quadrature over λ with ", per_axis, " points on each of ", L,
            " axes takes ", count, " points; at most ", most_points);
    result.values.resize(static_cast<index_t>(std::llround(count)), L);  // (n^L, L)
    for (index_t m = 0; m < result.count(); ++m) {
      double weight = 1;
      for (index_t axis = 0, rest = m; axis < L; ++axis, rest /= per_axis) {
        const auto i = static_cast<std::size_t>(rest % per_axis);
        result.values(m, axis) = law.quantile(axis, u[i]);
        weight *= w[i];
      }
      result.weights.push_back(weight);
    }
  }
  return result;
}

/// Those of a denoiser's λ.
template <class Real, class Net>
latent_points latent_points_of(const Net& net, index_t per_axis = 32) {
  if constexpr (mixture_denoiser<Net, Real>) {
    return points_of(net.latent(), per_axis);
  } else {
    latent_points one;
    one.values.resize(1, 0);  // (1, 0)
    one.weights = {1};
    return one;
  }
}

}  // namespace dimix::exact
