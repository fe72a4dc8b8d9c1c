// First-hitting sampler of masked diffusion: no grid. A path of the reverse process reveals its positions one at a time, at random times;
// these are drawn exactly, and the network is asked only there. With n positions masked at time t the next reveal happens at
//   s  with  1 - alpha_s = (1 - alpha_t) u^(1/n),   u uniform in (0, 1)
// at a position chosen evenly among the n, and its token comes from p(x_0 | x_t) at s. An exact denoiser gives the exact law of the data, in
// as many network calls as positions. Source: Zheng et al. 2024 (arXiv 2409.02908), for any schedule; bd3lms has it for one sequence.
//
//   sampler.step(state, tokens, t, items)             one reveal for every item; t (B) are its times, moved to s
//   sample_first_hitting(process, net, options)       whole paths
// Laws (tests/laws/first_hitting.cpp): the law of the times; the law of the data from an exact denoiser; the same tokens for any batch.
#pragma once

#include <dimix/forward_process.hpp>
#include <dimix/sampler.hpp>
#include <dimix/sampler/denoiser_call.hpp>
#include <dimix/sampler/paths.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace dimix {

/// The time of the first reveal below t of n >= 1 masked positions, in [0, t]. u in (0, 1).
template <class Schedule>
double first_hitting_time(const Schedule& schedule, double t, index_t n, double u) {
  if (t == 0) return 0;
  const double hit_s = move_chance(schedule, t) * std::exp(std::log(u) / static_cast<double>(n));
  return clamp(inverse_alpha(schedule, 1 - hit_s), 0.0, t);
}

template <class Real, class Process, class Net, backend Backend = cpu>
class first_hitting_sampler {
  static_assert(forward_process_like<Process>,
                "first_hitting_sampler: Process must be a forward_process<Space, Schedule>; see dimix/forward_process.hpp");
  static_assert(revealing_space<typename Process::space_type>,
                "first_hitting_sampler: times of reveals need a space whose noise does nothing but hide, as absorbing; see "
                "dimix/sampler/first_hitting.hpp");
  static_assert(factorized_denoiser<Net, Real>,
                "first_hitting_sampler: Net must provide outputs() and operator()(request<Real>, view<Real, 4>) const; see "
                "dimix/denoiser.hpp");

 public:
  using state_type = sampler_state;

  first_hitting_sampler(const Process& forward, const Net& net, latent_scope scope = latent_scope::per_path,
                        const Backend& run_on = Backend{})
      : process_(forward), scope_(scope), call_(forward, net, run_on) {}

  /// One reveal for every item that has something masked: tokens (B, D) in place; t (B) in [0, 1], moved to the time of the reveal;
  /// items (B) are ids. Items that are done stay as they are and are not asked for. Advances state.step. Returns how many were revealed.
  index_t step(sampler_state& state, view<token, 2> tokens, view<double, 1> t, view<const std::uint64_t, 1> items) {
    const index_t B = tokens.extent(0), D = tokens.extent(1);
    expects_shape("first_hitting_sampler::step: t", t, B);
    expects_shape("first_hitting_sampler::step: items", items, B);
    const rng random{state.seed};
    find_reveals(random, state.step, tokens, t, items);
    const index_t active = static_cast<index_t>(reveals_.size());
    if (active > 0) {
      tokens_.resize(active, D);  // (active, D)
      times_.resize(active);      // (active)
      items_.resize(active);      // (active)
      for (index_t i = 0; i < active; ++i) {
        const index_t b = reveals_[static_cast<std::size_t>(i)].item;
        std::copy(tokens.row(b).begin(), tokens.row(b).end(), tokens_.whole().row(i).begin());
        times_(i) = reveals_[static_cast<std::size_t>(i)].time;
        items_(i) = items(b);
      }
      call_.ask("first_hitting_sampler::step", state.seed, state.step, scope_, tokens_, times_, items_);
      call_.each_position(tokens_, [&](const place& at, const auto& rows_of) {
        const reveal_at& chosen = reveals_[static_cast<std::size_t>(at.item)];
        if (at.dim == chosen.position)
          tokens(chosen.item, at.dim) =
              rows_of.draw(at, process_.max_states(), random(purpose::denoise, items_(at.item), state.step, 0, at.dim));
      });
      for (const reveal_at& chosen : reveals_) {
        t(chosen.item) = chosen.time;
        expects<numeric_error>(tokens(chosen.item, chosen.position) >= 0, "first_hitting_sampler::step: item ", chosen.item,
                               " position ", chosen.position, " has no state with a positive probability (non-finite logits?)");
      }
    }
    ++state.step;
    return active;
  }

