// Reading gzip data (RFC 1952) through zlib, never inflating more than the caller has asked for: a small file that claims to be
// a huge one costs no more memory than it can prove.
//
// The only header that includes zlib: link ZLIB::ZLIB. Where there is no <zlib.h>, compressed data is refused with a sentence.
#pragma once

#include <dimix/core/error.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#if __has_include(<zlib.h>)
#include <zlib.h>
#endif

namespace dimix {

inline bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1F} && bytes[1] == std::byte{0x8B};
}

namespace detail {

#if __has_include(<zlib.h>)

/// Inflates compressed bytes piece by piece; several members in a row are one stream. `what` names the file in errors.
/// Errors of read(): file_error for damaged data (the checksum of a member is checked when its end is reached).
class inflater {
 public:
  inflater(std::span<const std::byte> compressed, std::string what) : compressed_(compressed), what_(std::move(what)) {
    // 15 = the largest window, + 16 = a gzip header and nothing else
    expects<file_error>(inflateInit2(&stream_, 15 + 16) == Z_OK, what_, ": zlib cannot be started");
  }
  ~inflater() { inflateEnd(&stream_); }
  inflater(const inflater&) = delete;
  inflater& operator=(const inflater&) = delete;

  /// Fills `out`; returns how much of it, which is less than all only at the end of the data.
  std::size_t read(std::span<std::byte> out) {
    std::size_t filled = 0;
    while (filled < out.size() && !ended_) {
      constexpr std::size_t most = std::numeric_limits<uInt>::max() / 2;
      const std::size_t room = std::min(out.size() - filled, most), left = std::min(compressed_.size() - used_, most);
      stream_.next_in =
          reinterpret_cast<Bytef*>(const_cast<std::byte*>(compressed_.data() + used_));  // zlib does not write to it
      stream_.avail_in = static_cast<uInt>(left);
      stream_.next_out = reinterpret_cast<Bytef*>(out.data() + filled);
      stream_.avail_out = static_cast<uInt>(room);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      used_ += left - stream_.avail_in;
      filled += room - stream_.avail_out;
      if (status == Z_STREAM_END) {
        next_member();
      } else {
        expects<file_error>(status != Z_BUF_ERROR || left > 0, what_, ": the gzip data is truncated");
        expects<file_error>(status == Z_OK || status == Z_BUF_ERROR, what_, ": the gzip data is damaged",
                            stream_.msg ? std::string(" (") + stream_.msg + ")" : std::string());
      }
    }
    return filled;
  }

 private:
  void next_member() {
    const std::span<const std::byte> rest = compressed_.subspan(used_);
    ended_ = rest.empty();
    if (ended_) return;
    expects<file_error>(is_gzip(rest), what_, ": ", rest.size(), " bytes of something else follow the gzip data");
    expects<file_error>(inflateReset(&stream_) == Z_OK, what_, ": zlib cannot be restarted");
  }

  std::span<const std::byte> compressed_;
  std::string what_;
  z_stream stream_{};
  std::size_t used_ = 0;
  bool ended_ = false;
};

#else

class inflater {
 public:
  inflater(std::span<const std::byte>, const std::string& what) {
    fail<file_error>(what, ": it is compressed with gzip, and this program was built without zlib");
  }
  std::size_t read(std::span<std::byte>) { return 0; }  // never reached
};

#endif

}  // namespace detail

/// Compressed bytes as a stream. Errors: file_error for damaged data. `what` names the file in errors.
class gunzip_stream {
 public:
  gunzip_stream(std::span<const std::byte> compressed, const std::string& what) : inflater_(compressed, what), what_(what) {}

  /// Fills `out`; returns how much of it, which is less than all only at the end of the data.
  std::size_t read(std::span<std::byte> out) { return inflater_.read(out); }

  /// Exactly `count` bytes. Memory grows with what has really been inflated, whatever `count` claims.
  std::vector<std::byte> read_exactly(std::uint64_t count) {
    std::vector<std::byte> bytes;
    while (bytes.size() < count) {
      const std::size_t before = bytes.size();
      const std::uint64_t step = std::min<std::uint64_t>(count - before, std::max<std::uint64_t>(before, 1 << 20));
      bytes.resize(before + static_cast<std::size_t>(step));
      const std::size_t got = read(std::span(bytes).subspan(before));
      expects<file_error>(got == step, what_, ": holds ", before + got, " bytes where ", count, " were announced");
    }
    return bytes;
  }

  /// Errors: file_error if there is anything left.
  void expect_end() {
    std::byte extra{};
    expects<file_error>(read({&extra, 1}) == 0, what_, ": holds more data than its header announces");
  }

 private:
  detail::inflater inflater_;
  std::string what_;
};

}  // namespace dimix
