// Many small images in one picture: image_grid sets them in rows and columns, side_by_side sets pictures next to each other under
// captions. Both return a grey `image` for write_png.
#pragma once

#include <dimix/core/view.hpp>
#include <dimix/denoiser.hpp>
#include <dimix/io/font.hpp>
#include <dimix/io/png.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dimix {

struct grid_options {
  index_t levels = 0;   // grey levels, >= 2: level l is drawn at l / (levels - 1) of the way from paper to ink
  index_t columns = 0;  // 0: as near to a square as can be
  index_t rows = 0;     // 0: as many as all images need; fewer show the first rows * columns images
  index_t scale = 4;    // pixels of the picture for a pixel of an image
  index_t padding = 2;  // pixels between images and around them
  std::uint8_t paper = 255, ink = 0, gap = 208;
};

/// Images (n, height, width) of levels in [0, levels), in reading order. Cells that no image is left for stay as the gap.
/// Errors: invalid_argument for options out of range, and a level out of range, named with its place.
inline image image_grid(view<const token, 3> images, const grid_options& options) {
  const auto& [levels, asked_columns, asked_rows, scale, padding, paper, ink, gap] = options;
  const index_t n = images.extent(0), height = images.extent(1), width = images.extent(2);
  expects(n >= 1 && height >= 1 && width >= 1, "image_grid: images of shape (", n, ", ", height, ", ", width, ") are empty");
  expects(levels >= 2, "image_grid: options.levels = ", levels, " is less than 2");
  expects(scale >= 1 && scale <= 64, "image_grid: options.scale = ", scale, " lies outside [1, 64]");
  expects(padding >= 0 && padding <= 64, "image_grid: options.padding = ", padding, " lies outside [0, 64]");
  expects(asked_columns >= 0 && asked_rows >= 0, "image_grid: options.columns = ", asked_columns,
          ", options.rows = ", asked_rows, " cannot be negative");
  index_t columns = asked_columns;
  while (columns == 0 || (asked_columns == 0 && columns * columns < n)) ++columns;
  const index_t rows = asked_rows > 0 ? asked_rows : (n + columns - 1) / columns;
  const index_t step_y = height * scale + padding, step_x = width * scale + padding;

  image picture = blank_image(rows * step_y + padding, columns * step_x + padding, gap);
  for (index_t i = 0; i < std::min(n, rows * columns); ++i)
    for (index_t y = 0; y < height; ++y)
      for (index_t x = 0; x < width; ++x) {
        const index_t level = images(i, y, x);
        expects(level >= 0 && level < levels, "image_grid: images[", i, ", ", y, ", ", x, "] = ", level, " lies outside [0, ",
                levels, ")");
        const index_t shade =
            index_t{paper} + ((index_t{ink} - index_t{paper}) * level * 2 / (levels - 1) + (ink > paper ? 1 : -1)) / 2;
        const index_t top = padding + i / columns * step_y + y * scale, left = padding + i % columns * step_x + x * scale;
        for (index_t dy = 0; dy < scale; ++dy)
          std::fill_n(&picture.at(top + dy, left), scale, static_cast<std::uint8_t>(std::clamp<index_t>(shade, 0, 255)));
      }
  return picture;
}

/// A grey picture and the text above it; '\n' starts another line.
struct panel {
  std::string caption;
  image picture;
};

struct panel_options {
  index_t columns = 0;     // panels in a row; 0: all of them
  index_t text_scale = 2;  // pixels for a cell of the font
  index_t margin = 16;     // pixels around everything and between panels
  std::uint8_t paper = 255, ink = 32;
};

/// All panels in one picture, captions centred above. The panels of a row share the height of their captions.
/// Errors: invalid_argument for no panels, options out of range, and pictures that are not grey.
inline image side_by_side(std::span<const panel> panels, const panel_options& options = {}) {
  const auto& [asked_columns, text_scale, margin, paper, ink] = options;
  const index_t count = static_cast<index_t>(panels.size());
  expects(count >= 1, "side_by_side: there are no panels");
  expects(asked_columns >= 0, "side_by_side: options.columns = ", asked_columns, " is negative");
  expects(text_scale >= 1 && text_scale <= 16 && margin >= 0 && margin <= 256,
          "side_by_side: options.text_scale = ", text_scale, " lies outside [1, 16], or options.margin = ", margin,
          " outside [0, 256]");
  const index_t columns = asked_columns == 0 ? count : std::min(asked_columns, count), rows = (count + columns - 1) / columns;
  const index_t line_height = (glyph_height + 2) * text_scale;

  struct cell {
    std::vector<std::string_view> lines;
    index_t width;
  };
  std::vector<cell> cells;
  std::vector<index_t> widths(static_cast<std::size_t>(columns)), captions(static_cast<std::size_t>(rows)),
      pictures(static_cast<std::size_t>(rows));
  const auto row_of = [&](index_t i) { return static_cast<std::size_t>(i / columns); };
  const auto column_of = [&](index_t i) { return static_cast<std::size_t>(i % columns); };
  const auto text_width = [&](std::string_view line) { return text_length(line) * (glyph_width + 1) * text_scale; };
  for (index_t i = 0; i < count; ++i) {
    const panel& each = panels[static_cast<std::size_t>(i)];
    expects(each.picture.channels == 1 && each.picture.height >= 1 && each.picture.width >= 1, "side_by_side: panels[", i,
            "] is not a grey picture");
    cell made{{}, each.picture.width};
    for (std::string_view rest = each.caption;;) {
      const std::size_t end = rest.find('\n');
      made.lines.push_back(rest.substr(0, end));
      made.width = std::max(made.width, text_width(made.lines.back()));
      if (end == rest.npos) break;
      rest.remove_prefix(end + 1);
    }
    widths[column_of(i)] = std::max(widths[column_of(i)], made.width);
    captions[row_of(i)] = std::max(captions[row_of(i)], static_cast<index_t>(made.lines.size()) * line_height);
    pictures[row_of(i)] = std::max(pictures[row_of(i)], each.picture.height);
    cells.push_back(std::move(made));
  }

  index_t total_height = margin, total_width = margin;
  for (index_t width : widths) total_width += width + margin;
  for (std::size_t row = 0; row < captions.size(); ++row) total_height += captions[row] + pictures[row] + margin;
  image sheet = blank_image(total_height, total_width, paper);
  for (index_t i = 0, top = margin, left = margin; i < count; ++i) {
    const cell& here = cells[static_cast<std::size_t>(i)];
    const image& picture = panels[static_cast<std::size_t>(i)].picture;
    const index_t column_width = widths[column_of(i)], below = top + captions[row_of(i)];
    index_t baseline =
        below - static_cast<index_t>(here.lines.size()) * line_height;  // short captions stand right above their picture
    for (std::string_view line : here.lines) {
      const index_t start = left + (column_width - text_width(line) + text_scale) / 2;
      draw_text(line, [&](index_t y, index_t x) {
        for (index_t dy = 0; dy < text_scale; ++dy)
          std::fill_n(&sheet.at(baseline + y * text_scale + dy, start + x * text_scale), text_scale, ink);
      });
      baseline += line_height;
    }
    for (index_t y = 0; y < picture.height; ++y)
      std::copy_n(&picture.pixels[static_cast<std::size_t>(y * picture.width)], picture.width,
                  &sheet.at(below + y, left + (column_width - picture.width) / 2));
    left += column_width + margin;
    if (i % columns == columns - 1) {
      left = margin;
      top = below + pictures[row_of(i)] + margin;
    }
  }
  return sheet;
}

}  // namespace dimix
