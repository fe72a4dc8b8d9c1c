// The eye of the example: a small convolutional classifier of grey images. The 32 activations before its softmax are the
// features of the Frechet distance, its probabilities give the confidence and the inception score.
//
//   level / (levels - 1)     (n, H, W, 1)
//   conv 3x3, ReLU           (n, H, W, 16)
//   conv 3x3 stride 2, ReLU  (n, ceil(H/2), ceil(W/2), 32)
//   dense, tanh              (n, 32)           the features
//   dense, softmax           (n, classes)      the probabilities
//
// Outside the image is 0: background. Arrays are row-major, a batch of maps is a matrix of n * H * W rows and one column a
// channel. train_features.cpp makes the weights. Here is the forward pass alone, about 0.2 MFLOP an 8x8 image.
#pragma once

#include "dataset.hpp"

#include <dimix/backend/cpu.hpp>
#include <dimix/io/safetensors.hpp>

#include <Eigen/Core>

#include <algorithm>
#include <string>
#include <vector>

namespace digits {

using matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// The parameters of one layer, y = x kernel + bias.
struct layer {
  matrix kernel;  // (inputs, outputs); for a convolution the inputs are (3, 3, channels)
  matrix bias;    // (1, outputs)
};

/// All parameters, and the size of the images that they were trained on.
struct feature_weights {
  static constexpr index_t channels1 = 16, channels2 = 32, features = 32;

  index_t height = 8, width = 8, classes = 10;
  layer conv1{}, conv2{}, dense{}, output{};

  index_t half_height() const { return (height + 1) / 2; }
  index_t half_width() const { return (width + 1) / 2; }

