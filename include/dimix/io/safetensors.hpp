// Safetensors files: 8 bytes with the length n of the header (little-endian), n bytes of JSON that name every tensor with its
// type, shape and byte range, then the bytes (github.com/huggingface/safetensors documents the format).
//
// Laws: what write_safetensors wrote, read_safetensors gives back bit for bit. A file is accepted only when its header explains
// every byte: ranges lie inside the file, fit shape x type exactly, do not overlap and leave no hole. No size that the file claims
// is allocated or multiplied before it was checked against the bytes that are there.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/io/file.hpp>
#include <dimix/io/raw_tensor.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <optional>
#include <set>

namespace dimix {

/// One tensor of an open safetensors_file, which owns the bytes.
struct tensor_info {
  dtype type = dtype::f64;
  std::vector<index_t> shape;
  std::span<const std::byte> bytes;
};

/// A safetensors file in memory.
class safetensors_file {
 public:
  /// Checks and takes the bytes of a whole file; `path` names it in errors.
  /// Errors: file_error with the reason, for everything that the laws above exclude.
  safetensors_file(std::vector<std::byte> bytes, std::string path) : path_(std::move(path)), bytes_(std::move(bytes)) {
    parse();
  }

  safetensors_file(safetensors_file&&) = default;  // the heap memory behind the spans moves along
  safetensors_file& operator=(safetensors_file&&) = default;
  safetensors_file(const safetensors_file&) = delete;
  safetensors_file& operator=(const safetensors_file&) = delete;

  const std::string& path() const { return path_; }
  /// In alphabetical order.
  std::vector<std::string> names() const {
    std::vector<std::string> all;
    for (const auto& [name, info] : tensors_) all.push_back(name);
    return all;
  }
  const std::map<std::string, std::string>& metadata() const { return metadata_; }
  bool contains(const std::string& name) const { return tensors_.contains(name); }

  /// Errors: file_error for a name that the file lacks.
  const tensor_info& tensor(const std::string& name) const {
    const auto found = tensors_.find(name);
    expects<file_error>(found != tensors_.end(), "'", path_, "': there is no tensor '", name, "'");
    return found->second;
  }

  /// All elements in row-major order; conversions and errors as `convert` in dtype.hpp.
  template <class T>
  std::vector<T> values(const std::string& name) const {
    const tensor_info& info = tensor(name);
    return convert<T>(info.type, info.bytes, label(name));
  }

  /// The same with its shape. Errors: as values(), and another rank.
  template <class T, int Rank>
  array<T, Rank> load(const std::string& name) const {
    return detail::shaped<T, Rank>(tensor(name).shape, values<T>(name), label(name));
  }

 private:
  using json = nlohmann::json;

  template <class... Parts>
  void check(bool fine, const Parts&... parts) const {
    expects<file_error>(fine, "cannot read '", path_, "': ", parts...);
  }
  std::string label(const std::string& name) const { return "'" + path_ + "', tensor '" + name + "'"; }

  void parse() {
    check(bytes_.size() >= 8, "it is truncated (", bytes_.size(), " bytes, and a safetensors file starts with 8 for a length)");
    std::uint64_t length = 0;
    std::memcpy(&length, bytes_.data(), 8);
    const std::size_t rest = bytes_.size() - 8;
    check(length <= 100'000'000, "it is not a safetensors file (a header of ", length,
          " bytes is longer than the format allows)");
    check(length <= rest, "it is truncated (a header of ", length, " bytes is announced, and ", rest, " bytes follow)");
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + 8, static_cast<std::size_t>(length));
    check(text.starts_with('{'), "it is not a safetensors file (its header is no JSON object)");
    const std::span<const std::byte> data = std::span<const std::byte>(bytes_).subspan(8 + text.size());

    const json header = parse_header(text);
    for (const auto& [name, entry] : header.items()) {
      if (name == "__metadata__") {
        take_metadata(entry);
      } else {
        tensors_.emplace(name, take_tensor(name, entry, data));
      }
    }
    check_cover(data);
  }

