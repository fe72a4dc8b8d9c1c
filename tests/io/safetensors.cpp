// Laws of safetensors.hpp: bit-exact round trips, and a file is accepted only when its header explains every byte.
#include <dimix/io/safetensors.hpp>

#include "io/files.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <utility>
#include <vector>

using dimix::dtype;
using dimix::file_error;
using dimix::safetensors_file;
using dimix::tensor_source;
using doctest::Contains;

namespace {

/// A file with this header text and this many bytes of data.
test::bytes made(const std::string& header, std::size_t data) {
  const std::uint64_t length = header.size();
  std::string text(8, '\0');
  std::memcpy(text.data(), &length, 8);
  return test::joined(test::bytes_of(text + header), test::bytes(data));
}

void refused(const test::bytes& file, const char* reason) {
  CHECK_THROWS_WITH_AS(safetensors_file(file, "made.safetensors"), Contains("cannot read 'made.safetensors': "), file_error);
  CHECK_THROWS_WITH_AS(safetensors_file(file, "made.safetensors"), Contains(reason), file_error);
}

const std::string good =
    R"({"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"b":{"dtype":"U8","shape":[5],"data_offsets":[24,29]}})";

template <class T>
void round_trip(const test::temporary_folder& folder) {
  dimix::array<T, 3> values(2, 3, 2);  // (2, 3, 2)
  for (dimix::index_t i = 0; i < values.size(); ++i) values.data()[i] = static_cast<T>(static_cast<double>(i * i) / 2 + 1);
  values.data()[0] = std::numeric_limits<T>::max();
  values.data()[1] = std::numeric_limits<T>::lowest();
  dimix::write_safetensors(folder / "t", std::vector<tensor_source>{dimix::named_tensor("x", values)});
  const safetensors_file file = dimix::read_safetensors(folder / "t");
  CHECK(file.tensor("x").type == dimix::dtype_of<T>());
  CHECK(file.load<T, 3>("x") == values);
}

}  // namespace

TEST_CASE("every type of number comes back bit for bit") {
  const test::temporary_folder folder;
  round_trip<double>(folder);
  round_trip<float>(folder);
  round_trip<std::int64_t>(folder);
  round_trip<std::int32_t>(folder);
  round_trip<std::int16_t>(folder);
  round_trip<std::int8_t>(folder);
  round_trip<std::uint64_t>(folder);
  round_trip<std::uint32_t>(folder);
  round_trip<std::uint16_t>(folder);
  round_trip<std::uint8_t>(folder);

  const std::uint16_t halves[] = {0x3C00, 0xC100}, brains[] = {0x3F80, 0xC020};
  const bool flags[] = {true, false, true};
  dimix::write_safetensors(folder / "t",
                           std::vector<tensor_source>{{"half", dtype::f16, {2}, std::as_bytes(std::span(halves))},
                                                      {"brain", dtype::bf16, {2, 1}, std::as_bytes(std::span(brains))},
                                                      dimix::named_tensor("flags", dimix::view<const bool, 1>(flags, 3))});
  const safetensors_file file = dimix::read_safetensors(folder / "t");
  CHECK(file.values<float>("half") == std::vector<float>{1, -2.5f});
  CHECK(file.values<float>("brain") == std::vector<float>{1, -2.5f});
  CHECK(file.values<int>("flags") == std::vector<int>{1, 0, 1});
  CHECK(file.names() == std::vector<std::string>{"brain", "flags", "half"});
}

TEST_CASE("metadata, scalars and empty tensors come back, and the data are aligned") {
  const test::temporary_folder folder;
  const double scalar = 0.1;
  const std::uint8_t odd[] = {1, 2, 3};
  const std::map<std::string, std::string> metadata = {{"note", "λ \"quoted\"\n"}, {"step", "12"}};
  dimix::write_safetensors(folder / "t",
                           std::vector<tensor_source>{dimix::named_tensor("odd", dimix::view<const std::uint8_t, 1>(odd, 3)),
                                                      {"none", dtype::f32, {0, 4}, {}},
                                                      {"scalar", dtype::f64, {}, std::as_bytes(std::span(&scalar, 1))}},
                           metadata);
  const safetensors_file file = dimix::read_safetensors(folder / "t");
  CHECK(file.metadata() == metadata);
  CHECK(file.values<double>("scalar") == std::vector<double>{0.1});
  CHECK(file.tensor("none").shape == std::vector<dimix::index_t>{0, 4});
  CHECK(file.load<float, 2>("none").size() == 0);

  const test::bytes bytes = dimix::read_whole(folder / "t");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data(), 8);
  CHECK(length % 8 == 0);
  // the scalar is the widest and comes first, right behind the header
  CHECK(std::memcmp(bytes.data() + 8 + length, &scalar, 8) == 0);
}

