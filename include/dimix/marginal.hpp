// Marginalisation over λ: what a mixture of products says about joint and single positions, from the raw outputs of its components.
//
//   component   l_km = sum_d log p_md(x_kd)                       log-likelihood of target k under component m; a target may leave
//                                                                 positions open (unknown_targets): those contribute nothing
//   joint       log p(x_k) = log sum_m π_m exp l_km               biased low in expectation, tightens as M grows (IWAE-type)
//   weights     γ_km = π_m exp(l_km) / p(x_k)                     responsibility of component m for target k
//   marginal    log P_d(s) = log sum_m π_m p_md(s)
// with p_md(s) the head's row of the raw outputs (B, M, D, outputs) and π_m = 1/M or a softmax of log-weights (B, M).
//
// The class works over chunks of components, so that M can be larger than what fits in memory: observe(chunk) for each in order, then
// close(). A chunk that starts at component 0 starts anew, so that one object serves many raw outputs.
// Cost: observe reads the outputs once and takes 2 exponentials a state (1 without marginals) and K D a component; workspace
// B M D + 3 B M K (+ 2 B D S with marginals). Float results agree with double to about 1e-6 relative in log p per position; the sum over
// positions is one of doubles.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/array.hpp>
#include <dimix/core/check.hpp>
#include <dimix/head.hpp>

namespace dimix {

template <class Real>
struct marginal_options {
  view<const token, 3> targets = {};     // (B, K, D)  target tokens; empty: none
  view<const Real, 2> log_weights = {};  // (B, M)  log π up to a constant per item; empty: equal weights
  bool marginals = true;                 // whether log P_d(s) is wanted
  bool unknown_targets = false;          // targets may hold -1, "unknown": the likelihood of the other positions
  std::pmr::memory_resource* memory = std::pmr::get_default_resource();  // of the workspace; core/memory.hpp has one for loops
};

}  // namespace dimix

#include <dimix/marginal/rows.hpp>

namespace dimix {

template <class Real, head<Real> Head>
class marginalisation {
 public:
  using head_state = typename Head::template state<Real>;

  /// tokens (B, D): x_t. components: M >= 1. S: states of a row. Views must outlive the object.
  marginalisation(const Head& head, view<const token, 2> tokens, index_t components, index_t S,
                  marginal_options<Real> options = {})
      : head_(head),
        tokens_(tokens),
        options_(options),
        S_(S),
        log_weights_(options.memory),
        joint_(options.memory),
        stretch_likelihood_(options.memory),
        component_(options.memory),
        log_responsibility_(options.memory),
        log_marginal_(options.memory),
        spread_(options.memory),
        states_(options.memory),
        damaged_(options.memory) {
    const index_t B = tokens.extent(0), D = tokens.extent(1), K = options.targets.extent(1);
    expects(components >= 1, "marginalisation: M = ", components, " components; at least one is needed");
    for (index_t i = 0; i < tokens.size(); ++i)
      expects(tokens.data()[i] >= 0 && tokens.data()[i] < S, "marginalisation: tokens holds ", tokens.data()[i],
              " at flat index ", i, ", which is not a state: it must lie in [0, ", S, ")");
    if (!options.targets.empty()) {
      expects_shape("marginalisation: targets", options.targets, B, K, D);
      for (index_t i = 0; i < options.targets.size(); ++i)
        expects(options.targets.data()[i] >= (options.unknown_targets ? -1 : 0) && options.targets.data()[i] < S,
                "marginalisation: targets holds ", options.targets.data()[i], " at flat index ", i,
                ", which is not a state: it must lie in [0, ", S, options.unknown_targets ? "), or be -1" : ")");
    }
    states_.resize(B, components, D);                      // (B, M, D)
    component_.resize(B, components, K);                   // (B, M, K)
    log_responsibility_.resize(B, components, K);          // (B, M, K)
    damaged_.resize(B, D);                                 // (B, D)
    joint_.resize(B, K);                                   // (B, K)
    if (options.marginals) log_marginal_.resize(B, D, S);  // (B, D, S)
    normalise_weights(components);
  }

  index_t batch() const { return tokens_.extent(0); }
  index_t dims() const { return tokens_.extent(1); }
  index_t components() const { return states_.extent(1); }
  index_t states() const { return S_; }
  index_t targets() const { return joint_.extent(1); }
  const Head& head_of_rows() const { return head_; }
  view<const token, 2> tokens() const { return tokens_; }                  // (B, D)
  view<const token, 3> target_tokens() const { return options_.targets; }  // (B, K, D)
  view<const head_state, 3> head_states() const { return states_; }        // (B, M, D)

  view<const Real, 2> log_weights() const { return log_weights_; }                  // (B, M)  normalised
  view<const double, 3> component_log_likelihood() const { return component_; }     // (B, M, K)  l_km
  view<const Real, 3> log_responsibilities() const { return log_responsibility_; }  // (B, M, K)  log γ_km, after close()
  view<const Real, 2> log_likelihood() const { return joint_; }                     // (B, K)  after close()
  view<const Real, 3> log_marginals() const { return log_marginal_; }               // (B, D, S)  after close()