 private:
  struct reveal_at {
    index_t item, position;
    double time;
  };

  void find_reveals(rng random, index_t step, view<const token, 2> tokens, view<const double, 1> t,
                    view<const std::uint64_t, 1> items) {
    reveals_.clear();
    expects_draws("first_hitting_sampler::step", step, 0, tokens.extent(1));
    const token mask = process_.space().mask();
    std::vector<index_t> masked;
    for (index_t b = 0; b < tokens.extent(0); ++b) {
      masked.clear();
      for (index_t d = 0; d < tokens.extent(1); ++d)
        if (tokens(b, d) == mask) masked.push_back(d);
      if (masked.empty()) continue;
      const double from = expects_time("first_hitting_sampler::step: t", b, t(b)), n = static_cast<double>(masked.size());
      const double u = unit(random(purpose::hitting, items(b), step, 0, 0).first());
      const auto which = static_cast<std::size_t>(unit(random(purpose::order, items(b), step, 0, 0).first()) * n);
      reveals_.push_back(
          {b, masked[which], first_hitting_time(process_.schedule(), from, static_cast<index_t>(masked.size()), u)});
    }
  }

  const Process process_;
  latent_scope scope_;
  denoiser_call<Real, Process, Net, Backend> call_;
  std::vector<reveal_at> reveals_;  // one per item that is not done
  array<token, 2> tokens_;
  array<double, 1> times_;
  array<std::uint64_t, 1> items_;
};

/// A first-hitting sampler's steps until nothing is masked: tokens (B, D) in place, from t = 1.
template <class Real, class Process, class Net, class Backend>
void walk(first_hitting_sampler<Real, Process, Net, Backend>& steps, sampler_state& state, view<token, 2> tokens,
          view<const std::uint64_t, 1> items) {
  array<double, 1> t(tokens.extent(0));  // (B)
  t.fill(1);
  while (steps.step(state, tokens, t, items) > 0) {
  }
}

struct first_hitting_options {
  index_t batch = 1;  // B sequences
  index_t dims = 1;   // D positions each
  std::uint64_t seed = 0;
  std::uint64_t first_item = 0;  // ids first_item, first_item + 1, ...: the same id gives the same sequence
  latent_scope scope = latent_scope::per_path;
  view<const token, 2> evidence = {};  // (B, D)  known tokens, -1 where unknown
  index_t chunk = 512;                 // sequences per network call; does not change the result
};

/// B sequences of D tokens: (B, D). A chunk takes as many network calls as its sequence with most unknown positions has of them.
/// Deterministic in the seed and the ids, for any chunk and number of threads.
template <class Real = float, class Process, class Net, backend Backend = cpu>
array<token, 2> sample_first_hitting(const Process& process, const Net& net, const first_hitting_options& options,
                                     const Backend& run_on = Backend{}) {
  first_hitting_sampler<Real, Process, Net, Backend> steps(process, net, options.scope, run_on);
  return in_chunks("sample_first_hitting", process, options,
                   [&](view<token, 2> tokens, view<const std::uint64_t, 1> items, const auto&) {
                     sampler_state state{options.seed, 0};
                     walk(steps, state, tokens, items);
                   });
}

}  // namespace dimix
