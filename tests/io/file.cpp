// Laws of file.hpp: whole or not at all, and every refusal names the path and the reason.
#include "io/files.hpp"

#include <dimix/io/file.hpp>

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <vector>

using dimix::file_error;
using dimix::read_whole;
using dimix::write_whole;
using doctest::Contains;

TEST_CASE("what is written is read back, and nothing else is left in the folder") {
  const test::temporary_folder folder;
  for (std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{100'003}}) {
    test::bytes bytes(size);
    for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::byte>(i * 7 + 3);
    write_whole(folder / "data", bytes);
    CHECK(read_whole(folder / "data") == bytes);
    CHECK(folder.count() == 1);
  }
}

TEST_CASE("files that cannot be read are refused with their path and the reason") {
  const test::temporary_folder folder;
  CHECK_THROWS_WITH_AS(read_whole(folder / "none"), Contains("none': No such file"), file_error);
  CHECK_THROWS_WITH_AS(read_whole(folder.path()), Contains("it is a folder"), file_error);
  CHECK_THROWS_WITH_AS(read_whole("/dev/null"), Contains("'/dev/null': it is not a regular file"), file_error);
  write_whole(folder / "data", "12345");
  CHECK_THROWS_WITH_AS(read_whole(folder / "data", 4), Contains("it has 5 bytes, more than the limit of 4"), file_error);
  CHECK(read_whole(folder / "data", 5).size() == 5);
  CHECK_THROWS_WITH_AS(read_whole(folder / "data/inside"), Contains("Not a directory"), file_error);
  REQUIRE(::mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK_THROWS_WITH_AS(read_whole(folder / "pipe"), Contains("it is not a regular file"), file_error);
}

TEST_CASE("places that cannot be written are refused with their path and the reason") {
  const test::temporary_folder folder;
  write_whole(folder / "old", "old");
  CHECK_THROWS_WITH_AS(write_whole(folder / "no/such/file", "new"), Contains("no/such/file': No such file"), file_error);
  CHECK_THROWS_WITH_AS(write_whole(folder / "old/file", "new"), Contains("Not a directory"), file_error);
  CHECK_THROWS_WITH_AS(write_whole(folder.path(), "new"), Contains("it is a folder"), file_error);
  CHECK_THROWS_WITH_AS(write_whole("/dev/null", "new"), Contains("it is not a regular file"), file_error);
  CHECK_THROWS_WITH_AS(write_whole("/proc/dimix", "new"), Contains("cannot write '/proc/dimix'"), file_error);
  CHECK(read_whole(folder / "old") == test::bytes_of("old"));
  CHECK(folder.count() == 1);
}

TEST_CASE("a disk that is full in the middle of a file leaves the old one in place and no other") {
  const test::temporary_folder folder;
  write_whole(folder / "old", "old");
  rlimit limits{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &limits) == 0);
  rlimit tight = limits;
  tight.rlim_cur = 1000;
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);  // the system's signal for a file that outgrows the limit
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &tight) == 0);
  std::string message;
  try {
    write_whole(folder / "old", test::bytes(5000));
  } catch (const file_error& refused) {
    message = refused.what();
  }
  ::setrlimit(RLIMIT_FSIZE, &limits);
  ::signal(SIGXFSZ, handler);
  CHECK(message == "cannot write '" + (folder / "old") + "': File too large");
  CHECK(read_whole(folder / "old") == test::bytes_of("old"));
  CHECK(folder.count() == 1);
}

TEST_CASE("an existing file keeps its permissions, a symbolic link keeps pointing") {
  const test::temporary_folder folder;
  write_whole(folder / "data", "old");
  REQUIRE(::chmod((folder / "data").c_str(), 0640) == 0);
  std::filesystem::create_symlink("data", folder / "link");
  write_whole(folder / "link", "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(read_whole(folder / "data") == test::bytes_of("new"));
  struct stat status {};
  REQUIRE(::stat((folder / "data").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777) == 0640);
}

TEST_CASE("a path without a folder is a file of the current one") {
  const test::temporary_folder folder;
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(folder.path());
  write_whole("plain", "here");
  std::filesystem::current_path(before);
  CHECK(read_whole(folder / "plain") == test::bytes_of("here"));
}