TEST_CASE("what is asked for and not there is named") {
  const safetensors_file file(made(good, 29), "f");
  CHECK(file.names() == std::vector<std::string>{"a", "b"});
  CHECK(file.contains("a"));
  CHECK_FALSE(file.contains("c"));
  CHECK_THROWS_WITH_AS(file.tensor("c"), Contains("'f': there is no tensor 'c'"), file_error);
  CHECK_THROWS_WITH_AS((file.load<float, 1>("a")), Contains("tensor 'a': has shape (2, 3) of rank 2, asked for rank 1"),
                       file_error);
  CHECK_THROWS_WITH_AS(file.values<int>("a"), Contains("tensor 'a': stored as F32, asked for as I32"), file_error);
}

TEST_CASE("a file stays readable after it was moved") {
  test::bytes bytes = made(good, 29);
  bytes.back() = std::byte{9};
  safetensors_file first(std::move(bytes), "f");
  const safetensors_file second = std::move(first);
  CHECK(second.values<int>("b") == std::vector<int>{0, 0, 0, 0, 9});
}

TEST_CASE("damaged, lying and foreign files are refused with the reason") {
  const auto entry = [](const char* type, const char* shape, const char* offsets) {
    return std::string(R"({"a":{"dtype":)") + type + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}";
  };
  REQUIRE_NOTHROW(safetensors_file(made(good, 29), "f"));
  REQUIRE_NOTHROW(safetensors_file(made("{}", 0), "f"));
  refused({}, "it is truncated (0 bytes");
  refused(test::bytes(7), "it is truncated (7 bytes");
  refused(test::bytes_of("PK\x03\x04 a zip file, surely"), "it is not a safetensors file (a header of");
  refused(test::bytes(8, std::byte{255}), "it is not a safetensors file (a header of 18446744073709551615 bytes");
  refused(test::bytes(8), "its header is no JSON object");
  refused(made("[1,2]", 0), "its header is no JSON object");
  refused(made("{\"a\":", 0), "its header is not valid JSON");
  refused(made("{\"a\xFF\":1}", 0), "its header is not valid JSON");
  refused(made("{} x", 0), "its header is not valid JSON");
  refused(test::shortened(made(good, 0), 1), "is announced, and");
  refused(made(R"({"a":[[[[[[1]]]]]]})", 0), "nests deeper");
  refused(made("{\"a\":" + std::string(100'000, '[') + std::string(100'000, ']') + "}", 0), "nests deeper");
  refused(
      made(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1),
      "names 'a' twice");
  refused(made(R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", 1), "names 'dtype' twice");
  refused(made(R"({"__metadata__":{"x":1}})", 0), "__metadata__ 'x' is not a string");
  refused(made(R"({"__metadata__":"x"})", 0), "__metadata__ is not an object");

  refused(made(R"({"a":7})", 0), "tensor 'a' is not described by dtype, shape and data_offsets");
  refused(made(R"({"a":{"dtype":"U8","shape":[1]}})", 1), "tensor 'a' is not described");
  refused(made(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"more":0}})", 1), "tensor 'a' is not described");
  refused(made(entry("3", "[1]", "[0,1]"), 1), "tensor 'a' is not described by a dtype");
  refused(made(entry("\"U8\"", "1", "[0,1]"), 1), "tensor 'a' is not described by a dtype");
  refused(made(entry("\"U8\"", "[1]", "[0,1,2]"), 1), "tensor 'a' is not described by a dtype");
  refused(made(entry("\"F8_E4M3\"", "[1]", "[0,1]"), 1), "tensor 'a' has the unknown dtype 'F8_E4M3'");
  refused(made(entry("\"U8\"", "[-1]", "[0,1]"), 1), "not a whole number");
  refused(made(entry("\"U8\"", "[1.0]", "[0,1]"), 1), "not a whole number");
  refused(made(entry("\"U8\"", "[\"1\"]", "[0,1]"), 1), "not a whole number");
  refused(made(entry("\"U8\"", "[1]", "[0,-1]"), 1), "not a whole number");
  refused(made(entry("\"U8\"", "[18446744073709551615]", "[0,1]"), 1), "not a whole number");
  refused(made(entry("\"U8\"", "[99999999999999999999999]", "[0,1]"), 1), "not a whole number");
  refused(made(entry("\"F64\"", "[4611686018427387904,4]", "[0,0]"), 0), "which is too large");
  refused(made(entry("\"F64\"", "[2305843009213693952]", "[0,0]"), 0), "which is too large");
  refused(made(entry("\"U8\"", "[4611686018427387904,0,4]", "[0,0]"), 0), "which is too large");
  refused(made(entry("\"U8\"", "[4000000000000]", "[0,4000000000000]"), 16),
          "lies at bytes 0 to 4000000000000, and the file has 16");
  refused(made(entry("\"F32\"", "[2]", "[0,8]"), 7), "lies at bytes 0 to 8, and the file has 7");
  refused(made(entry("\"F32\"", "[2]", "[8,0]"), 8), "lies at bytes 8 to 0");
  refused(made(entry("\"F32\"", "[3]", "[0,8]"), 8), "of shape (3,) and type F32 needs 12 bytes and has 8");

  const auto two = [](const char* first, const char* second) {
    return R"({"a":{"dtype":"U8","shape":[4],"data_offsets":)" + std::string(first) +
           R"(},"b":{"dtype":"U8","shape":[4],"data_offsets":)" + second + "}}";
  };
  REQUIRE_NOTHROW(safetensors_file(made(two("[4,8]", "[0,4]"), 8), "f"));
  refused(made(two("[0,4]", "[0,4]"), 4), "tensor 'b' overlaps another one");
  refused(made(two("[0,4]", "[3,7]"), 7), "tensor 'b' overlaps another one");
  refused(made(two("[0,4]", "[5,9]"), 9), "bytes 4 to 5 belong to no tensor");
  refused(made(two("[1,5]", "[5,9]"), 9), "bytes 0 to 1 belong to no tensor");
  refused(made(two("[0,4]", "[4,8]"), 10), "2 bytes at its end belong to no tensor");
}

TEST_CASE("every truncation is refused, and random damage never does worse than a refusal") {
  const test::bytes whole = made(good, 29);
  test::every_truncation(whole,
                         [](const test::bytes& cut) { CHECK_FALSE(test::accepted([&] { safetensors_file(cut, "f"); })); });
  int survived = 0;
  test::random_damage(whole, 5000, [&](test::bytes damaged) {
    survived += test::accepted([&] {
      const safetensors_file file(std::move(damaged), "f");
      for (const std::string& name : file.names()) file.values<double>(name);
    });
  });
  CHECK(survived > 0);  // damage to the numbers themselves is not for this format to see
  CHECK(survived < 5000);
}

TEST_CASE("what cannot be a file is not written") {
  const test::temporary_folder folder;
  const std::uint8_t data[4] = {};
  const auto raw = std::as_bytes(std::span(data));
  const auto write = [&](std::vector<tensor_source> tensors, std::map<std::string, std::string> metadata = {}) {
    dimix::write_safetensors(folder / "t", tensors, metadata);
  };
  CHECK_THROWS_WITH_AS(write({{"a", dtype::u8, {5}, raw}}), Contains("tensor 'a' has 4 bytes for a shape of (5,)"),
                       dimix::invalid_argument);
  CHECK_THROWS_AS(write({{"a", dtype::u8, {-4}, raw}}), dimix::invalid_argument);
  CHECK_THROWS_WITH_AS(write({{"a", dtype::u8, {4}, raw}, {"a", dtype::u8, {4}, raw}}),
                       Contains("'a' is reserved or used twice"), dimix::invalid_argument);
  CHECK_THROWS_AS(write({{"__metadata__", dtype::u8, {4}, raw}}), dimix::invalid_argument);
  CHECK_THROWS_WITH_AS(write({}, {{"a", "\xFF"}}), Contains("not UTF-8"), dimix::invalid_argument);
  CHECK(folder.count() == 0);
}

TEST_CASE("the recorded vectors are read, with their manifests") {
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(DIMIX_TEST_DATA "/golden")) {
    if (entry.path().extension() != ".safetensors") continue;
    const safetensors_file file = dimix::read_safetensors(entry.path().string());
    REQUIRE(file.metadata().contains("manifest"));
    const auto manifest = nlohmann::json::parse(file.metadata().at("manifest"));
    CHECK(manifest.at("case") == entry.path().stem().string());
    std::size_t described = 0;
    for (const char* side : {"in", "out"})
      for (const auto& [name, about] : manifest.at(std::string(side) + "puts").items()) {
        const std::string full = std::string(side) + "." + name;
        REQUIRE_MESSAGE(file.contains(full), full);
        CHECK(file.tensor(full).shape == about.at("shape").get<std::vector<dimix::index_t>>());
        ++described;
      }
    CHECK(described == file.names().size());
    ++cases;
  }
  CHECK(cases == 40);
}
