// The factorization gap: what a product loses in one step t -> s, where noise does nothing but hide. The positions A that the step reveals
// are drawn from their own rows, as if they did not know of one another; the gap is how far that is from the joint row that the denoiser
// itself makes of them, one after another:
//   gap(t, s) = E_{x_t} E_A KL( prod_{d in A} p(x_d | x_t, x_{A before d})  ||  prod_{d in A} p(x_d | x_t) )
//             = E sum_{d in A} log p(x_d | x_t, x_{A before d}) - log p(x_d | x_t)
// with A in random order and x drawn along it. For an exact denoiser it is E_A of the total correlation of x_A given x_t, whatever the order,
// and KL(p(x_s | x_t) || prod_d p(x_s^d | x_t)); sums over a path of TV of the same pair bound the TV of the sampler (telescoping;
// Di4C, theorem 1). Zero for a step that reveals one position. A mixture is compared with its own step, E_λ prod_d p(x_d | x_t; λ).
//
//   factorization_gaps(process, net, x_t, times)   all pairs of `times` from one walk: gap(i, j) is that of the step times[i] -> times[j]
//   factorization_gap(process, net, x_t, t, s)     one step
//
// x_t is revealed position by position at exact random times, as by first_hitting_sampler; the sequence where it passes a time t_i is x_{t_i}, and
// one call there judges all steps from it. So K + 1 times cost K calls and one a reveal. A position is asked for at the time of its reveal.
// Laws (tests/laws/diagnostics.cpp): the exact total correlation within its interval; zero for independent positions and single reveals.
#pragma once

#include <dimix/diagnostics/measured.hpp>
#include <dimix/diagnostics/question.hpp>
#include <dimix/sampler/time_grid.hpp>

namespace dimix {

/// One step by two measures.
struct step_gap {
  measured divergence;  // KL, in nats
  measured variation;   // TV of the same two laws, in [0, 1]: E max(0, 1 - e^(-log ratio))
};

struct gap_options : diagnostic_options {
  /// Steps reveal a number instead of a chance: round(n (1 - alpha_s) / (1 - alpha_t)) of n stay, as by_schedule.
  bool by_count = false;
};

/// Walks one chunk; see factorization_gaps.
template <class Real, class Process, class Net>
class gap_walk {
 public:
  gap_walk(const Process& process, const Net& net, const time_grid& times, const gap_options& options, const cpu& run_on)
      : schedule_(process.schedule()),
        mask_(process.space().mask()),
        times_(times),
        options_(options),
        question_("factorization_gaps", process, net, options, run_on) {
    for (double t : times) hits_.push_back(hit_share(schedule_, t));
  }

  /// x (n, D) at times.front(), made data of or x_{times.back()}; items (n). add(i, j, KL, log ratio) for every item and pair.
  template <class Add>
  void operator()(view<token, 2> x, view<const std::uint64_t, 1> items, const Add& add) {
    const index_t n = x.extent(0), D = x.extent(1), steps = static_cast<index_t>(times_.size()) - 1;
    levels_.resize(n, D);                     // (n, D)
    chain_.resize(n, D, question_.states());  // (n, D, S)
    array<token, 3> passed(steps, n, D);      // (K, n, D)  x_{t_i}
    order_reveals(x, items);
    for (index_t i = 0; i < steps; ++i) {
      std::copy(x.begin(), x.end(), passed.whole()[i].begin());
      while (reveal_next(x, items, hits_[static_cast<std::size_t>(i + 1)])) {
      }
    }
    array<double, 1> t(n);  // (n)
    for (index_t i = 0; i < steps; ++i) {
      const view<const token, 2> x_t = passed.whole()[i];  // (n, D)
      t.fill(times_[static_cast<std::size_t>(i)]);
      question_.ask(x_t, t, items);
      if constexpr (question<Real, Process, Net>::mixes)
        compare_with_mixture(x_t, x, i, add);
      else
        compare_with_rows(x_t, x, i, add);
    }
  }

