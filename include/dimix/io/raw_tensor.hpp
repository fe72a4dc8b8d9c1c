// raw_tensor: what a data file holds, before anybody has decided which C++ numbers to make of it.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/io/dtype.hpp>

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dimix {

namespace detail {

/// Numbers in row-major order -> an owning array of this shape.
/// Errors: file_error when the shape has another rank.
template <class T, int Rank>
dimix::array<T, Rank> shaped(std::span<const index_t> shape, std::span<const T> values, std::string_view what) {
  expects<file_error>(shape.size() == Rank, what, ": has shape ", shape_text(shape), " of rank ", shape.size(),
                      ", asked for rank ", Rank);
  dimix::array<T, Rank> result;
  [&]<std::size_t... axis>(std::index_sequence<axis...>) { result.resize(shape[axis]...); }(std::make_index_sequence<Rank>{});
  std::copy(values.begin(), values.end(), result.begin());
  return result;
}

}  // namespace detail

/// `bytes` are the little-endian elements of `shape` in row-major order; `source` is the path, for errors.
/// Law: bytes.size() == product of shape x size_of(type), ensured by whoever read it.
struct raw_tensor {
  std::string source;
  dtype type = dtype::u8;
  std::vector<index_t> shape;
  std::vector<std::byte> bytes;

  index_t size() const { return static_cast<index_t>(bytes.size() / size_of(type)); }

  /// All elements in row-major order; conversions and errors as `convert` in dtype.hpp.
  template <class T>
  std::vector<T> values() const {
    return convert<T>(type, bytes, "'" + source + "'");
  }

  /// The same with its shape. Errors: as values(), and another rank.
  template <class T, int Rank>
  array<T, Rank> load() const {
    return detail::shaped<T, Rank>(shape, values<T>(), "'" + source + "'");
  }
};

}  // namespace dimix
