// The variational bound in discrete time (D3PM; Austin et al. 2021): terms whose target rows are made on the fly.
//   L = KL(q(x_1|x_0) || prior) + sum_i E_{x_t} sum_d KL(q(x_s^d | x_t, x_0) || p_θ(x_s^d | x_t)),   s = t_{i-1}, t = t_i, t_0 = 0
//   posterior_divergence   one summand, under the head stepped<Head, Kernel> of the same kernels (head/stepped.hpp); the number of
//                          steps times it estimates the bound when i is drawn evenly. With s = 0 it is the cross entropy.
//   cross_entropy          -log p_θ(x_0 | x_t), under the plain head; the hybrid loss of D3PM is the bound plus 0.001 to 0.01 times it
// The first summand is prior_divergence (objective/nelbo.hpp). As component terms they bound the mixture's divergence from above.
// Laws (tests/laws/objective_d3pm.cpp): gradient = central difference; N summands of N steps tend to the bound in continuous time
// (nelbo); the exact posterior is the minimiser.
#pragma once

#include <dimix/objective/terms/row_loss.hpp>

namespace dimix {

/// q(x_s | x_t, x_0), as a target; 0 for states that the position does not have.
template <class Real, class Kernel>
struct posterior_rows {
  view<const Kernel, 1> kernels;  // (B)  process.between(s[b], t[b])
  view<const token, 2> x_0, x_t;  // (B, D)

  static constexpr const char* name() { return "posterior_divergence"; }
  DIMIX_HD Real operator()(index_t b, index_t d, index_t s) const {
    if (s >= kernels[b].space.states(d)) return Real(0);
    return static_cast<Real>(kernels[b].posterior(d, x_0(b, d), x_t(b, d), static_cast<token>(s)));
  }
  void check(const char*, index_t B, index_t D, index_t) const {
    expects_shape("posterior_divergence: kernels", kernels, B);
    expects_shape("posterior_divergence: x_0", x_0, B, D);
    expects_shape("posterior_divergence: x_t", x_t, B, D);
    for (index_t b = 0; b < B; ++b)
      for (index_t d = 0; d < D; ++d) {
        const index_t S = kernels[b].space.states(d);
        for (const token x : {x_0(b, d), x_t(b, d)})
          expects(x >= 0 && x < S, "posterior_divergence: x_0[", b, ", ", d, "] = ", x_0(b, d), " and x_t = ", x_t(b, d),
                  " must lie in [0, ", S, ")");
        expects(kernels[b].marginal_t(d, x_0(b, d), x_t(b, d)) > 0, "posterior_divergence: x_0[", b, ", ", d, "] = ", x_0(b, d),
                " cannot have become x_t = ", x_t(b, d));
      }
  }
};

/// All the mass on one token, as a target; nothing where it is -1, unknown.
template <class Real>
struct token_rows {
  view<const token, 2> tokens;  // (B, D)

  static constexpr const char* name() { return "cross_entropy"; }
  DIMIX_HD Real operator()(index_t b, index_t d, index_t s) const { return static_cast<Real>(tokens(b, d) == s); }
  void check(const char*, index_t B, index_t D, index_t S) const {
    expects_shape("cross_entropy: tokens", tokens, B, D);
    for (index_t b = 0; b < B; ++b)
      for (index_t d = 0; d < D; ++d)
        expects(tokens(b, d) >= -1 && tokens(b, d) < S, "cross_entropy: tokens[", b, ", ", d, "] = ", tokens(b, d),
                " is not a state: it must lie in [0, ", S, "), or be -1");
  }
};

/// sum_d KL(q(x_s | x_t, x_0) || p(x_s | x_t)): {{kernels, x_0, x_t}, weights}, under stepped<Head, Kernel>{head, kernels} at x_t.
template <class Real, class Kernel>
using posterior_divergence = row_loss<Real, forward_kl, rows_of::components, posterior_rows<Real, Kernel>>;

/// -sum_d log p_d(x_d): {{tokens}, weights}, of every component or of the marginals.
template <class Real, rows_of Rows = rows_of::components>
using cross_entropy = row_loss<Real, forward_kl, Rows, token_rows<Real>>;

}  // namespace dimix