 private:
  /// The level 1 - alpha at which each masked position is revealed, in (0, 1 - alpha_{t_0}); -1 for one that shows.
  void order_reveals(view<const token, 2> x, view<const std::uint64_t, 1> items) {
    const rng random{options_.seed};
    const index_t D = x.extent(1);
    pending_.assign(static_cast<std::size_t>(x.extent(0)), {});
    for (index_t b = 0; b < x.extent(0); ++b) {
      auto& pending = pending_[static_cast<std::size_t>(b)];
      for (index_t d = 0; d < D; ++d) {
        levels_(b, d) = x(b, d) == mask_ ? hits_.front() * unit(random(purpose::hitting, items(b), 0, 0, d).first()) : -1;
        if (x(b, d) == mask_) pending.push_back(d);
      }
      // the next one last
      std::sort(pending.begin(), pending.end(), [&](index_t a, index_t c) { return levels_(b, a) < levels_(b, c); });
      const double count = static_cast<double>(pending.size());
      for (std::size_t rank = 0; options_.by_count && rank < pending.size(); ++rank)
        levels_(b, pending[rank]) = hits_.front() * (static_cast<double>(rank) + 0.5) / count;
    }
  }

  /// One position of every item that has one above `until`: its row is kept and its token drawn. False where there is none.
  bool reveal_next(view<token, 2> x, view<const std::uint64_t, 1> items, double until) {
    std::vector<index_t> active;
    for (index_t b = 0; b < x.extent(0); ++b) {
      const auto& pending = pending_[static_cast<std::size_t>(b)];
      if (!pending.empty() && levels_(b, pending.back()) > until) active.push_back(b);
    }
    if (active.empty()) return false;
    const index_t n = static_cast<index_t>(active.size()), D = x.extent(1), S = question_.states();
    array<token, 2> asked(n, D);     // (n, D)
    array<double, 1> t(n);           // (n)
    array<std::uint64_t, 1> ids(n);  // (n)
    for (index_t i = 0; i < n; ++i) {
      const index_t b = active[static_cast<std::size_t>(i)];
      std::copy(x.row(b).begin(), x.row(b).end(), asked.whole().row(i).begin());
      t(i) = clamp(inverse_alpha(schedule_, 1 - levels_(b, pending_[static_cast<std::size_t>(b)].back())), 0.0, times_.front());
      ids(i) = items(b);
    }
    question_.ask(asked, t, ids);
    const array<Real, 3> rows = question_.rows(asked);  // (n, D, S)
    for (index_t i = 0; i < n; ++i) {
      const index_t b = active[static_cast<std::size_t>(i)], d = pending_[static_cast<std::size_t>(b)].back();
      pending_[static_cast<std::size_t>(b)].pop_back();
      const auto row = rows.whole().row(i, d);
      std::copy(row.begin(), row.end(), chain_.whole().row(b, d).begin());
      x(b, d) = draw_categorical(
          S, [&](index_t s) { return std::log(static_cast<double>(row[s])); },
          rng{options_.seed}(purpose::denoise, items(b), 0, 0, d));
    }
    return true;
  }

  /// The interval of times in which a position is revealed: j with times[j] > its time >= times[j + 1]; K where never.
  index_t revealed_in(index_t b, index_t d) const {
    index_t j = 0;
    while (j + 1 < static_cast<index_t>(hits_.size()) && levels_(b, d) <= hits_[static_cast<std::size_t>(j + 1)]) ++j;
    return j;
  }

  template <class Add>
  void compare_with_rows(view<const token, 2> x_t, view<const token, 2> x, index_t i, const Add& add) const {
    const index_t D = x.extent(1), steps = static_cast<index_t>(times_.size()) - 1;
    const array<Real, 3> rows = question_.rows(x_t);  // (n, D, S)
    std::vector<double> divergence, ratio;            // (K)  of positions revealed in each interval
    for (index_t b = 0; b < x.extent(0); ++b) {
      divergence.assign(static_cast<std::size_t>(steps), 0.0);
      ratio.assign(static_cast<std::size_t>(steps), 0.0);
      for (index_t d = 0; d < D; ++d) {
        const index_t j = revealed_in(b, d);
        if (x_t(b, d) != mask_ || j >= steps) continue;
        const auto log_ratio = [&](index_t s) {
          return std::log(static_cast<double>(chain_(b, d, s))) - std::log(static_cast<double>(rows(b, d, s)));
        };
        for (index_t s = 0; s < rows.extent(2); ++s)
          if (chain_(b, d, s) > Real(0))
            divergence[static_cast<std::size_t>(j)] += static_cast<double>(chain_(b, d, s)) * log_ratio(s);
        ratio[static_cast<std::size_t>(j)] += log_ratio(x(b, d));
      }
      double kl = 0, r = 0;
      for (index_t j = i; j < steps; ++j) {
        kl += divergence[static_cast<std::size_t>(j)], r += ratio[static_cast<std::size_t>(j)];
        add(i, j + 1, larger(kl, 0.0), r);
      }
    }
  }

