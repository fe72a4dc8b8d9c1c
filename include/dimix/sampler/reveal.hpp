// Reveal samplers: from x_t to x_s by choosing which masked positions get their token, instead of deciding it for each of them alone.
// One network call a step; every masked position proposes a token (reveal/proposal.hpp) and gets a score (reveal/ordering.hpp), and
// the best of them are revealed, as many as an allocation says (reveal/allocation.hpp). For spaces whose noise does nothing but hide.
//
//   reveal_sampler<float> steps(process, net, noisy_order{confidence_order{}, linear_decay{4.5}}, by_schedule{}, drawn{});
//   steps.step(state, tokens, s, t, items)        one step in place, as sampler.hpp
//   sample_reveal(process, net, options)          whole paths (reveal/sample.hpp)
//
//   MaskGIT       noisy_order{confidence_order{}, linear_decay{τ}}, by_schedule, drawn
//   LLaDA         confidence_order, by_count, most_probable       Fast-dLLM   confidence_order, by_threshold{0.9}, most_probable
//   RDM           reconsider = true (Zheng et al. 2023): revealed positions compete with the others, by the probability that the
//                 network would now give to their token, and the worst of all go back to the mask
// Temperature and nucleus are heads (head/reshaped.hpp), so that proposal and score see the same row.
// With an exact denoiser and one position a step the law is that of the data if the order looks at rows alone (margin, entropy, chance);
// an order that looks at the drawn tokens (confidence) prefers likely ones and changes it.
// Laws (tests/laws/reveal.cpp): the two of above; counts fall to 0 over any grid, evidence apart; the set follows Plackett-Luce; the same tokens for
// any batch, split or number of threads; ties go to the first position.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/check.hpp>
#include <dimix/forward_process.hpp>
#include <dimix/sampler/denoiser_call.hpp>
#include <dimix/sampler/reveal/allocation.hpp>
#include <dimix/sampler/reveal/ordering.hpp>
#include <dimix/sampler/reveal/proposal.hpp>
#include <dimix/sampler/reveal/selection.hpp>

#include <algorithm>
#include <vector>

namespace dimix {

/// What a path remembers between steps; it can be written down and taken up again.
struct reveal_state {
  std::uint64_t seed = 0;
  index_t step = 0;                    // steps made so far; one with nothing masked asks no network
  std::vector<double> scheduled = {};  // (B)  positions that the schedule hides at alpha = 0; counted in the first step
  array<token, 2> kept = {};  // (B, D)  with reconsider: what showed before the first step (evidence) and stays; else -1
};

struct reveal_sampler_options {
  latent_scope scope = latent_scope::per_path;  // λ once per path or for every call
  bool reconsider = false;  // what was revealed since the first step competes too, and may go back to the mask
};

template <class Real, class Process, class Net, class Ordering = confidence_order, class Allocation = by_schedule,
          class Proposal = drawn, backend Backend = cpu>
class reveal_sampler {
  static_assert(forward_process_like<Process>,
                "reveal_sampler: Process must be a forward_process<Space, Schedule>; see dimix/forward_process.hpp");
  static_assert(revealing_space<typename Process::space_type>,
                "reveal_sampler: an order of reveals needs a space whose noise does nothing but hide, as absorbing; see "
                "dimix/sampler/reveal.hpp");
  static_assert(factorized_denoiser<Net, Real>,
                "reveal_sampler: Net must provide outputs() and operator()(request<Real>, view<Real, 4>) const; see "
                "dimix/denoiser.hpp");

 public:
  using state_type = reveal_state;

  reveal_sampler(const Process& forward, const Net& net, Ordering order = {}, Allocation allocate = {}, Proposal propose = {},
                 reveal_sampler_options options = {}, Backend run_on = Backend{})
      : process_(forward),
        net_(net),
        order_(order),
        allocate_(allocate),
        propose_(propose),
        options_(options),
        call_(forward, net, run_on) {}

