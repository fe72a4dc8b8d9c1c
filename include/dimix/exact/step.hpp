// The law of one step, by enumeration of x_s and λ, through the calls that draw it: rows() of a product sampler (a reveal sampler: reveal.hpp).
//
//   spread(steps, states, x_t, at, λ, f)   f(b, x_s, p(x_s | x_t[b]; λ)) for every x_s that is possible
//   push(steps, law, at, λ)                the law of x_s from that of x_t, with one λ for every x_t
//   transition(steps, x_t, at)             the law of x_s from one x_t, over λ
//   transition_matrix(steps, D, at)        the same from every x_t: (n, n)
// Cost of a push: a network call for every possible x_t, and one product for every possible pair (x_t, x_s): where noise only hides
// (2 V + 1)^D of them for V values, elsewhere S^(2 D). Probabilities below 1e-300 are none: that is what tables of logits write for 0.
#pragma once

#include <dimix/exact/latent_points.hpp>
#include <dimix/exact/law.hpp>
#include <dimix/sampler.hpp>

#include <algorithm>

namespace dimix::exact {

/// A step of a path: from t to s, 0 <= s <= t <= 1, with the call of this number. scheduled: of a reveal sampler, the positions that its
/// schedule hides at alpha = 0 (reveal_state).
struct step_at {
  double s, t;
  index_t step = 0;
  double scheduled = 0;
};

inline constexpr double least_probability = 1e-300;

/// Rows (D, S) as lists of the states that are possible, and the walk over all their products.
class possible_products {
 public:
  explicit possible_products(const joint_states& states) : states_(states), lists_(static_cast<std::size_t>(states.dims())) {}

  template <class Real>
  void read(view<const Real, 2> rows) {
    for (index_t d = 0; d < states_.dims(); ++d) {
      auto& list = lists_[static_cast<std::size_t>(d)];
      list.clear();
      for (index_t a = 0; a < states_.states(d); ++a)
        if (const auto p = static_cast<double>(rows(d, a)); p >= least_probability) list.push_back({a * states_.stride(d), p});
    }
  }
  /// f(index of x, weight prod_d row_d(x_d))
  template <class F>
  void each(double weight, const F& f) const {
    walk(0, 0, weight, f);
  }

 private:
  struct entry {
    index_t offset;
    double p;
  };

  template <class F>
  void walk(std::size_t d, index_t index, double weight, const F& f) const {
    if (d + 1 == lists_.size()) {
      for (const entry& each : lists_[d]) f(index + each.offset, weight * each.p);
      return;
    }
    for (const entry& each : lists_[d]) walk(d + 1, index + each.offset, weight * each.p, f);
  }