  /// JSON, of which no object names a key twice (a parser would silently keep the last) and nothing nests deeper than a header does.
  json parse_header(std::string_view text) const {
    std::vector<std::set<std::string>> keys;
    const auto watch = [&](int depth, json::parse_event_t event, json& parsed) {
      check(depth <= 3, "its header nests deeper than a safetensors header does");
      if (event == json::parse_event_t::object_start) keys.emplace_back();
      if (event == json::parse_event_t::object_end) keys.pop_back();
      if (event == json::parse_event_t::key) {
        const auto& key = parsed.get_ref<const std::string&>();
        check(keys.back().insert(key).second, "its header names '", key, "' twice");
      }
      return true;
    };
    try {
      return json::parse(text, watch);
    } catch (const json::exception& reason) {
      fail<file_error>("cannot read '", path_, "': its header is not valid JSON (", reason.what(), ")");
    }
  }

  void take_metadata(const json& entry) {
    check(entry.is_object(), "its __metadata__ is not an object");
    for (const auto& [key, value] : entry.items()) {
      check(value.is_string(), "its __metadata__ '", key, "' is not a string");
      metadata_.emplace(key, value.get<std::string>());
    }
  }

  tensor_info take_tensor(const std::string& name, const json& entry, std::span<const std::byte> data) const {
    check(entry.is_object() && entry.size() == 3 && entry.contains("dtype") && entry.contains("shape") &&
              entry.contains("data_offsets"),
          "tensor '", name, "' is not described by dtype, shape and data_offsets");
    const json &type = entry["dtype"], &shape = entry["shape"], &offsets = entry["data_offsets"];
    check(type.is_string() && shape.is_array() && offsets.is_array() && offsets.size() == 2, "tensor '", name,
          "' is not described by a dtype, a shape and two data_offsets");

    tensor_info info;
    const std::string type_name = type.get<std::string>();
    const auto known = [&] {
      for (int code = 0; code <= static_cast<int>(dtype::boolean); ++code)
        if (name_of(static_cast<dtype>(code)) == type_name) return std::optional(static_cast<dtype>(code));
      return std::optional<dtype>();
    }();
    check(known.has_value(), "tensor '", name, "' has the unknown dtype '", type_name, "'");
    info.type = *known;
    for (const json& extent : shape) info.shape.push_back(static_cast<index_t>(whole_number(name, extent)));
    const std::uint64_t begin = whole_number(name, offsets[0]), end = whole_number(name, offsets[1]);

    index_t needed = 0;
    check(detail::count_bytes(info.shape, info.type, needed), "tensor '", name, "' has a shape of ", shape_text(info.shape),
          ", which is too large");
    check(begin <= end && end <= data.size(), "tensor '", name, "' lies at bytes ", begin, " to ", end, ", and the file has ",
          data.size(), " bytes of data");
    check(end - begin == static_cast<std::uint64_t>(needed), "tensor '", name, "' of shape ", shape_text(info.shape),
          " and type ", type_name, " needs ", needed, " bytes and has ", end - begin);
    info.bytes = data.subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(end - begin));
    return info;
  }

  std::uint64_t whole_number(const std::string& name, const json& value) const {
    check(value.is_number_unsigned() && value.get<std::uint64_t>() <= std::uint64_t{std::numeric_limits<index_t>::max()},
          "tensor '", name, "' has a size or offset that is not a whole number");
    return value.get<std::uint64_t>();
  }

  /// The tensors, one after the other, are the data.
  void check_cover(std::span<const std::byte> data) const {
    std::vector<std::pair<std::span<const std::byte>, const std::string*>> ranges;
    for (const auto& [name, info] : tensors_) ranges.emplace_back(info.bytes, &name);
    const auto begin = [&](const auto& range) { return range.first.data() - data.data(); };
    const auto end = [&](const auto& range) { return begin(range) + static_cast<std::ptrdiff_t>(range.first.size()); };
    std::sort(ranges.begin(), ranges.end(),
              [&](const auto& a, const auto& b) { return std::pair(begin(a), end(a)) < std::pair(begin(b), end(b)); });
    std::ptrdiff_t covered = 0;
    for (const auto& range : ranges) {
      check(begin(range) >= covered, "tensor '", *range.second, "' overlaps another one");
      check(begin(range) == covered, "bytes ", covered, " to ", begin(range), " belong to no tensor");
      covered = end(range);
    }
    check(static_cast<std::size_t>(covered) == data.size(), data.size() - static_cast<std::size_t>(covered),
          " bytes at its end belong to no tensor");
  }

  std::string path_;
  std::vector<std::byte> bytes_;
  std::map<std::string, tensor_info> tensors_;
  std::map<std::string, std::string> metadata_;
};

