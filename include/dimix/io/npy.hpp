// NumPy's .npy files, versions 1 and 2: 6 bytes of magic, version, length of the header, a Python dict of `descr`,
// `fortran_order` and `shape`, then the elements (numpy.lib.format documents it). Row-major, little-endian numbers only: a
// column-major or big-endian file is refused with a sentence that says how to save it again.
//
// Laws: read_npy of what write_npy wrote has the same type, shape and bytes; the elements fill the file to its last byte.
#pragma once

#include <dimix/io/file.hpp>
#include <dimix/io/raw_tensor.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

namespace dimix {

namespace detail {

struct npy_type {
  std::string_view code;
  dtype type;
};

inline constexpr npy_type npy_types[] = {{"f8", dtype::f64}, {"f4", dtype::f32}, {"f2", dtype::f16}, {"i8", dtype::i64},
                                         {"i4", dtype::i32}, {"i2", dtype::i16}, {"i1", dtype::i8},  {"u8", dtype::u64},
                                         {"u4", dtype::u32}, {"u2", dtype::u16}, {"u1", dtype::u8},  {"b1", dtype::boolean}};

/// The one kind of Python dict that a .npy header holds, read left to right.
class npy_header {
 public:
  npy_header(std::string_view text, const std::string& path) : text_(text), path_(path) { parse(); }

  std::string descr;
  bool fortran_order = false;
  std::vector<index_t> shape;

 private:
  void parse() {
    bool has_descr = false, has_order = false, has_shape = false;
    take('{');
    while (!accept('}')) {
      const std::string key = quoted();
      take(':');
      if (key == "descr" && !std::exchange(has_descr, true)) {
        descr = quoted();
      } else if (key == "fortran_order" && !std::exchange(has_order, true)) {
        fortran_order = boolean();
      } else if (key == "shape" && !std::exchange(has_shape, true)) {
        shape = tuple();
      } else {
        refuse("has an unexpected or repeated key");
      }
      if (!accept(',')) {
        take('}');
        break;
      }
    }
    skip_space();
    if (!text_.empty()) refuse("goes on after its closing brace");
    if (!(has_descr && has_order && has_shape)) refuse("lacks one of descr, fortran_order, shape");
  }

  [[noreturn]] void refuse(const char* reason) const {
    fail<file_error>("cannot read '", path_, "': its .npy header ", reason);
  }

  void skip_space() { text_.remove_prefix(std::min(text_.find_first_not_of(" \n"), text_.size())); }
  bool accept(char wanted) {
    skip_space();
    if (!text_.starts_with(wanted)) return false;
    text_.remove_prefix(1);
    return true;
  }
  void take(char wanted) {
    if (!accept(wanted)) refuse("is not a dict of descr, fortran_order and shape");
  }
  std::string quoted() {
    const char quote = accept('"') ? '"' : '\'';
    if (quote == '\'') take('\'');
    const std::size_t end = text_.find(quote);
    if (end == text_.npos) refuse("has a string without an end");
    const std::string inside(text_.substr(0, end));
    text_.remove_prefix(end + 1);
    return inside;
  }
  bool boolean() {
    skip_space();
    const bool value = text_.starts_with("True");
    if (!value && !text_.starts_with("False")) refuse("has a fortran_order that is neither True nor False");
    text_.remove_prefix(value ? 4 : 5);
    return value;
  }
  std::vector<index_t> tuple() {
    std::vector<index_t> extents;
    take('(');
    while (!accept(')')) {
      skip_space();
      index_t extent = 0;
      const auto [end, status] = std::from_chars(text_.data(), text_.data() + text_.size(), extent);
      if (status != std::errc() || extent < 0) refuse("has a shape that is not a tuple of sizes");
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      extents.push_back(extent);
      if (!accept(',')) {
        take(')');
        break;
      }
    }
    return extents;
  }

