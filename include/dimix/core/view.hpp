// view<T, Rank, Space>: a row-major window on memory that somebody else owns, with its extents and its memory space in the type.
//
// Laws: v(i, j, k) == v.data()[(i * v.extent(1) + j) * v.extent(2) + k]; v.row(i, j) is the view of the last axis;
// v[i] drops the first axis; v.flat() has the same elements in the same order; a view of T converts to a view of const T,
// a view of one space never to another. Trivially copyable, so that it travels into a kernel by value. Inside a row body every memory is
// local: there views name no space, and local(v) is the one way from a view of a device to what its rows see.
#pragma once

#include <dimix/config.hpp>

#include <cstddef>
#include <type_traits>

namespace dimix {

using index_t = std::ptrdiff_t;  // of every size, extent and position in an array

struct host_space {};
struct device_space {};
struct row_space {};  // where the rows of some backend run; the host does not look into it

template <class T, int Rank, class Space = host_space>
class view {
  static_assert(Rank >= 1, "view<T, Rank>: Rank must be at least 1");

 public:
  using value_type = std::remove_const_t<T>;
  using space = Space;
  static constexpr int rank = Rank;

  constexpr view() = default;

  template <class... Extents>
    requires(sizeof...(Extents) == Rank && (std::is_convertible_v<Extents, index_t> && ...))
  DIMIX_HD constexpr view(T* data, Extents... extents) : data_(data), extents_{static_cast<index_t>(extents)...} {}

  /// view<T> -> view<const T>, same space
  template <class U>
    requires(std::is_const_v<T> && std::is_same_v<U, value_type>)
  DIMIX_HD constexpr view(const view<U, Rank, Space>& other) : data_(other.data()) {
    for (int axis = 0; axis < Rank; ++axis) extents_[axis] = other.extent(axis);
  }

  DIMIX_HD constexpr T* data() const { return data_; }
  DIMIX_HD constexpr index_t extent(int axis) const { return extents_[axis]; }
  DIMIX_HD constexpr bool empty() const { return size() == 0; }
  DIMIX_HD constexpr index_t size() const {
    index_t count = 1;
    for (int axis = 0; axis < Rank; ++axis) count *= extents_[axis];
    return count;
  }

  template <class... Indices>
    requires(sizeof...(Indices) == Rank)
  DIMIX_HD constexpr T& operator()(Indices... indices) const {
    return data_[offset(static_cast<index_t>(indices)...)];
  }

  /// The last axis at the given leading indices: rank 1.
  template <class... Indices>
    requires(sizeof...(Indices) == Rank - 1 && Rank > 1)
  DIMIX_HD constexpr view<T, 1, Space> row(Indices... indices) const {
    return {data_ + offset(static_cast<index_t>(indices)..., index_t{0}), extents_[Rank - 1]};
  }

  /// Without the first axis, at index i: rank - 1.
  DIMIX_HD constexpr decltype(auto) operator[](index_t i) const {
    if constexpr (Rank == 1) {
      return (data_[i]);
    } else {
      view<T, Rank - 1, Space> inner;
      index_t stride = 1;
      for (int axis = 1; axis < Rank; ++axis) stride *= (inner.extents_[axis - 1] = extents_[axis]);
      inner.data_ = data_ + i * stride;
      return inner;
    }
  }

  /// Items [first, first + count) of the first axis.
  DIMIX_HD constexpr view slice(index_t first, index_t count) const {
    index_t stride = 1;
    for (int axis = 1; axis < Rank; ++axis) stride *= extents_[axis];
    view part = *this;
    part.data_ = data_ + first * stride;
    part.extents_[0] = count;
    return part;
  }

  DIMIX_HD constexpr view<T, 1, Space> flat() const { return {data_, size()}; }
  DIMIX_HD constexpr T* begin() const { return data_; }
  DIMIX_HD constexpr T* end() const { return data_ + size(); }

  /// The same under another name of its space.
  template <class Other>
  DIMIX_HD constexpr view<T, Rank, Other> in() const {
    view<T, Rank, Other> same;
    same.data_ = data_;
    for (int axis = 0; axis < Rank; ++axis) same.extents_[axis] = extents_[axis];
    return same;
  }

  friend constexpr bool same_shape(const view& a, const view& b) {
    for (int axis = 0; axis < Rank; ++axis)
      if (a.extents_[axis] != b.extents_[axis]) return false;
    return true;
  }

 private:
  template <class, int, class>
  friend class view;

  template <class... Indices>
  DIMIX_HD constexpr index_t offset(Indices... indices) const {
    const index_t at[] = {indices...};
    index_t flat_index = 0;
    for (int axis = 0; axis < Rank; ++axis) {
      DIMIX_ASSERT(at[axis] >= 0 && at[axis] < extents_[axis]);
      flat_index = flat_index * extents_[axis] + at[axis];
    }
    return flat_index;
  }

  T* data_ = nullptr;
  index_t extents_[Rank] = {};
};

/// The memory of v as the rows of its backend see it. On the host it is not to be dereferenced, unless it is the host's.
template <class T, int Rank, class Space>
DIMIX_HD constexpr view<T, Rank> local(const view<T, Rank, Space>& v) {
  return v.template in<host_space>();
}

static_assert(std::is_trivially_copyable_v<view<float, 4>>);
static_assert(!std::is_convertible_v<view<float, 2, host_space>, view<float, 2, device_space>>);

}  // namespace dimix
