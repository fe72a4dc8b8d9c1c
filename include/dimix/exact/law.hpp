// joint_law: a probability for every sequence of D tokens, and what is measured of it. Natural logarithms; sums in double.
//   total_variation      1/2 sum_x |p(x) - q(x)|                     in [0, 1]
//   kl_divergence        sum_x p(x) log p(x) / q(x)                  in [0, infinity]
//   entropy              -sum_x p(x) log p(x)
//   total_correlation    sum_d H(p_d) - H(p) = KL(p || prod_d p_d)   how far p is from a product; 0 for one
// Laws (tests/exact/law.cpp): total correlation is the divergence from the product of the marginals; Pinsker.
#pragma once

#include <dimix/core/math.hpp>
#include <dimix/exact/joint_states.hpp>

#include <cmath>
#include <utility>

namespace dimix::exact {

struct joint_law {
  joint_states states;
  std::vector<double> p;  // (n)  by the number of the sequence; sums to 1 as far as its maker's rounding goes

  explicit joint_law(joint_states all) : states(std::move(all)), p(static_cast<std::size_t>(states.size())) {}

  index_t size() const { return states.size(); }
  double& operator[](index_t i) { return p[static_cast<std::size_t>(i)]; }
  double operator[](index_t i) const { return p[static_cast<std::size_t>(i)]; }
  double of(view<const token, 1> x) const { return (*this)[states.index(x)]; }

  /// this += weight q, over the same sequences.
  void add(double weight, const joint_law& q) {
    expects(states == q.states, "exact: two laws are over different sequences");
    for (index_t i = 0; i < size(); ++i) (*this)[i] += weight * q[i];
  }
};

/// The law of a table: sequences (n, D), of which some may be equal, with probabilities (n).
inline joint_law law_of(const joint_states& states, view<const token, 2> sequences, view<const double, 1> probabilities) {
  expects_shape("exact::law_of: probabilities", probabilities, sequences.extent(0));
  joint_law law(states);
  for (index_t n = 0; n < sequences.extent(0); ++n) law[states.index(sequences.row(n))] += probabilities(n);
  return law;
}

/// O(n).
inline double total_variation(const joint_law& p, const joint_law& q) {
  expects(p.states == q.states, "exact::total_variation: the two laws are over different sequences");
  double sum = 0;
  for (index_t i = 0; i < p.size(); ++i) sum += std::abs(p[i] - q[i]);
  return sum / 2;
}

/// +infinity where p is possible and q is not. O(n).
inline double kl_divergence(const joint_law& p, const joint_law& q) {
  expects(p.states == q.states, "exact::kl_divergence: the two laws are over different sequences");
  double sum = 0;
  for (index_t i = 0; i < p.size(); ++i)
    if (p[i] > 0) sum += q[i] > 0 ? p[i] * std::log(p[i] / q[i]) : infinity<double>();
  return sum;
}

/// O(n).
inline double entropy(const joint_law& p) {
  double sum = 0;
  for (double each : p.p)
    if (each > 0) sum -= each * std::log(each);
  return sum;
}

/// p_d(s): (D, S), S the largest number of states; 0 for states that a position does not have. O(n D).
inline array<double, 2> marginals(const joint_law& p) {
  index_t S = 0;
  for (index_t d = 0; d < p.states.dims(); ++d) S = larger(S, p.states.states(d));
  array<double, 2> result(p.states.dims(), S);  // (D, S)
  for (index_t i = 0; i < p.size(); ++i)
    for (index_t d = 0; p[i] > 0 && d < p.states.dims(); ++d) result(d, p.states.at(i, d)) += p[i];
  return result;
}

/// prod_d row_d(x_d) of rows (D, S). O(n).
inline joint_law product_law(const joint_states& states, view<const double, 2> rows) {
  joint_law law(states);
  for (index_t i = 0; i < law.size(); ++i) {
    double p = 1;
    for (index_t d = 0; p > 0 && d < states.dims(); ++d) p *= rows(d, states.at(i, d));
    law[i] = p;
  }
  return law;
}
inline joint_law product_of_marginals(const joint_law& p) { return product_law(p.states, marginals(p)); }

/// O(n D).
inline double total_correlation(const joint_law& p) {
  double sum = -entropy(p);
  for (double each : marginals(p))
    if (each > 0) sum -= each * std::log(each);
  return larger(sum, 0.0);
}

}  // namespace dimix::exact
