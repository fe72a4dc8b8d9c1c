// The measurements of the digits example: closed forms, invariances, the shipped classifier, and the scale of the table.
#include "digits/quality.hpp"
#include "io/files.hpp"

#include <Eigen/LU>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <set>
#include <string>
#include <vector>

namespace quality_tests {

using digits::image_set;
using digits::moments;
using digits::quality_meter;
using dimix::index_t;
using dimix::token;
using dimix::view;
using doctest::Approx;

namespace {

const std::string folder = DIMIX_TEST_DATA "/../../examples/data/digits";

const image_set& all_digits() {
  static const image_set images = digits::load_images({.images = folder + "/images.npy", .labels = folder + "/labels.npy"});
  return images;
}

const digits::image_split& parts() {
  static const digits::image_split split = digits::split(all_digits());
  return split;
}

const digits::feature_weights& shipped() {
  static const digits::feature_weights weights = digits::load_features(folder + "/features.safetensors");
  return weights;
}

const quality_meter& meter() {
  static const quality_meter meter(parts().train, parts().held_out, shipped(), dimix::cpu(1));
  return meter;
}

image_set by_hand(index_t height, index_t width, index_t levels, std::initializer_list<token> values) {
  image_set images{.height = height, .width = width, .levels = levels};
  images.tokens.resize(static_cast<index_t>(values.size()) / (height * width), height * width);
  std::copy(values.begin(), values.end(), images.tokens.begin());
  return images;
}

/// Every pixel drawn from its own histogram of the training set: right marginals, no correlations. (n, D)
dimix::array<token, 2> product_of_marginals(const image_set& train, index_t n) {
  dimix::array<token, 2> samples(n, train.dims());
  for (index_t i = 0; i < n; ++i)
    for (index_t d = 0; d < train.dims(); ++d) {
      const auto bits = dimix::rng{3}(dimix::purpose::user, static_cast<std::uint64_t>(i), 0, 0, d).first();
      samples(i, d) = train.tokens(static_cast<index_t>(bits % static_cast<std::uint64_t>(train.size())), d);
    }
  return samples;
}

std::multiset<std::vector<token>> rows_of(const image_set& images) {
  std::multiset<std::vector<token>> rows;
  for (index_t i = 0; i < images.size(); ++i) {
    std::vector<token> row(images.tokens.whole().row(i).begin(), images.tokens.whole().row(i).end());
    if (images.labelled()) row.push_back(images.labels(i));
    rows.insert(row);
  }
  return rows;
}

template <class Call>
std::string message_of(Call call) {
  try {
    call();
  } catch (const dimix::error& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("moments are the mean and the unbiased covariance") {
  Eigen::MatrixXd rows(3, 2);
  rows << 0, 1, 2, 1, 4, 4;
  const moments found = digits::moments_of(rows);
  CHECK(found.mean(0) == Approx(2));
  CHECK(found.mean(1) == Approx(2));
  CHECK(found.covariance(0, 0) == Approx(4));
  CHECK(found.covariance(1, 1) == Approx(3));
  CHECK(found.covariance(0, 1) == Approx(3));
  CHECK_THROWS_AS(digits::moments_of(Eigen::MatrixXd::Zero(1, 2)), dimix::invalid_argument);
}

TEST_CASE("Frechet distances that are known in closed form") {
  const Eigen::Vector4d mean_a(1, 0, -2, 0.5), mean_b(0, 0, 1, 0.5), a(4, 1, 0.25, 9), b(1, 1, 4, 0.01);
  const double by_hand = 1 + 9 + 1 + 0 + 2.25 + 2.9 * 2.9;  // |m - m'|^2 + sum (sqrt a - sqrt b)^2
  const moments first{mean_a, a.asDiagonal()}, second{mean_b, b.asDiagonal()};

  SUBCASE("diagonal") {
    CHECK(digits::frechet_distance(first, second) == Approx(by_hand).epsilon(1e-12));
    CHECK(digits::frechet_distance(second, first) == Approx(by_hand).epsilon(1e-12));
  }
  SUBCASE("a rotation of both changes nothing") {
    Eigen::Matrix4d rotation;  // a Hadamard matrix over 2: orthogonal
    rotation << 1, 1, 1, 1, 1, -1, 1, -1, 1, 1, -1, -1, 1, -1, -1, 1;
    rotation /= 2;
    const auto turned = [&](const moments& m) {
      return moments{rotation * m.mean, rotation * m.covariance * rotation.transpose()};
    };
    CHECK(digits::frechet_distance(turned(first), turned(second)) == Approx(by_hand).epsilon(1e-12));
  }
  SUBCASE("covariances that do not commute, in two dimensions: tr M^{1/2} = sqrt(tr M + 2 sqrt(det M))") {
    Eigen::Matrix2d c, d;
    c << 2, 0.9, 0.9, 1;
    d << 1, -0.4, -0.4, 3;
    const double overlap = std::sqrt((c * d).trace() + 2 * std::sqrt((c * d).determinant()));
    const double expected = c.trace() + d.trace() - 2 * overlap;
    CHECK(digits::frechet_distance({Eigen::Vector2d::Zero(), c}, {Eigen::Vector2d::Zero(), d}) ==
          Approx(expected).epsilon(1e-12));
  }
  SUBCASE("rank one each: |u|^2 + |v|^2 - 2 |u.v|") {
    const Eigen::Vector4d u(1, 2, 3, 4), v(0, 1, -1, 2);
    const moments flat_u{Eigen::Vector4d::Zero(), u * u.transpose()}, flat_v{Eigen::Vector4d::Zero(), v * v.transpose()};
    CHECK(digits::frechet_distance(flat_u, flat_v) == Approx(30.0 + 6.0 - 2.0 * 7.0).epsilon(1e-12));
    CHECK(digits::frechet_distance(flat_u, {Eigen::Vector4d::Zero(), Eigen::Matrix4d::Zero()}) == Approx(30.0).epsilon(1e-12));
  }
  SUBCASE("equal, of full rank or not: 0") {
    const Eigen::Vector4d u(1, 2, 3, 4);
    const moments flat{u, u * u.transpose()};
    CHECK(digits::frechet_distance(first, first) < 1e-12);
    CHECK(digits::frechet_distance(flat, flat) < 1e-12);
  }
}

TEST_CASE("two pixels by hand: correlation, total variation, neighbours, principal components") {
  // Training and reference pixels are equal to each other, samples are opposite: correlation 1 against -1.
  const image_set real = by_hand(1, 2, 3, {0, 0, 2, 2, 0, 0, 2, 2});
  const quality_meter meter(real, real, std::nullopt, dimix::cpu(1));
  const auto opposite = by_hand(1, 2, 3, {0, 2, 2, 0, 0, 2, 2, 0});
  const digits::quality row = meter(opposite.tokens);
  CHECK(row.correlation == Approx(2));
  CHECK(row.variation == Approx(0));
  CHECK(row.nearest == Approx(1));  // one pixel from black to white
  CHECK(row.nearest_low == Approx(1));
  CHECK(row.frechet_pixels == Approx(2 * 2.0 / 3.0));  // covariances 1/3 [1 1; 1 1] and 1/3 [1 -1; -1 1] share no direction
  CHECK(std::isnan(row.frechet_features));
  CHECK(std::isnan(row.confidence));
  const dimix::array<token, 1> labels(4);  // (n)
  CHECK(std::isnan(meter.accuracy(opposite.tokens, labels)));

  const auto grey = by_hand(1, 2, 3, {1, 0, 1, 2, 1, 0, 1, 2});  // the first pixel is constant: level 1, never seen
  const digits::quality other = meter(grey.tokens);
  CHECK(other.correlation == Approx(1));
  CHECK(other.variation == Approx(0.5));
  CHECK(other.nearest == Approx(0.5));

  const digits::quality itself = meter.floor();
  CHECK(itself.frechet_pixels < 1e-12);
  CHECK(itself.correlation == 0);
  CHECK(itself.variation == 0);
  CHECK(itself.nearest == 0);
}

TEST_CASE("neighbours are those of the plain loop, and copies are at distance 0") {
  const image_set& train = parts().train;
  CHECK(meter().nearest(train.tokens).maxCoeff() == 0);
  const view<const token, 2> some = parts().held_out.tokens.whole().slice(0, 40);
  const Eigen::VectorXd found = meter().nearest(some);
  for (index_t i = 0; i < some.extent(0); ++i) {
    double best = 1e9;
    for (index_t j = 0; j < train.size(); ++j) {
      double square = 0;
      for (index_t d = 0; d < train.dims(); ++d) square += std::pow((some(i, d) - train.tokens(j, d)) / 16.0, 2);
      best = std::min(best, std::sqrt(square));
    }
    CHECK(found(i) == Approx(best).epsilon(1e-12));
  }
}

TEST_CASE("the order of the samples and the number of threads do not matter") {
  const image_set& samples = parts().held_out;
  const quality_meter against(parts().train, parts().validation, shipped(), dimix::cpu(1));
  const quality_meter with_three(parts().train, parts().validation, shipped(), dimix::cpu(3));
  dimix::array<token, 2> reversed(samples.size(), samples.dims());
  for (index_t i = 0; i < samples.size(); ++i)
    for (index_t d = 0; d < samples.dims(); ++d) reversed(i, d) = samples.tokens(samples.size() - 1 - i, d);
  const digits::quality a = against(samples.tokens), b = against(reversed), c = with_three(samples.tokens);
  const auto columns = [](const digits::quality& row) {
    return std::array{row.frechet_features, row.frechet_pixels, row.confidence,  row.inception,
                      row.nearest,          row.nearest_low,    row.correlation, row.variation};
  };
  CHECK(columns(a) == columns(c));
  for (std::size_t k = 0; k < 8; ++k) CHECK(columns(a)[k] == Approx(columns(b)[k]).epsilon(1e-5));
}

TEST_CASE("the shipped classifier reads held-out digits") {
  const digits::judgement said = digits::classify(shipped(), parts().held_out.tokens, 17, dimix::cpu(1));
  CHECK(digits::accuracy(said, parts().held_out.labels) >= 0.98);
  CHECK(meter().accuracy(parts().held_out.tokens, parts().held_out.labels) == digits::accuracy(said, parts().held_out.labels));
  CHECK(said.features.cols() == 32);
  CHECK(said.features.cwiseAbs().maxCoeff() <= 1.0f);
  CHECK((said.probabilities.rowwise().sum().array() - 1.0f).abs().maxCoeff() < 1e-5f);
}

TEST_CASE("the scale of the table: held-out digits are near, a product of marginals is far") {
  const digits::quality floor = meter().floor();
  CHECK(floor.frechet_features == Approx(0.207).epsilon(0.02));
  CHECK(floor.frechet_pixels == Approx(0.0441).epsilon(0.02));
  CHECK(floor.correlation == Approx(0.0376).epsilon(0.02));
  CHECK(floor.nearest == Approx(1.089).epsilon(0.02));
  CHECK(floor.confidence > 0.95);
  CHECK(floor.inception > 8);

  const digits::quality far = meter()(product_of_marginals(parts().train, 4000));
  CHECK(far.frechet_features > 15 * floor.frechet_features);
  CHECK(far.frechet_pixels > 10 * floor.frechet_pixels);
  CHECK(far.correlation > 2 * floor.correlation);
  CHECK(far.nearest > 1.5 * floor.nearest);
  CHECK(far.confidence < 0.75);
  CHECK(far.inception < 4);
  CHECK(far.variation < 1.2 * floor.variation);  // its marginals are those of real digits
}

TEST_CASE("copies of one image: one class, no diversity, distance 0 to the training set") {
  dimix::array<token, 2> copies(10, 64);
  for (index_t i = 0; i < 10; ++i)
    for (index_t d = 0; d < 64; ++d) copies(i, d) = parts().train.tokens(0, d);
  const digits::quality row = meter()(copies);
  CHECK(row.inception == Approx(1).epsilon(1e-6));
  CHECK(row.nearest == 0);
  CHECK(row.nearest_low == 0);
  CHECK(row.frechet_features > 5);
}

TEST_CASE("quantisation: pooling and levels in integers") {
  const std::uint8_t pixels[] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16};
  const view<const std::uint8_t, 3> image(pixels, 1, 4, 4);
  const image_set same = digits::quantise(image);
  CHECK(same.levels == 17);
  CHECK(std::equal(same.tokens.begin(), same.tokens.end(), pixels));
  const image_set pooled = digits::quantise(image, {.pool = 2});  // sums 10, 18, 42, 51 of four
  CHECK(pooled.height == 2);
  CHECK(rows_of(pooled) == rows_of(by_hand(2, 2, 17, {2, 4, 10, 12})));
  const image_set four = digits::quantise(image, {.levels = 4});  // v * 4 / 17
  CHECK(four.levels == 4);
  CHECK(rows_of(four) == rows_of(by_hand(4, 4, 4, {0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3})));
  CHECK(message_of([&] { digits::quantise(image, {.pool = 3}); }).find("options.pool = 3") != std::string::npos);
  CHECK(message_of([&] { digits::quantise(image, {.levels = 1}); }).find("options.levels = 1") != std::string::npos);
}

TEST_CASE("the split: sizes, disjoint, complete, and the same for the same seed") {
  CHECK(parts().train.size() == 1097);
  CHECK(parts().validation.size() == 200);
  CHECK(parts().held_out.size() == 500);
  auto together = rows_of(parts().train);
  together.merge(rows_of(parts().validation));
  together.merge(rows_of(parts().held_out));
  CHECK(together == rows_of(all_digits()));
  CHECK(rows_of(digits::split(all_digits()).held_out) == rows_of(parts().held_out));
  CHECK(rows_of(digits::split(all_digits(), {.seed = 7}).held_out) != rows_of(parts().held_out));
  CHECK(rows_of(digits::split(all_digits(), {.validation = 300}).held_out) == rows_of(parts().held_out));
  CHECK(message_of([] { digits::split(all_digits(), {.validation = 1000, .held_out = 797}); }).find("leave nothing") !=
        std::string::npos);
}

TEST_CASE("what does not fit is refused with a sentence") {
  dimix::array<token, 2> samples(4, 64);
  samples(2, 5) = 17;
  CHECK(message_of([&] { meter()(samples); }).find("a sample has level 17, outside [0, 17)") != std::string::npos);
  CHECK(message_of([] { meter()(dimix::array<token, 2>(4, 63)); }).find("shape (4, 63)") != std::string::npos);
  CHECK(message_of([] { meter()(dimix::array<token, 2>(1, 64)); }).find("shape (1, 64)") != std::string::npos);
  CHECK(message_of([] { digits::classify(shipped(), dimix::array<token, 2>(4, 9), 17, dimix::cpu(1)); }).find("D = 9") !=
        std::string::npos);
  CHECK_THROWS_AS(digits::load_features(folder + "/images.npy"), dimix::file_error);
  CHECK_THROWS_AS(digits::load_images({.images = folder + "/labels.npy"}), dimix::file_error);
  CHECK_THROWS_AS(digits::load_images({.images = folder + "/images.npy", .labels = folder + "/images.npy"}), dimix::file_error);
  CHECK_THROWS_AS(digits::load_images({.images = folder + "/nowhere.npy"}), dimix::file_error);
}

TEST_CASE("weights survive their file, and a file of other weights is refused") {
  const test::temporary_folder place;
  const std::string file = place / "features.safetensors";
  digits::save_features(file, shipped());
  const digits::feature_weights back = digits::load_features(file);
  CHECK(back.conv2.kernel == shipped().conv2.kernel);
  CHECK(back.output.bias == shipped().output.bias);
  digits::feature_weights wrong = shipped();
  wrong.dense.kernel.conservativeResize(100, 32);
  digits::save_features(file, wrong);
  CHECK(message_of([&] { digits::load_features(file); }).find("'dense.kernel' has the shape (100, 32)") != std::string::npos);
}

}  // namespace quality_tests
