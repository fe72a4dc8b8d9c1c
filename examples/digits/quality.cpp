// The measurements: moments and distances in double, products with the training images in float.
#include "quality.hpp"

#include <Eigen/Eigenvalues>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

namespace digits {

moments moments_of(const Eigen::MatrixXd& rows) {
  dimix::expects(rows.rows() >= 2, "moments_of: ", rows.rows(), " rows have no covariance, at least 2 are needed");
  moments result;
  result.mean = rows.colwise().mean().transpose();
  const Eigen::MatrixXd centred = rows.rowwise() - result.mean.transpose();  // (n, F)
  result.covariance.noalias() = centred.transpose() * centred / static_cast<double>(rows.rows() - 1);
  return result;
}

double frechet_distance(const moments& a, const moments& b) {
  dimix::expects(a.mean.size() == b.mean.size(), "frechet_distance: means of ", a.mean.size(), " and ", b.mean.size(),
                 " features");
  using solver_type = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;
  const auto root = [](const Eigen::MatrixXd& covariance) -> Eigen::MatrixXd {
    const solver_type solver(covariance);
    return solver.eigenvalues().cwiseMax(0.0).cwiseSqrt().asDiagonal() * solver.eigenvectors().transpose();
  };
  const Eigen::MatrixXd product = root(a.covariance) * root(b.covariance).transpose();  // (F, F)
  const index_t F = product.rows();
  Eigen::MatrixXd dilation = Eigen::MatrixXd::Zero(2 * F, 2 * F);  // its eigenvalues are plus and minus the singular values
  dilation.topRightCorner(F, F) = product;
  dilation.bottomLeftCorner(F, F) = product.transpose();
  const double overlap = 0.5 * solver_type(dilation, Eigen::EigenvaluesOnly).eigenvalues().cwiseAbs().sum();
  const double distance = (a.mean - b.mean).squaredNorm() + a.covariance.trace() + b.covariance.trace() - 2.0 * overlap;
  return std::max(0.0, distance);
}

namespace {

/// Mean |difference| over the pairs of pixels; 0 where there is but one pixel.
double correlation_gap(const Eigen::MatrixXd& a, const Eigen::MatrixXd& b) {
  const index_t dims = a.rows();
  const auto correlation = [](const Eigen::MatrixXd& covariance, index_t i, index_t j) {
    const double scale = covariance(i, i) * covariance(j, j);
    return scale > 0 ? covariance(i, j) / std::sqrt(scale) : 0.0;
  };
  double sum = 0;
  for (index_t i = 0; i < dims; ++i)
    for (index_t j = 0; j < i; ++j) sum += std::abs(correlation(a, i, j) - correlation(b, i, j));
  return dims < 2 ? 0.0 : sum / (0.5 * static_cast<double>(dims * (dims - 1)));
}

matrix levels_of(view<const token, 2> tokens) {
  using rows = Eigen::Matrix<token, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  return Eigen::Map<const rows>(tokens.data(), tokens.extent(0), tokens.extent(1)).cast<float>();  // (n, D)
}

}  // namespace

quality_meter::quality_meter(image_set train, image_set reference, std::optional<feature_weights> classifier, dimix::cpu cpu)
    : train_(std::move(train)), reference_(std::move(reference)), classifier_(std::move(classifier)), cpu_(std::move(cpu)) {
  dimix::expects(reference_.dims() == train_.dims() && reference_.levels == train_.levels,
                 "quality_meter: reference has D = ", reference_.dims(), " and ", reference_.levels,
                 " levels, train has D = ", train_.dims(), " and ", train_.levels);
  of_train_ = statistics_of(train_.tokens);
  of_reference_ = statistics_of(reference_.tokens);
  const Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd> solver(of_train_.pixels.covariance);
  axes_ = solver.eigenvectors().rightCols(std::min(components, train_.dims()));  // (D, 16): largest eigenvalues last
  train_levels_ = levels_of(train_.tokens);
  train_squares_ = train_levels_.rowwise().squaredNorm();
}

quality quality_meter::operator()(view<const token, 2> samples) const {
  return compare(statistics_of(samples), of_reference_, samples);
}

double quality_meter::accuracy(view<const token, 2> samples, view<const token, 1> labels) const {
  check(samples);
  if (!classifier_) return std::nan("");
  return digits::accuracy(classify(*classifier_, samples, train_.levels, cpu_), labels);
}

quality quality_meter::floor() const { return compare(of_reference_, of_train_, reference_.tokens); }

Eigen::VectorXd quality_meter::nearest(view<const token, 2> samples) const {
  check(samples);
  constexpr index_t tile = 256;
  const index_t n = samples.extent(0), dims = train_.dims();
  Eigen::VectorXd distances(n);
  cpu_.for_each((n + tile - 1) / tile, [&](int, index_t t) {
    const view<const token, 2> part = samples.slice(t * tile, std::min(tile, n - t * tile));
    matrix scores = levels_of(part) * train_levels_.transpose();  // (tile, |train|)
    scores = (-2.0f * scores).rowwise() + train_squares_.transpose();
    for (index_t i = 0; i < part.extent(0); ++i) {
      index_t best = 0;
      scores.row(i).minCoeff(&best);
      index_t square = 0;  // in levels; the product above only chose the neighbour
      for (index_t d = 0; d < dims; ++d) {
        const index_t gap = part(i, d) - train_.tokens(best, d);
        square += gap * gap;
      }
      distances(t * tile + i) = std::sqrt(static_cast<double>(square)) / static_cast<double>(train_.levels - 1);
    }
  });
  return distances;
}

void quality_meter::check(view<const token, 2> samples) const {
  dimix::expects(samples.extent(0) >= 2 && samples.extent(1) == train_.dims(), "quality_meter: samples of shape (",
                 samples.extent(0), ", ", samples.extent(1), "), needed are at least 2 of D = ", train_.dims());
  for (token level : samples.flat())
    dimix::expects(level >= 0 && level < train_.levels, "quality_meter: a sample has level ", level, ", outside [0, ",
                   train_.levels, ")");
}

detail::statistics quality_meter::statistics_of(view<const token, 2> images) const {
  check(images);
  const index_t n = images.extent(0), dims = images.extent(1);
  detail::statistics result;
  result.pixels = moments_of(levels_of(images).cast<double>() / static_cast<double>(train_.levels - 1));
  result.shares.setZero(dims, train_.levels);  // (D, levels)
  for (index_t i = 0; i < n; ++i)
    for (index_t d = 0; d < dims; ++d) result.shares(d, images(i, d)) += 1.0 / static_cast<double>(n);
  if (!classifier_) return result;

  const judgement said = classify(*classifier_, images, train_.levels, cpu_);
  result.features = moments_of(said.features.cast<double>());
  const Eigen::ArrayXXd each = said.probabilities.cast<double>().array();  // (n, classes)
  const Eigen::ArrayXd overall = each.colwise().mean().transpose();        // (classes)
  const auto entropy = [](const auto& p) { return -(p * p.max(1e-300).log()).sum(); };
  result.confidence = each.rowwise().maxCoeff().mean();
  result.inception = std::exp(entropy(overall) - entropy(each) / static_cast<double>(n));
  return result;
}

quality quality_meter::compare(const detail::statistics& of_samples, const detail::statistics& of_real,
                               view<const token, 2> samples) const {
  const auto projected = [&](const moments& pixels) {
    return moments{axes_.transpose() * pixels.mean, axes_.transpose() * pixels.covariance * axes_};  // (16), (16, 16)
  };
  quality row;
  row.frechet_features = row.confidence = row.inception = std::numeric_limits<double>::quiet_NaN();
  if (classifier_) {
    row.frechet_features = frechet_distance(of_samples.features, of_real.features);
    row.confidence = of_samples.confidence;
    row.inception = of_samples.inception;
  }
  row.frechet_pixels = frechet_distance(projected(of_samples.pixels), projected(of_real.pixels));
  Eigen::VectorXd distances = nearest(samples);  // (n)
  row.nearest = distances.mean();
  double* low = distances.data() + static_cast<index_t>(0.05 * static_cast<double>(distances.size() - 1));
  std::nth_element(distances.data(), low, distances.data() + distances.size());
  row.nearest_low = *low;
  row.correlation = correlation_gap(of_samples.pixels.covariance, of_real.pixels.covariance);
  row.variation = 0.5 * (of_samples.shares - of_real.shares).cwiseAbs().rowwise().sum().mean();
  return row;
}

}  // namespace digits
