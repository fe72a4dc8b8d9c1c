// Small grey images as token sequences: pooling, requantisation, and the fixed split that every number of the example rests on.
//
// Laws: pool 1 and levels 0 keep every pixel; a level is the integer part of mean * levels / (max + 1), so that equal pixels
// stay equal, darker never becomes lighter, and every level lies in [0, levels); the three parts of a split are disjoint and
// together are the whole set; the same seed gives the same split whatever the machine.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/error.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/denoiser.hpp>
#include <dimix/io/idx.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace digits {

using dimix::array;
using dimix::index_t;
using dimix::token;
using dimix::view;

/// n images of height x width pixels, row by row, each pixel a level in [0, levels).
struct image_set {
  array<token, 2> tokens{};  // (n, D), D = height * width
  array<token, 1> labels{};  // (n), or empty: nobody knows
  index_t height = 0, width = 0, levels = 0;

  index_t size() const { return tokens.extent(0); }
  index_t dims() const { return tokens.extent(1); }
  bool labelled() const { return size() > 0 && labels.extent(0) == size(); }
};

struct quantise_options {
  index_t levels = 0;  // grey levels of the result; 0: as many as the pixels have, max + 1
  index_t pool = 1;    // side of the squares that are averaged into one pixel; it divides height and width
};

/// Pixels (n, height, width) -> levels: sum * levels / (pool^2 (max + 1)) in integers, max over all pixels. Unlabelled.
inline image_set quantise(view<const std::uint8_t, 3> pixels, const quantise_options& options = {}) {
  const index_t n = pixels.extent(0), height = pixels.extent(1), width = pixels.extent(2), pool = options.pool;
  dimix::expects(n >= 1 && height >= 1 && width >= 1, "quantise: pixels of shape (", n, ", ", height, ", ", width,
                 ") are empty");
  dimix::expects(pool >= 1 && height % pool == 0 && width % pool == 0, "quantise: options.pool = ", pool,
                 " does not divide the image, ", height, " x ", width);
  const index_t values = index_t{*std::max_element(pixels.begin(), pixels.end())} + 1;
  dimix::expects(values >= 2, "quantise: every one of the ", pixels.size(), " pixels is 0");
  const index_t levels = options.levels == 0 ? values : options.levels;
  dimix::expects(levels >= 2 && levels <= 256, "quantise: options.levels = ", levels, " lies outside [2, 256]");

  image_set images{.height = height / pool, .width = width / pool, .levels = levels};
  images.tokens.resize(n, images.height * images.width);  // (n, D)
  for (index_t i = 0; i < n; ++i)
    for (index_t y = 0; y < images.height; ++y)
      for (index_t x = 0; x < images.width; ++x) {
        index_t sum = 0;
        for (index_t dy = 0; dy < pool; ++dy)
          for (index_t dx = 0; dx < pool; ++dx) sum += pixels(i, y * pool + dy, x * pool + dx);
        images.tokens(i, y * images.width + x) = static_cast<token>(sum * levels / (pool * pool * values));
      }
  return images;
}

struct image_files {
  std::string images;       // .npy, IDX or IDX in gzip: (n, height, width), or (n, D) for square images; integers in [0, 255]
  std::string labels = "";  // (n), integers >= 0; "": unlabelled
  quantise_options quantise{};  // what becomes of the pixels
};

/// Reads images, and their labels where there are some. Errors: file_error for what cannot be read or is of another shape.
inline image_set load_images(const image_files& files) {
  const dimix::raw_tensor raw = dimix::read_data(files.images);
  index_t height = 0, width = 0;
  if (raw.shape.size() == 3) {
    height = raw.shape[1];
    width = raw.shape[2];
  } else if (raw.shape.size() == 2) {
    height = width = std::llround(std::sqrt(static_cast<double>(raw.shape[1])));
  }
  dimix::expects<dimix::file_error>(raw.size() > 0 && raw.size() == raw.shape[0] * height * width, "cannot use '", files.images,
                                    "': its shape is ", dimix::shape_text(raw.shape),
                                    ", needed is (n, height, width) or (n, D) with D a square number");
  const std::vector<std::uint8_t> pixels = raw.values<std::uint8_t>();  // (n, height, width)
  image_set images = quantise({pixels.data(), raw.shape[0], height, width}, files.quantise);
  if (files.labels.empty()) return images;

  images.labels = dimix::read_data(files.labels).load<token, 1>();  // (n)
  dimix::expects<dimix::file_error>(images.labelled(), "cannot use '", files.labels, "': it has ", images.labels.extent(0),
                                    " labels for ", images.size(), " images");
  for (token label : images.labels)
    dimix::expects<dimix::file_error>(label >= 0, "cannot use '", files.labels, "': the label ", label, " is negative");
  return images;
}

/// The images at the given places, in that order.
inline image_set subset(const image_set& images, view<const index_t, 1> places) {
  image_set part{.height = images.height, .width = images.width, .levels = images.levels};
  part.tokens.resize(places.size(), images.dims());                    // (m, D)
  part.labels.resize(images.labelled() ? places.size() : index_t{0});  // (m)
  for (index_t i = 0; i < places.size(); ++i) {
    const index_t from = places(i);
    dimix::expects(from >= 0 && from < images.size(), "subset: places[", i, "] = ", from, " lies outside [0, ", images.size(),
                   ")");
    std::copy_n(images.tokens.whole().row(from).data(), images.dims(), part.tokens.whole().row(i).data());
    if (images.labelled()) part.labels(i) = images.labels(from);
  }
  return part;
}

/// For the 1797 digits. A Frechet distance of finite sets is too large by about (1/n_1 + 1/n_2) times a constant, so that the
/// smaller set decides: held-out gets more images than validation, whose distances rank settings but are about twice as large.
/// Among the seeds 0 to 15, 6 is in the middle by the distance on the principal components of the pixels, from train to
/// held-out (0.044; they range from 0.025 to 0.063) and from train to validation (0.098; 0.053 to 0.150): neither a kind nor a
/// cruel split.
struct split_options {
  index_t validation = 200;  // images for choosing hyper-parameters
  index_t held_out = 500;    // images for reporting; the rest is for training
  std::uint64_t seed = 6;
};

struct image_split {
  image_set train, validation, held_out;
};

/// A random split. Image i has the 64-bit key rng(seed)(purpose::data, i); held-out are the smallest keys, then validation,
/// then train. So whether an image is held out depends on no order but the file's, and growing validation takes from train
/// alone.
inline image_split split(const image_set& images, const split_options& options = {}) {
  const index_t n = images.size(), validation = options.validation, held_out = options.held_out;
  dimix::expects(validation >= 0 && held_out >= 0 && validation + held_out < n, "split: options.validation = ", validation,
                 " and options.held_out = ", held_out, " leave nothing of ", n, " images to train on");
  std::vector<std::pair<std::uint64_t, index_t>> keyed;
  const dimix::rng random{options.seed};
  for (index_t i = 0; i < n; ++i)
    keyed.emplace_back(random(dimix::purpose::data, static_cast<std::uint64_t>(i), 0, 0, 0).first(), i);
  std::sort(keyed.begin(), keyed.end());

  std::vector<index_t> order;  // (n)
  for (const auto& entry : keyed) order.push_back(entry.second);
  const auto part = [&](index_t first, index_t count) {
    return subset(images, view<const index_t, 1>(order.data() + first, count));
  };
  return {.train = part(held_out + validation, n - held_out - validation),
          .validation = part(held_out, validation),
          .held_out = part(0, held_out)};
}

}  // namespace digits