  const joint_states& states_;
  std::vector<std::vector<entry>> lists_;  // (D)
};

/// The same λ (L) for B items: (B, 1, L).
template <class Real>
array<Real, 3> repeated(view<const double, 1> latent, index_t B) {
  array<Real, 3> result(B, 1, latent.extent(0));  // (B, 1, L)
  for (index_t i = 0; i < result.size(); ++i) result.data()[i] = static_cast<Real>(latent[i % latent.extent(0)]);
  return result;
}
inline array<double, 1> repeated(double t, index_t B) {
  array<double, 1> result(B);  // (B)
  result.fill(t);
  return result;
}

/// Of a product sampler. x_t (B, D). Steps to s = 0 of the most probable states are point masses (argmax_tail).
template <class Real, class Process, class Net, class Method, backend Backend, class F>
void spread(sampler<Real, Process, Net, Method, Backend>& steps, const joint_states& states, view<const token, 2> x_t,
            const step_at& at, view<const double, 1> latent, const F& f) {
  expects(steps.options().last_candidates <= 1,
          "exact: the law of the best of last_candidates = ", steps.options().last_candidates, " has no rows; take at most 1");
  const index_t B = x_t.extent(0);
  array<Real, 3> rows = steps.rows(x_t, repeated(at.s, B), repeated(at.t, B), repeated<Real>(latent, B), at.step);  // (B, D, S)
  if (at.s == 0 && (steps.options().argmax_tail || steps.options().last_candidates == 1))
    for (index_t b = 0; b < B; ++b)
      for (index_t d = 0; d < states.dims(); ++d) {
        const auto row = rows.whole().row(b, d);
        const index_t best = std::max_element(row.begin(), row.end()) - row.begin();
        for (index_t a = 0; a < row.extent(0); ++a) row[a] = static_cast<Real>(a == best);
      }
  possible_products products(states);
  for (index_t b = 0; b < B; ++b) {
    products.read(view<const Real, 3>(rows)[b]);
    products.each(1, [&](index_t x_s, double p) { f(b, x_s, p); });
  }
}

/// What a reveal sampler counts at the start of a path (reveal.hpp); nothing here.
template <class Real, class Process, class Net, class Method, backend Backend>
double scheduled_from(const sampler<Real, Process, Net, Method, Backend>&, const joint_law&, double) {
  return 0;
}

/// λ (L).
template <class Sampler>
joint_law push(Sampler& steps, const joint_law& law, const step_at& at, view<const double, 1> latent) {
  constexpr index_t together = 256;
  std::vector<index_t> possible;
  for (index_t i = 0; i < law.size(); ++i)
    if (law[i] >= least_probability) possible.push_back(i);
  joint_law result(law.states);
  for (std::size_t first = 0; first < possible.size(); first += together) {
    const std::vector<index_t> part(
        possible.begin() + static_cast<index_t>(first),
        possible.begin() + std::min(static_cast<index_t>(first) + together, static_cast<index_t>(possible.size())));
    const array<token, 2> x_t = law.states.tokens(part);  // (B, D)
    spread(steps, law.states, x_t, at, latent,
           [&](index_t b, index_t x_s, double p) { result[x_s] += law[part[static_cast<std::size_t>(b)]] * p; });
  }
  return result;
}

/// The same over λ: sum_m w_m push(λ_m), λ drawn anew for every x_t.
template <class Sampler>
joint_law push(Sampler& steps, const joint_law& law, const step_at& at, const latent_points& over) {
  joint_law result(law.states);
  for (index_t m = 0; m < over.count(); ++m) result.add(over.weight(m), push(steps, law, at, over.point(m)));
  return result;
}

/// λ of a sampler's denoiser, as points.
template <class Sampler>
latent_points latents_of(const Sampler& steps, index_t per_axis = 32) {
  return latent_points_of<double>(steps.net(), per_axis);
}

/// p(x_s | x_t) = E_λ p(x_s | x_t; λ): the law of x_s. x_t (D).
template <class Sampler>
joint_law transition(Sampler& steps, view<const token, 1> x_t, const step_at& at, index_t points_per_axis = 32) {
  joint_law from(joint_states::of(steps.process().space(), x_t.extent(0)));
  from[from.states.index(x_t)] = 1;
  return push(steps, from, at, latents_of(steps, points_per_axis));
}

/// p(x_s | x_t) of all sequences of D tokens: (n, n), row x_t, column x_s. At most 4096 sequences.
template <class Sampler>
array<double, 2> transition_matrix(Sampler& steps, index_t D, const step_at& at, index_t points_per_axis = 32) {
  const joint_states states = joint_states::of(steps.process().space(), D);
  const index_t n = states.size();
  expects(n <= 4096, "exact::transition_matrix: ", n, " sequences make a matrix of ", n, " x ", n, "; at most 4096 do");
  array<double, 2> result(n, n);  // (n, n)
  std::vector<index_t> all(static_cast<std::size_t>(n));
  for (index_t i = 0; i < n; ++i) all[static_cast<std::size_t>(i)] = i;
  const array<token, 2> x_t = states.tokens(all);  // (n, D)
  const latent_points over = latents_of(steps, points_per_axis);
  for (index_t m = 0; m < over.count(); ++m)
    spread(steps, states, x_t, at, over.point(m),
           [&](index_t b, index_t x_s, double p) { result(b, x_s) += over.weight(m) * p; });
  return result;
}

}  // namespace dimix::exact
