// Objectives: losses of a mixture denoiser at one site (one x_t with its raw outputs), with analytic gradients, in three phases:
//
//   observe(chunk)    for every chunk of components: normalisers, likelihoods of the targets, marginals        one read
//   close()           values, responsibilities; throws when something is not finite
//   gradient(chunk)   for every chunk again: d loss / d raw outputs                                            one read, one write
//
// No tape, no autograd, and M can stream. All terms of a site merge into one gradient form: with U(s) = sum over the marginal
// terms of d loss / d log P_d(s), V(s) = d loss / d log p_md(s) of the component terms, and targets x_k of weight a_k,
//   d loss / d log p_md(s) = ρ_m(s) U(s) + π_m V(s) - sum_k a_k γ_km [x_kd = s],   ρ_m(s) = π_m p_md(s) / P_d(s)
// and the head turns this into the gradient of its raw outputs (softmax: subtract p times the sum). ρ and γ lie in [0, 1]. A term with
// the jackknife has its coefficients c_km in the place of γ_km (marginal/estimator.hpp).
//
// The loss is  scale * sum_b sum_terms weight(b) value(b),  scale = 1/B by default: the mean over items.
// A term belongs to a site; a loss at another x_t or t is a second objective. Terms are in objective/terms.hpp.
// Laws (tests/laws/objective.hpp): gradient = central difference; chunks do not matter; M = 1 equals the factorized loss;
// a correlation term with M = 1 is zero.
// Cost with all terms: 4 exponentials a state, K adds a position and component, one read of the outputs more than the phases above
// for the gathered likelihoods. Workspace: that of marginalisation plus B M K.
#pragma once

#include <dimix/marginal.hpp>
#include <dimix/objective/gradient_row.hpp>
#include <dimix/objective/terms.hpp>

#include <tuple>
#include <vector>

namespace dimix {

enum class gradient_mode { overwrite, accumulate };

template <class Real>
struct objective_options {
  view<const Real, 2> log_weights = {};  // (B, M)  log π up to a constant per item; empty: equal weights
  bool log_weight_gradient = false;      // keep what log_weight_gradient() needs: 2 B M D more
  std::pmr::memory_resource* memory = std::pmr::get_default_resource();  // of the workspace; core/memory.hpp has one for loops
};

template <class Real, head<Real> Head, loss_term<Real>... Terms>
class objective {
  static_assert(sizeof...(Terms) >= 1, "objective: needs at least one term; see dimix/objective/terms.hpp");

 public:
  static constexpr bool uses_marginals = (Terms::uses_marginals || ...) || (joint_with_control_variate<Terms> || ...);

  /// tokens (B, D): x_t. components: M. S: states of a row. What the terms view must outlive the object. An objective views
  /// its own targets: it can be moved, not copied.
  objective(const Head& head, view<const token, 2> tokens, index_t components, index_t S, objective_options<Real> options,
            Terms... terms)
      : terms_{terms...},
        target_tokens_(gather_targets(tokens, components, S, options.memory)),
        over_(head, tokens, components, S,
              {.targets = target_tokens_,
               .log_weights = options.log_weights,
               .marginals = uses_marginals,
               .memory = options.memory}),
        values_(options.memory),
        joint_slopes_(options.memory),
        component_values_(options.memory),
        position_values_(options.memory),
        weighted_responsibility_(options.memory),
        component_slopes_(options.memory),
        marginal_slopes_(options.memory) {
    const index_t B = tokens.extent(0), D = tokens.extent(1);
    values_.resize(sizeof...(Terms), B);                                       // (terms, B)
    component_values_.resize(sizeof...(Terms), B, D);                          // (terms, B, D)
    weighted_responsibility_.resize(B, components, target_tokens_.extent(1));  // (B, M, K)
    if (options.log_weight_gradient) {
      component_slopes_.resize(B, components, D);  // (B, M, D)
      marginal_slopes_.resize(B, components, D);   // (B, M, D)
      joint_slopes_.resize(B, components);         // (B, M)
    }
  }

  objective(objective&&) = default;
  objective& operator=(objective&&) = default;

  template <class Storage, backend Backend>
  void observe(view<const Storage, 4> chunk, index_t first, const Backend& run_on) {
    over_.observe(
        chunk, first, run_on,
        component_visit<Real, Terms...>{terms_, over_.states(), over_.log_weights(), component_values_, component_slopes_});
  }

