// IDX files, the format of the MNIST sets: two zero bytes, a byte for the element type, a byte for the rank, then the extents as
// big-endian 32-bit numbers, then big-endian elements in row-major order. Plain or compressed with gzip, told by the first bytes.
// And read_data: one call for every data format that the library knows.
#pragma once

#include <dimix/io/file.hpp>
#include <dimix/io/gzip.hpp>
#include <dimix/io/npy.hpp>
#include <dimix/io/raw_tensor.hpp>

#include <algorithm>
#include <array>

namespace dimix {

namespace detail {

struct idx_header {
  dtype type = dtype::u8;
  std::vector<index_t> shape;
  index_t bytes = 0;  // of the elements
};

/// `read(n)` returns the next n bytes of the file.
template <class Read>
idx_header read_idx_header(Read read, const std::string& path) {
  constexpr struct {
    std::size_t code;
    dtype type;
  } types[] = {{0x08, dtype::u8},  {0x09, dtype::i8},  {0x0B, dtype::i16},
               {0x0C, dtype::i32}, {0x0D, dtype::f32}, {0x0E, dtype::f64}};
  const std::vector<std::byte> magic = read(4);
  const auto* known = std::find_if(std::begin(types), std::end(types), [&](const auto& candidate) {
    return candidate.code == std::to_integer<std::size_t>(magic[2]);
  });
  expects<file_error>(magic[0] == std::byte{0} && magic[1] == std::byte{0} && known != std::end(types), "cannot read '", path,
                      "': it is not an IDX file (it does not start with 0, 0 and a known element type)");
  idx_header header;
  header.type = known->type;
  const std::size_t rank = std::to_integer<std::size_t>(magic[3]);
  expects<file_error>(rank >= 1 && rank <= 8, "cannot read '", path, "': an IDX rank of ", rank, " lies outside [1, 8]");
  for (std::size_t axis = 0; axis < rank; ++axis) {
    index_t extent = 0;
    for (std::byte part : read(4)) extent = extent << 8 | std::to_integer<index_t>(part);
    header.shape.push_back(extent);
  }
  expects<file_error>(
      count_bytes(header.shape, header.type, header.bytes) && static_cast<std::uint64_t>(header.bytes) <= default_file_limit,
      "cannot read '", path, "': a shape of ", shape_text(header.shape), " is too large");
  return header;
}

inline raw_tensor finish_idx(idx_header header, std::vector<std::byte> bytes, const std::string& path) {
  const std::size_t width = size_of(header.type);
  if (width > 1)
    for (auto at = bytes.begin(); at != bytes.end(); at += static_cast<std::ptrdiff_t>(width))
      std::reverse(at, at + static_cast<std::ptrdiff_t>(width));
  return {path, header.type, std::move(header.shape), std::move(bytes)};
}

}  // namespace detail

/// The content of an IDX file, plain or gzip, that has been read into memory; `path` names it in errors. A compressed file is
/// inflated up to the size that its header announces and not further.
inline raw_tensor parse_idx(std::span<const std::byte> bytes, const std::string& path) {
  if (is_gzip(bytes)) {
    gunzip_stream stream(bytes, "cannot read '" + path + "'");
    detail::idx_header header = detail::read_idx_header([&](std::size_t count) { return stream.read_exactly(count); }, path);
    std::vector<std::byte> elements = stream.read_exactly(static_cast<std::uint64_t>(header.bytes));
    stream.expect_end();
    return detail::finish_idx(std::move(header), std::move(elements), path);
  }
  const auto next = [&](std::size_t count) {
    expects<file_error>(bytes.size() >= count, "cannot read '", path, "': it is truncated within its IDX header");
    const std::span<const std::byte> head = bytes.first(count);
    bytes = bytes.subspan(count);
    return std::vector<std::byte>(head.begin(), head.end());
  };
  detail::idx_header header = detail::read_idx_header(next, path);
  expects<file_error>(static_cast<std::size_t>(header.bytes) == bytes.size(), "cannot read '", path, "': a shape of ",
                      shape_text(header.shape), " and type ", name_of(header.type), " needs ", header.bytes,
                      " bytes, and the file has ", bytes.size());
  return detail::finish_idx(std::move(header), {bytes.begin(), bytes.end()}, path);
}

/// Errors: file_error for everything that read_whole refuses, damaged gzip data, and what is not IDX or not of the announced size.
inline raw_tensor read_idx(const std::string& path) { return parse_idx(read_whole(path), path); }

/// .npy, IDX or IDX in gzip, whichever the first bytes say.
inline raw_tensor read_data(const std::string& path) {
  const std::vector<std::byte> bytes = read_whole(path);
  return is_npy(bytes) ? parse_npy(bytes, path) : parse_idx(bytes, path);
}

}  // namespace dimix
