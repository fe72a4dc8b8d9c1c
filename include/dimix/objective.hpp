// Objectives: losses of a mixture denoiser at one site (one x_t with its raw outputs), with analytic gradients, in three phases:
//
//   observe(chunk)    for every chunk of components: normalisers, likelihoods of the targets, marginals        one read
//   close()           values, responsibilities; throws when something is not finite
//   collect()         only where sweeps are queued (backend.hpp): waits, throws what close would have thrown, and brings the values to the
//                     host. Without it, the three phases neither wait nor ask for memory (but for marginals in chunks), and can be captured in
//                     a CUDA graph
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
// Cost: an exponential a state in observe and one in gradient (softmax, subs; truncated_logistic in W lanes 1 / W of it; two where a head
// does not keep its row, head/concept.hpp), for
// every position one exponential and 1 + (terms of rows) logarithms a state, and one logarithm a state of every component for each forward
// KL over components; K adds a position and component. Workspace: that of marginalisation plus B M K.
// Sweeps (tests/spy): observe one over stretches of positions, and with joint terms one of B Mc rows; close one of B K rows with joint terms,
// one of B D with marginals that came in chunks, one of B D with values; gradient one over positions side by side; and short ones of B
// rows: three in the first observe, one in later ones, two in close. The constructor takes all memory but that of marginals in chunks
// (marginal.hpp).
#pragma once