  /// After the last chunk. values = false leaves out what only the values need, for a gradient alone; value() and loss() then refuse.
  template <backend Backend>
  void close(const Backend& run_on, bool values = true) {
    over_.close(run_on);
    has_values_ = values;
    const index_t B = over_.batch(), D = values ? over_.dims() : index_t{0};
    position_values_.resize(sizeof...(Terms), B, D);  // (terms, B, D)
    if (values)
      run_on.template sweep<Real>(B * D, 0, value_row<Real, Terms...>{terms_, site(), component_values_, position_values_});
    joint_slopes_.fill(Real(0));
    for (index_t b = 0; b < B; ++b) {
      index_t k = 0;
      terms_.each([&](const auto& term, index_t j) {
        Real total = Real(0);
        for (index_t d = 0; d < D; ++d) total += position_values_(j, b, d);
        if constexpr (std::decay_t<decltype(term)>::uses_joint)
          for (index_t target = 0; target < term.targets(); ++target, ++k) total += close_target(term, b, k);
        values_(j, b) = total;
        expects<numeric_error>(std::isfinite(total), "objective: term ", j, " of item ", b, " is ", total);
      });
    }
  }

  /// d loss / d raw of the chunk's components: out (B, Mc, D, outputs), which may be the chunk itself (in place, overwrite mode).
  template <class Storage, backend Backend>
  void gradient(view<const Storage, 4> chunk, index_t first, view<Storage, 4> out, const Backend& run_on,
                gradient_mode mode = gradient_mode::overwrite, Real scale = Real(-1)) {
    over_.expects_chunk("objective::gradient", chunk, first);
    expects(over_.closed(), "objective::gradient: comes after close()");
    expects(same_shape(view<const Storage, 4>(out), chunk), "objective::gradient: out has shape ", shape_of(out), ", but ",
            shape_of(chunk), " is needed");
    using row = gradient_row<Real, Storage, Head, Terms...>;
    const index_t S = over_.states(), rows = (over_.dims() + position_walk::positions(S) - 1) / position_walk::positions(S);
    run_on.template sweep<Real>(
        over_.batch() * rows, row::tile_size(S, chunk.extent(3)),
        row{over_.head_of_rows(), terms_, site(), over_.head_states(), chunk, first, weighted_responsibility_, marginal_slopes_,
            out, mode == gradient_mode::accumulate, scale_or_mean(scale), S});
  }

  /// Values of term j, one per item, without weights: (B).
  view<const Real, 1> value(index_t j) const {
    expects(over_.closed() && has_values_, "objective::value: comes after close() with values");
    return view<const Real, 2>(values_).row(j);
  }

  /// scale * sum_b sum_terms weight(b) value(b).
  Real loss(Real scale = Real(-1)) const {
    expects(over_.closed() && has_values_, "objective::loss: comes after close() with values");
    Real total = Real(0);
    terms_.each([&](const auto& term, index_t j) {
      for (index_t b = 0; b < over_.batch(); ++b) total += product_or_zero(term.weight(b), values_(j, b));
    });
    return scale_or_mean(scale) * total;
  }

  /// d loss / d log-weights, after gradient() of all components: out (B, M). Needs options.log_weight_gradient.
  void log_weight_gradient(view<Real, 2> out, Real scale = Real(-1)) const {
    expects(component_slopes_.size() > 0, "objective::log_weight_gradient: was not asked for in objective_options");
    expects_shape("objective::log_weight_gradient: out", out, over_.batch(), over_.components());
    for (index_t b = 0; b < over_.batch(); ++b) {
      Real total = Real(0);
      for (index_t m = 0; m < over_.components(); ++m) {
        Real slope = Real(0);
        for (index_t d = 0; d < over_.dims(); ++d) slope += component_slopes_(b, m, d) + marginal_slopes_(b, m, d);
        out(b, m) = slope + joint_slopes_(b, m);
        total += slope;
      }
      for (index_t m = 0; m < over_.components(); ++m)
        out(b, m) = scale_or_mean(scale) * (out(b, m) - std::exp(over_.log_weights()(b, m)) * total);
    }
  }

  const marginalisation<Real, Head>& over() const { return over_; }

 private:
  objective_site<Real> site() const {
    return {over_.tokens(), over_.target_tokens(), over_.log_weights(), over_.log_marginals()};
  }
  Real scale_or_mean(Real scale) const { return scale < Real(0) ? Real(1) / static_cast<Real>(over_.batch()) : scale; }

