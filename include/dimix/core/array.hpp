// array<T, Rank>: the owning counterpart of view on the host, zero-initialised; it yields views and keeps its memory when it is
// resized to something smaller. It may come from a std::pmr::memory_resource (core/memory.hpp has one for loops); a copy takes the default one.
// array<T, Rank, Space> of another space: memory from a resource of that space, unspecified until rows write it, which the host never
// touches: no elements, only views. row_space is that of whoever gave the resource: the workspace of an object.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/view.hpp>

#include <algorithm>
#include <array>
#include <memory_resource>
#include <tuple>
#include <utility>
#include <vector>

namespace dimix {

template <class T, int Rank, class Space = host_space>
class array;

/// Where arrays start: a cache line, and the widest vector.
inline constexpr std::size_t array_alignment = 64;

/// Memory from a resource, aligned for arrays.
template <class T>
struct array_allocator {
  using value_type = T;

  std::pmr::memory_resource* memory = std::pmr::get_default_resource();

  array_allocator() = default;
  array_allocator(std::pmr::memory_resource* from) : memory(from) {}
  template <class U>
  array_allocator(const array_allocator<U>& other) : memory(other.memory) {}

  T* allocate(std::size_t n) { return static_cast<T*>(memory->allocate(n * sizeof(T), array_alignment)); }
  void deallocate(T* block, std::size_t n) { memory->deallocate(block, n * sizeof(T), array_alignment); }
  array_allocator select_on_container_copy_construction() const { return {}; }
  friend bool operator==(const array_allocator& a, const array_allocator& b) { return *a.memory == *b.memory; }
};

template <class T, int Rank>
class array<T, Rank, host_space> {
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
  std::vector<T, array_allocator<T>> values_;
};

template <class T, int Rank, class Space>
class array {
  static_assert(std::is_trivially_copyable_v<T>, "array: what lies outside the host must be trivially copyable");

 public:
  using value_type = T;

  array() = default;
  /// Empty, to be resized with memory from there.
  explicit array(std::pmr::memory_resource* memory) : memory_(memory) {}
  template <class... Extents>
    requires(sizeof...(Extents) == Rank && (std::is_convertible_v<Extents, index_t> && ...))
  explicit array(std::pmr::memory_resource* memory, Extents... extents) : memory_(memory) {
    resize(extents...);
  }
  array(array&& other) noexcept { swap(other); }
  array& operator=(array&& other) noexcept {
    swap(other);
    return *this;
  }
  ~array() {
    if (capacity_ > 0) memory_->deallocate(whole_.data(), bytes(capacity_), array_alignment);
  }

  /// New extents; the elements are unspecified afterwards. Takes memory only for more elements than ever before.
  template <class... Extents>
    requires(sizeof...(Extents) == Rank && (std::is_convertible_v<Extents, index_t> && ...))
  void resize(Extents... extents) {
    for (index_t extent : {static_cast<index_t>(extents)...}) expects(extent >= 0, "array: extent ", extent, " is negative");
    T* data = whole_.data();
    const index_t size = (static_cast<index_t>(extents) * ... * 1);
    if (size > capacity_) {
      T* larger_block = static_cast<T*>(memory_->allocate(bytes(size), array_alignment));
      if (capacity_ > 0) memory_->deallocate(data, bytes(capacity_), array_alignment);
      data = larger_block;
      capacity_ = size;
    }
    whole_ = {data, extents...};
  }

  /// The extents of another array.
  template <class U, class Other>
  void resize_like(const array<U, Rank, Other>& other) {
    [&]<std::size_t... Axis>(std::index_sequence<Axis...>) {
      resize(other.extent(static_cast<int>(Axis))...);
    }(std::make_index_sequence<static_cast<std::size_t>(Rank)>{});
  }

  view<T, Rank, Space> whole() { return whole_; }
  view<const T, Rank, Space> whole() const { return whole_; }
  /// What rows see of it.
  view<T, Rank> rows() { return local(whole_); }
  view<const T, Rank> rows() const { return local(whole_); }

  index_t extent(int axis) const { return whole_.extent(axis); }
  index_t size() const { return whole_.size(); }

 private:
  static std::size_t bytes(index_t count) { return static_cast<std::size_t>(count) * sizeof(T); }
  void swap(array& other) {
    std::swap(memory_, other.memory_);
    std::swap(whole_, other.whole_);
    std::swap(capacity_, other.capacity_);
  }

  std::pmr::memory_resource* memory_ = std::pmr::get_default_resource();
  view<T, Rank, Space> whole_;
  index_t capacity_ = 0;  // elements
};

}  // namespace dimix
