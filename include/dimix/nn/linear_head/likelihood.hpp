// Normalisers, log-likelihoods and responsibilities under a linear head: one product of hidden vectors and matrix. Tiles leave a maximum
// and a sum of exponentials for every row, which are merged in the order of the states, and the logits of the targets that they hold.
#pragma once

#include <dimix/marginal.hpp>
#include <dimix/nn/linear_head/panels.hpp>

namespace dimix::nn {

/// What marginalisation (marginal.hpp) is to explicit logits, without marginals: their tiles are made where they are needed.
template <class Real, class Rows>
class linear_likelihood {
 public:
  /// tokens (B, D): x_t. components: M >= 1. options.marginals is not looked at. Views must outlive the object.
  linear_likelihood(const linear_head<Real, Rows>& head, view<const token, 2> tokens, index_t components,
                    const marginal_options<Real>& options)
      : tokens_(tokens),
        options_(options),
        panels_((check(head, tokens, components, options), head), tokens, components, options.memory),
        log_weights_(options.memory),
        normalisers_(options.memory),
        component_(options.memory),
        log_responsibility_(options.memory),
        joint_(options.memory),
        partial_(options.memory),
        seen_(options.memory) {
    const index_t B = tokens.extent(0), D = tokens.extent(1), K = targets();
    log_weights_.resize(B, components);            // (B, M)
    normalisers_.resize(B, D, components);         // (B, D, M)
    component_.resize(B, components, K);           // (B, M, K)
    log_responsibility_.resize(B, components, K);  // (B, M, K)
    joint_.resize(B, K);                           // (B, K)
    normalise_weights();
  }

  index_t batch() const { return tokens_.extent(0); }
  index_t dims() const { return tokens_.extent(1); }
  index_t components() const { return panels_.components(); }
  index_t states() const { return panels_.head().states(); }
  index_t targets() const { return options_.targets.extent(1); }
  view<const token, 2> tokens() const { return tokens_; }                  // (B, D)
  view<const token, 3> target_tokens() const { return options_.targets; }  // (B, K, D)
  linear_panels<Real, Rows>& panels() { return panels_; }
  const linear_panels<Real, Rows>& panels() const { return panels_; }

  view<const Real, 2> log_weights() const { return log_weights_; }                  // (B, M)  normalised
  view<const Real, 3> normalisers() const { return normalisers_; }                  // (B, D, M)  log sum_s exp z_s
  view<const double, 3> component_log_likelihood() const { return component_; }     // (B, M, K)
  view<const Real, 3> log_responsibilities() const { return log_responsibility_; }  // (B, M, K)
  view<const Real, 2> log_likelihood() const { return joint_; }                     // (B, K)

  template <class Storage>
  void expects_hidden(const char* name, view<const Storage, 4> hidden) const {
    expects_shape(argument{name, "hidden"}, hidden, batch(), components(), dims(), panels_.head().width());
  }

  /// hidden (B, M, D, H). Throws numeric_error when logits are not finite or a target is impossible.
  template <class Storage, backend Backend>
  void observe(view<const Storage, 4> hidden, const Backend& run_on) {
    expects_hidden("linear_head", hidden);
    component_.fill(0);
    add_certain();
    for (index_t round = 0; round < panels_.rounds(); ++round) {
      panels_.gather(hidden, round, run_on);
      normalise(run_on);
      refuse_damage(hidden);
      if (targets() > 0) add_targets(run_on);
    }
    run_on.template sweep<Real>(batch() * targets(), 0,
                                responsibility_row<Real>{log_weights_.whole(), component_, log_responsibility_, joint_});
    for (index_t b = 0; b < batch(); ++b)
      for (index_t k = 0; k < targets(); ++k)
        expects<numeric_error>(
            joint_(b, k) > -infinity<Real>(), "linear_head: target ", k, " of item ", b,
            " has probability zero under every component (a token that differs from a position already revealed?)");
  }

 private:
  static void check(const linear_head<Real, Rows>& head, view<const token, 2> tokens, index_t components,
                    const marginal_options<Real>& options) {
    const index_t B = tokens.extent(0), D = tokens.extent(1), S = head.states();
    head.check("linear_head");
    expects(components >= 1, "linear_head: M = ", components, " components; at least one is needed");
    for (index_t i = 0; i < tokens.size(); ++i)
      expects(tokens.data()[i] >= 0 && tokens.data()[i] < S, "linear_head: tokens holds ", tokens.data()[i], " at flat index ",
              i, ", which is not a state: it must lie in [0, ", S, ")");
    if (options.targets.empty()) return;
    expects_shape("linear_head: targets", options.targets, B, options.targets.extent(1), D);
    for (index_t i = 0; i < options.targets.size(); ++i)
      expects(options.targets.data()[i] >= (options.unknown_targets ? -1 : 0) && options.targets.data()[i] < S,
              "linear_head: targets holds ", options.targets.data()[i], " at flat index ", i,
              ", which is not a state: it must lie in [0, ", S, options.unknown_targets ? "), or be -1" : ")");
  }

