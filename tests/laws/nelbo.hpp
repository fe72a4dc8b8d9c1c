// The laws of objective/nelbo.hpp, for any process:  laws::check_nelbo(my_process{}, head);
#pragma once

#include <dimix/objective/nelbo.hpp>

#include "laws/backends.hpp"
#include "laws/support.hpp"

namespace laws {

/// One call of nelbo for a batch, with its gradient scaled back from the mean to the sum over items.
template <class Process, class Head>
struct nelbo_result {
  array<double, 1> value;     // (B)
  array<double, 4> gradient;  // (B, 1, D, S)
  nelbo_result(const Process& process, const Head& head, const array<token, 2>& x_0, const array<token, 2>& x_t,
               const array<double, 1>& t, const array<double, 4>& raw)
      : gradient(raw.extent(0), 1, raw.extent(2), raw.extent(3)) {
    value = dimix::nelbo<double>(process, head, x_0, x_t, t, raw, on(1), gradient.whole());
    for (double& g : gradient) g *= static_cast<double>(raw.extent(0));
  }
};

/// Every pair (x_0, x_t) that has a positive probability at D = 1, one item each.
struct pairs {
  array<token, 2> x_0, x_t;  // (B, 1)
  array<double, 1> t;        // (B)
  std::vector<double> q;     // (B)  q(x_t | x_0)

  template <class Process>
  pairs(const Process& process, double time) {
    const auto S = static_cast<token>(process.space().states(0));
    const auto kernel = process.between(0, time);
    std::vector<std::pair<token, token>> found;
    for (token clean = 0; clean < S; ++clean) {
      if (dimix::is_mask(process.space(), 0, clean)) continue;
      for (token noisy = 0; noisy < S; ++noisy)
        if (kernel.marginal_t(0, clean, noisy) > 0) {
          found.emplace_back(clean, noisy);
          q.push_back(kernel.marginal_t(0, clean, noisy));
        }
    }
    const auto B = static_cast<index_t>(found.size());
    x_0.resize(B, 1), x_t.resize(B, 1), t.resize(B);
    t.fill(time);
    for (index_t b = 0; b < B; ++b)
      x_0(b, 0) = found[static_cast<std::size_t>(b)].first, x_t(b, 0) = found[static_cast<std::size_t>(b)].second;
  }
};

/// The value is the formula of the divergence of rates, the gradient its central difference.
template <class Process, class Head>
void check_nelbo(const Process& process, const Head& head, double time) {
  const pairs at(process, time);
  const index_t B = at.t.size(), S = process.max_states();
  const auto states = static_cast<token>(process.space().states(0));
  const auto kernel = process.between(0, time);
  array<double, 4> raw(B, 1, 1, S);  // (B, 1, 1, S)
  fill_noise(raw, 3, 2);
  for (index_t b = 0; b < B; ++b)
    for (index_t s = states; s < S; ++s) raw(b, 0, 0, s) = -500;  // states that this position does not have
  const nelbo_result result(process, head, at.x_0, at.x_t, at.t, raw);

  worst formula, derivative;
  for (index_t b = 0; b < B; ++b) {
    const token x_0 = at.x_0(b, 0), x = at.x_t(b, 0);
    const view<const double, 1> outputs = raw.whole().row(b, 0, 0);
    const dimix::place here{b, 0, x};
    const auto row =
        head.template row<double>(outputs, here, head.template observe<double>(dimix::serial_group{}, outputs, here));
    double wanted = 0;
    for (token y = 0; y < states; ++y) {
      const double rate = y == x ? 0 : process.jump_rate(0, y, x, time);
      if (rate == 0) continue;
      const double s_true = kernel.marginal_t(0, x_0, y) / kernel.marginal_t(0, x_0, x);
      double s_model = 0;
      for (token z = 0; z < states; ++z)
        if (row.log_prob(z) > -100)
          s_model += std::exp(row.log_prob(z)) * kernel.marginal_t(0, z, y) / kernel.marginal_t(0, z, x);
      wanted += rate * ((s_true > 0 ? s_true * std::log(s_true / s_model) : 0) - s_true + s_model);
    }
    formula.see(std::abs(result.value(b) - wanted) / (1 + wanted), "x_0, x_t =", x_0, x);
    CHECK(result.value(b) >= -1e-12);
    for (index_t s = 0; s < states; ++s) {
      const double h = 1e-5, kept = raw(b, 0, 0, s);
      raw(b, 0, 0, s) = kept + h;
      const double above = dimix::nelbo<double>(process, head, at.x_0, at.x_t, at.t, raw, on(1))(b);
      raw(b, 0, 0, s) = kept - h;
      const double below = dimix::nelbo<double>(process, head, at.x_0, at.x_t, at.t, raw, on(1))(b);
      raw(b, 0, 0, s) = kept;
      derivative.see(std::abs((above - below) / (2 * h) - result.gradient(b, 0, 0, s)) / (1 + wanted), "x_0, x_t, s =", x_0, x,
                     s);
    }
  }
  formula.check("value = divergence of rates, written out", 1e-11);
  derivative.check("gradient = central difference", 1e-6);
}

/// At the exact posterior of a law of x_0 the expected gradient is zero for every x_t, and other rows are worse.
template <class Process, class Head>
void check_minimiser(const Process& process, const Head& head, double time, const std::vector<double>& law) {
  const pairs at(process, time);
  const index_t B = at.t.size(), S = process.max_states();
  array<double, 4> raw(B, 1, 1, S);  // (B, 1, 1, S)  log p(x_0 | x_t), by Bayes' rule
  raw.fill(-500);
  const auto weight = [&](index_t b) {
    return law[static_cast<std::size_t>(at.x_0(b, 0))] * at.q[static_cast<std::size_t>(b)];
  };
  for (index_t b = 0; b < B; ++b) {
    double total = 0;
    for (index_t other = 0; other < B; ++other)
      if (at.x_t(other, 0) == at.x_t(b, 0)) total += weight(other);
    for (index_t other = 0; other < B; ++other)
      if (at.x_t(other, 0) == at.x_t(b, 0)) raw(b, 0, 0, at.x_0(other, 0)) = std::log(weight(other) / total);
  }
  const nelbo_result best(process, head, at.x_0, at.x_t, at.t, raw);
  array<double, 2> pull(S, S);  // (x_t, S)
  double value = 0, moved_value = 0;
  for (index_t b = 0; b < B; ++b) {
    value += weight(b) * best.value(b);
    for (index_t s = 0; s < S; ++s) pull(at.x_t(b, 0), s) += weight(b) * best.gradient(b, 0, 0, s);
  }
  for (double g : pull) CHECK(std::abs(g) < 1e-11);
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    array<double, 4> moved = raw;  // one move for each x_t
    for (index_t b = 0; b < B; ++b)
      for (index_t s = 0; s < S; ++s) moved(b, 0, 0, s) += 0.2 * (2 * uniform_number(seed, at.x_t(b, 0) * S + s) - 1);
    const nelbo_result worse(process, head, at.x_0, at.x_t, at.t, moved);
    moved_value = 0;
    for (index_t b = 0; b < B; ++b) moved_value += weight(b) * worse.value(b);
    CHECK(moved_value > value);
  }
}

}  // namespace laws
