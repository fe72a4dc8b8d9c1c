// Pictures: PNG files say what the pixels were, grids and panels put every pixel where it belongs.
#include <dimix/core/array.hpp>
#include <dimix/io/image_grid.hpp>

#include "io/files.hpp"

#include <doctest/doctest.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

using dimix::image;
using dimix::image_grid;
using dimix::invalid_argument;
using doctest::Contains;

namespace {

std::uint32_t number_at(const test::bytes& file, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8 | std::to_integer<std::uint32_t>(file[at + i]);
  return value;
}

/// A reader of the PNG files that have 8 bits a channel, written from the specification (W3C, second edition): checks the chunks'
/// checksums, inflates, and undoes the five filters.
image decoded(const test::bytes& file) {
  REQUIRE(file.size() > 8);
  REQUIRE(std::equal(file.begin(), file.begin() + 8, test::bytes_of("\x89PNG\r\n\x1a\n").begin()));
  image picture;
  test::bytes packed;
  bool ended = false;
  for (std::size_t at = 8; at < file.size();) {
    const std::size_t length = number_at(file, at);
    const auto* chunk = reinterpret_cast<const Bytef*>(file.data() + at + 4);
    const std::string name(reinterpret_cast<const char*>(chunk), 4);
    REQUIRE(crc32(0, chunk, static_cast<uInt>(length + 4)) == number_at(file, at + 8 + length));
    if (name == "IHDR") {
      picture.width = number_at(file, at + 8);
      picture.height = number_at(file, at + 12);
      REQUIRE(file[at + 16] == std::byte{8});
      picture.channels = file[at + 17] == std::byte{0} ? 1 : 3;
    } else if (name == "IDAT") {
      packed.insert(packed.end(), file.begin() + static_cast<std::ptrdiff_t>(at + 8),
                    file.begin() + static_cast<std::ptrdiff_t>(at + 8 + length));
    }
    ended = name == "IEND";
    at += 12 + length;
  }
  REQUIRE(ended);

  const auto row_bytes = static_cast<std::size_t>(picture.width * picture.channels);
  const auto back = static_cast<std::size_t>(picture.channels);
  std::vector<std::uint8_t> rows((row_bytes + 1) * static_cast<std::size_t>(picture.height));
  uLongf size = rows.size();
  REQUIRE(uncompress(rows.data(), &size, reinterpret_cast<const Bytef*>(packed.data()), packed.size()) == Z_OK);
  REQUIRE(size == rows.size());
  picture.pixels.resize(row_bytes * static_cast<std::size_t>(picture.height));
  for (std::size_t y = 0; y < static_cast<std::size_t>(picture.height); ++y)
    for (std::size_t x = 0; x < row_bytes; ++x) {
      const int left = x < back ? 0 : picture.pixels[y * row_bytes + x - back];
      const int up = y == 0 ? 0 : picture.pixels[(y - 1) * row_bytes + x];
      const int corner = x < back || y == 0 ? 0 : picture.pixels[(y - 1) * row_bytes + x - back];
      const int guess = left + up - corner;
      const int a = std::abs(guess - left), b = std::abs(guess - up), c = std::abs(guess - corner);
      const int predictions[] = {0, left, up, (left + up) / 2, a <= b && a <= c ? left : b <= c ? up : corner};
      const int filter = rows[y * (row_bytes + 1)];
      REQUIRE(filter <= 4);
      picture.pixels[y * row_bytes + x] = static_cast<std::uint8_t>(rows[y * (row_bytes + 1) + 1 + x] + predictions[filter]);
    }
  return picture;
}

/// Pixels without a pattern.
image noise(dimix::index_t height, dimix::index_t width, dimix::index_t channels) {
  image picture = dimix::blank_image(height, width, 0, channels);
  for (std::size_t i = 0; i < picture.pixels.size(); ++i) picture.pixels[i] = static_cast<std::uint8_t>(i * i * 31 + i / 7);
  return picture;
}

}  // namespace

TEST_CASE("a PNG file holds exactly the pixels that were given") {
  const test::temporary_folder folder;
  for (const auto& [height, width, channels] : {std::array{1, 1, 1}, std::array{7, 300, 1}, std::array{33, 5, 3}}) {
    const image picture = noise(height, width, channels);
    dimix::write_png(folder / "p.png", picture);
    const image read = decoded(dimix::read_whole(folder / "p.png"));
    CHECK(read.height == height);
    CHECK(read.width == width);
    CHECK(read.channels == channels);
    CHECK(read.pixels == picture.pixels);
  }
  CHECK_THROWS_WITH_AS(dimix::write_png(folder / "no/p.png", noise(1, 1, 1)), Contains("No such file"), dimix::file_error);
}

TEST_CASE("what is no image is refused") {
  CHECK_THROWS_WITH_AS(dimix::encode_png({}), Contains("0 x 0 pixels is empty"), invalid_argument);
  CHECK_THROWS_WITH_AS(dimix::encode_png({2, 2, 2, std::vector<std::uint8_t>(8)}), Contains("channels = 2 is neither 1 nor 3"),
                       invalid_argument);
  CHECK_THROWS_WITH_AS(dimix::encode_png({2, 2, 1, std::vector<std::uint8_t>(3)}), Contains("3 values for 2 x 2 pixels"),
                       invalid_argument);
  CHECK_THROWS_WITH_AS(dimix::encode_png({dimix::index_t{1} << 40, dimix::index_t{1} << 40, 1, {}}), Contains("too large"),
                       invalid_argument);
  CHECK_THROWS_AS(dimix::blank_image(0, 3, 0), invalid_argument);
}

