// array<T, Rank>: the owning counterpart of view on the host, zero-initialised; it yields views and keeps its memory when it is
// resized to something smaller. Memory of another space belongs to that space's backend. It may come from a std::pmr::memory_resource
// (core/memory.hpp has one for loops); a copy takes the default one.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/view.hpp>

#include <algorithm>
#include <array>
#include <memory_resource>
#include <tuple>
#include <vector>

namespace dimix {

template <class T, int Rank>
class array {
 public:
  using value_type = T;

  array() = default;
  /// Empty, to be resized with memory from there.
  explicit array(std::pmr::memory_resource* memory) : values_(memory) {}

  template <class... Extents>
    requires(sizeof...(Extents) == Rank && (std::is_convertible_v<Extents, index_t> && ...))
  explicit array(Extents... extents) {
    resize(extents...);
  }

  /// New extents; the elements are unspecified afterwards.
  template <class... Extents>
    requires(sizeof...(Extents) == Rank && (std::is_convertible_v<Extents, index_t> && ...))
  void resize(Extents... extents) {
    extents_ = {static_cast<index_t>(extents)...};
    for (index_t extent : extents_) expects(extent >= 0, "array: extent ", extent, " is negative");
    values_.resize(static_cast<std::size_t>(whole().size()));
  }

  void fill(const T& value) { std::fill(values_.begin(), values_.end(), value); }

  view<T, Rank> whole() { return make_view(values_.data()); }
  view<const T, Rank> whole() const { return make_view(values_.data()); }
  operator view<T, Rank>() { return whole(); }
  operator view<const T, Rank>() const { return whole(); }
  operator view<const T, Rank>() { return whole(); }

  template <class... Indices>
  T& operator()(Indices... indices) {
    return whole()(indices...);
  }
  template <class... Indices>
  const T& operator()(Indices... indices) const {
    return whole()(indices...);
  }

  index_t extent(int axis) const { return extents_[static_cast<std::size_t>(axis)]; }
  index_t size() const { return whole().size(); }
  T* data() { return values_.data(); }
  const T* data() const { return values_.data(); }
  T* begin() { return values_.data(); }
  T* end() { return values_.data() + values_.size(); }
  const T* begin() const { return values_.data(); }
  const T* end() const { return values_.data() + values_.size(); }

  friend bool operator==(const array&, const array&) = default;

 private:
  template <class U>
  view<U, Rank> make_view(U* data) const {
    return std::apply([&](auto... extents) { return view<U, Rank>(data, extents...); }, extents_);
  }

  std::array<index_t, Rank> extents_{};
  std::pmr::vector<T> values_;
};

}  // namespace dimix
