// Checkpoints: named blocks of numbers and a few words about the run, in a safetensors file that any tool can open.
//
// The metadata of the file holds format = dimix-checkpoint, format_version, the digest of everything else, and the caller's own
// words. Laws: load_checkpoint of what save_checkpoint wrote restores every bit; a file in which any byte that matters was changed is
// refused; a load that is refused has changed nothing; a save that fails leaves the file that was there.
//
//   std::vector<tensor_source> blocks;
//   network.parameters().for_each_block(collect(blocks, "student."));
//   save_checkpoint("run.safetensors", blocks, {{"components", "64"}, {"step", "1200"}});
#pragma once

#include <dimix/io/safetensors.hpp>

#include <cmath>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dimix {

using checkpoint_metadata = std::map<std::string, std::string>;

/// Memory to be filled from a checkpoint, owned by the caller.
struct checkpoint_block {
  std::string name;
  dtype type = dtype::f32;
  std::vector<index_t> shape;
  std::span<std::byte> bytes;
};

/// A callable f(name, shape, view<T, 1>) that appends prefix + name to `blocks`: to tensor_sources for saving (T may be const),
/// to checkpoint_blocks for loading. `blocks` must outlive it.
template <class Block>
auto collect(std::vector<Block>& blocks, std::string prefix = "") {
  return [&blocks, prefix = std::move(prefix)]<class T>(const std::string& name, const std::vector<index_t>& shape,
                                                        view<T, 1> values) {
    const std::span<T> numbers(values.data(), static_cast<std::size_t>(values.size()));
    if constexpr (std::is_same_v<Block, checkpoint_block>) {
      blocks.push_back({prefix + name, dtype_of<T>(), shape, std::as_writable_bytes(numbers)});
    } else {
      blocks.push_back({prefix + name, dtype_of<T>(), shape, std::as_bytes(numbers)});
    }
  };
}

namespace detail {

inline constexpr const char *format_key = "format", *version_key = "format_version", *digest_key = "digest";
inline constexpr const char *checkpoint_format = "dimix-checkpoint", *checkpoint_version = "1";

/// FNV-1a, 64 bits (Fowler, Noll, Vo): any single changed byte changes it.
class digest {
 public:
  void add(std::span<const std::byte> bytes) {
    for (std::byte b : bytes) state_ = (state_ ^ std::to_integer<std::uint64_t>(b)) * 0x100000001b3u;
  }
  void add(std::string_view text) {
    add(std::as_bytes(std::span<const char>(text.data(), text.size())));
    const std::byte end{0};
    add({&end, 1});
  }
  std::string text() const {
    std::string hex(16, '0');
    for (std::size_t i = 0; i < 16; ++i) hex[i] = "0123456789abcdef"[state_ >> (60 - 4 * i) & 15];
    return hex;
  }

 private:
  std::uint64_t state_ = 0xcbf29ce484222325u;
};

/// Blocks in the order of their names.
template <class Blocks>
std::string digest_of(const checkpoint_metadata& metadata, const Blocks& blocks) {
  digest sum;
  for (const auto& [key, value] : metadata) {
    if (key == digest_key) continue;
    sum.add(key);
    sum.add(value);
  }
  for (const auto& [name, block] : blocks) {
    sum.add(name);
    sum.add(name_of(block.type));
    sum.add(shape_text(block.shape));
    sum.add(block.bytes);
  }
  return sum.text();
}

/// Half precision and bfloat16 do not occur: there is no C++20 type to collect them from.
inline bool all_finite(dtype type, std::span<const std::byte> bytes) {
  const auto check = [&]<class T>(T number) {
    bool finite = true;
    for (std::size_t i = 0; i + sizeof(T) <= bytes.size(); i += sizeof(T)) {
      std::memcpy(&number, bytes.data() + i, sizeof(T));
      finite = finite && std::isfinite(number);
    }
    return finite;
  };
  return type == dtype::f64 ? check(0.0) : type == dtype::f32 ? check(0.0f) : true;
}

}  // namespace detail