#include <dimix/marginal.hpp>
#include <dimix/objective/gradient_row.hpp>
#include <dimix/objective/item_rows.hpp>
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
  /// tokens (B, D): x_t. components: M. S: states of a row. What the terms view must outlive the object, which can be moved, not copied.
  objective(const Head& head, view<const token, 2> tokens, index_t components, index_t S, objective_options<Real> options,
            Terms... terms)
      : terms_{terms...},
        over_(head, tokens, components, S,
              {.targets = shape_of_targets(tokens, components, S),
               .log_weights = options.log_weights,
               .marginals = reads_marginals<Terms...>,
               .memory = options.memory}),
        values_(options.memory),
        joint_slopes_(options.memory),
        component_values_(options.memory),
        position_values_(options.memory),
        weighted_responsibility_(options.memory),
        component_slopes_(options.memory),
        marginal_slopes_(options.memory),
        faults_(options.memory) {
    const index_t B = tokens.extent(0), D = tokens.extent(1);
    values_.resize(2, sizeof...(Terms), B);                           // (2, terms, B)
    found_values_.resize(2, sizeof...(Terms), B);                     // (2, terms, B)
    component_values_.resize(sizeof...(Terms), B, D);                 // (terms, B, D)
    position_values_.resize(sizeof...(Terms), B, D);                  // (terms, B, D)
    weighted_responsibility_.resize(B, components, over_.targets());  // (B, M, K)
    faults_.resize(B);                                                // (B)
    found_faults_.resize(B);                                          // (B)
    if (options.log_weight_gradient) {
      component_slopes_.resize(B, components, D);  // (B, M, D)
      marginal_slopes_.resize(B, components, D);   // (B, M, D)
      joint_slopes_.resize(B, components);         // (B, M)
    }
  }

  objective(objective&&) = default;
  objective& operator=(objective&&) = default;

  template <class Storage, class Space, backend Backend>
  void observe(view<const Storage, 4, Space> chunk, index_t first, const Backend& run_on) {
    collected_ = false;
    if (first == 0) {
      expects_workspace("objective", over_.memory(), run_on);
      sweep<Real>(run_on, over_.batch(), 0, over_.dims(),
                  clear_item_row<Real>{component_values_.rows(), component_slopes_.rows(), marginal_slopes_.rows()});
    }
    over_.observe(chunk, first, run_on,
                  component_visit<Real, Terms...>{terms_, over_.states(), over_.log_weights(), component_values_.rows(),
                                                  component_slopes_.rows()},
                  targets_of_terms<Terms...>{terms_});
  }

  /// After the last chunk. values = false leaves out what only the values need, for a gradient alone; value() and loss() then refuse.
  template <backend Backend>
  void close(const Backend& run_on, bool values = true) {
    over_.close(run_on);
    has_values_ = values;
    const index_t B = over_.batch(), D = over_.dims();
    view<const Real, 3> positions(nullptr, sizeof...(Terms), B, 0);  // (terms, B, D)
    if (values) {
      sweep<Real>(run_on, B * D, 0, over_.states(),
                  value_row<Real, Terms...>{terms_, site(), component_values_.rows(), position_values_.rows()});
      positions = position_values_.rows();
    }
    sweep<Real>(run_on, B, 0, D,
                close_item_row<Real, Terms...>{terms_, over_.log_weights(), over_.log_responsibilities(),
                                               over_.log_likelihood(), positions, values_.rows(),
                                               weighted_responsibility_.rows(), joint_slopes_.rows(), faults_.rows()});
    if constexpr (!asynchronous<Backend>) collect(run_on);
  }

  /// Brings values to the host and throws what was found wrong. close() does it where sweeps are not queued.
  template <backend Backend>
  void collect(const Backend& run_on) {
    expects(over_.closed(), "objective::collect: comes after close()");
    if constexpr (asynchronous<Backend>) over_.refuse(run_on);
    fetch(run_on, view<const jackknife_fault<Real>, 1>(faults_.rows()), found_faults_.whole());
    fetch(run_on, view<const Real, 3>(values_.rows()), found_values_.whole());
    for (index_t b = 0; b < over_.batch(); ++b)
      for (index_t j = 0; j < static_cast<index_t>(sizeof...(Terms)); ++j) {
        const auto& fault = found_faults_(b);
        expects<numeric_error>(fault.term != j, "objective: target ", fault.target, " of item ", b, " has a jackknife of ",
                               fault.correction, ": only one component can be it, or has a weight");
        expects<numeric_error>(is_finite(found_values_(0, j, b)), "objective: term ", j, " of item ", b, " is ",
                               found_values_(0, j, b));
      }
    collected_ = true;
  }

  /// d loss / d raw of the chunk's components: out (B, Mc, D, outputs), which may be the chunk itself (in place, overwrite mode).
  /// From 32 MB on they are written past the caches of a processor that can (softmax and subs, stored as Real).
  template <class Storage, class Space, backend Backend>
  void gradient(view<const Storage, 4, Space> raw, index_t first, view<Storage, 4, Space> into, const Backend& run_on,
                gradient_mode mode = gradient_mode::overwrite, Real scale = Real(-1)) {
    expects_space<Backend, Space>();
    const view<const Storage, 4> chunk = local(raw);  // (B, Mc, D, outputs)
    const view<Storage, 4> out = local(into);         // (B, Mc, D, outputs)
    over_.expects_chunk("objective::gradient", chunk, first);
    expects(over_.closed(), "objective::gradient: comes after close()");
    expects(same_shape(view<const Storage, 4>(out), chunk), "objective::gradient: out has shape ", shape_of(out), ", but ",
            shape_of(chunk), " is needed");
    using row = gradient_row<Real, Storage, Head, Terms...>;
    const index_t S = over_.states(), positions = positions_together<Backend>(S);
    sweep<Real>(run_on, over_.batch() * ((over_.dims() + positions - 1) / positions),
                row::tile_size(S, chunk.extent(3), positions), chunk.extent(3),
                row{over_.head_of_rows(), terms_, site(), over_.head_states(), chunk, first, weighted_responsibility_.rows(),
                    marginal_slopes_.rows(), out, mode == gradient_mode::accumulate, scale_or_mean(scale), S, positions});
  }

  /// Values of term j, one per item, without weights: (B).
  view<const Real, 1> value(index_t j) const {
    expects_values("objective::value");
    return view<const Real, 3>(found_values_).row(0, j);
  }

  /// scale * sum_b sum_terms weight(b) value(b).
  Real loss(Real scale = Real(-1)) const {
    expects_values("objective::loss");
    Real total = Real(0);
    for (const Real value : view<const Real, 3>(found_values_)[1]) total += value;
    return scale_or_mean(scale) * total;
  }

  /// d loss / d log-weights, after gradient() of all components: out (B, M). Needs options.log_weight_gradient.
  template <class Space, backend Backend>
  void log_weight_gradient(view<Real, 2, Space> out, const Backend& run_on, Real scale = Real(-1)) const {
    expects_space<Backend, Space>();
    sweep<Real>(run_on, over_.batch(), 0, over_.dims(), log_weight_rows(local(out), scale));
  }
  /// The same in the calling thread, where the workspace is the host's.
  void log_weight_gradient(view<Real, 2> out, Real scale = Real(-1)) const {
    const auto rows = log_weight_rows(out, scale);
    for (index_t b = 0; b < over_.batch(); ++b) rows(serial_group{}, {}, b);
  }

  const marginalisation<Real, Head>& over() const { return over_; }

 private:
  objective_site<Real> site() const {
    return {over_.tokens(), over_.target_tokens(), over_.log_weights(), over_.log_marginals()};
  }
  Real scale_or_mean(Real scale) const { return scale < Real(0) ? Real(1) / static_cast<Real>(over_.batch()) : scale; }
  void expects_values(const char* name) const {
    expects(over_.closed() && has_values_, name, ": comes after close() with values");
    expects(collected_, name, ": the values are not here yet: collect() comes after close() where sweeps are queued");
  }

  log_weight_row<Real> log_weight_rows(view<Real, 2> out, Real scale) const {
    expects(component_slopes_.size() > 0, "objective::log_weight_gradient: was not asked for in objective_options");
    expects_shape("objective::log_weight_gradient: out", out, over_.batch(), over_.components());
    return {over_.log_weights(), component_slopes_.rows(), marginal_slopes_.rows(), joint_slopes_.rows(), out,
            scale_or_mean(scale)};
  }

  /// (B, K, D): of all target tokens of the joint terms, which are read when the first chunk is observed. Runs first, so it is here that
  /// terms check their shapes.
  view<const token, 3> shape_of_targets(view<const token, 2> tokens, index_t components, index_t S) const {
    const index_t B = tokens.extent(0), D = tokens.extent(1);
    terms_.each([&](const auto& term, index_t) { term.check(B, D, S, components); });
    index_t K = 0;
    terms_.each([&](const auto& term, index_t) {
      if constexpr (std::decay_t<decltype(term)>::uses_joint) K += term.targets();
    });
    return {nullptr, B, K, D};
  }

  term_pack<Terms...> terms_;
  bool has_values_ = false, collected_ = false;
  marginalisation<Real, Head> over_;
  array<Real, 3, row_space> values_;  // (2, terms, B)
  array<Real, 2, row_space> joint_slopes_;
  array<Real, 3, row_space> component_values_, position_values_, weighted_responsibility_, component_slopes_, marginal_slopes_;
  array<jackknife_fault<Real>, 1, row_space> faults_;
  array<Real, 3> found_values_;  // the same on the host
  array<jackknife_fault<Real>, 1> found_faults_;
};

