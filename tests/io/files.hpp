// What the tests of files share: a folder that goes away, bytes made by hand, and the two ways to damage a file.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/io/file.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace test {

/// A fresh folder, removed with all it holds.
class temporary_folder {
 public:
  temporary_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "dimix-test-XXXXXX").string();
    dimix::expects<dimix::error>(::mkdtemp(name.data()) != nullptr, "there is no folder for temporary files");
    path_ = name;
  }
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_folder(const temporary_folder&) = delete;
  temporary_folder& operator=(const temporary_folder&) = delete;

  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }
  /// How many files it holds: a temporary file that was left behind counts.
  long count() const {
    return static_cast<long>(std::distance(std::filesystem::directory_iterator(path_), std::filesystem::directory_iterator()));
  }

 private:
  std::filesystem::path path_;
};

using bytes = std::vector<std::byte>;

inline bytes bytes_of(std::string_view text) {
  const auto span = std::as_bytes(std::span<const char>(text.data(), text.size()));
  return {span.begin(), span.end()};
}

inline bytes joined(bytes left, const bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

/// Without its last `count` bytes.
inline bytes shortened(bytes whole, std::size_t count) {
  whole.erase(whole.end() - static_cast<std::ptrdiff_t>(count), whole.end());
  return whole;
}

/// Calls f(damaged) for every shorter beginning of `whole`.
template <class F>
void every_truncation(const bytes& whole, F f) {
  for (std::size_t size = 0; size < whole.size(); ++size) f(shortened(whole, whole.size() - size));
}

/// Calls f(damaged) for `count` copies of `whole` with one to four bytes changed, the same ones in every run.
template <class F>
void random_damage(const bytes& whole, int count, F f) {
  const dimix::rng source{2024};
  for (int i = 0; i < count; ++i) {
    bytes damaged = whole;
    const std::uint64_t changes = 1 + source(dimix::purpose::user, static_cast<std::uint64_t>(i), 0, 0, 0).first() % 4;
    for (std::uint64_t change = 0; change < changes; ++change) {
      const dimix::random_block bits =
          source(dimix::purpose::user, static_cast<std::uint64_t>(i), 1, static_cast<dimix::index_t>(change), 0);
      damaged[bits.first() % damaged.size()] ^= static_cast<std::byte>(1 + bits.second() % 255);
    }
    f(std::move(damaged));
  }
}

/// True if f() returns, false if it throws file_error; anything else passes through and fails the test.
template <class F>
bool accepted(F f) {
  try {
    f();
    return true;
  } catch (const dimix::file_error&) {
    return false;
  }
}

}  // namespace test
