// train_features [FOLDER [OUT]]: makes OUT, the weights of the classifier of features.hpp, from FOLDER/images.npy (n, D) and
// FOLDER/labels.npy (n). FOLDER is examples/data/digits and OUT is FOLDER/features.safetensors unless given.
//
// It sees the training images of the default split alone. One thread, and no source of chance but Philox: the same build on the
// same kind of processor makes the same file; another vector width adds in another order.
#include "dataset.hpp"
#include "features.hpp"

#include <cmath>
#include <cstdio>
#include <exception>
#include <numbers>
#include <string>

namespace digits {
namespace {

using dimix::purpose;
using dimix::rng;

/// The numbers were chosen by validation accuracy among about twenty settings, and among those within one image of the best by
/// a distance between train and held-out close to 0.21 (the scale of earlier work on these digits); by nothing that a sampler
/// made.
struct recipe {
  int epochs = 60;
  index_t batch = 64;
  float rate = 2e-3f;     // of Adam, warmed up over one epoch, then cosine to 0
  float decay = 0.1f;     // of the kernels, times the rate
  float dropout = 0.5f;   // of the second convolution's outputs
  int shift = 1;          // pixels, each way, drawn for every image and epoch
  float shifted = 0.25f;  // share of the images that are shifted; those that will be looked at are not
  std::uint64_t seed = 1;
};

/// He's uniform law: U(-a, a) with a = sqrt(6 / inputs), half as wide in front of tanh and softmax; biases 0.
feature_weights initial(const image_set& train, const recipe& how) {
  feature_weights weights{.height = train.height, .width = train.width};
  weights.classes = 1 + *std::max_element(train.labels.begin(), train.labels.end());
  const rng random{how.seed};
  std::uint64_t which = 0;
  feature_weights::for_each(weights, [&](const char*, layer& each, index_t inputs, index_t outputs) {
    const double reach = (which < 2 ? 1.0 : 0.5) * std::sqrt(6.0 / static_cast<double>(inputs));
    each.kernel.resize(inputs, outputs);
    each.bias.setZero(1, outputs);
    for (index_t k = 0; k < inputs * outputs; ++k)
      each.kernel.data()[k] =
          static_cast<float>(reach * (2.0 * dimix::unit(random(purpose::weights, which, 0, 0, k).first()) - 1.0));
    ++which;
  });
  return weights;
}

/// Training images `places`, a share of them shifted by up to how.shift pixels, background moving in -> pixels (n H W, 1).
void shifted(const image_set& images, view<const index_t, 1> places, int epoch, const recipe& how, matrix& pixels) {
  const index_t height = images.height, width = images.width, span = 2 * how.shift + 1;
  pixels.setZero(places.size() * height * width, 1);
  for (index_t i = 0; i < places.size(); ++i) {
    const auto bits = rng{how.seed}(purpose::user, static_cast<std::uint64_t>(places(i)), epoch, 0, 0);
    const bool still = !dimix::bernoulli(how.shifted, bits.second());
    const index_t down = still ? 0 : static_cast<index_t>(bits.word[0]) % span - how.shift;
    const index_t right = still ? 0 : static_cast<index_t>(bits.word[1]) % span - how.shift;
    for (index_t y = std::max<index_t>(0, -down); y < height - std::max<index_t>(0, down); ++y)
      for (index_t x = std::max<index_t>(0, -right); x < width - std::max<index_t>(0, right); ++x)
        pixels.data()[(i * height + y + down) * width + x + right] =
            static_cast<float>(images.tokens(places(i), y * width + x)) / static_cast<float>(images.levels - 1);
  }
}

/// The adjoint of gather_patches: every patch is added back to the pixels that it was copied from.
void scatter_patches(const matrix& patches, index_t height, index_t width, index_t stride, matrix& maps) {
  const index_t channels = patches.cols() / 9, rows = (height + stride - 1) / stride, columns = (width + stride - 1) / stride;
  const index_t n = patches.rows() / (rows * columns);
  maps.setZero(n * height * width, channels);
  for (index_t i = 0; i < n; ++i)
    for (index_t y = 0; y < rows; ++y)
      for (index_t x = 0; x < columns; ++x)
        for (index_t k = 0; k < 9; ++k) {
          const index_t to_y = y * stride + k / 3 - 1, to_x = x * stride + k % 3 - 1;
          if (to_y < 0 || to_y >= height || to_x < 0 || to_x >= width) continue;
          const float* from = patches.data() + (((i * rows + y) * columns + x) * 9 + k) * channels;
          float* to = maps.data() + ((i * height + to_y) * width + to_x) * channels;
          for (index_t c = 0; c < channels; ++c) to[c] += from[c];
        }
}

/// Gradient of the mean cross-entropy; maps2 of the pass had a share `dropout` set to 0 and the rest scaled by 1 / (1 -
/// dropout).
void backward(const feature_weights& weights, const feature_pass& pass, view<const token, 1> labels, float dropout,
              feature_weights& gradient) {
  const index_t n = labels.size();
  const auto close = [](const matrix& inputs, const matrix& outputs, layer& into) {
    into.kernel.noalias() = inputs.transpose() * outputs;
    into.bias = outputs.colwise().sum();
  };
  matrix at_output = pass.probabilities;  // (n, classes)
  for (index_t i = 0; i < n; ++i) at_output(i, labels(i)) -= 1.0f;
  at_output /= static_cast<float>(n);
  close(pass.features, at_output, gradient.output);

  matrix at_features = at_output * weights.output.kernel.transpose();  // (n, F)
  at_features.array() *= 1.0f - pass.features.array().square();
  close(pass.maps2, at_features, gradient.dense);

  matrix at_maps2 = at_features * weights.dense.kernel.transpose();  // (n, h w C2)
  at_maps2.array() *= (pass.maps2.array() > 0.0f).cast<float>() / (1.0f - dropout);
  at_maps2.resize(pass.patches2.rows(), feature_weights::channels2);  // (n h w, C2)
  close(pass.patches2, at_maps2, gradient.conv2);

  matrix at_maps1;  // (n H W, C1)
  scatter_patches(at_maps2 * weights.conv2.kernel.transpose(), weights.height, weights.width, 2, at_maps1);
  at_maps1.array() *= (pass.maps1.array() > 0.0f).cast<float>();
  close(pass.patches1, at_maps1, gradient.conv1);
}

/// Adam (Kingma and Ba 2015; betas 0.9, 0.999) with decoupled weight decay (Loshchilov and Hutter 2019) of the kernels.
class adam {
 public:
  void step(feature_weights& weights, const feature_weights& gradient, float rate, float decay) {
    ++steps_;
    move(weights.conv1, gradient.conv1, 0, rate, decay);
    move(weights.conv2, gradient.conv2, 2, rate, decay);
    move(weights.dense, gradient.dense, 4, rate, decay);
    move(weights.output, gradient.output, 6, rate, decay);
  }

