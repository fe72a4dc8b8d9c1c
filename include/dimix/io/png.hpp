// Pictures in memory and as PNG files, through stb_image_write (public domain; Debian: libstb-dev). Its code is compiled inside a
// namespace of ours, so that a program may bring its own copy.
#pragma once

#include <dimix/io/file.hpp>

#include <dimix/core/view.hpp>

#include <cassert>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#if !__has_include(<stb/stb_image_write.h>)
#error "dimix/io/png.hpp needs stb_image_write.h (Debian: libstb-dev) as <stb/stb_image_write.h>"
#endif

#pragma push_macro("INCLUDE_STB_IMAGE_WRITE_H")
#pragma push_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma push_macro("STB_IMAGE_WRITE_STATIC")
#pragma push_macro("STBI_WRITE_NO_STDIO")
#pragma push_macro("STBIWDEF")
#undef INCLUDE_STB_IMAGE_WRITE_H
#undef STB_IMAGE_WRITE_IMPLEMENTATION
#undef STB_IMAGE_WRITE_STATIC
#undef STBI_WRITE_NO_STDIO
#undef STBIWDEF
#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#define STBI_WRITE_NO_STDIO
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wsign-conversion"
#pragma GCC diagnostic ignored "-Wold-style-cast"
#pragma GCC diagnostic ignored "-Wshadow"
namespace dimix::detail::stb {
#include <stb/stb_image_write.h>
}
#pragma GCC diagnostic pop
#pragma pop_macro("STBIWDEF")
#pragma pop_macro("STBI_WRITE_NO_STDIO")
#pragma pop_macro("STB_IMAGE_WRITE_STATIC")
#pragma pop_macro("STB_IMAGE_WRITE_IMPLEMENTATION")
#pragma pop_macro("INCLUDE_STB_IMAGE_WRITE_H")

namespace dimix {

/// Rows of pixels from top to bottom; 1 channel is grey, 3 are red, green, blue; 0 is black.
struct image {
  index_t height = 0, width = 0, channels = 1;
  std::vector<std::uint8_t> pixels{};  // (height, width, channels)

  std::uint8_t& at(index_t y, index_t x, index_t channel = 0) {
    return pixels[static_cast<std::size_t>((y * width + x) * channels + channel)];
  }
  std::uint8_t at(index_t y, index_t x, index_t channel = 0) const {
    return pixels[static_cast<std::size_t>((y * width + x) * channels + channel)];
  }
};

/// An image of one shade.
inline image blank_image(index_t height, index_t width, std::uint8_t shade, index_t channels = 1) {
  expects(height >= 1 && width >= 1 && (channels == 1 || channels == 3), "blank_image: ", height, " x ", width, " pixels of ",
          channels, " channels (1 or 3) is no image");
  return {height, width, channels, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * channels), shade)};
}

/// The bytes of a PNG file.
/// Errors: invalid_argument for an empty image, other than 1 or 3 channels, pixels that do not fit, or more than 2^30 of them.
inline std::vector<std::byte> encode_png(const image& picture) {
  const auto& [height, width, channels, pixels] = picture;
  expects(channels == 1 || channels == 3, "encode_png: channels = ", channels, " is neither 1 nor 3");
  expects(height >= 1 && width >= 1 && height <= (index_t{1} << 28) && width <= (index_t{1} << 28) / height,
          "encode_png: an image of ", height, " x ", width, " pixels is empty or too large");
  expects(static_cast<index_t>(pixels.size()) == height * width * channels, "encode_png: ", pixels.size(), " values for ",
          height, " x ", width, " pixels of ", channels, " channels");
  std::vector<std::byte> file;
  const auto append = [](void* context, void* data, int size) {
    const auto* bytes = static_cast<const std::byte*>(data);
    static_cast<std::vector<std::byte>*>(context)->insert(static_cast<std::vector<std::byte>*>(context)->end(), bytes,
                                                          bytes + size);
  };
  const int made =
      detail::stb::stbi_write_png_to_func(append, &file, static_cast<int>(width), static_cast<int>(height),
                                          static_cast<int>(channels), pixels.data(), static_cast<int>(width * channels));
  expects<error>(made != 0 && !file.empty(), "encode_png: out of memory for ", height, " x ", width, " pixels");
  return file;
}

/// Writes a PNG file whole or not at all. Errors: as encode_png and write_whole.
inline void write_png(const std::string& path, const image& picture) { write_whole(path, encode_png(picture)); }

}  // namespace dimix