  std::string_view text_;
  const std::string& path_;
};

}  // namespace detail

inline bool is_npy(std::span<const std::byte> bytes) {
  return bytes.size() >= 6 && std::memcmp(bytes.data(), "\x93NUMPY", 6) == 0;
}

/// The content of a .npy file that has been read into memory; `path` names it in errors.
inline raw_tensor parse_npy(std::span<const std::byte> bytes, const std::string& path) {
  const auto byte_at = [&](std::size_t i) { return std::to_integer<std::size_t>(bytes[i]); };
  expects<file_error>(is_npy(bytes), "cannot read '", path, "': it is not a .npy file");
  expects<file_error>(bytes.size() >= 12, "cannot read '", path, "': it is truncated within its header");
  const std::size_t version = byte_at(6);
  expects<file_error>(version == 1 || version == 2, "cannot read '", path, "': .npy version ", version, " is not 1 or 2");
  const std::size_t start = version == 1 ? 10 : 12;
  const std::size_t length = byte_at(8) | byte_at(9) << 8 | (version == 2 ? byte_at(10) << 16 | byte_at(11) << 24 : 0);
  expects<file_error>(length <= bytes.size() - start, "cannot read '", path, "': it is truncated within its header");
  const detail::npy_header header({reinterpret_cast<const char*>(bytes.data()) + start, length}, path);

  expects<file_error>(!header.fortran_order, "cannot read '", path,
                      "': it is column-major (fortran_order); save it with numpy.ascontiguousarray");
  const std::string_view code = header.descr;
  const auto* known = std::end(detail::npy_types);
  if (code.size() == 3 && std::strchr("<>|=", code[0]))
    known = std::find_if(std::begin(detail::npy_types), std::end(detail::npy_types),
                         [&](const auto& candidate) { return candidate.code == code.substr(1); });
  expects<file_error>(known != std::end(detail::npy_types), "cannot read '", path, "': elements of type '", code,
                      "' are not supported");
  expects<file_error>(code[0] != '>' || size_of(known->type) == 1, "cannot read '", path, "': its numbers are big-endian (",
                      code, "); save it with .astype('<", known->code, "')");

  index_t needed = 0;
  const std::span<const std::byte> body = bytes.subspan(start + length);
  expects<file_error>(detail::count_bytes(header.shape, known->type, needed), "cannot read '", path, "': a shape of ",
                      shape_text(header.shape), " is too large");
  expects<file_error>(static_cast<std::size_t>(needed) == body.size(), "cannot read '", path, "': a shape of ",
                      shape_text(header.shape), " and type ", code, " needs ", needed, " bytes, and the file has ",
                      body.size());
  return {path, known->type, header.shape, {body.begin(), body.end()}};
}

/// Errors: file_error for everything that read_whole refuses, and for what is not a .npy file of plain row-major numbers.
inline raw_tensor read_npy(const std::string& path) { return parse_npy(read_whole(path), path); }

/// Writes a .npy file of version 1, whole or not at all.
template <class T, int Rank>
void write_npy(const std::string& path, view<T, Rank> values) {
  constexpr dtype type = dtype_of<T>();
  const auto* known = std::find_if(std::begin(detail::npy_types), std::end(detail::npy_types),
                                   [](const auto& candidate) { return candidate.type == type; });
  std::vector<index_t> shape;
  for (int axis = 0; axis < Rank; ++axis) shape.push_back(values.extent(axis));
  std::string header = std::string("{'descr': '") + (size_of(type) == 1 ? '|' : '<') + std::string(known->code) +
                       "', 'fortran_order': False, 'shape': " + shape_text(shape) + ", }";
  header.append(63 - (10 + header.size()) % 64, ' ');  // the elements start at a multiple of 64
  header += '\n';
  std::string text = "\x93NUMPY";
  text += {'\x01', '\x00', static_cast<char>(header.size() & 0xFF), static_cast<char>(header.size() >> 8)};
  text += header;
  text.append(reinterpret_cast<const char*>(values.data()), static_cast<std::size_t>(values.size()) * sizeof(T));
  write_whole(path, text);
}

template <class T, int Rank>
void write_npy(const std::string& path, const array<T, Rank>& values) {
  write_npy(path, values.whole());
}

}  // namespace dimix
