// The laws of sampler.hpp, for any process and method, with denoisers that are functions of what they are asked.
#pragma once

#include <dimix/denoiser/hybrid.hpp>
#include <dimix/denoiser/tabular.hpp>
#include <dimix/exact.hpp>
#include <dimix/sampler.hpp>

#include "laws/backends.hpp"
#include "laws/support.hpp"

namespace laws {

template <class Real, class Process, class Net, class Method = dimix::ancestral>
using sampler = dimix::sampler<Real, Process, Net, Method, tested>;

/// A number that tells the whole of x_t, and t.
template <class Real>
double seen_of(const dimix::request<Real>& asked, index_t b) {
  double seen = static_cast<double>(asked.times(b));
  for (index_t d = 0; d < asked.dims(); ++d)
    seen += static_cast<double>(asked.tokens(b, d)) * std::sqrt(static_cast<double>(d + 2));
  return seen;
}

/// A factorized denoiser whose rows depend on the whole of x_t and on t; states that a position does not have are impossible.
template <class Space>
struct some_net {
  Space space;
  double spread = 2;

  index_t outputs() const { return space.max_states(); }
  template <class Real>
  void operator()(const dimix::request<Real>& asked, view<Real, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b) {
      const double seen = seen_of(asked, b);
      for (index_t m = 0; m < raw.extent(1); ++m)
        for (index_t d = 0; d < asked.dims(); ++d)
          for (index_t s = 0; s < raw.extent(3); ++s)
            raw(b, m, d, s) =
                s < space.states(d)
                    ? static_cast<Real>(spread * std::sin(seen + 1.7 * static_cast<double>(d) + 2.3 * static_cast<double>(s)))
                    : -dimix::infinity<Real>();
    }
  }
};

/// A mixture denoiser that is nearly certain of the state of its λ at every position.
struct follow_latent {
  index_t S, count;

  index_t outputs() const { return S; }
  dimix::categorical_latent latent() const { return {count}; }
  template <class Real>
  void operator()(const dimix::request<Real>& asked, view<Real, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t m = 0; m < raw.extent(1); ++m)
        for (index_t d = 0; d < asked.dims(); ++d)
          for (index_t s = 0; s < S; ++s)
            raw(b, m, d, s) = s == static_cast<index_t>(asked.latents(b, m, 0)) ? Real(0) : Real(-80);
  }
};

/// A mixture over any law of one λ; rows depend on λ, on the whole of x_t and on t.
template <class Law>
struct leaning {
  index_t S;
  Law law;

  index_t outputs() const { return S; }
  Law latent() const { return law; }
  template <class Real>
  void operator()(const dimix::request<Real>& asked, view<Real, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b) {
      const double seen = seen_of(asked, b);
      for (index_t m = 0; m < raw.extent(1); ++m)
        for (index_t d = 0; d < asked.dims(); ++d)
          for (index_t s = 0; s < S; ++s)
            raw(b, m, d, s) =
                static_cast<Real>(2 * std::sin(seen + 1.7 * static_cast<double>(d) + 2.3 * static_cast<double>(s) +
                                               2 * static_cast<double>(asked.latents(b, m, 0))));
    }
  }
};

/// Three components of λ that are not equally likely.
inline dimix::weighted_latent<double> unequal_latent() {
  static const std::vector<double> log_weights{std::log(0.5), std::log(0.3), std::log(0.2)};  // (M)
  return {{log_weights.data(), 3}};
}

/// Sequences of two bits, as a table: (4, 2) with probabilities (4).
struct bit_pairs {
  array<token, 2> sequences;  // (4, 2)
  array<double, 1> law;       // (4)
  explicit bit_pairs(std::vector<double> p) : sequences(4, 2), law(4) {
    for (index_t n = 0; n < 4; ++n) {
      sequences(n, 0) = static_cast<token>(n / 2), sequences(n, 1) = static_cast<token>(n % 2);
      law(n) = p[static_cast<std::size_t>(n)];
    }
  }
};

inline array<std::uint64_t, 1> ids(index_t count) {
  array<std::uint64_t, 1> result(count);  // (count)
  for (index_t i = 0; i < count; ++i) result(i) = static_cast<std::uint64_t>(i);
  return result;
}