/// Reads and checks a file. Errors: as read_whole and safetensors_file.
inline safetensors_file read_safetensors(const std::string& path) { return {read_whole(path), path}; }

/// One tensor to be written; `bytes` are its little-endian elements in row-major order, owned by the caller.
struct tensor_source {
  std::string name;
  dtype type = dtype::f64;
  std::vector<index_t> shape;
  std::span<const std::byte> bytes;
};

/// A view under a name. Half and bfloat16 bits, which C++20 has no type for, are given as a tensor_source by hand.
template <class T, int Rank>
tensor_source named_tensor(std::string name, view<T, Rank> values) {
  tensor_source source{.name = std::move(name), .type = dtype_of<T>(), .shape = {}, .bytes = {}};
  for (int axis = 0; axis < Rank; ++axis) source.shape.push_back(values.extent(axis));
  source.bytes = std::as_bytes(std::span<const std::remove_const_t<T>>(values.data(), static_cast<std::size_t>(values.size())));
  return source;
}

template <class T, int Rank>
tensor_source named_tensor(std::string name, const array<T, Rank>& values) {
  return named_tensor(std::move(name), values.whole());
}

/// Writes the file whole or not at all. Wider elements come first, so that every tensor is aligned to its element.
/// Errors: invalid_argument for a repeated or reserved name, for text that is not UTF-8 and for bytes that do not fit shape x
/// type; file_error as write_whole.
inline void write_safetensors(const std::string& path, std::span<const tensor_source> tensors,
                              const std::map<std::string, std::string>& metadata = {}) {
  std::vector<const tensor_source*> order;
  for (const tensor_source& source : tensors) order.push_back(&source);
  std::stable_sort(order.begin(), order.end(), [](auto* a, auto* b) { return size_of(a->type) > size_of(b->type); });

  nlohmann::json header = nlohmann::json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  std::size_t total = 0;
  for (const tensor_source* source : order) {
    index_t needed = 0;
    expects(
        detail::count_bytes(source->shape, source->type, needed) && static_cast<std::size_t>(needed) == source->bytes.size(),
        "write_safetensors: tensor '", source->name, "' has ", source->bytes.size(), " bytes for a shape of ",
        shape_text(source->shape), " and type ", name_of(source->type));
    expects(source->name != "__metadata__" && !header.contains(source->name), "write_safetensors: the name '", source->name,
            "' is reserved or used twice");
    header[source->name] = {
        {"dtype", name_of(source->type)}, {"shape", source->shape}, {"data_offsets", {total, total + source->bytes.size()}}};
    total += source->bytes.size();
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception& reason) {
    fail("write_safetensors: a name or metadata text is not UTF-8 (", reason.what(), ")");
  }
  text.append((8 - text.size() % 8) % 8, ' ');

  const std::uint64_t length = text.size();
  std::vector<std::byte> file(8 + text.size() + total);
  std::memcpy(file.data(), &length, 8);
  std::byte* at = std::copy_n(reinterpret_cast<const std::byte*>(text.data()), text.size(), file.data() + 8);
  for (const tensor_source* source : order) at = std::copy(source->bytes.begin(), source->bytes.end(), at);
  write_whole(path, file);
}

}  // namespace dimix
