// Laws of idx.hpp and gzip.hpp: IDX of every element type, plain and compressed, and no more memory than a file can prove.
#include <dimix/io/idx.hpp>

#include "io/files.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

using dimix::dtype;
using dimix::file_error;
using dimix::parse_idx;
using doctest::Contains;

namespace {

test::bytes made(char type, const std::vector<std::uint32_t>& shape, const test::bytes& data) {
  std::string text = {'\0', '\0', type, static_cast<char>(shape.size())};
  for (std::uint32_t extent : shape)
    for (int shift : {24, 16, 8, 0}) text += static_cast<char>(extent >> shift & 255);
  return test::joined(test::bytes_of(text), data);
}

test::bytes compressed(const test::bytes& plain) {
  z_stream stream{};
  REQUIRE(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) == Z_OK);
  test::bytes out(deflateBound(&stream, static_cast<uLong>(plain.size())));
  test::bytes in = plain;
  stream.next_in = reinterpret_cast<Bytef*>(in.data());
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  REQUIRE(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

void refused(const test::bytes& file, const char* reason) {
  CHECK_THROWS_WITH_AS(parse_idx(file, "made.idx"), Contains("cannot read 'made.idx': "), file_error);
  CHECK_THROWS_WITH_AS(parse_idx(file, "made.idx"), Contains(reason), file_error);
}

const test::bytes small = made(0x08, {2, 2, 3}, test::bytes_of("abcdefghijkl"));

}  // namespace

TEST_CASE("every element type is read, from big-endian to ours") {
  const dimix::raw_tensor pixels = parse_idx(small, "f");
  CHECK(pixels.type == dtype::u8);
  CHECK(pixels.shape == std::vector<dimix::index_t>{2, 2, 3});
  CHECK(pixels.load<int, 3>()(1, 0, 2) == 'i');
  using std::string;
  CHECK(parse_idx(made(0x09, {1}, test::bytes_of("\xFE")), "f").values<int>() == std::vector<int>{-2});
  CHECK(parse_idx(made(0x0B, {2}, test::bytes_of(string("\x01\x02\xFF\xFE", 4))), "f").values<int>() ==
        std::vector<int>{258, -2});
  CHECK(parse_idx(made(0x0C, {1}, test::bytes_of(string("\x01\x00\x00\x02", 4))), "f").values<int>() ==
        std::vector<int>{16777218});
  CHECK(parse_idx(made(0x0D, {1}, test::bytes_of(string("\xC0\x20\x00\x00", 4))), "f").values<float>() ==
        std::vector<float>{-2.5f});
  CHECK(parse_idx(made(0x0E, {1}, test::bytes_of(string("\x3F\xF8\0\0\0\0\0\0", 8))), "f").values<double>() ==
        std::vector<double>{1.5});
}

TEST_CASE("a compressed file says the same, in one member or in several") {
  const dimix::raw_tensor plain = parse_idx(small, "f");
  CHECK(parse_idx(compressed(small), "f").bytes == plain.bytes);
  const test::bytes first(small.begin(), small.begin() + 9), second(small.begin() + 9, small.end());
  CHECK(parse_idx(test::joined(compressed(first), compressed(second)), "f").bytes == plain.bytes);

  // longer than one step of the inflation
  test::bytes long_data(3'000'000);
  for (std::size_t i = 0; i < long_data.size(); ++i) long_data[i] = static_cast<std::byte>(i * i >> 7);
  CHECK(parse_idx(compressed(made(0x08, {3'000'000}, long_data)), "f").bytes == long_data);
}

TEST_CASE("read_data tells the formats apart by their first bytes") {
  const test::temporary_folder folder;
  dimix::write_whole(folder / "a", small);
  dimix::write_whole(folder / "b", compressed(small));
  dimix::array<std::uint8_t, 1> values(3);  // (3)
  dimix::write_npy(folder / "c", values);
  CHECK(dimix::read_data(folder / "a").shape.size() == 3);
  CHECK(dimix::read_data(folder / "b").shape.size() == 3);
  CHECK(dimix::read_data(folder / "c").shape.size() == 1);
  dimix::write_whole(folder / "d", "neither of them");
  CHECK_THROWS_WITH_AS(dimix::read_data(folder / "d"), Contains("it is not an IDX file"), file_error);
  CHECK_THROWS_WITH_AS(dimix::read_data(folder / "e"), Contains("No such file"), file_error);
}

TEST_CASE("damaged, lying and foreign files are refused with the reason") {
  refused({}, "truncated within its IDX header");
  refused(test::bytes_of("GIF89a, to be sure"), "it is not an IDX file");
  refused(made(0x0A, {1}, test::bytes(1)), "it is not an IDX file");
  refused(made(0x08, {}, test::bytes(1)), "an IDX rank of 0 lies outside [1, 8]");
  refused(made(0x08, std::vector<std::uint32_t>(9, 1), test::bytes(1)), "an IDX rank of 9 lies outside [1, 8]");
  refused(made(0x08, {4, 4}, test::bytes(15)), "needs 16 bytes, and the file has 15");
  refused(made(0x08, {4, 4}, test::bytes(17)), "needs 16 bytes, and the file has 17");
  refused(made(0x0E, {0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF}, {}), "is too large");
  refused(made(0x08, {0xFFFFFFFF}, test::bytes(4)), "needs 4294967295 bytes, and the file has 4");

  test::bytes packed = compressed(small);
  refused(test::shortened(packed, 1), "the gzip data is truncated");
  refused(test::shortened(packed, packed.size() - 2), "the gzip data is truncated");
  refused(test::joined(packed, test::bytes_of("more")), "4 bytes of something else follow the gzip data");
  refused(test::joined(packed, packed), "holds more data than its header announces");
  refused(compressed(made(0x08, {4, 4}, test::bytes(15))), "holds 15 bytes where 16 were announced");
  refused(compressed(made(0x08, {4, 4}, test::bytes(17))), "holds more data than its header announces");
  refused(compressed(made(0x08, {0xFFFFFFFF, 64}, test::bytes(4))), "is too large");
  packed[packed.size() - 6] ^= std::byte{1};  // the checksum
  refused(packed, "the gzip data is damaged");
}

TEST_CASE("a small file that claims gigabytes costs no gigabytes") {
  // 2 GB are announced and within the limit; a few bytes come: the claim is found out after one step
  refused(compressed(made(0x08, {0x7FFFFFFF}, test::bytes(100))), "holds 100 bytes where 2147483647 were announced");
  // a megabyte of zeros behind an announcement of 4 bytes: no more than one byte too many is inflated
  refused(compressed(made(0x08, {4}, test::bytes(1 << 20))), "holds more data than its header announces");
}

TEST_CASE("every truncation is refused, and random damage never does worse than a refusal") {
  for (const test::bytes& whole : {small, compressed(small)}) {
    test::every_truncation(whole, [](const test::bytes& cut) { CHECK_FALSE(test::accepted([&] { parse_idx(cut, "f"); })); });
    int survived = 0;
    test::random_damage(whole, 5000, [&](const test::bytes& damaged) {
      survived += test::accepted([&] { parse_idx(damaged, "f").values<double>(); });
    });
    CHECK(survived > 0);
    CHECK(survived < 5000);
  }
}
