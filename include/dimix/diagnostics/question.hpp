// What diagnostics share: options, the batch in chunks, and one question to the denoiser with all the λ that its answer is averaged over.
#pragma once

#include <dimix/backend/cpu.hpp>
#include <dimix/core/array.hpp>
#include <dimix/forward_process.hpp>
#include <dimix/marginal.hpp>
#include <dimix/sampler/candidates.hpp>
#include <dimix/sampler/denoiser_call.hpp>

#include <algorithm>
#include <vector>

namespace dimix {

struct diagnostic_options {
  std::uint64_t seed = 0;
  std::uint64_t first_item = 0;  // ids first_item, first_item + 1, ...: what is drawn for a sequence depends on its id alone
  index_t components = 64;       // M λ that a mixture is averaged over; of a finite law always all, with their weights
  index_t chunk = 64;            // sequences per network call; does not change the result
};

/// 1 - alpha_t, the share that noise has hit; t = 0 is the data itself.
template <class Schedule>
double hit_share(const Schedule& schedule, double t) {
  return t == 0 ? 0.0 : move_chance(schedule, t);
}

/// f(first, count, items) for every chunk of B sequences; items (count) are their ids.
template <class F>
void each_chunk(const char* name, index_t B, const diagnostic_options& options, const F& f) {
  expects(B >= 1, name, ": there is no sequence");
  expects(options.chunk >= 1, name, ": chunk = ", options.chunk, " must be at least 1");
  expects(options.components >= 1, name, ": components = ", options.components, "; at least one is needed");
  for (index_t first = 0; first < B; first += options.chunk) {
    const index_t count = std::min(options.chunk, B - first);
    array<std::uint64_t, 1> items(count);  // (count)
    for (index_t i = 0; i < count; ++i) items(i) = options.first_item + static_cast<std::uint64_t>(first + i);
    f(first, count, view<const std::uint64_t, 1>(items));
  }
}

/// Questions to one denoiser. An answer is a mixture of M products, M = 1 for a factorized denoiser.
template <class Real, class Process, class Net>
class question {
 public:
  static constexpr bool mixes = mixture_denoiser<Net, Real>;

  question(const char* name, const Process& process, const Net& net, const diagnostic_options& options, const cpu& run_on)
      : name_(name), process_(process), net_(net), options_(options), run_on_(run_on), call_(process, net, run_on) {}

  /// The answer at x_t (B, D) and t (B) for items (B) in raw(). λ of an item are the same whenever it is asked for, so that differences between
  /// answers do not come from them; of a finite law all are taken.
  void ask(view<const token, 2> x_t, view<const double, 1> t, view<const std::uint64_t, 1> items) {
    if constexpr (mixes) {
      candidates<Real> among(net_.latent(), options_.components, true, rng{options_.seed}, items, 0);
      latents_ = std::move(among.latents);
      log_weights_ = std::move(among.log_weights);
    } else {
      latents_.resize(x_t.extent(0), 1, 0);  // (B, 1, 0)
    }
    call_.ask(name_, 0, x_t, t, items, latents_);
  }

  view<const Real, 4> raw() const { return call_.raw(); }           // (B, M, D, outputs)
  view<const Real, 2> log_weights() const { return log_weights_; }  // (B, M)  or empty
  auto head() const { return head_of(net_, process_.space()); }
  index_t states() const { return process_.max_states(); }

  /// P_d(s) = E_λ p_d(s | x_t; λ): (B, D, S).
  array<Real, 3> rows(view<const token, 2> x_t) const {
    return marginals<Real>(head(), x_t, raw(), states(), run_on_, log_weights());
  }

  /// log p(x_k | x_t) of targets (B, K, D), -1 where left open: (B, K).
  array<Real, 2> likelihood(view<const token, 2> x_t, view<const token, 3> targets) const {
    return log_likelihood<Real>(head(), x_t, raw(), targets, states(), run_on_, log_weights());
  }

  /// log p_m(x) of components under a head for targets (B, D), into out (B, M), and the log-weights of the components, which sum to one.
  template <class Head>
  void component_likelihood(const Head& head, view<const token, 2> x_t, view<const token, 2> target, view<double, 2> out,
                            view<double, 2> log_weights) const {
    const index_t B = x_t.extent(0), M = raw().extent(1);
    marginalisation<Real, Head> over(head, x_t, M, states(),
                                     {.targets = view<const token, 3>(target.data(), B, 1, x_t.extent(1)),
                                      .log_weights = this->log_weights(),
                                      .marginals = false});
    over.observe(raw(), 0, run_on_);
    for (index_t b = 0; b < B; ++b)
      for (index_t m = 0; m < M; ++m) {
        out(b, m) = over.component_log_likelihood()(b, m, 0);
        log_weights(b, m) = static_cast<double>(over.log_weights()(b, m));
      }
  }

 private:
  const char* name_;
  const Process process_;
  const Net& net_;
  diagnostic_options options_;
  cpu run_on_;
  denoiser_call<Real, Process, Net, cpu> call_;
  array<Real, 3> latents_;
  array<Real, 2> log_weights_;
};

/// log 1/M (M).
inline std::vector<double> even_weights(index_t M) {
  return std::vector<double>(static_cast<std::size_t>(M), -std::log(static_cast<double>(M)));
}

/// The λ that p = E_λ p( . ; λ) is averaged over: all of a finite law with their weights, or M draws of another; one for a factorized denoiser.
struct averaging {
  index_t count = 1;                     // M
  latent_draws how = latent_draws::iid;  // enumerated where the law is finite
  std::vector<double> log_weight = {0};  // (M)  log π_m, which sum to one

  template <class Real, class Net>
  static averaging over(const Net& net, index_t draws) {
    averaging result;
    if constexpr (mixture_denoiser<Net, Real>) {
      result.count = draws;
      if constexpr (requires { net.latent().components(); })
        result.count = net.latent().components(), result.how = latent_draws::enumerated;
      result.log_weight = even_weights(result.count);
      if constexpr (weighted_law<std::decay_t<decltype(net.latent())>>) {
        exp_sum<double> total;
        for (index_t m = 0; m < result.count; ++m) total = merge(total, exp_sum<double>::of(net.latent().log_weight(m)));
        for (index_t m = 0; m < result.count; ++m)
          result.log_weight[static_cast<std::size_t>(m)] = net.latent().log_weight(m) - total.log();
      }
    }
    return result;
  }
  double operator()(index_t m) const { return log_weight[static_cast<std::size_t>(m)]; }
};

/// log sum_m π_m exp(l_m).
template <class LogWeight, class LogLikelihood>
double log_mixture(index_t M, const LogWeight& log_weight, const LogLikelihood& l) {
  exp_sum<double> total;
  for (index_t m = 0; m < M; ++m) total = merge(total, exp_sum<double>::of(log_weight(m) + l(m)));
  return total.log();
}

}  // namespace dimix
