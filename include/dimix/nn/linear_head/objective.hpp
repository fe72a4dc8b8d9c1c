// The objective of a linear head: objective.hpp with the gradient of hidden vectors, matrix and bias, over logits that are never held.
//
//   observe(hidden)    normalisers and likelihoods of the targets, values and sums of slopes      1 product of rows, S and H, and 1 more
//   gradient(hidden)   d loss / d hidden, d loss / d W, d loss / d c                              3 products
// A product is 2 B M D S H operations (positions that are certain are left out). The second of observe is needed only where terms read
// marginals or rows of components; a gradient that is not wanted is not multiplied. Hidden vectors come all at once: the marginals of a
// tile are sums over its components, so that no (B, D, S) is held either, and they are S / H times smaller than logits.
//
// The gradient goes panel by panel: first the tiles of a panel, then G W for its rows and G^T h for its states, each by one thread.
// Workspace: what marginalisation keeps without marginals, B M D, a panel (linear_tiles), and a tile per thread.
// Laws (tests/nn/linear_head.cpp): values and gradients are those of `objective` over explicit logits, for any tiles and threads; gradient
// = central difference.
#pragma once

#include <dimix/nn/linear_head/objective_tile.hpp>
#include <dimix/objective.hpp>

namespace dimix::nn {

/// Where gradients go. Empty: not wanted.
template <class Real, class Storage = Real>
struct linear_gradients {
  view<Storage, 4> hidden = {};  // (B, M, D, H)  may be where the hidden vectors are, in overwrite mode
  view<Real, 2> matrix = {};     // (S, H)
  view<Real, 1> bias = {};       // (S)
};

template <class Real, class Rows, loss_term<Real>... Terms>
class linear_objective {
  static_assert(sizeof...(Terms) >= 1, "linear_objective: needs at least one term; see dimix/objective/terms.hpp");
  using tile_body = objective_tile<Real, Rows, Terms...>;

 public:
  static constexpr bool walks_twice = reads_marginals<Terms...> || tile_body::of_components;

  /// Products of rows, S and H that a value with all gradients takes: 5, or 4.
  static constexpr int products = walks_twice ? 5 : 4;

  /// tokens (B, D): x_t. components: M. What head and terms view must outlive the object. It can be moved, not copied.
  linear_objective(const linear_head<Real, Rows>& head, view<const token, 2> tokens, index_t components,
                   const objective_options<Real>& options, Terms... terms)
      : terms_{terms...},
        target_tokens_(gather_targets(tokens, components, head.states(), options.memory)),
        over_(head, tokens, components,
              {.targets = target_tokens_, .log_weights = options.log_weights, .memory = options.memory}),
        with_log_weights_(options.log_weight_gradient),
        values_(options.memory),
        totals_(options.memory),
        weighted_responsibility_(options.memory),
        weight_slopes_(options.memory),
        joint_slopes_(options.memory),
        row_parts_(options.memory),
        position_values_(options.memory),
        panel_(options.memory),
        hidden_gradient_(options.memory) {
    const index_t B = tokens.extent(0), D = tokens.extent(1), K = target_tokens_.extent(1);
    values_.resize(sizeof...(Terms), B);                // (terms, B)
    totals_.resize(B, D, components);                   // (B, D, M)
    weighted_responsibility_.resize(B, components, K);  // (B, M, K)
    weight_slopes_.resize(B, components);               // (B, M)
    joint_slopes_.resize(B, components);                // (B, M)
  }

  linear_objective(linear_objective&&) = default;
  linear_objective& operator=(linear_objective&&) = default;

  /// hidden (B, M, D, H). Throws numeric_error when logits or values are not finite, or a target is impossible.
  template <class Storage, backend Backend>
  void observe(view<const Storage, 4> hidden, const Backend& run_on) {
    observed_ = false;
    over_.observe(hidden, run_on);
    values_.fill(0);
    totals_.fill(Real(0));
    weight_slopes_.fill(0);
    joint_slopes_.fill(0);
    if constexpr (walks_twice) {
      certain_values(run_on);
      for (index_t round = 0; round < over_.panels().rounds(); ++round) {
        over_.panels().gather(hidden, round, run_on);
        observe_terms(run_on);
      }
    }
    close();
    observed_ = true;
  }

