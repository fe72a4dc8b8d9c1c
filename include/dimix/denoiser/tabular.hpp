// tabular: the exact denoiser of a data law that is written down as a table of S^D probabilities. The teacher of tests and theory.
//   p(x_0^d = s | x_t) = sum_{x_0: x_0^d = s} P(x_0) prod_e q_{t|0}(x_t^e | x_0^e) / (the same sum over all x_0)
// A product sampler can step to an x_t that the law excludes, where no posterior exists: there the rows are the data's marginals.
// Cost of a call: B * (number of x_0 with P > 0) * D.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/check.hpp>
#include <dimix/core/math.hpp>
#include <dimix/denoiser.hpp>

#include <cmath>
#include <vector>

namespace dimix {

template <class Process>
class tabular {
 public:
  /// sequences (n, D) with probabilities (n) that sum to 1 (within 1e-9).
  tabular(const Process& forward, view<const token, 2> sequences, view<const double, 1> probabilities)
      : process_(forward),
        D_(sequences.extent(1)),
        sequences_(sequences.begin(), sequences.end()),
        probabilities_(probabilities.begin(), probabilities.end()) {
    expects_shape("tabular: probabilities", probabilities, sequences.extent(0));
    expects_tokens("tabular: sequences", sequences, forward.space());
    double total = 0;
    for (double p : probabilities_) {
      expects(p >= 0, "tabular: a probability is ", p);
      total += p;
    }
    expects(std::abs(total - 1) < 1e-9, "tabular: probabilities sum to ", total);
  }

  index_t outputs() const { return process_.max_states(); }

  /// raw = log p, floored at lowest_log.
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    const index_t S = outputs();
    expects(asked.dims() == D_, "tabular: asked for D = ", asked.dims(), " positions, but the table has ", D_);
    std::vector<double> row(static_cast<std::size_t>(D_ * S));  // (D, S)
    for (index_t b = 0; b < asked.batch(); ++b) {
      posterior(asked.tokens.row(b), static_cast<double>(asked.times(b)), row);
      for (index_t m = 0; m < raw.extent(1); ++m)
        for (index_t d = 0; d < D_; ++d)
          for (index_t s = 0; s < S; ++s) {
            const double log_p = std::log(row[static_cast<std::size_t>(d * S + s)]);
            raw(b, m, d, s) = static_cast<Real>(larger(log_p, static_cast<double>(lowest_log<Real>())));
          }
    }
  }

 private:
  /// The data's own marginals.
  void fall_back(std::vector<double>& row) const {
    row.assign(row.size(), 0.0);
    for (std::size_t n = 0; n < probabilities_.size(); ++n)
      for (index_t d = 0; d < D_; ++d)
        row[static_cast<std::size_t>(
            d * outputs() + sequences_[n * static_cast<std::size_t>(D_) + static_cast<std::size_t>(d)])] += probabilities_[n];
  }

  void posterior(view<const token, 1> x_t, double t, std::vector<double>& row) const {
    const auto kernel = process_.template between<double>(0, t);
    const index_t S = outputs();
    row.assign(row.size(), 0.0);
    double total = 0;
    for (std::size_t n = 0; n < probabilities_.size(); ++n) {
      const token* x_0 = sequences_.data() + n * static_cast<std::size_t>(D_);
      double p = probabilities_[n];
      for (index_t d = 0; d < D_ && p > 0; ++d) p *= kernel.marginal_t(d, x_0[d], x_t[d]);
      for (index_t d = 0; d < D_; ++d) row[static_cast<std::size_t>(d * S + x_0[d])] += p;
      total += p;
    }
    if (!(total > 0)) return fall_back(row);
    for (double& p : row) p /= total;
  }

  Process process_;
  index_t D_;
  std::vector<token> sequences_;
  std::vector<double> probabilities_;
};

}  // namespace dimix