  /// Components [first, first + chunk.extent(1)), raw outputs chunk (B, Mc, D, outputs); first is 0 or where the last chunk ended.
  /// visit(group, row, b, m, d) is called for every row that outputs can change, so that a caller can share the sweep.
  template <class Storage, backend Backend, class Visit = no_visit>
  void observe(view<const Storage, 4> chunk, index_t first, const Backend& run_on, const Visit& visit = {}) {
    expects_chunk("marginalisation::observe", chunk, first);
    expects(first == 0 || first == observed_, "marginalisation::observe: chunks come in order, but component ", first,
            " follows the first ", observed_);
    closed_ = false;
    const index_t Mc = chunk.extent(1), length = positions_of_a_stretch(), stretches = (dims() + length - 1) / length;
    stretch_likelihood_.resize(batch(), stretches, Mc, targets());                           // (B, stretches, Mc, K)
    if (options_.marginals && Mc < components()) spread_.resize(batch(), dims(), states());  // (B, D, S)
    using row = observe_row<Real, Storage, Head, Visit>;
    run_on.template sweep<Real>(
        batch() * stretches, row::tile_size(states(), options_.marginals),
        row{head_, tokens_, chunk, first, length, log_weights_.whole(), states_, options_.targets, stretch_likelihood_,
            log_marginal_, Mc < components() ? spread_.whole() : view<Real, 3>{}, damaged_, visit});
    refuse_damage(chunk);
    if (targets() > 0) run_on.template sweep<Real>(batch() * Mc, 0, likelihood_row{stretch_likelihood_, first, component_});
    observed_ = first + Mc;
    in_chunks_ = Mc < components();
  }

  /// After the last chunk: joint log-likelihoods, responsibilities and marginals are complete.
  /// Throws numeric_error when a target has probability zero under every component.
  template <backend Backend>
  void close(const Backend& run_on) {
    expects(!closed_ && observed_ == components(), "marginalisation::close: ", observed_, " of M = ", components(),
            " components have been observed", closed_ ? ", and it is closed already" : "");
    closed_ = true;
    run_on.template sweep<Real>(batch() * targets(), 0,
                                responsibility_row<Real>{log_weights_.whole(), component_, log_responsibility_, joint_});
    for (index_t b = 0; b < batch(); ++b)
      for (index_t k = 0; k < targets(); ++k)
        expects<numeric_error>(
            joint_(b, k) > -infinity<Real>(), "marginalisation: target ", k, " of item ", b,
            " has probability zero under every component (a token that differs from a position already revealed?)");
    if (options_.marginals && in_chunks_)
      run_on.template sweep<Real>(batch() * dims(), 0, close_marginal_row<Real>{log_marginal_, spread_});
  }

  bool closed() const { return closed_; }

  template <class Storage>
  void expects_chunk(const char* name, view<const Storage, 4> chunk, index_t first) const {
    const index_t Mc = chunk.extent(1);
    expects(Mc >= 1 && first >= 0 && first + Mc <= components(), name, ": components [", first, ", ", first + Mc,
            ") are not among the M = ", components());
    expects(chunk.extent(0) == batch() && chunk.extent(2) == dims() && chunk.extent(3) == head_.outputs(S_), name,
            ": raw has shape ", shape_of(chunk), ", but (", batch(), ", ", Mc, ", ", dims(), ", ", head_.outputs(S_),
            ") is needed");
  }

 private:
  /// So many that what their likelihoods take, 2 M K Reals a stretch, is no more than M + K a position.
  index_t positions_of_a_stretch() const {
    const index_t M = components(), K = targets();
    return clamp<index_t>((2 * M * K + M + K - 1) / (M + K), 1, larger<index_t>(1, dims()));
  }

  void normalise_weights(index_t M) {
    log_weights_.resize(batch(), M);  // (B, M)
    if (!options_.log_weights.empty()) expects_shape("marginalisation: log_weights", options_.log_weights, batch(), M);
    for (index_t b = 0; b < batch(); ++b) {
      const auto weight = [&](index_t m) { return options_.log_weights.empty() ? Real(0) : options_.log_weights(b, m); };
      const Real total = log_sum_exp<Real>(serial_group{}, M, weight);
      expects<numeric_error>(std::isfinite(total), "marginalisation: log_weights of item ", b, " sum to ", total,
                             " in the log");
      for (index_t m = 0; m < M; ++m) log_weights_(b, m) = weight(m) - total;
    }
  }

  template <class Storage>
  void refuse_damage(view<const Storage, 4> chunk) const {
    for (index_t b = 0; b < batch(); ++b)
      for (index_t d = 0; d < dims(); ++d)
        if (damaged_(b, d))
          for (index_t m = 0; m < chunk.extent(1); ++m)
            for (index_t o = 0; o < chunk.extent(3); ++o)
              expects<numeric_error>(std::isfinite(static_cast<double>(chunk(b, m, d, o))), "logits[", b, ", ", m, ", ", d,
                                     ", ", o, "] = ", static_cast<double>(chunk(b, m, d, o)), " is not finite");
  }

  Head head_;
  view<const token, 2> tokens_;
  marginal_options<Real> options_;
  index_t S_, observed_ = 0;  // observed_: components since the last chunk that started at 0
  bool closed_ = false, in_chunks_ = false;
  array<Real, 2> log_weights_, joint_;
  array<double, 4> stretch_likelihood_;
  array<double, 3> component_;  // a float sum over thousands of positions would be off by more than γ bears
  array<Real, 3> log_responsibility_, log_marginal_, spread_;
  array<head_state, 3> states_;
  array<unsigned char, 2> damaged_;
};

}  // namespace dimix

#include <dimix/marginal/functions.hpp>
