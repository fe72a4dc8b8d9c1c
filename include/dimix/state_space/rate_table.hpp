// rate_table: any matrix of jump rates, reversible or not, as a space. Views of the user's numbers, which must outlive it.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/check.hpp>
#include <dimix/state_space.hpp>

#include <cmath>

namespace dimix {

class rate_table {
 public:
  static constexpr bool states_vary = false;

  /// rates (S, S): from, to; the diagonal is not read. prior (S): the law of x_1; stationary_law(rates) unless noise at t = 1 is not
  /// complete. Whether it is stationary is checked where noise is infinite (forward_process/rate_matrix.hpp), as no other noise needs it.
  rate_table(view<const double, 2> rates, view<const double, 1> prior) : rates_(rates), prior_(prior) {
    const index_t S = rates.extent(0);
    expects(S >= 2 && rates.extent(1) == S, "rate_table: rates has shape ", shape_of(rates),
            ", but (S, S) with S >= 2 is needed");
    expects_shape("rate_table: prior", prior, S);
    double total = 0;
    for (index_t s = 0; s < S; ++s) {
      expects(prior(s) >= 0, "rate_table: prior[", s, "] = ", prior(s), " is negative");
      total += prior(s);
      for (index_t y = 0; y < S; ++y)
        expects(s == y || (rates(s, y) >= 0 && std::isfinite(rates(s, y))), "rate_table: rates[", s, ", ", y,
                "] = ", rates(s, y), " is not a rate");
    }
    expects(std::abs(total - 1) < 1e-9, "rate_table: prior sums to ", total);
  }

  DIMIX_HD index_t states(index_t) const { return rates_.extent(0); }
  DIMIX_HD index_t max_states() const { return rates_.extent(0); }
  DIMIX_HD double prior(index_t, token s) const { return prior_(s); }
  DIMIX_HD double base_rate(token a, token y) const { return rates_(a, y); }

 private:
  view<const double, 2> rates_;  // (S, S)
  view<const double, 1> prior_;  // (S)
};

static_assert(rate_space<rate_table>);

/// The law π with π R = 0 of rates (S, S) from which every state can be reached: (S). By Grassmann, Taksar and Heyman's elimination
/// (Operations Research 33, 1985), which subtracts nothing. O(S^3).
inline array<double, 1> stationary_law(view<const double, 2> rates) {
  const index_t S = rates.extent(0);
  expects(S >= 2 && rates.extent(1) == S, "stationary_law: rates has shape ", shape_of(rates), ", but (S, S) is needed");
  array<double, 2> left(S, S);  // (S, S)
  std::copy_n(rates.data(), S * S, left.data());
  array<double, 1> exit(S), law(S);  // (S)
  for (index_t n = S - 1; n > 0; --n) {
    exit(n) = 0;
    for (index_t j = 0; j < n; ++j) exit(n) += left(n, j);
    expects(exit(n) > 0, "stationary_law: state ", n, " cannot reach the states before it; π is not unique");
    for (index_t i = 0; i < n; ++i)
      for (index_t j = 0; j < n; ++j)
        if (i != j) left(i, j) += left(i, n) * left(n, j) / exit(n);
  }
  law(0) = 1;
  double total = 1;
  for (index_t n = 1; n < S; ++n) {
    for (index_t i = 0; i < n; ++i) law(n) += law(i) * left(i, n) / exit(n);
    total += law(n);
  }
  for (double& p : law) p /= total;
  return law;
}

}  // namespace dimix