/// Some x_t at each of B items: position d of item b walks through the states that position has.
template <class Space>
array<token, 2> walk(const Space& space, index_t B, index_t D) {
  array<token, 2> x(B, D);  // (B, D)
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < D; ++d) x(b, d) = static_cast<token>((b + 2 * d) % space.states(d));
  return x;
}

template <class Real>
array<Real, 3> no_latents(index_t B) {
  return array<Real, 3>(B, 1, 0);  // (B, 1, 0)
}

/// rows() of two methods: each sums to 1, and they are the same.
template <class Real, class Process>
void check_rows(const Process& process, double s, double t, double tolerance) {
  const index_t S = process.max_states(), B = S, D = 3;
  const some_net<typename Process::space_type> net{process.space()};
  sampler<Real, Process, decltype(net)> ancestral(process, net, {}, {}, on(1));
  sampler<Real, Process, decltype(net), dimix::analytic> analytic(process, net, {}, {}, on(1));
  array<double, 1> from(B), to(B);  // (B)
  from.fill(t), to.fill(s);
  const auto x_t = walk(process.space(), B, D);
  const auto a = ancestral.rows(x_t, to, from, no_latents<Real>(B)),
             b = analytic.rows(x_t, to, from, no_latents<Real>(B));  // (B, D, S)
  worst sums, methods;
  for (index_t i = 0; i < B; ++i)
    for (index_t d = 0; d < D; ++d) {
      double total = 0;
      for (index_t state = 0; state < S; ++state) {
        total += static_cast<double>(a(i, d, state));
        methods.see(std::abs(static_cast<double>(a(i, d, state) - b(i, d, state))), "x_t =", x_t(i, d), "d =", d,
                    "x_s =", state);
      }
      sums.see(std::abs(total - 1), "x_t =", x_t(i, d), "d =", d);
    }
  sums.check("rows sum to 1", tolerance);
  methods.check("ancestral rows = analytic rows", 32 * tolerance);
}

/// step() of many items with the same x_t draws from rows(), positions independently.
template <class Real, class Method, class Process>
void check_step_draws(const Process& process, double s, double t, Method method = {}) {
  const index_t S = process.max_states(), D = 2, B = draws(20000);
  const some_net<typename Process::space_type> net{process.space(), 1.0};
  sampler<Real, Process, decltype(net), Method> steps(process, net, {}, method, on(1));
  array<double, 1> from(B), to(B), one_from(1), one_to(1);  // (B)
  from.fill(t), to.fill(s), one_from.fill(t), one_to.fill(s);
  for (index_t start = 0; start < S; ++start) {
    array<token, 2> x(1, D), many(B, D);  // (B, D)
    for (index_t d = 0; d < D; ++d) x(0, d) = static_cast<token>((S - 1 - start + d * start) % process.space().states(d));
    for (index_t b = 0; b < B; ++b) std::copy(x.begin(), x.end(), many.whole().row(b).data());
    const auto rows = steps.rows(x, one_to, one_from, no_latents<Real>(1));  // (1, D, S)
    dimix::sampler_state state{42, start};
    steps.step(state, many.whole(), to, from, ids(B));
    CHECK(state.step == start + 1);
    std::vector<double> counts(static_cast<std::size_t>(S * S)), law(counts.size());
    for (index_t b = 0; b < B; ++b) ++counts[static_cast<std::size_t>(many(b, 0) * S + many(b, 1))];
    for (index_t i = 0; i < S; ++i)
      for (index_t j = 0; j < S; ++j)
        law[static_cast<std::size_t>(i * S + j)] = static_cast<double>(rows(0, 0, i)) * static_cast<double>(rows(0, 1, j));
    check_frequencies("step from x_t = (" + std::to_string(x(0, 0)) + ", " + std::to_string(x(0, 1)) + ")", counts, law);
  }
}

/// The law of x_0 after a path, exactly, on the backend under test: S^D numbers.
template <class Method = dimix::ancestral, class Process, class Net>
std::vector<double> exact_law(const Process& process, const Net& net, const dimix::time_grid& grid, index_t D,
                              Method method = {}) {
  sampler<double, Process, Net, Method> steps(process, net, {}, method, on(1));
  return dimix::exact::law_after(steps, D, grid).p;
}

inline double total_variation(const std::vector<double>& p, const std::vector<double>& q) {
  double total = 0;
  for (std::size_t i = 0; i < p.size(); ++i) total += std::abs(p[i] - q[i]) / 2;
  return total;
}

}  // namespace laws