  /// Value of target k of a joint term; its weights c_km in the gradient, γ_km for the plain estimate.
  template <class Term>
  Real close_target(const Term& term, index_t b, index_t k) {
    using estimator = typename estimator_of<Term>::type;
    const index_t M = over_.components();
    const auto weights = estimate_of<estimator, Real>(M, [&](index_t m) { return over_.log_weights()(b, m); });
    const auto shares = estimate_of<estimator, Real>(M, [&](index_t m) { return over_.log_responsibilities()(b, m, k); });
    const Real a = term.target_weight(), correction = shares.correction() - weights.correction();
    expects<numeric_error>(std::isfinite(correction), "objective: target ", k, " of item ", b, " has a jackknife of ",
                           correction, ": only one component can be it, or has a weight");
    for (index_t m = 0; m < M; ++m) {
      weighted_responsibility_(b, m, k) = term.weight(b) * a * shares.coefficient(m);
      if (joint_slopes_.size() > 0)
        joint_slopes_(b, m) += term.weight(b) * a * (weights.coefficient(m) - shares.coefficient(m));
    }
    return -a * (over_.log_likelihood()(b, k) + correction);
  }

  /// All target tokens of the joint terms, one list per item: (B, K, D). Runs first, so it is here that terms check their targets.
  array<token, 3> gather_targets(view<const token, 2> tokens, index_t components, index_t S,
                                 std::pmr::memory_resource* memory) const {
    const index_t B = tokens.extent(0), D = tokens.extent(1);
    terms_.each([&](const auto& term, index_t) { term.check(B, D, S, components); });
    index_t K = 0;
    terms_.each([&](const auto& term, index_t) {
      if constexpr (std::decay_t<decltype(term)>::uses_joint) K += term.targets();
    });
    array<token, 3> all(memory);
    all.resize(B, K, D);  // (B, K, D)
    index_t k = 0;
    terms_.each([&](const auto& term, index_t) {
      if constexpr (std::decay_t<decltype(term)>::uses_joint) {
        for (index_t b = 0; b < B; ++b)
          for (index_t target = 0; target < term.targets(); ++target)
            for (index_t d = 0; d < D; ++d) all(b, k + target, d) = term.target(b, target, d);
        k += term.targets();
      }
    });
    return all;
  }

  term_pack<Terms...> terms_;
  bool has_values_ = false;
  array<token, 3> target_tokens_;
  marginalisation<Real, Head> over_;
  array<Real, 2> values_, joint_slopes_;
  array<Real, 3> component_values_, position_values_, weighted_responsibility_, component_slopes_, marginal_slopes_;
};

template <class Real, class Head, class... Terms>
objective<Real, Head, Terms...> make_objective(const Head& head, view<const token, 2> tokens, index_t components, index_t S,
                                               objective_options<Real> options, Terms... terms) {
  return {head, tokens, components, S, options, terms...};
}

/// Value and gradient in one call, all components at once: returns the loss and fills out (B, M, D, outputs).
template <class Real, class Head, class Storage, backend Backend, class... Terms>
Real value_and_gradient(objective<Real, Head, Terms...>& loss, view<const Storage, 4> raw, view<Storage, 4> out,
                        const Backend& run_on, gradient_mode mode = gradient_mode::overwrite, Real scale = Real(-1)) {
  loss.observe(raw, 0, run_on);
  loss.close(run_on);
  loss.gradient(raw, 0, out, run_on, mode, scale);
  return loss.loss(scale);
}

/// The gradient alone: fills out (B, M, D, outputs).
template <class Real, class Head, class Storage, backend Backend, class... Terms>
void gradient(objective<Real, Head, Terms...>& loss, view<const Storage, 4> raw, view<Storage, 4> out, const Backend& run_on,
              gradient_mode mode = gradient_mode::overwrite, Real scale = Real(-1)) {
  loss.observe(raw, 0, run_on);
  loss.close(run_on, false);
  loss.gradient(raw, 0, out, run_on, mode, scale);
}

/// The value alone.
template <class Real, class Head, class Storage, backend Backend, class... Terms>
Real value(objective<Real, Head, Terms...>& loss, view<const Storage, 4> raw, const Backend& run_on, Real scale = Real(-1)) {
  loss.observe(raw, 0, run_on);
  loss.close(run_on);
  return loss.loss(scale);
}

}  // namespace dimix
