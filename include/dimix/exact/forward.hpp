// What the forward process does to a law, exactly: what samplers are measured against.
//   noised_law          q_t = sum_x0 p(x_0) prod_d q(x_t^d | x_0^d)
//   posterior_law       q(x_s | x_t) ∝ q_s(x_s) prod_d q(x_t^d | x_s^d): what a perfect step draws from
//   factorization_gap   E_{x_t ~ q_t} of the distance between it and the product of its marginals: what a product step loses, all that an
//                       exact factorized denoiser's does. In KL it is the expected total correlation; in total variation the sum over the
//                       steps of a grid bounds the whole path's (telescoping)
// Laws (tests/exact/forward.cpp): the marginals of posterior_law are the rows of ancestral steps with a tabular denoiser.
#pragma once

#include <dimix/exact/law.hpp>
#include <dimix/forward_process.hpp>

namespace dimix::exact {

/// The law of y from that of x, positions independently: y_d ~ chance(d, x_d, y_d). O(n D S).
template <class Chance>
joint_law through_positions(const joint_law& law, const Chance& chance) {
  joint_law from = law, to(law.states);
  for (index_t d = 0; d < law.states.dims(); ++d) {
    const index_t S = law.states.states(d), stride = law.states.stride(d);
    array<double, 2> table(S, S);  // (S, S)
    for (token x = 0; x < S; ++x)
      for (token y = 0; y < S; ++y) table(x, y) = chance(d, x, y);
    std::fill(to.p.begin(), to.p.end(), 0.0);
    for (index_t i = 0; i < law.size(); ++i) {
      if (from[i] == 0) continue;
      const token x = law.states.at(i, d);
      for (index_t y = 0; y < S; ++y) to[i + (y - x) * stride] += from[i] * table(x, y);
    }
    std::swap(from, to);
  }
  return from;
}

/// q_t, t in [0, 1]. O(n D S).
template <class Process>
joint_law noised_law(const Process& process, const joint_law& data, double t) {
  const auto kernel = process.template between<double>(0, expects_time("exact::noised_law: t", 0, t));
  return through_positions(data, [&](index_t d, token x, token y) { return kernel.marginal_t(d, x, y); });
}

/// q(x_s | x_t), from q_s and the kernel between(s, t). x_t (D). Throws where q_t(x_t) = 0. O(n D).
template <class Kernel>
joint_law posterior_law(const joint_law& q_s, const Kernel& kernel, view<const token, 1> x_t) {
  joint_law law(q_s.states);
  double total = 0;
  for (index_t i = 0; i < law.size(); ++i) {
    double p = q_s[i];
    for (index_t d = 0; p > 0 && d < q_s.states.dims(); ++d) p *= kernel.transition(d, q_s.states.at(i, d), x_t[d]);
    law[i] = p;
    total += p;
  }
  expects<numeric_error>(total > 0, "exact::posterior_law: noise cannot have made this x_t");
  for (double& p : law.p) p /= total;
  return law;
}

/// One step by two measures.
struct step_gap {
  double divergence = 0;  // KL, in nats
  double variation = 0;   // TV, in [0, 1]
};

/// The gap of the step t -> s, 0 <= s <= t <= 1. O(n^2 D): at most 1e4 sequences.
template <class Process>
step_gap factorization_gap(const Process& process, const joint_law& data, double t, double s) {
  expects(data.size() <= most_elsewhere, "exact::factorization_gap: ", data.size(), " sequences; at most ", most_elsewhere,
          " are compared with one another");
  const joint_law q_s = noised_law(process, data, s), q_t = noised_law(process, data, t);
  const auto kernel = process.template between<double>(s, t);
  array<token, 1> x_t(data.states.dims());  // (D)
  step_gap gap;
  for (index_t i = 0; i < q_t.size(); ++i) {
    if (q_t[i] == 0) continue;
    data.states.tokens(i, x_t);
    const joint_law step = posterior_law(q_s, kernel, view<const token, 1>(x_t)), product = product_of_marginals(step);
    gap.divergence += q_t[i] * total_correlation(step);
    gap.variation += q_t[i] * total_variation(step, product);
  }
  return gap;
}

}  // namespace dimix::exact
