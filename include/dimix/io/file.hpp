// Whole files in, whole files out. A file is written whole or not at all: the bytes go to a temporary file in the same folder,
// are flushed to the disk and take the final name in one step, so that a reader, a crash or a full disk never leaves half of one.
//
// Laws: after write_whole(path, bytes), read_whole(path) == bytes; if write_whole throws, `path` is as it was and the temporary
// file is gone. Every failure is a file_error whose sentence names the path and the reason. POSIX.
#pragma once

#include <dimix/core/error.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dimix {

namespace detail {

/// An open descriptor, closed when it goes.
class descriptor {
 public:
  explicit descriptor(int number) : number_(number) {}
  ~descriptor() { close(); }
  descriptor(const descriptor&) = delete;
  descriptor& operator=(const descriptor&) = delete;

  explicit operator bool() const { return number_ >= 0; }
  int get() const { return number_; }
  bool close() {
    const int closing = number_;
    number_ = -1;
    return closing < 0 || ::close(closing) == 0;
  }

 private:
  int number_;
};

/// A file that is removed again unless it was kept.
class temporary_file {
 public:
  explicit temporary_file(std::string path) : path_(std::move(path)) {}
  ~temporary_file() {
    if (!path_.empty()) ::unlink(path_.c_str());
  }
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;

  const std::string& path() const { return path_; }
  void keep() { path_.clear(); }

 private:
  std::string path_;
};

/// A name beside `path` that no other thread or process uses.
inline std::string temporary_name(const std::string& path) {
  static std::atomic<unsigned> count{0};
  return path + ".partial-" + std::to_string(::getpid()) + "-" + std::to_string(count.fetch_add(1));
}

/// The file behind a chain of symbolic links, so that writing replaces the file and leaves the link.
inline std::string resolved(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_symlink(path, ignored)) return path;
  const std::filesystem::path target = std::filesystem::canonical(path, ignored);
  return ignored ? path : target.string();
}

}  // namespace detail

/// The largest file that the readers take unless they are told otherwise: 8 GiB.
inline constexpr std::uint64_t default_file_limit = std::uint64_t{8} << 30;

/// All bytes of a regular file of at most `limit` bytes.
/// Errors: file_error for a missing or unreadable file, a folder, anything that is not a regular file, and a larger file.
inline std::vector<std::byte> read_whole(const std::string& path, std::uint64_t limit = default_file_limit) {
  // O_NONBLOCK: a pipe without a writer is refused below instead of being waited for
  const detail::descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  expects<file_error>(static_cast<bool>(file), "cannot read '", path, "': ", std::strerror(errno));
  struct stat status {};
  expects<file_error>(::fstat(file.get(), &status) == 0, "cannot read '", path, "': ", std::strerror(errno));
  expects<file_error>(!S_ISDIR(status.st_mode), "cannot read '", path, "': it is a folder, not a file");
  expects<file_error>(S_ISREG(status.st_mode), "cannot read '", path, "': it is not a regular file");
  const std::uint64_t size = static_cast<std::uint64_t>(status.st_size);
  expects<file_error>(size <= limit, "cannot read '", path, "': it has ", size, " bytes, more than the limit of ", limit);

  std::vector<std::byte> bytes(static_cast<std::size_t>(size));
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = ::read(file.get(), bytes.data() + filled, std::min(bytes.size() - filled, std::size_t{1} << 30));
    if (got < 0 && errno == EINTR) continue;
    expects<file_error>(got >= 0, "cannot read '", path, "': ", std::strerror(errno));
    expects<file_error>(got > 0, "cannot read '", path, "': it shrank to ", filled, " bytes while it was read");
    filled += static_cast<std::size_t>(got);
  }
  return bytes;
}

/// Replaces or creates `path` with exactly these bytes. An existing file keeps its permissions; a symbolic link keeps pointing
/// to the file that is replaced.
/// Errors: file_error (no such folder, no permission, disk full, not a regular file); `path` is then as it was.
inline void write_whole(const std::string& path, std::span<const std::byte> bytes) {
  const std::string target = detail::resolved(path);
  const auto check = [&](bool fine) { expects<file_error>(fine, "cannot write '", path, "': ", std::strerror(errno)); };

  struct stat old {};
  const bool exists = ::stat(target.c_str(), &old) == 0;
  check(exists || errno == ENOENT);
  expects<file_error>(!exists || !S_ISDIR(old.st_mode), "cannot write '", path, "': it is a folder");
  expects<file_error>(!exists || S_ISREG(old.st_mode), "cannot write '", path, "': it is not a regular file");

  const std::string name = detail::temporary_name(target);
  detail::descriptor file(::open(name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  check(static_cast<bool>(file));
  detail::temporary_file partial(name);
  if (exists) check(::fchmod(file.get(), old.st_mode & 07777) == 0);
  for (std::size_t written = 0; written < bytes.size();) {
    const ssize_t put = ::write(file.get(), bytes.data() + written, std::min(bytes.size() - written, std::size_t{1} << 30));
    if (put < 0 && errno == EINTR) continue;
    check(put >= 0);
    written += static_cast<std::size_t>(put);
  }
  check(::fsync(file.get()) == 0);
  check(file.close());
  check(std::rename(partial.path().c_str(), target.c_str()) == 0);
  partial.keep();

  // The new name itself reaches the disk with its folder. Some file systems cannot flush a folder; the file is whole all the same.
  const std::string folder = std::filesystem::path(target).parent_path().string();
  const detail::descriptor parent(::open(folder.empty() ? "." : folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (parent) ::fsync(parent.get());
}

inline void write_whole(const std::string& path, std::string_view text) {
  write_whole(path, std::as_bytes(std::span<const char>(text.data(), text.size())));
}

}  // namespace dimix
