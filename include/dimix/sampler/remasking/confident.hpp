// Remasking by confidence (ReMDM-conf): a token that was unlikely when it was decoded is hidden again more often. The chance of a step is
// shared out over the decoded positions of an item,
//   σ_d = σ η_d,   η_d = exp(-ψ_d) / sum_e exp(-ψ_e),   ψ_d = p(x_d) when position d was decoded
// and masked positions unmask with σ = 0. What was visible from the start (evidence) was never decoded, has ψ = infinity and stays.
// A masked position gets back nothing of the σ of the decoded ones, so that before t = 0 fewer positions are shown than q(x_s | x_0) has.
// Source: ReMDM (Wang et al. 2025), section on ReMDM-conf.
#pragma once

#include <dimix/sampler.hpp>
#include <dimix/sampler/remasking.hpp>

#include <cmath>

namespace dimix {

/// What a path remembers between steps; it can be written down and taken up again.
struct confident_state {
  std::uint64_t seed = 0;
  index_t step = 0;               // steps made so far
  array<double, 2> decoded = {};  // (B, D)  ψ; infinity where nothing was decoded. Made in the first step
};

/// Another rate times the share of the position.
template <class Rate>
struct shared_rate {
  Rate rate;
  view<const double, 2> share;  // (B, D)  η

  template <class Space, class Real>
  DIMIX_HD Real sigma(const two_time_kernel<Space, Real>& kernel, const place& at) const {
    return static_cast<Real>(share(at.item, at.dim)) * rate.sigma(kernel, at);
  }
};

/// remasking with that rate, which notes ψ of what it decodes: one more row for every position that is revealed.
template <class Rate>
struct noting_remasking : remasking<shared_rate<Rate>> {
  view<double, 2> decoded = {};  // (B, D)

  template <class Kernel, class Denoised, class Bits>
  token draw(const Kernel& kernel, const place& at, index_t S, const Denoised& denoised, const Bits& bits_of) const {
    const token mask = this->mask_of(kernel), x_s = remasking<shared_rate<Rate>>::draw(kernel, at, S, denoised, bits_of);
    if (x_s == mask) decoded(at.item, at.dim) = infinity<double>();
    if (at.now == mask && x_s != mask && x_s >= 0)
      decoded(at.item, at.dim) = std::exp(static_cast<double>(denoised().log_prob(x_s)));
    return x_s;
  }
};

/// η of ψ (B, D): (B, D); sums to 1 over the decoded positions of an item, and is 0 at the others.
inline array<double, 2> confidence_shares(view<const double, 2> decoded) {
  array<double, 2> share(decoded.extent(0), decoded.extent(1));  // (B, D)
  for (index_t b = 0; b < decoded.extent(0); ++b) {
    double total = 0;
    for (double psi : decoded.row(b)) total += std::exp(-psi);
    for (index_t d = 0; d < decoded.extent(1) && total > 0; ++d) share(b, d) = std::exp(-decoded(b, d)) / total;
  }
  return share;
}

template <class Real, class Process, class Net, class Rate, backend Backend = cpu>
class confident_remasking {
 public:
  using state_type = confident_state;

  confident_remasking(const Process& forward, const Net& net, Rate rate, sampler_options options = {},
                      const Backend& run_on = Backend{})
      : rate_(rate), steps_(forward, net, options, method_of(rate, {}, {}), run_on) {}

  /// One step for every item, as sampler::step. Errors: given.evidence, which has no ψ and no share.
  void step(confident_state& state, view<token, 2> tokens, view<const double, 1> s, view<const double, 1> t,
            view<const std::uint64_t, 1> items, const conditions<Real>& given = {}) {
    expects(given.evidence.empty(),
            "confident_remasking::step: given.evidence holds tokens that noise hides, which have no share of the chance to be "
            "hidden again; show them in the tokens");
    if (state.decoded.size() == 0) {
      state.decoded.resize(tokens.extent(0), tokens.extent(1));  // (B, D)
      state.decoded.fill(infinity<double>());
    }
    expects_shape("confident_remasking::step: state.decoded", state.decoded.whole(), tokens.extent(0), tokens.extent(1));
    const array<double, 2> share = confidence_shares(state.decoded);  // (B, D)
    steps_.method() = method_of(rate_, share, state.decoded);
    sampler_state path{state.seed, state.step};
    steps_.step(path, tokens, s, t, items, given);
    state.step = path.step;
  }

 private:
  static noting_remasking<Rate> method_of(const Rate& rate, view<const double, 2> share, view<double, 2> decoded) {
    return {{{rate, share}}, decoded};
  }

  Rate rate_;
  sampler<Real, Process, Net, noting_remasking<Rate>, Backend> steps_;
};

/// Whole paths: as sample(), with ReMDM-conf, for visible evidence alone.
template <class Real = float, class Process, class Net, class Rate, backend Backend = cpu>
array<token, 2> sample_confident_remasking(const Process& process, const Net& net, const sample_options& options, Rate rate,
                                           const Backend& run_on = Backend{}) {
  const time_grid grid = options.grid.empty() ? uniform_grid(options.steps) : options.grid;
  expects_grid("sample_confident_remasking", grid, true);
  expects(!options.hidden_evidence,
          "sample_confident_remasking: hidden_evidence is on, but evidence is always visible here; sample() with another "
          "rate of remasking hides it");
  if (!options.classes.empty()) expects_shape("sample_confident_remasking: classes", options.classes, options.batch);
  confident_remasking<Real, Process, Net, Rate, Backend> steps(process, net, rate, sampler_options_of(options), run_on);
  return in_chunks("sample_confident_remasking", process, options,
                   [&](view<token, 2> x, view<const std::uint64_t, 1> items, const auto& known) {
                     confident_state state{options.seed};
                     walk(steps, state, x, items, grid, known, conditions<Real>{.classes = classes_of(options, items)});
                   });
}

}  // namespace dimix
