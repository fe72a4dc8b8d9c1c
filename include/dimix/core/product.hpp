// Products of a few rows with a matrix that many rows share, in the processor's vectors: out (R, N) = a (R, K) b (K, N). The matrix is kept in
// panels as wide as two vectors, in the order in which they are read, and a block of 12 rows stays in registers while a panel goes by: 24
// multiply-adds for 14 loads, so that arithmetic is the floor. Host only.
// Law (tests/laws/table_rows.cpp): it is the sum over k, within rounding.
#pragma once

#include <dimix/core/lanes.hpp>
#include <dimix/core/view.hpp>

#include <cstdint>
#include <type_traits>
#include <vector>

namespace dimix {

inline namespace DIMIX_TARGET {

template <class Real>
class packed_matrix {
 public:
  packed_matrix() = default;
  /// b (K, N), copied.
  template <class T>
  explicit packed_matrix(view<T, 2> b) : K_(b.extent(0)), panels_((b.extent(1) + width - 1) / width) {
    values_.resize(static_cast<std::size_t>(K_ * columns()) + line);
    for (index_t k = 0; k < K_; ++k)
      for (index_t n = 0; n < b.extent(1); ++n) first()[(n / width * K_ + k) * width + n % width] = static_cast<Real>(b(k, n));
  }
  // a copy would have to find a whole line of the cache again
  packed_matrix(const packed_matrix&) = delete;
  packed_matrix& operator=(const packed_matrix&) = delete;

  /// N, rounded up to whole panels: the columns of a product.
  index_t columns() const { return panels_ * width; }

  /// out (R, columns()) = a (R, K) b, with zeros beyond N. 2 R K N operations.
  void multiply(view<const Real, 2> a, view<Real, 2> out) const {
    const index_t R = a.extent(0);
    for (index_t p = 0; p < panels_; ++p) {
      index_t r = 0;
      for (; r + 12 <= R; r += 12) block<12>(a.data() + r * K_, p, out.data() + r * columns());
      for (; r + 4 <= R; r += 4) block<4>(a.data() + r * K_, p, out.data() + r * columns());
      for (; r < R; ++r) block<1>(a.data() + r * K_, p, out.data() + r * columns());
    }
  }

 private:
  static constexpr int lane_count = native_lanes<Real>;
  static constexpr index_t width = 2 * lane_count;
  static constexpr std::size_t line = 64 / sizeof(Real);
  using number = std::conditional_t<(lane_count > 1), lanes<Real, lane_count>, Real>;
  using at = std::conditional_t<(lane_count > 1), lane_index<lane_count>, index_t>;

  /// The first number, at the begin of a line of the cache.
  const Real* first() const {
    const auto address = reinterpret_cast<std::uintptr_t>(values_.data());
    return values_.data() + (64 - address % 64) % 64 / sizeof(Real);
  }
  Real* first() { return const_cast<Real*>(static_cast<const packed_matrix&>(*this).first()); }

  template <int Rows>
  void block(const Real* a, index_t panel, Real* out) const {
    const view<const Real, 1> b(first() + panel * K_ * width, K_ * width);
    number left[Rows], right[Rows];
    for (int r = 0; r < Rows; ++r) left[r] = right[r] = number(Real(0));
    for (index_t k = 0; k < K_; ++k) {
      const number b_left = read<Real>(b, at{k * width}), b_right = read<Real>(b, at{k * width + lane_count});
      for (int r = 0; r < Rows; ++r) {
        const number factor(a[r * K_ + k]);
        left[r] += factor * b_left;
        right[r] += factor * b_right;
      }
    }
    for (int r = 0; r < Rows; ++r) {
      const view<Real, 1> to(out + r * columns() + panel * width, width);
      write(to, at{0}, left[r]);
      write(to, at{lane_count}, right[r]);
    }
  }

  index_t K_ = 0, panels_ = 0;
  std::vector<Real> values_;
};

}  // namespace DIMIX_TARGET
}  // namespace dimix
