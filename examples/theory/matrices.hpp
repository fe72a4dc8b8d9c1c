// Kernels between joint states as matrices (n, n), rows x_t, and the bound of the paper's Theorem 2 from them.
#pragma once

#include <dimix/exact.hpp>

#include <cmath>
#include <vector>

namespace theory {

using dimix::index_t;
using matrix = dimix::array<double, 2>;  // (n, n)
using dimix::exact::joint_law;

/// First a, then b.
inline matrix then(const matrix& a, const matrix& b) {
  const index_t n = a.extent(0);
  matrix result(n, n);
  for (index_t i = 0; i < n; ++i)
    for (index_t k = 0; k < n; ++k)
      if (a(i, k) > 0)
        for (index_t j = 0; j < n; ++j) result(i, j) += a(i, k) * b(k, j);
  return result;
}

inline joint_law pushed(const joint_law& law, const matrix& kernel) {
  joint_law result(law.states);
  for (index_t i = 0; i < law.size(); ++i)
    if (law[i] > 0)
      for (index_t j = 0; j < law.size(); ++j) result[j] += law[i] * kernel(i, j);
  return result;
}

/// E_{x ~ law} KL(p(. | x) || q(. | x))
inline double expected_divergence(const joint_law& law, const matrix& p, const matrix& q) {
  double sum = 0;
  for (index_t i = 0; i < law.size(); ++i)
    for (index_t j = 0; law[i] > 0 && j < law.size(); ++j)
      if (p(i, j) > 0) sum += law[i] * p(i, j) * std::log(p(i, j) / q(i, j));
  return sum;
}

/// Kernels of a sampler's steps on a uniform grid: from t_k to t_{k-1}, k = 1, ..., N, t_k = k / N.
template <class Sampler>
std::vector<matrix> step_kernels(Sampler& steps, index_t D, index_t N) {
  std::vector<matrix> result;
  for (index_t k = 1; k <= N; ++k) {
    const auto n = static_cast<double>(N);
    result.push_back(
        dimix::exact::transition_matrix(steps, D, {static_cast<double>(k - 1) / n, static_cast<double>(k) / n, N - k}));
  }
  return result;
}
/// Kernels of one step from t_k to 0.
template <class Sampler>
std::vector<matrix> jump_kernels(Sampler& steps, index_t D, index_t N) {
  std::vector<matrix> result;
  for (index_t k = 1; k <= N; ++k)
    result.push_back(dimix::exact::transition_matrix(steps, D, {0, static_cast<double>(k) / static_cast<double>(N)}));
  return result;
}

/// Theorem 2, for the laws that the teacher's own path has:
///   TV(teacher after N steps, student after one) <= sqrt(L_distil / 2) + sum_k sqrt(L_consis(k) / 2)
struct student_distance {
  double to_teacher = 0, losses = 0, bound = 0;
};
/// teacher: step_kernels; student: jump_kernels; start: the law of x at t_N.
inline student_distance distance_of(const std::vector<matrix>& teacher, const std::vector<matrix>& student,
                                    const joint_law& start) {
  student_distance result;
  joint_law r = start;  // of the teacher's path at t_k
  for (std::size_t k = teacher.size(); k-- > 0;) {
    const double loss = k == 0 ? expected_divergence(r, teacher[0], student[0])
                               : expected_divergence(r, then(teacher[k], student[k - 1]), student[k]);
    result.losses += loss;
    result.bound += std::sqrt(std::max(loss, 0.0) / 2);
    r = pushed(r, teacher[k]);
  }
  result.to_teacher = dimix::exact::total_variation(r, pushed(start, student.back()));
  return result;
}

}  // namespace theory
