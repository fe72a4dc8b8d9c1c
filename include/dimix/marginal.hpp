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
// Cost: observe reads the outputs once and takes 1 exponential a state (softmax, subs; truncated_logistic in W lanes 1 / W; 2 where a head does
// not keep its row), with marginals 1 logarithm a state of a position, and K D a component; workspace 2 B M D + 3 B M K + 2 B K D (and up to
// 2 B M K more where D is shorter than a stretch; + B D S with marginals, twice when M comes in chunks), which rows alone touch: it may lie on
// a device. Float results agree with double to about 1e-6 relative in log p per position; the sum over positions is one of doubles.
// Sweeps (tests/spy): observe one over stretches of positions, and with targets one of B Mc rows; close one of B K rows with targets, one of
// B D with marginals that came in chunks; and short ones of B rows: two in the first observe, one in later ones, one in close.
// All memory is taken by the constructor, but for the running sums of marginals in chunks: by the first chunk.
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

#include <dimix/marginal/item_rows.hpp>
#include <dimix/marginal/rows.hpp>

namespace dimix {

template <class Real, head<Real> Head>
class marginalisation {
 public:
  using head_state = typename Head::template state<Real>;

  /// tokens (B, D): x_t. components: M >= 1. S: states of a row. Views must outlive the object; what they hold is read when the first
  /// chunk is observed.
  marginalisation(const Head& head, view<const token, 2> tokens, index_t components, index_t S,
                  marginal_options<Real> options = {})
      : head_(head),
        given_(tokens),
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
        damaged_(options.memory),
        tokens_(options.memory),
        targets_(options.memory),
        faults_(options.memory) {
    const index_t B = tokens.extent(0), D = tokens.extent(1), K = options.targets.extent(1);
    expects(components >= 1, "marginalisation: M = ", components, " components; at least one is needed");
    if (!options.targets.empty()) expects_shape("marginalisation: targets", options.targets, B, K, D);
    if (!options.log_weights.empty()) expects_shape("marginalisation: log_weights", options.log_weights, B, components);
    states_.resize(B, components, D);              // (B, M, D)
    component_.resize(B, components, K);           // (B, M, K)
    log_responsibility_.resize(B, components, K);  // (B, M, K)
    log_weights_.resize(B, components);            // (B, M)
    damaged_.resize(B, D);                         // (B, D)
    joint_.resize(B, K);                           // (B, K)
    const index_t length = positions_of_a_stretch();
    stretch_likelihood_.resize(B, (D + length - 1) / length, components, K);  // (B, stretches, M, K): room for any chunk
    tokens_.resize(B, D);                                                     // (B, D)
    targets_.resize(B, D, K);                                                 // (B, D, K)
    faults_.resize(B);                                                        // (B)
    found_.resize(B);                                                         // (B)
    if (options.marginals) log_marginal_.resize(B, D, S);                     // (B, D, S)
  }

  index_t batch() const { return given_.extent(0); }
  index_t dims() const { return given_.extent(1); }
  index_t components() const { return states_.extent(1); }
  index_t states() const { return S_; }
  index_t targets() const { return joint_.extent(1); }
  std::pmr::memory_resource* memory() const { return options_.memory; }
  const Head& head_of_rows() const { return head_; }
  // As rows see them; the host may look where the workspace is its own.
  view<const token, 2> tokens() const { return tokens_.rows(); }            // (B, D)
  view<const token, 3> target_tokens() const { return targets_.rows(); }    // (B, D, K)
  view<const head_state, 3> head_states() const { return states_.rows(); }  // (B, M, D)
  view<const Real, 2> log_weights() const { return log_weights_.rows(); }   // (B, M)  normalised, after the first chunk
  view<const double, 3> component_log_likelihood() const { return component_.rows(); }     // (B, M, K)  l_km
  view<const Real, 3> log_responsibilities() const { return log_responsibility_.rows(); }  // (B, M, K)  log γ_km, after close()
  view<const Real, 2> log_likelihood() const { return joint_.rows(); }                     // (B, K)  after close()
  view<const Real, 3> log_marginals() const { return log_marginal_.rows(); }               // (B, D, S)  after close()

  /// Components [first, first + chunk.extent(1)), raw outputs chunk (B, Mc, D, outputs); first is 0 or where the last chunk ended.
  /// visit(group, row, b, m, d) is called for every row that outputs can change, so that a caller can share the sweep.
  template <class Storage, class Space, backend Backend, class Visit = no_visit>
  void observe(view<const Storage, 4, Space> chunk, index_t first, const Backend& run_on, const Visit& visit = {}) {
    observe(chunk, first, run_on, visit, options_.targets);
  }

  /// The same with targets that are made by targets(b, k, d) -> token, in place of the view of the options.
  template <class Storage, class Space, backend Backend, class Visit, class Targets>
  void observe(view<const Storage, 4, Space> outside, index_t first, const Backend& run_on, const Visit& visit,
               const Targets& targets) {
    expects_space<Backend, Space>();
    const view<const Storage, 4> chunk = local(outside);  // (B, Mc, D, outputs)
    expects_chunk("marginalisation::observe", chunk, first);
    expects(first == 0 || first == observed_, "marginalisation::observe: chunks come in order, but component ", first,
            " follows the first ", observed_);
    closed_ = false;
    if (first == 0) prepare(targets, run_on);
    const index_t Mc = chunk.extent(1), positions = positions_together<Backend>(states()),
                  length = smaller(dims(), (positions_of_a_stretch() + positions - 1) / positions * positions),
                  stretches = (dims() + length - 1) / length;
    stretch_likelihood_.resize(batch(), stretches, Mc, this->targets());                     // (B, stretches, Mc, K)
    if (options_.marginals && Mc < components()) spread_.resize(batch(), dims(), states());  // (B, D, S)
    using row = observe_row<Real, Storage, Head, Visit>;
    sweep<Real>(run_on, batch() * stretches, row::tile_size(states(), options_.marginals, positions), chunk.extent(3),
                row{head_, tokens(), chunk, first, length, positions, log_weights(), states_.rows(), target_tokens(),
                    stretch_likelihood_.rows(), log_marginal_.rows(), Mc < components() ? spread_.rows() : view<Real, 3>{},
                    damaged_.rows(), visit});
    sweep<Real>(run_on, batch(), 0, dims(), damage_row<Real>{damaged_.rows(), faults_.rows()});
    if constexpr (!asynchronous<Backend>) refuse(run_on, chunk, first);
    if (this->targets() > 0)
      sweep<Real>(run_on, batch() * Mc, 0, this->targets(),
                  likelihood_row{stretch_likelihood_.rows(), first, component_.rows()});
    observed_ = first + Mc;
    in_chunks_ = Mc < components();
  }