 private:
  void move(layer& weights, const layer& gradient, int slot, float rate, float decay) {
    move(weights.kernel, gradient.kernel, slot, rate, decay);
    move(weights.bias, gradient.bias, slot + 1, rate, 0.0f);
  }
  void move(matrix& weights, const matrix& gradient, int slot, float rate, float decay) {
    matrix &mean = mean_[slot], &square = square_[slot];
    if (steps_ == 1) mean = square = matrix::Zero(weights.rows(), weights.cols());
    mean = 0.9f * mean + 0.1f * gradient;
    square = 0.999f * square + 0.001f * gradient.cwiseAbs2();
    const float mean_scale = 1.0f / (1.0f - std::pow(0.9f, static_cast<float>(steps_)));
    const float square_scale = 1.0f / (1.0f - std::pow(0.999f, static_cast<float>(steps_)));
    weights.array() -=
        rate * (mean.array() * mean_scale / ((square.array() * square_scale).sqrt() + 1e-8f) + decay * weights.array());
  }

  int steps_ = 0;
  matrix mean_[8], square_[8];
};

std::vector<index_t> shuffled(index_t n, int epoch, const recipe& how) {
  std::vector<std::pair<std::uint64_t, index_t>> keyed;
  for (index_t i = 0; i < n; ++i)
    keyed.emplace_back(rng{how.seed}(purpose::data, static_cast<std::uint64_t>(i), 1 + epoch, 0, 0).first(), i);
  std::sort(keyed.begin(), keyed.end());
  std::vector<index_t> order;
  for (const auto& entry : keyed) order.push_back(entry.second);
  return order;
}

feature_weights train(const image_split& data, const recipe& how, const dimix::cpu& cpu) {
  feature_weights weights = initial(data.train, how), gradient = weights;
  feature_pass pass;
  adam optimiser;
  const index_t n = data.train.size(), batches = n / how.batch;
  std::vector<token> labels(static_cast<std::size_t>(how.batch));
  for (int epoch = 0; epoch < how.epochs; ++epoch) {
    const std::vector<index_t> order = shuffled(n, epoch, how);
    double loss = 0;
    for (index_t b = 0; b < batches; ++b) {
      const view<const index_t, 1> places(order.data() + b * how.batch, how.batch);
      for (index_t i = 0; i < how.batch; ++i) labels[static_cast<std::size_t>(i)] = data.train.labels(places(i));
      shifted(data.train, places, epoch, how, pass.pixels);
      see(weights, pass);
      for (index_t k = 0; k < pass.maps2.size(); ++k) {
        const auto bits = rng{how.seed}(purpose::dropout, static_cast<std::uint64_t>(b), epoch, 0, k).first();
        pass.maps2.data()[k] *= dimix::bernoulli(how.dropout, bits) ? 0.0f : 1.0f / (1.0f - how.dropout);
      }
      judge(weights, pass);
      for (index_t i = 0; i < how.batch; ++i)
        loss -= std::log(pass.probabilities(i, labels[static_cast<std::size_t>(i)])) / static_cast<double>(batches * how.batch);
      backward(weights, pass, {labels.data(), how.batch}, how.dropout, gradient);

      const double done = (epoch + static_cast<double>(b) / static_cast<double>(batches)) / how.epochs;
      const double warm = std::min(1.0, done * how.epochs + 1.0 / static_cast<double>(batches));
      const double rate = how.rate * warm * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
      optimiser.step(weights, gradient, static_cast<float>(rate), how.decay);
    }
    if (epoch % 10 == 9) {
      const judgement said = classify(weights, data.validation.tokens, data.validation.levels, cpu);
      std::printf("epoch %3d   loss %.4f   validation accuracy %.4f\n", epoch + 1, loss,
                  accuracy(said, data.validation.labels));
    }
  }
  return weights;
}

void run(const std::string& folder, const std::string& out) {
  const image_split data = split(load_images({.images = folder + "/images.npy", .labels = folder + "/labels.npy"}));
  const dimix::cpu one_thread(1);
  const feature_weights weights = train(data, {}, one_thread);
  for (const auto& [name, part] :
       {std::pair("train", &data.train), {"validation", &data.validation}, {"held-out", &data.held_out}})
    std::printf("%-10s  %4td images   accuracy %.4f\n", name, part->size(),
                accuracy(classify(weights, part->tokens, part->levels, one_thread), part->labels));
  save_features(out, weights);
  std::printf("written: %s\n", out.c_str());
}

}  // namespace
}  // namespace digits

int main(int count, char** words) try {
  const std::string folder = count > 1 ? words[1] : DIMIX_EXAMPLE_DATA "/digits";
  digits::run(folder, count > 2 ? words[2] : folder + "/features.safetensors");
  return 0;
} catch (const std::exception& problem) {
  std::fprintf(stderr, "%s\n", problem.what());
  return 1;
}