  template <class Add>
  void compare_with_mixture(view<const token, 2> x_t, view<const token, 2> x, index_t i, const Add& add) const {
    const index_t n = x.extent(0), D = x.extent(1), steps = static_cast<index_t>(times_.size()) - 1;
    array<token, 3> targets(n, steps - i, D);  // (n, J, D)  what the step to times[i + 1 + j] reveals
    array<double, 2> chain(n, steps - i);      // (n, J)
    for (index_t b = 0; b < n; ++b)
      for (index_t d = 0; d < D; ++d) {
        const index_t revealed = revealed_in(b, d);
        for (index_t j = 0; j < steps - i; ++j) {
          const bool within = x_t(b, d) == mask_ && revealed <= i + j;
          targets(b, j, d) = within ? x(b, d) : -1;
          if (within) chain(b, j) += std::log(static_cast<double>(chain_(b, d, x(b, d))));
        }
      }
    const array<Real, 2> at_once = question_.likelihood(x_t, targets);  // (n, J)
    for (index_t b = 0; b < n; ++b)
      for (index_t j = 0; j < steps - i; ++j) {
        const double r = chain(b, j) - static_cast<double>(at_once(b, j));
        add(i, i + 1 + j, r, r);
      }
  }

  typename Process::schedule_type schedule_;
  token mask_;
  time_grid times_;
  gap_options options_;
  question<Real, Process, Net> question_;
  std::vector<double> hits_;                   // (K + 1)  1 - alpha at times
  std::vector<std::vector<index_t>> pending_;  // (n)  positions still masked, the next one last
  array<double, 2> levels_;
  array<Real, 3> chain_;
};

/// The gaps of all steps between K + 1 falling times: (K + 1, K + 1), of which those with i < j are filled. x_t (B, D) at times.front(), every
/// position masked or not: noised data, or a prior draw where times.front() = 1. Deterministic in the seed and the ids, for any chunk.
/// By the denoiser's rows the divergence is summed over states; of a mixture it is the log ratio of what was drawn, with M drawn λ biased up by
/// O(1/M). Intervals are those of B independent sequences. Throws where noise does not only hide: there nested_gap is the proxy.
template <class Real = float, class Process, class Net>
array<step_gap, 2> factorization_gaps(const Process& process, const Net& net, view<const token, 2> x_t, const time_grid& times,
                                      const gap_options& options = {}, const cpu& run_on = cpu{}) {
  static_assert(
      revealing_space<typename Process::space_type>,
      "factorization_gaps: the chain rule needs a space whose noise does nothing but hide, as absorbing; elsewhere see "
      "dimix/diagnostics/nested_gap.hpp");
  expects(times.size() >= 2, "factorization_gaps: ", times.size(), " times make no step");
  for (std::size_t i = 0; i < times.size(); ++i)
    expects(times[i] >= 0 && times[i] <= 1 && (i == 0 || times[i] < times[i - 1]), "factorization_gaps: times[", i,
            "] = ", times[i], "; times must fall within [0, 1]");
  expects_tokens("factorization_gaps: x_t", x_t, process.space());
  const index_t count = static_cast<index_t>(times.size());
  array<running_mean, 2> divergence(count, count), variation(count, count);  // (K + 1, K + 1)
  each_chunk("factorization_gaps", x_t.extent(0), options, [&](index_t first, index_t n, view<const std::uint64_t, 1> items) {
    array<token, 2> x(n, x_t.extent(1));  // (n, D)
    std::copy_n(x_t.row(first).data(), x.size(), x.data());
    gap_walk<Real, Process, Net> walk(process, net, times, options, run_on);
    walk(x, items, [&](index_t i, index_t j, double kl, double log_ratio) {
      divergence(i, j).add(kl);
      variation(i, j).add(larger(0.0, -std::expm1(-log_ratio)));
    });
  });
  array<step_gap, 2> gaps(count, count);  // (K + 1, K + 1)
  for (index_t i = 0; i < count; ++i)
    for (index_t j = i + 1; j < count; ++j) gaps(i, j) = {divergence(i, j).result(), variation(i, j).result()};
  return gaps;
}

/// The gap of one step t -> s.
template <class Real = float, class Process, class Net>
step_gap factorization_gap(const Process& process, const Net& net, view<const token, 2> x_t, double t, double s,
                           const gap_options& options = {}, const cpu& run_on = cpu{}) {
  return factorization_gaps<Real>(process, net, x_t, {t, s}, options, run_on)(0, 1);
}

}  // namespace dimix
