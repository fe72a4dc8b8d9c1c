// Memory of the networks: it starts on a cache line, only ever grows, and therefore stops allocating after the first step.
#pragma once

#include <dimix/core/view.hpp>

#include <cstddef>
#include <new>
#include <vector>

namespace dimix::nn {

inline constexpr std::size_t cache_line = 64;  // bytes; also the widest vector register

/// Rows of a batch that go through the products together. Fixed, and the last tile is padded to it: so neither the size of the
/// batch nor its split changes the order of any sum. 64 columns keep Eigen's kernel within 10% of its best.
inline constexpr index_t tile_rows = 64;

constexpr index_t tiles_of(index_t rows) { return (rows + tile_rows - 1) / tile_rows; }
constexpr index_t padded(index_t rows) { return tiles_of(rows) * tile_rows; }

template <class T>
struct line_allocator {
  using value_type = T;

  line_allocator() = default;
  template <class U>
  line_allocator(const line_allocator<U>&) {}

  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T), std::align_val_t{cache_line})); }
  void deallocate(T* p, std::size_t) { ::operator delete(p, std::align_val_t{cache_line}); }
  template <class U>
  friend bool operator==(const line_allocator&, const line_allocator<U>&) {
    return true;
  }
};

template <class T>
using buffer = std::vector<T, line_allocator<T>>;

/// (rows, features), row-major. Every row starts on a cache line when features is a multiple of 16.
template <class T>
class matrix {
 public:
  /// New extents; elements are unspecified. Allocates only when it has never been this large.
  void resize(index_t rows, index_t features) {
    rows_ = rows;
    features_ = features;
    const auto needed = static_cast<std::size_t>(rows * features);
    if (values_.size() < needed) values_.resize(needed);
  }

  index_t rows() const { return rows_; }
  index_t features() const { return features_; }
  view<T, 2> whole() { return {values_.data(), rows_, features_}; }
  view<const T, 2> whole() const { return {values_.data(), rows_, features_}; }
  view<T, 2> rows(index_t first, index_t count) { return whole().slice(first, count); }
  view<const T, 2> rows(index_t first, index_t count) const { return whole().slice(first, count); }
  T* row(index_t r) { return values_.data() + r * features_; }
  const T* row(index_t r) const { return values_.data() + r * features_; }

 private:
  index_t rows_ = 0, features_ = 0;
  buffer<T> values_;
};

}  // namespace dimix::nn
