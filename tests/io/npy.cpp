// Laws of npy.hpp: round trips, and a sentence for every file that is not plain row-major numbers.
#include <dimix/io/npy.hpp>

#include "io/files.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <string>
#include <vector>

using dimix::dtype;
using dimix::file_error;
using dimix::parse_npy;
using doctest::Contains;

namespace {

/// A file of version 1 with this header text and this many bytes of data.
test::bytes made(const std::string& header, std::size_t data, char version = 1) {
  std::string text = "\x93NUMPY";
  text += {version, '\0', static_cast<char>(header.size() & 255), static_cast<char>(header.size() >> 8)};
  if (version == 2) text += {'\0', '\0'};
  return test::joined(test::bytes_of(text + header), test::bytes(data, std::byte{1}));
}

std::string header(const char* descr, const char* order, const char* shape) {
  return std::string("{'descr': '") + descr + "', 'fortran_order': " + order + ", 'shape': " + shape + ", }  \n";
}

void refused(const test::bytes& file, const char* reason) {
  CHECK_THROWS_WITH_AS(parse_npy(file, "made.npy"), Contains("cannot read 'made.npy': "), file_error);
  CHECK_THROWS_WITH_AS(parse_npy(file, "made.npy"), Contains(reason), file_error);
}

template <class T>
void round_trip(const test::temporary_folder& folder) {
  dimix::array<T, 2> values(3, 5);  // (3, 5)
  for (dimix::index_t i = 0; i < 15; ++i) values.data()[i] = static_cast<T>(i % 2 + i / 3);
  dimix::write_npy(folder / "x.npy", values);
  const dimix::raw_tensor read = dimix::read_npy(folder / "x.npy");
  CHECK(read.type == dimix::dtype_of<T>());
  CHECK(read.load<T, 2>() == values);
  CHECK((dimix::read_whole(folder / "x.npy").size() - 15 * sizeof(T)) % 64 == 0);
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
}

TEST_CASE("the forms that NumPy writes are read") {
  CHECK(parse_npy(made(header("<f4", "False", "(2, 3)"), 24), "f").shape == std::vector<dimix::index_t>{2, 3});
  CHECK(parse_npy(made(header("<f4", "False", "(6,)"), 24), "f").shape == std::vector<dimix::index_t>{6});
  CHECK(parse_npy(made(header("<f8", "False", "()"), 8), "f").shape.empty());
  CHECK(parse_npy(made(header("|b1", "False", "(4,)"), 4), "f").type == dtype::boolean);
  CHECK(parse_npy(made(header("<f2", "False", "(4,)"), 8), "f").type == dtype::f16);
  CHECK(parse_npy(made(header("|u1", "False", "(0, 4)"), 0), "f").size() == 0);
  CHECK(parse_npy(made(header("|i1", "False", "(4,)"), 4, 2), "f").values<int>() == std::vector<int>{1, 1, 1, 1});
  CHECK(parse_npy(made(R"({"shape": (4), "fortran_order": False, "descr": "|u1"})", 4), "f").size() == 4);
}

TEST_CASE("the digits of the example are 1797 images of 64 pixels") {
  const auto images = dimix::read_npy(DIMIX_TEST_DATA "/../../examples/data/digits/images.npy").load<int, 2>();
  CHECK(images.extent(0) == 1797);
  CHECK(images.extent(1) == 64);
  CHECK(*std::min_element(images.begin(), images.end()) == 0);
  CHECK(*std::max_element(images.begin(), images.end()) == 16);
}

TEST_CASE("other files are refused with the reason") {
  refused({}, "it is not a .npy file");
  refused(test::bytes_of("\x89PNG and more"), "it is not a .npy file");
  refused(test::bytes_of("\x93NUMPY\x01"), "truncated within its header");
  refused(made(header("<f4", "False", "(2,)"), 8, 3), ".npy version 3 is not 1 or 2");
  refused(made(header("<f4", "True", "(2, 3)"), 24), "column-major (fortran_order); save it with numpy.ascontiguousarray");
  refused(made(header(">f4", "False", "(2,)"), 8), "big-endian (>f4); save it with .astype('<f4')");
  refused(made(header("<U3", "False", "(2,)"), 24), "elements of type '<U3' are not supported");
  refused(made(header("", "False", "(2,)"), 24), "elements of type '' are not supported");
  refused(made(header("|O", "False", "(2,)"), 16), "elements of type '|O' are not supported");
  refused(made(header("<c8", "False", "(2,)"), 16), "elements of type '<c8' are not supported");
  refused(made("{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,)}", 8), "is not a dict");
  refused(made(header("<f4", "Maybe", "(2,)"), 8), "neither True nor False");
  refused(made(header("<f4", "False", "(-2,)"), 8), "not a tuple of sizes");
  refused(made(header("<f4", "False", "(99999999999999999999,)"), 8), "not a tuple of sizes");
  refused(made(header("<f4", "False", "(4611686018427387904, 4)"), 8), "is too large");
  refused(made(header("<f4", "False", "(4000000000000,)"), 8), "needs 16000000000000 bytes, and the file has 8");
  refused(made(header("<f4", "False", "(2,)"), 7), "needs 8 bytes, and the file has 7");
  refused(made(header("<f4", "False", "(2,)"), 9), "needs 8 bytes, and the file has 9");
  refused(made("{'descr': '<f4', 'shape': (2,)}", 8), "lacks one of descr, fortran_order, shape");
  refused(made("{'descr': '<f4', 'descr': '<f4'}", 8), "an unexpected or repeated key");
  refused(made("{'descr': '<f4, ", 8), "a string without an end");
  refused(made("{} {}", 8), "goes on after its closing brace");
  refused(made("[]", 8), "is not a dict");
  refused(test::joined(test::bytes_of(std::string("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF", 12)), test::bytes(100)),
          "truncated within its header");
}

TEST_CASE("every truncation is refused, and random damage never does worse than a refusal") {
  const test::bytes whole = made(header("<i2", "False", "(3, 2)"), 12);
  test::every_truncation(whole, [](const test::bytes& cut) { CHECK_FALSE(test::accepted([&] { parse_npy(cut, "f"); })); });
  int survived = 0;
  test::random_damage(whole, 5000, [&](const test::bytes& damaged) {
    survived += test::accepted([&] { parse_npy(damaged, "f").values<double>(); });
  });
  CHECK(survived > 0);
  CHECK(survived < 5000);
}