  /// Gradients of the loss at the hidden vectors that were observed.
  template <class Storage, backend Backend>
  void gradient(view<const Storage, 4> hidden, const linear_gradients<Real, Storage>& out, const Backend& run_on,
                gradient_mode mode = gradient_mode::overwrite, Real scale = Real(-1)) {
    auto& panels = over_.panels();
    const auto& head = panels.head();
    expects(observed_, "linear_objective::gradient: comes after observe()");
    over_.expects_hidden("linear_objective::gradient", hidden);
    if (!out.hidden.empty())
      expects(same_shape(view<const Storage, 4>(out.hidden), hidden), "linear_objective::gradient: out.hidden has shape ",
              shape_of(out.hidden), ", but ", shape_of(hidden), " is needed");
    if (!out.matrix.empty()) expects_shape("linear_objective::gradient: out.matrix", out.matrix, head.states(), head.width());
    if (!out.bias.empty()) {
      expects(!head.bias.empty(), "linear_objective::gradient: out.bias is given, but the head has no bias");
      expects_shape("linear_objective::gradient: out.bias", out.bias, head.states());
    }

    const bool add = mode == gradient_mode::accumulate;
    panel_.resize(panels.most_rows(), panels.panel_stride());   // (rows, states of the panel)
    hidden_gradient_.resize(panels.most_rows(), head.width());  // (rows, H)
    if (!add) clear_certain(out, panels.rounds() == 0);
    const tile_body body{over_, terms_};
    for (index_t round = 0; round < panels.rounds(); ++round) {
      panels.gather(hidden, round, run_on);
      for (index_t tile = 0; tile < panels.tiles(); tile += panels.cut().tiles) {
        const index_t count = smaller(panels.cut().tiles, panels.tiles() - tile);
        panels.for_each_tile_of(panel_, tile, count, run_on, tile_body::spare(panels.cut().states, over_.components()),
                                [&](const auto& group, const logit_tile<Real>& logits, view<Real, 1> spare) {
                                  body.differentiate(group, logits, spare, totals_, weighted_responsibility_,
                                                     scale_or_mean(scale));
                                });
        multiply(out, tile, count, run_on, add || round > 0);
      }
      if (!out.hidden.empty()) scatter(out.hidden, run_on, add);
    }
  }

  /// Values of term j, one per item, without weights: (B).
  view<const double, 1> value(index_t j) const {
    expects(observed_, "linear_objective::value: comes after observe()");
    return view<const double, 2>(values_).row(j);
  }

  /// scale * sum_b sum_terms weight(b) value(b); scale = 1/B by default.
  Real loss(Real scale = Real(-1)) const {
    expects(observed_, "linear_objective::loss: comes after observe()");
    double total = 0;
    terms_.each([&](const auto& term, index_t j) {
      for (index_t b = 0; b < over_.batch(); ++b) total += product_or_zero(static_cast<double>(term.weight(b)), values_(j, b));
    });
    return scale_or_mean(scale) * static_cast<Real>(total);
  }

  /// d loss / d log-weights: out (B, M). Needs options.log_weight_gradient.
  void log_weight_gradient(view<Real, 2> out, Real scale = Real(-1)) const {
    expects(with_log_weights_ && observed_,
            "linear_objective::log_weight_gradient: comes after observe(), and is to be asked for in objective_options");
    expects_shape("linear_objective::log_weight_gradient: out", out, over_.batch(), over_.components());
    for (index_t b = 0; b < over_.batch(); ++b) {
      double total = 0;
      for (index_t m = 0; m < over_.components(); ++m) total += weight_slopes_(b, m);
      for (index_t m = 0; m < over_.components(); ++m) {
        const double weight = std::exp(static_cast<double>(over_.log_weights()(b, m)));
        out(b, m) = scale_or_mean(scale) * static_cast<Real>(weight_slopes_(b, m) + joint_slopes_(b, m) - weight * total);
      }
    }
  }