  /// After the last chunk: joint log-likelihoods, responsibilities and marginals are complete.
  /// Throws numeric_error when a target has probability zero under every component; with queued sweeps, refuse() does.
  template <backend Backend>
  void close(const Backend& run_on) {
    expects(!closed_ && observed_ == components(), "marginalisation::close: ", observed_, " of M = ", components(),
            " components have been observed", closed_ ? ", and it is closed already" : "");
    closed_ = true;
    sweep<Real>(run_on, batch() * targets(), 0, components(),
                responsibility_row<Real>{log_weights(), component_.rows(), log_responsibility_.rows(), joint_.rows()});
    sweep<Real>(run_on, batch(), 0, targets(), impossible_row<Real>{log_likelihood(), faults_.rows()});
    if constexpr (!asynchronous<Backend>) refuse(run_on);
    if (options_.marginals && in_chunks_)
      sweep<Real>(run_on, batch() * dims(), 0, S_, close_marginal_row<Real>{log_marginal_.rows(), spread_.rows()});
  }

  /// Throws what rows have found wrong since the first chunk: tokens that are no states, weights and outputs that are not finite,
  /// targets that no component can be. Waits for the sweeps so far. Where they are not queued, observe and close do it.
  template <backend Backend>
  void refuse(const Backend& run_on) {
    refuse(run_on, view<const Real, 4>{}, 0);
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

  template <class Targets, backend Backend>
  void prepare(const Targets& targets, const Backend& run_on) {
    expects_workspace("marginalisation", options_.memory, run_on);
    sweep<Real>(
        run_on, batch(), 0, dims(),
        prepare_row<Real, Targets>{given_, targets, options_.log_weights, S_, options_.unknown_targets ? token{-1} : token{0},
                                   tokens_.rows(), targets_.rows(), log_weights_.rows(), faults_.rows()});
    if constexpr (!asynchronous<Backend>) refuse(run_on);
  }

  /// chunk: what was observed last, where the host can look into it, to name the number.
  template <backend Backend, class Storage>
  void refuse(const Backend& run_on, view<const Storage, 4> chunk, index_t first) {
    fetch(run_on, view<const item_faults<Real>, 1>(faults_.rows()), found_.whole());
    for (index_t b = 0; b < batch(); ++b) {
      const item_faults<Real>& found = found_(b);
      const char* range = options_.unknown_targets ? "), or be -1" : ")";
      expects(found.token_at < 0, "marginalisation: tokens holds ", found.bad_token, " at flat index ",
              b * dims() + found.token_at, ", which is not a state: it must lie in [0, ", S_, ")");
      expects(found.target_at < 0, "marginalisation: targets holds ", found.bad_target, " at flat index ",
              b * targets() * dims() + found.target_at, ", which is not a state: it must lie in [0, ", S_, range);
      expects<numeric_error>(is_finite(found.weight), "marginalisation: log_weights of item ", b, " sum to ", found.weight,
                             " in the log");
      if (found.damaged_at >= 0) refuse_damage(chunk, first, b, found.damaged_at);
      expects<numeric_error>(found.impossible < 0, "marginalisation: target ", found.impossible, " of item ", b,
                             " has probability zero under every component (a token that differs from a position already "
                             "revealed?)");
    }
  }

  template <class Storage>
  static void refuse_damage(view<const Storage, 4> chunk, index_t first, index_t b, index_t d) {
    for (index_t m = 0; m < chunk.extent(1); ++m)
      for (index_t o = 0; o < chunk.extent(3); ++o)
        expects<numeric_error>(is_finite(static_cast<double>(chunk(b, m, d, o))), "logits[", b, ", ", first + m, ", ", d, ", ",
                               o, "] = ", static_cast<double>(chunk(b, m, d, o)), " is not finite");
    fail<numeric_error>("logits[", b, ", :, ", d, ", :] hold a number that is not finite");
  }

  Head head_;
  view<const token, 2> given_;  // (B, D)
  marginal_options<Real> options_;
  index_t S_, observed_ = 0;  // observed_: components since the last chunk that started at 0
  bool closed_ = false, in_chunks_ = false;
  array<Real, 2, row_space> log_weights_, joint_;
  array<double, 4, row_space> stretch_likelihood_;
  array<double, 3, row_space> component_;  // a float sum over thousands of positions would be off by more than γ bears
  array<Real, 3, row_space> log_responsibility_, log_marginal_, spread_;
  array<head_state, 3, row_space> states_;
  array<unsigned char, 2, row_space> damaged_;
  array<token, 2, row_space> tokens_;
  array<token, 3, row_space> targets_;
  array<item_faults<Real>, 1, row_space> faults_;
  array<item_faults<Real>, 1> found_;  // the same on the host
};

}  // namespace dimix

#include <dimix/marginal/functions.hpp>
