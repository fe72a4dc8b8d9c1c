// Several λ of one call side by side, to choose among: by evidence, or by what they would make of x_0.
// Source of the second: the authors' last_lams and max_sample (tauldr scripts/distil_sample.py); there each λ judges its own x_0 alone, here
// the whole mixture does.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/latent.hpp>
#include <dimix/marginal.hpp>

namespace dimix {

template <class Real>
struct candidates {
  array<Real, 3> latents;      // (B, M, L)
  array<Real, 2> log_weights;  // (B, M)  or empty: equal weights

  /// All components of a finite law where `all` is asked for or there are `count` of them, with their weights; else `count` even draws.
  template <latent_law Law>
  candidates(const Law& law, index_t count, bool all, rng random, view<const std::uint64_t, 1> items, index_t step) {
    const index_t B = items.extent(0);
    latent_draws how = latent_draws::stratified;
    if constexpr (requires { law.components(); })
      if (all || count == law.components()) how = latent_draws::enumerated, count = law.components();
    latents.resize(B, count, law.dims());  // (B, M, L)
    draw_latents(law, how, random, items, step, latents.whole());
    if constexpr (weighted_law<Law>)
      if (how == latent_draws::enumerated) {
        log_weights.resize(B, count);  // (B, M)
        for (index_t i = 0; i < log_weights.size(); ++i) log_weights.data()[i] = static_cast<Real>(law.log_weight(i % count));
      }
  }

  index_t count() const { return latents.extent(1); }
};

/// The most probable tokens of each component, and of these the ones of the largest mixture log-likelihood, the first of equals: (B, D).
/// x_t (B, D); raw (B, M, D, outputs), finite; known (B, D) tokens that are no choice, -1 elsewhere, may be empty; log_weights (B, M).
template <class Real, class Head, backend Backend>
array<token, 2> most_likely(const Head& head, view<const token, 2> x_t, view<const Real, 4> raw, view<const token, 2> known,
                            index_t S, const Backend& run_on, view<const Real, 2> log_weights = {}) {
  const index_t B = x_t.extent(0), D = x_t.extent(1), M = raw.extent(1);
  array<token, 3> x(B, M, D);  // (B, M, D)
  run_on.template sweep<Real>(B * M, 0, [&](const auto& group, auto, index_t row_index) {
    const index_t b = row_index / M, m = row_index % M;
    for (index_t d = 0; d < D; ++d) {
      const auto row = make_unnormalised_row<Real>(group, head, raw.row(b, m, d), place{b, d, x_t(b, d)});
      const bool free = known.empty() || known(b, d) < 0;
      x(b, m, d) = free ? most_probable_of(group, row, S) : known(b, d);
    }
  });
  const array<Real, 2> likelihood =
      log_likelihood<Real>(head, x_t, raw, view<const token, 3>(x), S, run_on, log_weights);  // (B, M)
  array<token, 2> best(B, D);                                                                 // (B, D)
  for (index_t b = 0; b < B; ++b) {
    const token m = argmax(M, [&](index_t i) { return likelihood(b, i); });
    std::copy_n(x.whole().row(b, m).data(), D, best.whole().row(b).data());
  }
  return best;
}

}  // namespace dimix