/// Writes a checkpoint, whole or not at all.
/// Errors: numeric_error if a block holds a number that is not finite (the file that was there stays); invalid_argument for a
/// metadata key that the format uses itself, and as write_safetensors; file_error as write_whole.
inline void save_checkpoint(const std::string& path, std::span<const tensor_source> blocks, checkpoint_metadata metadata = {}) {
  for (const char* reserved : {detail::format_key, detail::version_key, detail::digest_key})
    expects(!metadata.contains(reserved), "save_checkpoint: the metadata key '", reserved, "' belongs to the format");
  std::map<std::string, tensor_source> sorted;
  for (const tensor_source& block : blocks) {
    expects<numeric_error>(detail::all_finite(block.type, block.bytes), "save_checkpoint: block '", block.name,
                           "' holds a number that is not finite; '", path, "' was not written");
    expects(sorted.emplace(block.name, block).second, "save_checkpoint: there are two blocks named '", block.name, "'");
  }
  metadata[detail::format_key] = detail::checkpoint_format;
  metadata[detail::version_key] = detail::checkpoint_version;
  metadata[detail::digest_key] = detail::digest_of(metadata, sorted);
  write_safetensors(path, blocks, metadata);
}

/// Opens a checkpoint for a look at its metadata before the memory for its blocks is made.
/// Errors: file_error as read_safetensors, for a file that is no checkpoint or of another version, and for a wrong digest.
inline safetensors_file open_checkpoint(const std::string& path) {
  safetensors_file file = read_safetensors(path);
  const auto entry = [&](const char* key) {
    const auto found = file.metadata().find(key);
    return found == file.metadata().end() ? std::string() : found->second;
  };
  expects<file_error>(entry(detail::format_key) == detail::checkpoint_format, "cannot load '", path,
                      "': it is a safetensors file but no checkpoint of dimix");
  expects<file_error>(entry(detail::version_key) == detail::checkpoint_version, "cannot load '", path,
                      "': its format version is '", entry(detail::version_key), "', and this program reads version ",
                      detail::checkpoint_version);
  std::map<std::string, tensor_info> blocks;
  for (const std::string& name : file.names()) blocks.emplace(name, file.tensor(name));
  expects<file_error>(entry(detail::digest_key) == detail::digest_of(file.metadata(), blocks), "cannot load '", path,
                      "': it is damaged (its digest does not fit its content)");
  return file;
}

/// Fills every block from an open checkpoint and returns the caller's words. `expected`: words that must be there with these values.
/// Errors: file_error for a word that is missing or different, a block that is missing, left over or of another shape or type,
/// and a number that is not finite. Nothing is filled unless everything fits.
inline checkpoint_metadata load_checkpoint(const safetensors_file& file, std::span<const checkpoint_block> blocks,
                                           const checkpoint_metadata& expected = {}) {
  const auto check = [&](bool fine, const auto&... parts) {
    expects<file_error>(fine, "cannot load '", file.path(), "': ", parts...);
  };
  checkpoint_metadata words = file.metadata();
  for (const char* reserved : {detail::format_key, detail::version_key, detail::digest_key}) words.erase(reserved);
  for (const auto& [key, value] : expected) {
    check(words.contains(key), "it does not say its ", key, ", and this run has ", key, " = ", value);
    check(words[key] == value, "it was made with ", key, " = ", words[key], ", and this run has ", key, " = ", value);
  }
  std::set<std::string> wanted;
  for (const checkpoint_block& block : blocks) {
    expects(wanted.insert(block.name).second, "load_checkpoint: there are two blocks named '", block.name, "'");
    check(file.contains(block.name), "the block '", block.name, "' is missing");
    const tensor_info& stored = file.tensor(block.name);
    check(stored.shape == block.shape, "block '", block.name, "' has shape ", shape_text(stored.shape), " where ",
          shape_text(block.shape), " is needed");
    check(stored.type == block.type, "block '", block.name, "' holds ", name_of(stored.type), " where ", name_of(block.type),
          " is needed");
    expects(stored.bytes.size() == block.bytes.size(), "load_checkpoint: block '", block.name, "' has ", block.bytes.size(),
            " bytes of memory for a shape of ", shape_text(block.shape));
    check(detail::all_finite(stored.type, stored.bytes), "block '", block.name, "' holds a number that is not finite");
  }
  for (const std::string& name : file.names()) check(wanted.contains(name), "it has a block '", name, "' that this run lacks");

  for (const checkpoint_block& block : blocks) {
    const std::span<const std::byte> stored = file.tensor(block.name).bytes;
    std::copy(stored.begin(), stored.end(), block.bytes.begin());
  }
  return words;
}

/// open_checkpoint and load_checkpoint in one.
inline checkpoint_metadata load_checkpoint(const std::string& path, std::span<const checkpoint_block> blocks,
                                           const checkpoint_metadata& expected = {}) {
  return load_checkpoint(open_checkpoint(path), blocks, expected);
}

}  // namespace dimix
