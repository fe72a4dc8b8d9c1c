// The matrix of jump rates of a space, its spectrum, and whether noise ends at the space's prior.
#pragma once

#include <dimix/forward_process/transition_tables.hpp>
#include <dimix/state_space.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace dimix {

/// R of a space at position d before the schedule's factor, with the diagonal that makes rows sum to zero: (S, S).
template <state_space Space>
table rate_matrix(const Space& space, index_t d = 0) {
  const index_t S = space.states(d);
  table rates(S, S);  // (S, S)
  for (index_t a = 0; a < S; ++a)
    for (index_t y = 0; y < S; ++y) {
      if (a == y) continue;
      rates(a, y) = base_rate(space, d, static_cast<token>(a), static_cast<token>(y));
      rates(a, a) -= rates(a, y);
    }
  return rates;
}

/// Throws unless noise without end makes the prior π of any state: what flows into a state by the rates flows out, to 1e-8 of all that flows,
/// and the likeliest state of π is reached from everywhere. O(S^2).
template <rate_space Space>
void expects_stationary(const Space& space) {
  const index_t S = space.max_states();
  const auto prior = [&](index_t s) { return space.prior(0, static_cast<token>(s)); };
  const auto rate = [&](index_t a, index_t y) {
    return a == y ? 0.0 : space.base_rate(static_cast<token>(a), static_cast<token>(y));
  };
  array<double, 1> enters(S), leaves(S);  // (S)
  double all = 0;
  for (index_t a = 0; a < S; ++a)
    for (index_t y = 0; y < S; ++y) {
      const double flow = prior(a) * rate(a, y);
      enters(y) += flow, leaves(a) += flow, all += flow;
    }
  for (index_t y = 0; y < S; ++y)
    expects(std::abs(enters(y) - leaves(y)) <= 1e-8 * all,
            "forward_process::between: where noise is infinite x_t follows the prior, but prior[", y, "] = ", prior(y),
            " is not stationary: by the rates ", enters(y), " flow in and ", leaves(y),
            " out; take stationary_law(rates), or a schedule with alpha(1) > 0");
  std::vector<index_t> reached{largest_of(S, prior)};
  std::vector<bool> seen(static_cast<std::size_t>(S));
  seen[static_cast<std::size_t>(reached[0])] = true;
  for (std::size_t next = 0; next < reached.size(); ++next)
    for (index_t a = 0; a < S; ++a)
      if (!seen[static_cast<std::size_t>(a)] && rate(a, reached[next]) > 0) {
        seen[static_cast<std::size_t>(a)] = true;
        reached.push_back(a);
      }
  for (index_t a = 0; a < S; ++a)
    expects(seen[static_cast<std::size_t>(a)],
            "forward_process::between: where noise is infinite x_t follows the prior, but state ", a, " never becomes state ",
            reached[0], ", whose prior is ", prior(reached[0]), "; take a schedule with alpha(1) > 0");
}

/// Eigenvalues of reversible rates (S, S), ascending, the last one 0: (S). prior (S) > 0 with prior(a) R(a, y) = prior(y) R(y, a).
/// The symmetric sqrt(π) R / sqrt(π) by cyclic Jacobi rotations, right to rounding of the largest. O(S^3) for each of about ten rounds.
inline array<double, 1> spectrum(view<const double, 2> rates, view<const double, 1> prior) {
  const index_t S = rates.extent(0);
  expects(rates.extent(1) == S && prior.extent(0) == S, "spectrum: rates must be (S, S) and prior (S)");
  table A(S, S);  // (S, S)
  double size = 0;
  for (index_t i = 0; i < S; ++i)
    for (index_t j = 0; j < S; ++j) {
      const double there = std::sqrt(prior(i) / prior(j)) * rates(i, j), back = std::sqrt(prior(j) / prior(i)) * rates(j, i);
      expects(std::abs(there - back) <= 1e-9 * (std::abs(there) + std::abs(back)) + 1e-300, "spectrum: the rates between ", i,
              " and ", j, " are not in balance with the prior: no symmetric form");
      A(i, j) = 0.5 * (there + back);
      size = std::max(size, std::abs(A(i, j)));
    }
  for (int round = 0; round < 60; ++round) {
    double rest = 0;
    for (index_t p = 0; p < S; ++p)
      for (index_t q = p + 1; q < S; ++q) {
        const double off = A(p, q);
        rest = std::max(rest, std::abs(off));
        if (std::abs(off) < 1e-18 * size) continue;
        const double theta = (A(q, q) - A(p, p)) / (2 * off);
        const double t = (theta >= 0 ? 1 : -1) / (std::abs(theta) + std::hypot(theta, 1.0)), c = 1 / std::hypot(t, 1.0),
                     s = t * c;
        for (index_t k = 0; k < S; ++k) {
          const double kp = A(k, p), kq = A(k, q);
          A(k, p) = c * kp - s * kq;
          A(k, q) = s * kp + c * kq;
        }
        for (index_t k = 0; k < S; ++k) {
          const double pk = A(p, k), qk = A(q, k);
          A(p, k) = c * pk - s * qk;
          A(q, k) = s * pk + c * qk;
        }
      }
    if (rest < 1e-16 * size) break;
  }
  array<double, 1> values(S);  // (S)
  for (index_t i = 0; i < S; ++i) values(i) = A(i, i);
  std::sort(values.begin(), values.end());
  return values;
}

/// 1 / the spectral gap of a reversible space: the time, in units of 1 / rate, in which the slowest mode of its noise falls to 1/e. For
/// identity + rank one it is 1. O(S^3).
template <state_space Space>
double relaxation_time(const Space& space) {
  const index_t S = space.states(0);
  array<double, 1> prior(S);  // (S)
  for (index_t s = 0; s < S; ++s) prior(s) = space.prior(0, static_cast<token>(s));
  return -1 / spectrum(rate_matrix(space), prior)(S - 2);
}

}  // namespace dimix
