// Multiply-adds per second of Eigen's matrix product at given sizes, every thread with a block of rows of its own.
#pragma once

#include "rates.hpp"

#include <Eigen/Core>

namespace bench {

/// C (rows, columns) = A (rows, inner) times B (columns, inner) transposed, float, row-major: rows * columns * inner multiply-adds.
inline double gemm_rate(index_t rows, index_t columns, index_t inner, int threads) {
  using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const matrix a = matrix::Constant(rows, inner, 0.5f),
               b = matrix::Constant(columns, inner, 0.25f);  // (rows, inner), (columns, inner)
  matrix c(rows, columns);                                   // (rows, columns)
  const dimix::cpu run_on(threads);
  return best_rate(5, static_cast<double>(rows) * static_cast<double>(columns) * static_cast<double>(inner), [&] {
    run_on.for_each(threads, [&](int, index_t i) {
      const index_t first = rows * i / threads, count = rows * (i + 1) / threads - first;
      c.middleRows(first, count).noalias() = a.middleRows(first, count) * b.transpose();
    });
  });
}

}  // namespace bench