  /// f(name, layer, inputs, outputs) for each layer, front to back.
  template <class Self, class F>
  static void for_each(Self& self, F&& f) {
    f("conv1", self.conv1, index_t{9}, channels1);
    f("conv2", self.conv2, 9 * channels1, channels2);
    f("dense", self.dense, self.half_height() * self.half_width() * channels2, features);
    f("output", self.output, features, self.classes);
  }
};

/// Reads what save_features wrote. Errors: file_error for a file that cannot be read, lacks a tensor, or has one of another
/// shape.
inline feature_weights load_features(const std::string& path) {
  const dimix::safetensors_file file = dimix::read_safetensors(path);
  const std::vector<index_t> size = file.values<index_t>("size");  // height, width, classes
  dimix::expects<dimix::file_error>(
      size.size() == 3 && std::ranges::all_of(size, [](index_t n) { return n >= 1 && n <= 4096; }), "cannot use '", path,
      "': its tensor 'size' is not a height, a width and a number of classes");
  feature_weights weights{.height = size[0], .width = size[1], .classes = size[2]};
  const auto read = [&](const std::string& name, index_t rows, index_t columns) -> matrix {
    const auto values = file.load<float, 2>(name);
    dimix::expects<dimix::file_error>(values.extent(0) == rows && values.extent(1) == columns, "cannot use '", path,
                                      "': its tensor '", name, "' has the shape (", values.extent(0), ", ", values.extent(1),
                                      "), needed is (", rows, ", ", columns, ")");
    return Eigen::Map<const matrix>(values.data(), rows, columns);
  };
  feature_weights::for_each(weights, [&](const std::string& name, layer& each, index_t inputs, index_t outputs) {
    each.kernel = read(name + ".kernel", inputs, outputs);
    each.bias = read(name + ".bias", 1, outputs);
  });
  return weights;
}

inline void save_features(const std::string& path, const feature_weights& weights) {
  const index_t size[] = {weights.height, weights.width, weights.classes};
  std::vector<dimix::tensor_source> tensors{dimix::named_tensor("size", view<const index_t, 1>(size, 3))};
  const auto add = [&](const std::string& name, const matrix& values) {
    tensors.push_back(dimix::named_tensor(name, view<const float, 2>(values.data(), values.rows(), values.cols())));
  };
  feature_weights::for_each(weights, [&](const std::string& name, const layer& each, index_t, index_t) {
    add(name + ".kernel", each.kernel);
    add(name + ".bias", each.bias);
  });
  dimix::write_safetensors(path, tensors);
}

/// The 3x3 neighbourhoods of every stride-th pixel: maps (n H W, C) -> patches (n h w, 9 C), h = ceil(H / stride).
inline void gather_patches(const matrix& maps, index_t height, index_t width, index_t stride, matrix& patches) {
  const index_t channels = maps.cols(), n = maps.rows() / (height * width);
  const index_t rows = (height + stride - 1) / stride, columns = (width + stride - 1) / stride;
  patches.setZero(n * rows * columns, 9 * channels);  // (n h w, 9 C)
  for (index_t i = 0; i < n; ++i)
    for (index_t y = 0; y < rows; ++y)
      for (index_t x = 0; x < columns; ++x)
        for (index_t k = 0; k < 9; ++k) {
          const index_t from_y = y * stride + k / 3 - 1, from_x = x * stride + k % 3 - 1;
          if (from_y < 0 || from_y >= height || from_x < 0 || from_x >= width) continue;
          const float* from = maps.data() + ((i * height + from_y) * width + from_x) * channels;
          std::copy_n(from, channels, patches.data() + (((i * rows + y) * columns + x) * 9 + k) * channels);
        }
}

/// What a forward pass leaves behind: its results, and what a backward pass needs.
struct feature_pass {
  matrix pixels;         // (n H W, 1), in [0, 1]
  matrix patches1;       // (n H W, 9)
  matrix maps1;          // (n H W, C1)
  matrix patches2;       // (n h w, 9 C1)
  matrix maps2;          // (n, h w C2)
  matrix features;       // (n, F), in (-1, 1)
  matrix probabilities;  // (n, classes)
};

/// pass.pixels -> pass.maps2: the convolutions.
inline void see(const feature_weights& weights, feature_pass& pass) {
  const index_t n = pass.pixels.rows() / (weights.height * weights.width);
  gather_patches(pass.pixels, weights.height, weights.width, 1, pass.patches1);
  pass.maps1.noalias() = pass.patches1 * weights.conv1.kernel;
  pass.maps1 = (pass.maps1.rowwise() + weights.conv1.bias.row(0)).cwiseMax(0.0f);  // (n H W, C1)
  gather_patches(pass.maps1, weights.height, weights.width, 2, pass.patches2);
  pass.maps2.noalias() = pass.patches2 * weights.conv2.kernel;
  pass.maps2 = (pass.maps2.rowwise() + weights.conv2.bias.row(0)).cwiseMax(0.0f);  // (n h w, C2)
  pass.maps2.resize(n, weights.half_height() * weights.half_width() * feature_weights::channels2);
}

/// pass.maps2 -> pass.features, pass.probabilities: the dense layers.
inline void judge(const feature_weights& weights, feature_pass& pass) {
  pass.features.noalias() = pass.maps2 * weights.dense.kernel;
  pass.features = (pass.features.rowwise() + weights.dense.bias.row(0)).array().tanh();  // (n, F)
  matrix& rows = pass.probabilities;
  rows.noalias() = pass.features * weights.output.kernel;
  rows.rowwise() += weights.output.bias.row(0);
  rows = (rows.colwise() - rows.rowwise().maxCoeff().eval()).array().exp();
  rows = rows.array().colwise() / rows.rowwise().sum().eval().array();  // (n, classes)
}

/// What the classifier says about n images.
struct judgement {
  matrix features;       // (n, F), in (-1, 1)
  matrix probabilities;  // (n, classes), rows sum to 1
};

/// tokens (n, D) with levels grey levels each -> features and probabilities. Works in tiles of 64 images that are the same
/// whatever the number of threads, and so is the result.
inline judgement classify(const feature_weights& weights, view<const token, 2> tokens, index_t levels, const dimix::cpu& cpu) {
  constexpr index_t tile = 64;
  const index_t n = tokens.extent(0), dims = weights.height * weights.width;
  dimix::expects(tokens.extent(1) == dims, "classify: tokens have D = ", tokens.extent(1),
                 ", the classifier was trained on images of ", weights.height, " x ", weights.width);
  dimix::expects(levels >= 2, "classify: levels = ", levels, " is below 2");
  const float scale = 1.0f / static_cast<float>(levels - 1);

  judgement result{matrix(n, feature_weights::features), matrix(n, weights.classes)};
  std::vector<feature_pass> passes(static_cast<std::size_t>(cpu.threads()));
  cpu.for_each((n + tile - 1) / tile, [&](int worker, index_t t) {
    feature_pass& pass = passes[static_cast<std::size_t>(worker)];
    const index_t first = t * tile, count = std::min(tile, n - first);
    pass.pixels.resize(count * dims, 1);  // (count D, 1)
    for (index_t k = 0; k < count * dims; ++k)
      pass.pixels.data()[k] = scale * static_cast<float>(tokens.data()[first * dims + k]);
    see(weights, pass);
    judge(weights, pass);
    result.features.middleRows(first, count) = pass.features;
    result.probabilities.middleRows(first, count) = pass.probabilities;
  });
  return result;
}

/// Share of the images whose most probable class is their label.
inline double accuracy(const judgement& said, view<const token, 1> labels) {
  const index_t n = labels.size();
  dimix::expects(n >= 1 && said.probabilities.rows() == n, "accuracy: labels of ", n, " images for a judgement of ",
                 said.probabilities.rows());
  index_t right = 0;
  for (index_t i = 0; i < n; ++i) {
    index_t best = 0;
    said.probabilities.row(i).maxCoeff(&best);
    right += best == labels(i);
  }
  return static_cast<double>(right) / static_cast<double>(n);
}

}  // namespace digits