  /// One step for every item: tokens (B, D) go from t to s (B) in place, 0 <= s <= t <= 1; items (B) are ids. Advances state.step. A
  /// step to s = 0 reveals everything. Where all is revealed the network is not called. O(B D S) beside it.
  void step(reveal_state& state, view<token, 2> tokens, view<const double, 1> s, view<const double, 1> t,
            view<const std::uint64_t, 1> items) {
    const index_t B = tokens.extent(0), D = tokens.extent(1);
    expects_shape("reveal_sampler::step: s", s, B);
    expects_shape("reveal_sampler::step: t", t, B);
    for (index_t b = 0; b < B; ++b)
      expects(s(b) >= 0 && s(b) <= t(b), "reveal_sampler::step: needs 0 <= s <= t, but s[", b, "] = ", s(b), " and t[", b,
              "] = ", t(b));
    expects(state.scheduled.empty() || static_cast<index_t>(state.scheduled.size()) == B,
            "reveal_sampler::step: the state is that of ", state.scheduled.size(), " items, but tokens have ", B);
    if (std::find(tokens.begin(), tokens.end(), mask()) == tokens.end()) {
      ++state.step;
      return;
    }
    call_.ask("reveal_sampler::step", state.seed, state.step, options_.scope, tokens, t, items);
    if (options_.reconsider && state.scheduled.empty()) keep_shown(tokens, state.kept);
    if (state.kept.size() > 0) expects_shape("reveal_sampler::step: state.kept", state.kept.whole(), B, D);
    look(state, tokens, s, items);
    const index_t missing = first_missing<2>(proposed_);
    if (missing < proposed_.size())
      fail<numeric_error>("reveal_sampler::step: item ", missing / D, " position ", missing % D,
                          " has no state with a positive probability (non-finite logits?)");
    if (state.scheduled.empty())
      for (index_t b = 0; b < B; ++b) state.scheduled.push_back(scheduled_of(masked_in(tokens.row(b)), t(b)));
    for (index_t b = 0; b < B; ++b) {
      const auto scores = view<const double, 2>(scores_).row(b);
      const index_t hidden = hidden_after(masked_in(tokens.row(b)), state.scheduled[static_cast<std::size_t>(b)], s(b),
                                          view<const double, 2>(log_p_).row(b));
      const index_t compete = D - std::count(scores.begin(), scores.end(), -infinity<double>());
      const auto chosen = selection(scores, compete - hidden);
      for (index_t d = 0; d < D; ++d)
        if (scores[d] > -infinity<double>()) tokens(b, d) = mask();
      for (index_t d : chosen) tokens(b, d) = proposed_(b, d);
    }
    ++state.step;
  }

  /// p(x_0^d = a | x_t; λ) of masked positions, what they propose from; a token that shows is certain: (B, D, S). x_t (B, D); t (B);
  /// latents (B, 1, L), L = 0 for a factorized denoiser. With the order, the allocation and the proposal it is the law of a step.
  array<Real, 3> rows(view<const token, 2> x_t, view<const double, 1> t, view<const Real, 3> latents, index_t step = 0) {
    call_.ask("reveal_sampler::rows", step, x_t, t, {}, latents);
    const index_t S = process_.max_states();
    array<Real, 3> result(x_t.extent(0), x_t.extent(1), S);  // (B, D, S)
    call_.each_position(x_t, [&](const place& at, const auto& rows_of) {
      const auto row = result.whole().row(at.item, at.dim);
      if (at.now != mask()) {
        row[at.now] = Real(1);
        return;
      }
      const auto proposes = rows_of(at);
      using std::exp;
      for (index_t a = 0; a < S; ++a) row[a] = exp(proposes.log_prob(a));
    });
    return result;
  }