template <class Real, class Head, class... Terms>
objective<Real, Head, Terms...> make_objective(const Head& head, view<const token, 2> tokens, index_t components, index_t S,
                                               objective_options<Real> options, Terms... terms) {
  return {head, tokens, components, S, options, terms...};
}

/// Value and gradient in one call, all components at once: returns the loss and fills out (B, M, D, outputs).
template <class Real, class Head, class Storage, class Space, backend Backend, class... Terms>
Real value_and_gradient(objective<Real, Head, Terms...>& loss, view<const Storage, 4, Space> raw, view<Storage, 4, Space> out,
                        const Backend& run_on, gradient_mode mode = gradient_mode::overwrite, Real scale = Real(-1)) {
  loss.observe(raw, 0, run_on);
  loss.close(run_on);
  loss.gradient(raw, 0, out, run_on, mode, scale);
  if constexpr (asynchronous<Backend>) loss.collect(run_on);
  return loss.loss(scale);
}

/// The gradient alone: fills out (B, M, D, outputs). Where sweeps are queued it waits for nothing; collect() says what was wrong.
template <class Real, class Head, class Storage, class Space, backend Backend, class... Terms>
void gradient(objective<Real, Head, Terms...>& loss, view<const Storage, 4, Space> raw, view<Storage, 4, Space> out,
              const Backend& run_on, gradient_mode mode = gradient_mode::overwrite, Real scale = Real(-1)) {
  loss.observe(raw, 0, run_on);
  loss.close(run_on, false);
  loss.gradient(raw, 0, out, run_on, mode, scale);
}

/// The value alone.
template <class Real, class Head, class Storage, class Space, backend Backend, class... Terms>
Real value(objective<Real, Head, Terms...>& loss, view<const Storage, 4, Space> raw, const Backend& run_on,
           Real scale = Real(-1)) {
  loss.observe(raw, 0, run_on);
  loss.close(run_on);
  if constexpr (asynchronous<Backend>) loss.collect(run_on);
  return loss.loss(scale);
}

}  // namespace dimix