  void normalise_weights() {
    const index_t M = components();
    if (!options_.log_weights.empty()) expects_shape("linear_head: log_weights", options_.log_weights, batch(), M);
    for (index_t b = 0; b < batch(); ++b) {
      const auto weight = [&](index_t m) { return options_.log_weights.empty() ? Real(0) : options_.log_weights(b, m); };
      const Real total = log_sum_exp<Real>(serial_group{}, M, weight);
      expects<numeric_error>(std::isfinite(total), "linear_head: log_weights of item ", b, " sum to ", total, " in the log");
      for (index_t m = 0; m < M; ++m) log_weights_(b, m) = weight(m) - total;
    }
  }

  /// Where x_t is certain, every other target is impossible.
  void add_certain() {
    for (index_t b = 0; b < batch(); ++b)
      for (index_t d = 0; d < dims(); ++d) {
        if (!panels_.certain(b, d)) continue;
        for (index_t k = 0; k < targets(); ++k)
          if (const token x = options_.targets(b, k, d); x >= 0 && x != tokens_(b, d))
            for (index_t m = 0; m < components(); ++m) component_(b, m, k) = -infinity<double>();
      }
  }

  /// The normalisers of a round, and z of the targets.
  template <class Backend>
  void normalise(const Backend& run_on) {
    const index_t M = components(), K = targets(), tiles = panels_.tiles();
    partial_.resize(panels_.most_rows(), tiles);   // (rows, tiles)
    seen_.resize(panels_.most_positions(), K, M);  // (positions, K, M)
    panels_.for_each_tile(run_on, 0, [&](const auto& group, const logit_tile<Real>& tile, auto) {
      for (index_t i = 0; i < tile.positions; ++i) {
        const index_t position = tile.first_position + i;
        for (index_t m = 0; m < M; ++m)
          partial_(position * M + m, tile.number) =
              exp_sum_of<Real>(group, tile.states, [row = tile.row(i, m)](auto s) { return read<Real>(row, s); });
        const place at = panels_.place_of(position);
        for (index_t k = 0; k < K; ++k)
          if (const token x = options_.targets(at.item, k, at.dim); tile.holds(x))
            for (index_t m = 0; m < M; ++m) seen_(position, k, m) = tile.row(i, m)[x - tile.first];
      }
    });
    run_on.template sweep<Real>(panels_.rows(), 0, [&](const auto&, auto, index_t row) {
      exp_sum<Real> all;
      for (index_t t = 0; t < tiles; ++t) all = merge(all, partial_(row, t));
      const place at = panels_.place_of(row / M);
      normalisers_(at.item, at.dim, row % M) = all.log();
    });
  }

  template <class Backend>
  void add_targets(const Backend& run_on) {
    run_on.template sweep<Real>(components(), 0, [&](const auto&, auto, index_t m) {
      for (index_t i = 0; i < panels_.positions(); ++i) {
        const place at = panels_.place_of(i);
        const double normaliser = static_cast<double>(normalisers_(at.item, at.dim, m));
        for (index_t k = 0; k < targets(); ++k)
          if (options_.targets(at.item, k, at.dim) >= 0)
            component_(at.item, m, k) += static_cast<double>(seen_(i, k, m)) - normaliser;
      }
    });
  }

  template <class Storage>
  void refuse_damage(view<const Storage, 4> hidden) const {
    for (index_t row = 0; row < panels_.rows(); ++row) {
      const place at = panels_.place_of(row / components());
      const index_t m = row % components();
      const Real normaliser = normalisers_(at.item, at.dim, m);
      if (std::isfinite(normaliser)) continue;
      expects_finite("linear_head: matrix", panels_.head().matrix);
      expects_finite("linear_head: hidden", hidden);
      fail<numeric_error>("linear_head: the logits of item ", at.item, ", component ", m, ", position ", at.dim,
                          " have the log-normaliser ", normaliser);
    }
  }

  view<const token, 2> tokens_;
  marginal_options<Real> options_;
  linear_panels<Real, Rows> panels_;
  array<Real, 2> log_weights_;
  array<Real, 3> normalisers_;
  array<double, 3> component_;
  array<Real, 3> log_responsibility_;
  array<Real, 2> joint_;
  array<exp_sum<Real>, 2> partial_;  // (rows, tiles)
  array<Real, 3> seen_;              // (positions, K, M)
};

}  // namespace dimix::nn
