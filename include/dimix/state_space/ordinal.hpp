// ordinal: S levels in order (grey values), noise that prefers near levels and ends in a Gaussian over them. The discretised Gaussian
// target rate of tauLDR (Campbell et al. 2022, appendix; tauldr models.py GaussianTargetRate), with which Di4C distils CIFAR-10:
//   R(i, j) = exp(-(|i - j| - 1)^2 / rate_sigma^2)    from i to levels j that lie nearer to the centre or as near on the other side
//   R(j, i) = R(i, j) π(i) / π(j)                     back, so that π is stationary and the process reversible
//   π(i) proportional to exp(-(i + 1 - S/2)^2 / (2 target_sigma^2)),  i = 0, ..., S - 1
#pragma once

#include <dimix/state_space.hpp>

#include <cmath>

namespace dimix {

struct ordinal_options {
  double rate_sigma = 6;      // levels: how far a jump goes
  double target_sigma = 512;  // levels: width of π
};

class ordinal {
 public:
  static constexpr bool ordered = true;
  static constexpr bool states_vary = false;

  /// S >= 2 levels; widths > 0.
  explicit ordinal(index_t S, ordinal_options options = {}) : S_(S), options_(options), log_total_(0) {
    expects(S >= 2, "ordinal: S = ", S, " levels; at least 2 are needed");
    expects(options.rate_sigma > 0, "ordinal: rate_sigma = ", options.rate_sigma, " is not positive");
    expects(options.target_sigma > 0, "ordinal: target_sigma = ", options.target_sigma, " is not positive");
    double total = 0;
    for (token s = 0; s < S; ++s) total += std::exp(log_target(s));
    log_total_ = std::log(total);
  }

  DIMIX_HD index_t states(index_t) const { return S_; }
  DIMIX_HD index_t max_states() const { return S_; }
  DIMIX_HD double prior(index_t, token s) const {
    using std::exp;
    return exp(log_target(s) - log_total_);
  }
  DIMIX_HD double base_rate(token i, token j) const {
    using std::exp;
    const double jump = ((i < j ? j - i : i - j) - 1) / options_.rate_sigma;
    if (inward(i, j)) return exp(-jump * jump);
    if (inward(j, i)) return exp(-jump * jump + log_target(j) - log_target(i));
    return 0;
  }

 private:
  DIMIX_HD double log_target(token s) const {
    const double z = (s + 1 - 0.5 * static_cast<double>(S_)) / options_.target_sigma;
    return -0.5 * z * z;
  }
  DIMIX_HD bool inward(token i, token j) const {
    const auto S = static_cast<token>(S_);
    return (i < S / 2 && i < j && j < S - i) || (i > S / 2 && S - 1 - i < j && j < i);
  }

  index_t S_;
  ordinal_options options_;
  double log_total_;
};

static_assert(rate_space<ordinal> && ordered_space<ordinal> && !masked_space<ordinal>);

}  // namespace dimix
