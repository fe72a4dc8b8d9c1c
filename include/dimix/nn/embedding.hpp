// Numbers and categories as vectors.
//   sinusoidal   x -> (sin(ω x f_i), cos(ω x f_i)), f_i = exp(-i ln(10^4) / (n/2 - 1)), i in [0, n/2), with ω = 1000: what the
//                released code of Di4C and tauLDR gives to t and to a continuous λ (with n = 128 the exponent is -i ln(10^4) / 63)
//   table        a learned vector per category, N(0, 1) at first
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/nn/eigen.hpp>
#include <dimix/nn/parameters.hpp>

#include <cmath>
#include <string>
#include <vector>

namespace dimix::nn {

class sinusoidal {
 public:
  sinusoidal() = default;

  /// features: n, even and at least 4; largest: ω, positive and finite
  explicit sinusoidal(index_t features, double largest = 1000) : frequencies_(static_cast<std::size_t>(features / 2)) {
    expects(features >= 4 && features % 2 == 0, "sinusoidal: features = ", features, " is not an even number from 4 on");
    expects(largest > 0 && std::isfinite(largest), "sinusoidal: the largest frequency ", largest,
            " is not positive and finite");
    const double half = static_cast<double>(features / 2);
    for (std::size_t i = 0; i < frequencies_.size(); ++i)
      frequencies_[i] = largest * std::exp(-static_cast<double>(i) * std::log(1e4) / (half - 1));
  }

  index_t features() const { return 2 * static_cast<index_t>(frequencies_.size()); }

  /// out: the n features of x, sines first. Computed in double: 1000 x f has no accurate sine in float.
  template <class Real>
  void operator()(Real x, Real* out) const {
    const std::size_t half = frequencies_.size();
    for (std::size_t i = 0; i < half; ++i) {
      const double angle = static_cast<double>(x) * frequencies_[i];
      out[i] = static_cast<Real>(std::sin(angle));
      out[half + i] = static_cast<Real>(std::cos(angle));
    }
  }

 private:
  std::vector<double> frequencies_;  // (n / 2), with the factor ω
};

template <class Real>
class embedding_table {
 public:
  embedding_table() = default;

  /// Registers `name`.table (categories, features).
  embedding_table(parameters<Real>& store, const std::string& name, index_t categories, index_t features, rng source)
      : categories_(categories), features_(features), table_(store.add(name + ".table", {categories, features})) {
    store.draw_normal(table_, source);
  }

  index_t categories() const { return categories_; }
  index_t features() const { return features_; }
  index_t table() const { return table_; }  // number of the block

  /// The vector of a category in [0, categories): features numbers.
  view<const Real, 1> row(const parameters<Real>& store, index_t category) const {
    return {store.values(table_).data() + category * features_, features_};
  }

  /// Adds a gradient (features) to the vector of a category.
  void backward(parameters<Real>& store, index_t category, view<const Real, 1> gradient) const {
    array_of(store.gradients(table_).data() + category * features_, features_) += array_of(gradient);
  }

 private:
  index_t categories_ = 0, features_ = 0, table_ = -1;
};

}  // namespace dimix::nn
