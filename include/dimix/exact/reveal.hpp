// The law of one step of a reveal sampler: which masked positions are revealed, and what they show. From its rows p(x_0 | x_t; λ), order,
// allocation and proposal:
//   an order that looks at rows alone and a number that does not depend on the proposals (random, margin, entropy; by_schedule,
//   by_count): the sets of r of k masked positions with their probabilities, and in each a product of rows
//   another (confidence; by_threshold): every proposal of the masked positions, and for each its sets; for D <= 6
// The sets: with Gumbel noise of temperature τ that of the best r follows Plackett-Luce, weights w_d = e^(score_d / τ):
//   P(A) = sum_{a in A} P(A \ a) w_a / (W - W(A \ a)),   P({}) = 1,   W(A) = sum_{d in A} w_d
// by subsets, 2^k of them. Random order: all equally likely. Without noise the best r for certain, the first of equals.
// An order of the user's is asked for its score without random bits; scores that differ by rounding alone may be ordered differently.
// Laws (tests/exact/reveal.cpp): chi-square of samples for every order; one position a step with a random order is the data's law.
#pragma once

#include <dimix/exact/step.hpp>
#include <dimix/sampler/reveal.hpp>

#include <bit>

namespace dimix::exact {

/// Whether an order's score looks at the proposed token. True where nothing else is said.
template <class Ordering>
inline constexpr bool scores_proposals = true;
template <>
inline constexpr bool scores_proposals<random_order> = false;
template <>
inline constexpr bool scores_proposals<margin_order> = false;
template <>
inline constexpr bool scores_proposals<entropy_order> = false;
template <class Ordering, class Temperature>
inline constexpr bool scores_proposals<noisy_order<Ordering, Temperature>> = scores_proposals<Ordering>;

/// Whether an allocation's number depends on the proposals' probabilities.
template <class Allocation>
inline constexpr bool counts_proposals = true;
template <>
inline constexpr bool counts_proposals<by_schedule> = false;
template <>
inline constexpr bool counts_proposals<by_count> = false;

/// Most positions of an enumeration of proposals, and of sets by Plackett-Luce.
inline constexpr index_t most_proposed = 6, most_weighed = 20;

/// A set of positions as bits.
using position_set = std::uint32_t;

/// f(set, 1 / C(k, r)) for every set of r of the positions 0, ..., k - 1.
template <class F>
void each_equal_set(index_t k, index_t r, const F& f) {
  double chance = 1;
  for (index_t i = 0; i < r; ++i) chance *= static_cast<double>(i + 1) / static_cast<double>(k - i);
  if (r == 0) return f(position_set{0}, 1.0);
  for (position_set set = (position_set{1} << r) - 1; set < (position_set{1} << k);) {
    f(set, chance);
    const position_set low = set & (~set + 1), moved = set + low;  // Gosper: the next larger number with as many bits
    set = ((set ^ moved) / low >> 2) | moved;
  }
}

/// f(set, P(set)) for the sets of r that Plackett-Luce makes with weights e^log_weight (k).
template <class F>
void each_weighed_set(const std::vector<double>& log_weight, index_t r, const F& f) {
  const auto k = static_cast<index_t>(log_weight.size());
  expects(k <= most_weighed, "exact: an order of ", k, " positions by weight; at most ", most_weighed, " are enumerated");
  const double top = *std::max_element(log_weight.begin(), log_weight.end());
  const position_set all = (position_set{1} << k) - 1;
  std::vector<double> chance(std::size_t{all} + 1), weight(chance.size());  // of every set
  for (position_set set = 0; set <= all; ++set)
    for (index_t i = 0; i < k; ++i)
      if (set >> i & 1) weight[set] += std::exp(log_weight[static_cast<std::size_t>(i)] - top);
  chance[0] = 1;
  for (position_set set = 0; set <= all; ++set) {
    if (chance[set] == 0) continue;
    if (std::popcount(set) == r) {
      f(set, chance[set]);
      continue;
    }
    for (index_t i = 0; i < k; ++i) {
      const position_set one = position_set{1} << i;
      // the weight that is left is that of the rest, summed by itself: nothing cancels
      if (!(set & one)) chance[set | one] += chance[set] * weight[one] / weight[all & ~set];
    }
  }
}

/// A row of probabilities as what orders read.
struct row_of_probabilities {
  view<const double, 1> p;
  double log_prob(index_t a) const { return std::log(p[a]); }
};

/// f(set, probability) for the sets of the best r by score. scored(order) -> the scores (k) of an order for its rows and proposals.
template <class Ordering, class Scored, class F>
void each_best_set(const Ordering& order, double progress, index_t r, const Scored& scored, const F& f) {
  const auto for_certain = [&](const std::vector<double>& scores) {
    position_set set = 0;
    for (index_t i : selection(view<const double, 1>(scores.data(), static_cast<index_t>(scores.size())), r))
      set |= position_set{1} << i;
    f(set, 1.0);
  };
  if constexpr (std::is_same_v<Ordering, random_order>) {
    each_equal_set(static_cast<index_t>(scored(order).size()), r, f);
  } else if constexpr (requires { order.temperature(progress); }) {
    std::vector<double> scores = scored(order.order);
    const double temperature = order.temperature(progress);
    if (temperature == 0) return for_certain(scores);
    for (double& score : scores) score /= temperature;
    each_weighed_set(scores, r, f);
  } else {
    for_certain(scored(order));
  }
}

/// Of a reveal sampler. x_t (B, D).
template <class Real, class Process, class Net, class Ordering, class Allocation, class Proposal, backend Backend, class F>
void spread(reveal_sampler<Real, Process, Net, Ordering, Allocation, Proposal, Backend>& steps, const joint_states& states,
            view<const token, 2> x_t, const step_at& at, view<const double, 1> latent, const F& f) {
  static_assert(std::is_same_v<Proposal, drawn> || std::is_same_v<Proposal, most_probable>,
                "exact: the law of a proposal other than drawn and most_probable is not known here");
  if constexpr (requires { steps.order().temperature(0.5); })
    static_assert(!std::is_same_v<decltype(steps.order().order), random_order>,
                  "exact: noise upon a random order is a random order; take random_order");
  expects(!steps.options().reconsider,
          "exact: a reveal sampler that reconsiders remembers what showed at the start, which a law of tokens does not");
  const index_t B = x_t.extent(0), D = x_t.extent(1), S = steps.process().max_states();
  const token mask = steps.process().space().mask();
  const auto made = steps.rows(x_t, repeated(at.t, B), repeated<Real>(latent, B), at.step);  // (B, D, S)
  array<double, 2> rows(D, S), proposes(D, S), shown(D, S);                                  // (D, S)
  std::vector<index_t> hidden;                                                               // masked positions
  possible_products products(states), proposals(states);
  for (index_t b = 0; b < B; ++b) {
    std::transform(made.whole()[b].begin(), made.whole()[b].end(), rows.begin(), [](Real p) { return static_cast<double>(p); });
    hidden.clear();
    for (index_t d = 0; d < D; ++d)
      if (x_t(b, d) == mask) hidden.push_back(d);
    if (hidden.empty()) {
      f(b, states.index(x_t.row(b)), 1.0);
      continue;
    }
    proposes = rows;
    if constexpr (std::is_same_v<Proposal, most_probable>)
      for (index_t d : hidden) {
        const auto row = proposes.whole().row(d);
        const index_t best = std::max_element(row.begin(), row.end()) - row.begin();
        for (index_t a = 0; a < S; ++a) row[a] = static_cast<double>(a == best);
      }
    const auto scores_for = [&](const auto& order, const auto& proposed) {
      std::vector<double> scores;
      for (index_t d : hidden)
        scores.push_back(order.score(row_of_probabilities{rows.whole().row(d)}, S, proposed(d), random_block{}, 1 - at.s));
      return scores;
    };
    const auto revealed_in = [&](const array<double, 2>& from, position_set set) {
      shown = from;
      for (std::size_t i = 0; i < hidden.size(); ++i)
        if (!(set >> i & 1)) {
          const auto row = shown.whole().row(hidden[i]);
          std::fill(row.begin(), row.end(), 0.0);
          row[mask] = 1;
        }
      products.read(view<const double, 2>(shown));
    };
    const auto masked = static_cast<index_t>(hidden.size());
    if constexpr (!scores_proposals<Ordering> && !counts_proposals<Allocation>) {
      const index_t r = masked - steps.hidden_after(masked, at.scheduled, at.s, {});
      each_best_set(
          steps.order(), 1 - at.s, r, [&](const auto& order) { return scores_for(order, [](index_t) { return token{0}; }); },
          [&](position_set set, double chance) {
            revealed_in(proposes, set);
            products.each(chance, [&](index_t x_s, double p) { f(b, x_s, p); });
          });
    } else {
      expects(D <= most_proposed, "exact: proposals of D = ", D,
              " positions for an order by confidence or a threshold; at most ", most_proposed, " are enumerated");
      proposals.read(view<const double, 2>(proposes));
      proposals.each(1, [&](index_t x, double p_x) {
        std::vector<double> log_p(static_cast<std::size_t>(D), -infinity<double>());  // (D)
        for (index_t d : hidden) log_p[static_cast<std::size_t>(d)] = std::log(rows(d, states.at(x, d)));
        const index_t r = masked - steps.hidden_after(masked, at.scheduled, at.s, {log_p.data(), D});
        each_best_set(
            steps.order(), 1 - at.s, r,
            [&](const auto& order) { return scores_for(order, [&](index_t d) { return states.at(x, d); }); },
            [&](position_set set, double chance) {
              index_t x_s = x;
              for (std::size_t i = 0; i < hidden.size(); ++i)
                if (!(set >> i & 1)) x_s += (mask - states.at(x, hidden[i])) * states.stride(hidden[i]);
              f(b, x_s, chance * p_x);
            });
      });
    }
  }
}

/// The positions that the schedule hides at alpha = 0, the same for all sequences of the start.
template <class Real, class Process, class Net, class Ordering, class Allocation, class Proposal, backend Backend>
double scheduled_from(const reveal_sampler<Real, Process, Net, Ordering, Allocation, Proposal, Backend>& steps,
                      const joint_law& start, double t) {
  const token mask = steps.process().space().mask();
  index_t masked = -1;
  for (index_t i = 0; i < start.size(); ++i) {
    if (start[i] < least_probability) continue;
    index_t here = 0;
    for (index_t d = 0; d < start.states.dims(); ++d) here += start.states.at(i, d) == mask;
    expects(masked < 0 || here == masked, "exact: a path of a reveal sampler starts from sequences with ", masked, " and with ",
            here, " masks; their schedules differ, start it from each");
    masked = here;
  }
  return steps.scheduled_of(larger(masked, index_t{0}), t);
}

}  // namespace dimix::exact
