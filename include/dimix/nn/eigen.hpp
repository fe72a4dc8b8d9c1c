// Eigen for the networks: maps over memory that views describe. A view of (rows, features) is read as a column-major matrix
// (features x rows), so that a row of the batch is a column and y = W x stands in code as on paper.
//
// What the networks lean on: Eigen's product W X treats every column of X alike when the number of columns is a multiple of the
// kernel's width, so a row of the batch has the same answer wherever it lies in a tile. tests/nn check it on this machine.
// Include this before Eigen where OpenMP is on: the threads are ours, and Eigen's products stay in the thread that calls them.
#pragma once

#if !defined(EIGEN_DONT_PARALLELIZE)
#define EIGEN_DONT_PARALLELIZE
#endif
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"  // in g++ 12's own AVX-512 header (GCC bug 105593), seen through Eigen
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <Eigen/Core>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <dimix/core/view.hpp>

#include <type_traits>

namespace dimix::nn {

namespace detail {
template <class Mapped, class T>
using map_of = std::conditional_t<std::is_const_v<T>, Eigen::Map<const Mapped>, Eigen::Map<Mapped>>;
}  // namespace detail

/// (rows, features) -> features x rows
template <class T>
auto columns(const view<T, 2>& v) {
  using matrix = Eigen::Matrix<std::remove_const_t<T>, Eigen::Dynamic, Eigen::Dynamic>;
  return detail::map_of<matrix, T>(v.data(), v.extent(1), v.extent(0));
}

/// n numbers as an array: elementwise and vectorised.
template <class T>
auto array_of(T* data, index_t n) {
  return detail::map_of<Eigen::Array<std::remove_const_t<T>, Eigen::Dynamic, 1>, T>(data, n);
}
template <class T>
auto array_of(const view<T, 1>& v) {
  return array_of(v.data(), v.size());
}

}  // namespace dimix::nn