  const linear_likelihood<Real, Rows>& over() const { return over_; }

 private:
  Real scale_or_mean(Real scale) const { return scale < Real(0) ? Real(1) / static_cast<Real>(over_.batch()) : scale; }

  /// Values at positions that are certain, of the marginal terms: no logit is needed.
  template <class Backend>
  void certain_values(const Backend& run_on) {
    const index_t B = over_.batch(), D = over_.dims();
    if constexpr (reads_marginals<Terms...>) {
      position_values_.resize(B * D, 1, sizeof...(Terms));  // (B D, 1, terms)
      run_on.template sweep<Real>(B * D, 0, [&](const auto& group, auto, index_t row) {
        const index_t b = row / D, d = row % D;
        if (!over_.panels().certain(b, d)) return;
        const token now = over_.tokens()(b, d);
        const auto log_p = [&](auto s) {
          using number = typename number_at<Real, decltype(s)>::type;
          return select(equals<Real>(s, now), number(Real(0)), number(-infinity<Real>()));
        };
        index_t k = 0;
        terms_.each([&](const auto& term, index_t j) {
          using term_type = std::decay_t<decltype(term)>;
          Real& value = position_values_(row, 0, j) = Real(0);
          if constexpr (term_type::uses_marginals)
            value += group.reduce(
                over_.states(), Real(0),
                plus{}, [&]<index_of_marginals<Real, Terms...> At>(At s) { return term.marginal(b, d, s, log_p(s)).value; });
          if constexpr (term_type::uses_joint) {
            if constexpr (term_type::control_variate)
              for (index_t target = 0; target < term.targets(); ++target)
                value += term.target_weight() * log_p(static_cast<index_t>(target_tokens_(b, k + target, d)));
            k += term.targets();
          }
        });
      });
      for (index_t row = 0; row < B * D; ++row)
        if (over_.panels().certain(row / D, row % D))
          for (index_t j = 0; j < values_.extent(0); ++j)
            values_(j, row / D) += static_cast<double>(position_values_(row, 0, j));
    }
  }

  /// Values and sums of slopes of the positions that are gathered.
  template <class Backend>
  void observe_terms(const Backend& run_on) {
    const auto& panels = over_.panels();
    const index_t M = over_.components(), tiles = panels.tiles(), terms = values_.extent(0);
    row_parts_.resize(panels.most_rows(), tiles, tile_body::parts);  // (rows, tiles, parts)
    position_values_.resize(panels.most_positions(), tiles, terms);  // (positions, tiles, terms)
    const tile_body body{over_, terms_};
    panels.for_each_tile(run_on, tile_body::spare(panels.cut().states, M),
                         [&](const auto& group, const logit_tile<Real>& tile, view<Real, 1> spare) {
                           body.observe(group, tile, spare, row_parts_, position_values_);
                         });
    for (index_t i = 0; i < panels.positions(); ++i) {
      const place at = panels.place_of(i);
      for (index_t t = 0; t < tiles; ++t)
        for (index_t j = 0; j < terms; ++j) values_(j, at.item) += static_cast<double>(position_values_(i, t, j));
      for (index_t m = 0; m < M; ++m) {
        double slope = 0, of_components = 0;
        for (index_t t = 0; t < tiles; ++t) {
          const auto part = row_parts_.whole().row(i * M + m, t);
          slope += static_cast<double>(part[tile_body::marginal_slope]);
          if constexpr (tile_body::of_components) {
            of_components += static_cast<double>(part[tile_body::component_slope]);
            weight_slopes_(at.item, m) += static_cast<double>(part[tile_body::component_value]);
          }
        }
        weight_slopes_(at.item, m) += slope;
        totals_(at.item, at.dim, m) = static_cast<Real>(slope + of_components);
      }
    }
  }