TEST_CASE("a grid puts every pixel of every image in its place") {
  dimix::array<dimix::token, 3> images(5, 2, 3);  // (5, 2, 3)
  for (dimix::index_t i = 0; i < images.size(); ++i) images.data()[i] = static_cast<dimix::token>(i * 7 % 5);
  const image grid =
      image_grid(images, {.levels = 5, .columns = 2, .scale = 3, .padding = 2, .paper = 255, .ink = 15, .gap = 200});
  CHECK(grid.height == 3 * (2 * 3 + 2) + 2);
  CHECK(grid.width == 2 * (3 * 3 + 2) + 2);
  std::vector<std::uint8_t> wanted(grid.pixels.size(), 200);
  for (dimix::index_t i = 0; i < 5; ++i)
    for (dimix::index_t y = 0; y < 2 * 3; ++y)
      for (dimix::index_t x = 0; x < 3 * 3; ++x)
        wanted[static_cast<std::size_t>((2 + i / 2 * 8 + y) * grid.width + 2 + i % 2 * 11 + x)] =
            static_cast<std::uint8_t>(255 - 60 * images(i, y / 3, x / 3));
  CHECK(grid.pixels == wanted);

  CHECK(image_grid(images, {.levels = 5}).width == 3 * (3 * 4 + 2) + 2);              // 5 images in 3 columns
  CHECK(image_grid(images, {.levels = 5, .columns = 2, .rows = 1}).height == 8 + 4);  // the first two
  const image inverted = image_grid(images, {.levels = 5, .padding = 0, .paper = 0, .ink = 255});
  CHECK(inverted.at(0, 0) == 0);
  CHECK(inverted.at(0, 4) == 128);  // level 2 of 4: 127.5, to the ink
}

TEST_CASE("a grid refuses levels out of range and senseless options") {
  dimix::array<dimix::token, 3> images(2, 2, 2);  // (2, 2, 2)
  images(1, 0, 1) = 17;
  CHECK_THROWS_WITH_AS(image_grid(images, {.levels = 17}), Contains("images[1, 0, 1] = 17 lies outside [0, 17)"),
                       invalid_argument);
  images(1, 0, 1) = -1;
  CHECK_THROWS_WITH_AS(image_grid(images, {.levels = 17}), Contains("images[1, 0, 1] = -1 lies"), invalid_argument);
  CHECK_THROWS_WITH_AS(image_grid(images, {}), Contains("options.levels = 0 is less than 2"), invalid_argument);
  CHECK_THROWS_AS(image_grid(images, {.levels = 2, .scale = 0}), invalid_argument);
  CHECK_THROWS_AS(image_grid(images, {.levels = 2, .padding = -1}), invalid_argument);
  CHECK_THROWS_AS(image_grid(dimix::array<dimix::token, 3>(0, 2, 2), {.levels = 2}), invalid_argument);
}

TEST_CASE("every printable character has a glyph of its own") {
  std::set<std::vector<bool>> shapes;
  for (char c = ' '; c <= '~'; ++c) {
    std::vector<bool> cells;
    for (dimix::index_t y = 0; y < dimix::glyph_height; ++y)
      for (dimix::index_t x = 0; x < dimix::glyph_width; ++x) cells.push_back(dimix::glyph_ink(c, y, x));
    CHECK_MESSAGE(shapes.insert(cells).second, c);
    CHECK((std::count(cells.begin(), cells.end(), true) == 0) == (c == ' '));
  }
  CHECK(dimix::text_length("one λ") == 5);
  int box = 0;
  dimix::draw_text("λ", [&](dimix::index_t, dimix::index_t) { ++box; });
  CHECK(box == 20);  // the edge of 5 x 7 cells
}

TEST_CASE("panels stand next to each other under their captions") {
  const std::vector<dimix::panel> panels = {{"I", dimix::blank_image(30, 40, 100)},
                                            {"two\nlines", dimix::blank_image(20, 90, 150)}};
  const image sheet = dimix::side_by_side(panels, {.text_scale = 1, .margin = 10});
  CHECK(sheet.width == 10 + 40 + 10 + 90 + 10);
  CHECK(sheet.height == 10 + 20 + 30 + 10);  // two lines of 10
  CHECK(sheet.at(30, 10) == 100);
  CHECK(sheet.at(59, 49) == 100);
  CHECK(sheet.at(30, 60) == 150);
  CHECK(sheet.at(49, 149) == 150);
  CHECK(sheet.at(50, 60) == 255);
  CHECK(std::count(sheet.pixels.begin(), sheet.pixels.end(), 100) == 30 * 40);
  CHECK(std::count(sheet.pixels.begin(), sheet.pixels.end(), 150) == 20 * 90);
  int cells = 0;
  for (const char* text : {"I", "two", "lines"}) dimix::draw_text(text, [&](dimix::index_t, dimix::index_t) { ++cells; });
  CHECK(std::count(sheet.pixels.begin(), sheet.pixels.end(), 32) == cells);

  // a caption wider than its picture makes room for itself; columns = 1 stacks
  const std::vector<dimix::panel> wide = {{"a long caption", dimix::blank_image(5, 5, 1)}, {"", dimix::blank_image(5, 5, 1)}};
  CHECK(dimix::side_by_side(wide, {.columns = 1, .text_scale = 2, .margin = 0}).width == 14 * 12);
  CHECK(dimix::side_by_side(wide, {.columns = 1, .text_scale = 2, .margin = 0}).height == 2 * (20 + 5));

  CHECK_THROWS_WITH_AS(dimix::side_by_side({}), Contains("there are no panels"), invalid_argument);
  CHECK_THROWS_WITH_AS(dimix::side_by_side(std::vector<dimix::panel>{{"x", {}}}), Contains("panels[0] is not a grey picture"),
                       invalid_argument);
  CHECK_THROWS_AS(dimix::side_by_side(panels, {.text_scale = 0}), invalid_argument);
}