  /// The positions that the schedule hides at alpha = 0, from those that are masked at t.
  double scheduled_of(index_t masked, double t) const {
    const double share = hidden_share(t);
    return static_cast<double>(masked) / (share > 0 ? share : 1);
  }
  /// How many of an item's masked positions stay masked after a step to s. log_p (D): of their proposals, -infinity elsewhere.
  index_t hidden_after(index_t masked, double scheduled, double s, view<const double, 1> log_p) const {
    if (s == 0) return 0;
    return clamp(allocate_.hidden_after({masked, scheduled, hidden_share(s), log_p}), index_t{0}, masked);
  }

  const Process& process() const { return process_; }
  const Net& net() const { return net_; }
  const Ordering& order() const { return order_; }
  const reveal_sampler_options& options() const { return options_; }

 private:
  static constexpr double last_place = -0x1p1023;  // of a position that competes: above -infinity, with which none is taken

  token mask() const { return process_.space().mask(); }
  /// 1 - alpha_s; s = 0 is the data itself.
  double hidden_share(double s) const { return s == 0 ? 0.0 : move_chance(process_.schedule(), s); }

  index_t masked_in(view<const token, 1> x) const { return std::count(x.begin(), x.end(), mask()); }

  /// What shows before the first step.
  void keep_shown(view<const token, 2> tokens, array<token, 2>& kept) const {
    kept.resize(tokens.extent(0), tokens.extent(1));  // (B, D)
    std::replace_copy(tokens.begin(), tokens.end(), kept.begin(), mask(), token{-1});
  }

  /// proposed_, log_p_ and scores_ of all positions. A revealed one keeps its token; where it competes, its row is the one that the
  /// network would give it if it were masked. What does not compete has the score -infinity.
  void look(const reveal_state& state, view<const token, 2> tokens, view<const double, 1> s,
            view<const std::uint64_t, 1> items) {
    const index_t S = process_.max_states();
    const rng random{state.seed};
    proposed_.resize(tokens.extent(0), tokens.extent(1));  // (B, D)
    log_p_.resize(tokens.extent(0), tokens.extent(1));     // (B, D)
    scores_.resize(tokens.extent(0), tokens.extent(1));    // (B, D)
    call_.each_position(tokens, [&](const place& at, const auto& rows_of) {
      token& proposed = proposed_(at.item, at.dim);
      double &log_p = log_p_(at.item, at.dim), &score = scores_(at.item, at.dim);
      const bool masked = at.now == mask();
      proposed = at.now, log_p = score = -infinity<double>();
      const bool stays = state.kept.size() > 0 && state.kept(at.item, at.dim) >= 0;
      if (!masked && (stays || !options_.reconsider)) return;
      const auto row = rows_of(place{at.item, at.dim, mask()});
      const auto bits = [&](purpose what) { return random(what, items(at.item), state.step, 0, at.dim); };
      if (masked) proposed = propose_by(propose_, rows_of.group, row, S, bits(purpose::denoise));
      if (proposed < 0) return;
      if (masked) log_p = static_cast<double>(row.log_prob(proposed));
      score = larger(order_.score(row, S, proposed, bits(purpose::order), 1 - s(at.item)), last_place);
    });
  }

  const Process process_;
  const Net& net_;
  Ordering order_;
  Allocation allocate_;
  Proposal propose_;
  reveal_sampler_options options_;
  denoiser_call<Real, Process, Net, Backend> call_;
  array<token, 2> proposed_;
  array<double, 2> log_p_, scores_;
};

template <class Real, class Process, class Net, class Ordering = confidence_order, class Allocation = by_schedule,
          class Proposal = drawn, backend Backend = cpu>
auto make_reveal_sampler(const Process& process, const Net& net, Ordering order = {}, Allocation allocate = {},
                         Proposal propose = {}, reveal_sampler_options options = {}, const Backend& run_on = Backend{}) {
  return reveal_sampler<Real, Process, Net, Ordering, Allocation, Proposal, Backend>(process, net, order, allocate, propose,
                                                                                     options, run_on);
}

}  // namespace dimix

#include <dimix/sampler/reveal/sample.hpp>