  /// Values of the joint terms, and their part of the sums of slopes.
  void close() {
    const index_t B = over_.batch(), D = over_.dims(), M = over_.components();
    for (index_t b = 0; b < B; ++b) {
      index_t k = 0;
      terms_.each([&](const auto& term, index_t j) {
        if constexpr (std::decay_t<decltype(term)>::uses_joint)
          for (index_t target = 0; target < term.targets(); ++target, ++k) values_(j, b) += close_target(term, b, k);
        expects<numeric_error>(std::isfinite(values_(j, b)), "linear_objective: term ", j, " of item ", b, " is ",
                               values_(j, b));
      });
      for (index_t m = 0; m < M; ++m) {
        Real of_targets = Real(0);
        for (index_t target = 0; target < k; ++target) of_targets += weighted_responsibility_(b, m, target);
        for (index_t d = 0; d < D; ++d) totals_(b, d, m) -= of_targets;
      }
    }
  }

  /// Value of target k of a joint term; its weights in the gradient. As objective does.
  template <class Term>
  double close_target(const Term& term, index_t b, index_t k) {
    const closed_target<Real> closed =
        close_target_of(serial_group{}, term, b, k, over_.log_weights(), over_.log_responsibilities(), over_.log_likelihood(),
                        [&](index_t m, Real responsibility, Real slope) {
                          weighted_responsibility_(b, m, k) = responsibility;
                          joint_slopes_(b, m) += static_cast<double>(slope);
                        });
    expects<numeric_error>(std::isfinite(closed.correction), "linear_objective: target ", k, " of item ", b,
                           " has a jackknife of ", closed.correction, ": only one component can be it, or has a weight");
    return static_cast<double>(closed.value);
  }

  /// The gathered rows' G W, block by block, and G^T h, tile by tile, of a panel.
  template <class Storage, class Backend>
  void multiply(const linear_gradients<Real, Storage>& out, index_t first_tile, index_t count, const Backend& run_on,
                bool add) {
    const auto& panels = over_.panels();
    const auto& head = panels.head();
    const index_t rows = panels.rows(), stride = panels.panel_stride(), tile_states = panels.cut().states,
                  block_rows = panels.cut().positions * over_.components(), first = first_tile * tile_states,
                  states = smaller(count * tile_states, head.states() - first),
                  blocks = out.hidden.empty() ? 0 : panels.blocks(), tiles = out.matrix.empty() && out.bias.empty() ? 0 : count;
    run_on.template sweep<Real>(blocks + tiles, 0, [&](const auto&, auto, index_t task) {
      if (task < blocks) {
        const index_t row = task * block_rows, n = smaller(block_rows, rows - row);
        const auto G = strided_columns<const Real>(panel_.data() + row * stride, n, states, stride);
        auto to = columns(hidden_gradient_.whole().slice(row, n));
        if (first_tile == 0) to.setZero();
        to.noalias() += columns(head.matrix.slice(first, states)) * G;
        return;
      }
      const index_t s = (task - blocks) * tile_states, n = smaller(tile_states, states - s);
      const auto G = strided_columns<const Real>(panel_.data() + s, rows, n, stride);
      if (!out.matrix.empty()) {
        auto to = columns(out.matrix.slice(first + s, n));
        if (!add) to.setZero();
        to.noalias() += columns(panels.gathered()) * G.transpose();
      }
      if (!out.bias.empty()) {
        auto to = array_of(out.bias.slice(first + s, n));
        if (!add) to.setZero();
        for (index_t r = 0; r < rows; ++r) to += G.col(r).array();
      }
    });
  }

