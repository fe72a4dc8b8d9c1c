// How good are samples? One row of the table: two Frechet distances and what stands beside them, all against real images that
// no training has seen.
//
// Pixels are level / (levels - 1), in [0, 1]. Every distance between sets is symmetric, 0 for equal sets, and independent of
// the order of the images. None is unbiased: a finite set differs from itself drawn again, so read a value beside floor(), and
// compare rows of equal sample counts only.
#pragma once

#include "dataset.hpp"
#include "features.hpp"

#include <dimix/backend/cpu.hpp>

#include <Eigen/Core>

#include <optional>

namespace digits {

/// Mean and unbiased covariance of the rows of a matrix.
struct moments {
  Eigen::VectorXd mean;        // (F)
  Eigen::MatrixXd covariance;  // (F, F)
};

/// rows (n, F), n >= 2
moments moments_of(const Eigen::MatrixXd& rows);

/// The squared Frechet (2-Wasserstein) distance of two Gaussians,
///   |m_1 - m_2|^2 + tr(C_1 + C_2 - 2 (C_1^{1/2} C_2 C_1^{1/2})^{1/2})
/// (Dowson and Landau 1982; of network features: Heusel et al. 2017, "GANs trained by a two time-scale update rule"). The last
/// trace is the sum of the singular values of C_1^{1/2} C_2^{1/2}, which takes the square root of nothing that was squared
/// before: covariances without full rank lose no digits, and a distance to itself is 0 to rounding. Eigenvalues below 0 count
/// as 0.
double frechet_distance(const moments& a, const moments& b);

/// One row of the table. Features and classifier columns are NaN where there is no classifier.
struct quality {
  double frechet_features = 0;  // squared Frechet distance of the 32 features
  double frechet_pixels = 0;    // squared Frechet distance of the first 16 principal components of the training pixels
  double confidence = 0;        // mean largest class probability
  double inception = 0;         // exp mean_i KL(p_i, mean p) (Salimans et al. 2016), between 1 and the number of classes
  double nearest = 0;           // mean L2 distance of the pixels to the nearest training image
  double nearest_low = 0;       // its 5 % quantile: far below that of real images, samples are copies
  double correlation = 0;  // mean over pixel pairs of |difference of their correlations|; a constant pixel correlates with none
  double variation = 0;    // mean over pixels of the total variation distance of their levels
  double accuracy =
      std::numeric_limits<double>::quiet_NaN();  // share of images of the class they were asked to be, if they were
};

namespace detail {

/// What the distances need to know of a set of images.
struct statistics {
  moments features, pixels;  // (F), (D)
  Eigen::MatrixXd shares;    // (D, levels): how often pixel d has a level
  double confidence = 0, inception = 0;
};

}  // namespace detail

/// Holds what is needed of the training and the reference images, and measures samples against them. Cost of a measurement of n
/// samples: 0.2 n MFLOP for the classifier, 2 n |train| D for the neighbours, n D^2 for the correlations.
class quality_meter {
 public:
  static constexpr index_t components = 16;

  /// Without weights the classifier's columns are NaN. Sets of other sizes or levels than train's are refused.
  quality_meter(image_set train, image_set reference, std::optional<feature_weights> classifier, dimix::cpu cpu);

  /// samples (n, D), n >= 2, every token a level: against the reference set, nearest neighbours in the training set.
  quality operator()(view<const token, 2> samples) const;

  /// Share of the samples (n, D) whose most probable class is the label (n); NaN without a classifier.
  double accuracy(view<const token, 2> samples, view<const token, 1> labels) const;

  /// What real images score: reference measured against train, instead of samples against reference.
  quality floor() const;

  /// L2 distance of the pixels of every sample to the nearest training image, (n). 0 for a copy, exactly.
  Eigen::VectorXd nearest(view<const token, 2> samples) const;

 private:
  void check(view<const token, 2> samples) const;
  detail::statistics statistics_of(view<const token, 2> images) const;
  quality compare(const detail::statistics& of_samples, const detail::statistics& of_real, view<const token, 2> samples) const;

  image_set train_, reference_;
  std::optional<feature_weights> classifier_;
  dimix::cpu cpu_;
  detail::statistics of_train_, of_reference_;
  Eigen::MatrixXd axes_;           // (D, 16): principal axes of the training pixels
  matrix train_levels_;            // (|train|, D), in levels
  Eigen::VectorXf train_squares_;  // (|train|)
};

}  // namespace digits