  template <class Storage, class Backend>
  void scatter(view<Storage, 4> out, const Backend& run_on, bool add) const {
    const auto& panels = over_.panels();
    const index_t M = over_.components(), H = panels.head().width();
    run_on.template sweep<Real>(panels.rows(), 0, [&](const auto& group, auto, index_t row) {
      const place at = panels.place_of(row / M);
      const auto from = hidden_gradient_.whole().row(row);
      const auto to = out.row(at.item, row % M, at.dim);
      group.for_each(H, [&](auto j) {
        const auto g = read<Real>(from, j);
        write(to, j, add ? read<Real>(to, j) + g : g);
      });
    });
  }

  /// No gradient where a token is certain; none of the matrix where all are.
  template <class Storage>
  void clear_certain(const linear_gradients<Real, Storage>& out, bool all) const {
    if (all) {
      std::fill(out.matrix.begin(), out.matrix.end(), Real(0));
      std::fill(out.bias.begin(), out.bias.end(), Real(0));
    }
    if (out.hidden.empty()) return;
    for (index_t b = 0; b < over_.batch(); ++b)
      for (index_t d = 0; d < over_.dims(); ++d)
        if (over_.panels().certain(b, d))
          for (index_t m = 0; m < over_.components(); ++m)
            for (Storage& g : out.hidden.row(b, m, d)) g = Storage(Real(0));
  }

  /// All target tokens of the joint terms, one list per item: (B, K, D). Runs first, so it is here that terms check their targets.
  array<token, 3> gather_targets(view<const token, 2> tokens, index_t components, index_t S,
                                 std::pmr::memory_resource* memory) const {
    const index_t B = tokens.extent(0), D = tokens.extent(1);
    index_t K = 0;
    terms_.each([&](const auto& term, index_t) {
      term.check(B, D, S, components);
      if constexpr (std::decay_t<decltype(term)>::uses_joint) K += term.targets();
    });
    array<token, 3> all(memory);
    all.resize(B, K, D);  // (B, K, D)
    const targets_of_terms<Terms...> targets{terms_};
    for (index_t b = 0; b < B; ++b)
      for (index_t k = 0; k < K; ++k)
        for (index_t d = 0; d < D; ++d) all(b, k, d) = targets(b, k, d);
    return all;
  }

  term_pack<Terms...> terms_;
  array<token, 3> target_tokens_;
  linear_likelihood<Real, Rows> over_;
  bool with_log_weights_, observed_ = false;
  array<double, 2> values_;                        // (terms, B)
  array<Real, 3> totals_;                          // (B, D, M)
  array<Real, 3> weighted_responsibility_;         // (B, M, K)
  array<double, 2> weight_slopes_, joint_slopes_;  // (B, M)
  array<Real, 3> row_parts_, position_values_;
  array<Real, 2> panel_, hidden_gradient_;
};

template <class Real, class Rows, class... Terms>
linear_objective<Real, Rows, Terms...> make_linear_objective(const linear_head<Real, Rows>& head, view<const token, 2> tokens,
                                                             index_t components, const objective_options<Real>& options,
                                                             Terms... terms) {
  return {head, tokens, components, options, terms...};
}

/// Value and gradients in one call: hidden (B, M, D, H). Returns the loss.
template <class Real, class Rows, class Storage, backend Backend, class... Terms>
Real value_and_gradient(linear_objective<Real, Rows, Terms...>& loss, view<const Storage, 4> hidden,
                        const linear_gradients<Real, Storage>& out, const Backend& run_on,
                        gradient_mode mode = gradient_mode::overwrite, Real scale = Real(-1)) {
  loss.observe(hidden, run_on);
  loss.gradient(hidden, out, run_on, mode, scale);
  return loss.loss(scale);
}

/// The value alone: 2 products, or 1.
template <class Real, class Rows, class Storage, backend Backend, class... Terms>
Real value(linear_objective<Real, Rows, Terms...>& loss, view<const Storage, 4> hidden, const Backend& run_on,
           Real scale = Real(-1)) {
  loss.observe(hidden, run_on);
  return loss.loss(scale);
}

}  // namespace dimix::nn
