// The variational bound in discrete time: gradients, its limit in continuous time, and its minimiser, by enumeration.
#include <dimix/head/stepped.hpp>
#include <dimix/objective/nelbo.hpp>

#include "core/refuses.hpp"
#include "laws/objective.hpp"

using namespace dimix;

namespace {

const laws::tested one = laws::on(1);

template <class Process>
using kernel_of = typename Process::template kernel<double>;

/// Values (B) of the summand between s and t, for pairs x_0 and x_t (B, D) with raw outputs (B, 1, D, S).
template <class Process, class Head>
array<double, 1> summands(const Process& process, const Head& head, const array<token, 2>& x_0, const array<token, 2>& x_t,
                          const array<double, 4>& raw, double s, double t) {
  const index_t B = x_t.extent(0);
  const std::vector<kernel_of<Process>> kernels(static_cast<std::size_t>(B), process.between(s, t));
  const view<const kernel_of<Process>, 1> seen(kernels.data(), B);
  auto loss = make_objective<double>(stepped<Head, kernel_of<Process>>{head, seen}, x_t, 1, process.max_states(), {},
                                     posterior_divergence<double, kernel_of<Process>>{{seen, x_0, x_t}});
  value(loss, view<const double, 4>(raw), one);
  array<double, 1> result(B);
  std::copy(loss.value(0).begin(), loss.value(0).end(), result.begin());
  return result;
}

template <class Process, class Head>
void check_gradient(const Process& process, const Head& head, const array<token, 2>& x_t, const array<token, 2>& x_0) {
  const index_t S = process.max_states();
  const std::vector<kernel_of<Process>> kernels{process.between(0.3, 0.6), process.between(0.1, 0.9)};
  const view<const kernel_of<Process>, 1> seen(kernels.data(), 2);
  const stepped<Head, kernel_of<Process>> to_s{head, seen};
  const posterior_rows<double, kernel_of<Process>> posterior{seen, x_0, x_t};
  laws::worst sums;
  for (index_t b = 0; b < 2; ++b)
    for (index_t d = 0; d < x_t.extent(1); ++d) {
      double total = 0;
      for (index_t s = 0; s < S; ++s) total += posterior(b, d, s);
      sums.see(std::abs(total - 1), b, d);
    }
  sums.check("target rows sum to 1", 1e-12);
  laws::site<double, stepped<Head, kernel_of<Process>>> at(to_s, x_t, 2, S, 1);
  laws::site<double, Head> plain_head(head, x_t, 2, S, 1);
  for (bool weighted : {false, true}) {
    laws::check_objective(at, weighted, one, posterior_divergence<double, kernel_of<Process>>{posterior, {at.weights}});
    laws::check_objective(plain_head, weighted, one, cross_entropy<double>{{x_0}, {at.weights}},
                          cross_entropy<double, rows_of::marginals>{{x_0}, {{}, 0.3}});
  }
}

/// All pairs of x_0 and x_t of one position that can occur.
struct pairs {
  array<token, 2> x_0, x_t;  // (n, 1)
  template <class Kernel>
  pairs(const Kernel& kernel, index_t clean, index_t S) {
    std::vector<token> a, b;
    for (token x = 0; x < clean; ++x)
      for (token y = 0; y < S; ++y)
        if (kernel.marginal_t(0, x, y) > 0) a.push_back(x), b.push_back(y);
    const auto n = static_cast<index_t>(a.size());
    x_0.resize(n, 1), x_t.resize(n, 1);
    std::copy(a.begin(), a.end(), x_0.begin());
    std::copy(b.begin(), b.end(), x_t.begin());
  }
  index_t count() const { return x_0.extent(0); }
};

/// N times the summand of a step of length 1/N at t tends to the continuous bound there, for all x_0 and x_t.
template <class Process, class Head>
void check_limit(const Process& process, const Head& head, index_t clean) {
  const index_t S = process.max_states();
  for (double t : {0.35, 0.8}) {
    const pairs all(process.between(0, t), clean, S);
    array<double, 4> raw(all.count(), 1, 1, S);  // (n, 1, 1, S)
    laws::fill_noise(raw, 2, 1);
    array<double, 1> times(all.count());  // (n)
    times.fill(t);
    const auto limit = nelbo<double>(process, head, all.x_0, all.x_t, times, raw, one);
    CAPTURE(t);
    double largest = 0;
    for (const double N : {64.0, 512.0, 4096.0}) {
      const auto values = summands(process, head, all.x_0, all.x_t, raw, t - 1 / N, t);
      laws::worst gap;
      for (index_t i = 0; i < all.count(); ++i) {
        gap.see(N * std::abs(N * values(i) - limit(i)) / (1 + limit(i)), "x_0", all.x_0(i, 0), "x_t", all.x_t(i, 0), "N", N);
        largest = std::max(largest, limit(i));
      }
      gap.check("N times the summand is the continuous bound, to O(1/N)", 10);
    }
    CHECK(largest > 0.1);
  }
}

/// E over x_t of the summands of N steps over [from, 1], and of nelbo over a grid four times as fine, at D = 2 from x_0 = (0, 1).
template <class Process, class Head>
void check_sum(const Process& process, const Head& head, double from) {
  const index_t D = 2, S = process.max_states(), n = S * S;
  array<token, 2> x_0(n, D), x_t(n, D);  // (n, D)
  index_t i = 0;
  laws::for_each_sequence(D, S, [&](const auto& x) {
    x_0(i, 1) = 1;
    std::copy(x.begin(), x.end(), x_t.whole().row(i++).data());
  });
  array<double, 4> raw(n, 1, D, S);  // (n, 1, D, S)
  laws::fill_noise(raw, 7, 1);
  const auto average = [&](double t, const auto& value_of) {
    const auto kernel = process.between(0, t);
    std::vector<index_t> possible;
    std::vector<double> weight;
    for (index_t k = 0; k < n; ++k) {
      const double q = kernel.marginal_t(0, 0, x_t(k, 0)) * kernel.marginal_t(1, 1, x_t(k, 1));
      if (q > 0) possible.push_back(k), weight.push_back(q);
    }
    const auto count = static_cast<index_t>(possible.size());
    array<token, 2> clean(count, D), noisy(count, D);  // (count, D)
    array<double, 4> outputs(count, 1, D, S);          // (count, 1, D, S)
    for (index_t k = 0; k < count; ++k) {
      const index_t row = possible[static_cast<std::size_t>(k)];
      std::copy_n(x_0.whole().row(row).data(), D, clean.whole().row(k).data());
      std::copy_n(x_t.whole().row(row).data(), D, noisy.whole().row(k).data());
      std::copy_n(raw.whole().row(row, 0, 0).data(), D * S, outputs.whole().row(k, 0, 0).data());
    }
    const array<double, 1> values = value_of(clean, noisy, outputs);
    double total = 0;
    for (index_t k = 0; k < count; ++k) total += weight[static_cast<std::size_t>(k)] * values(k);
    return total;
  };
  std::vector<double> gaps;
  for (const index_t N : {16, 128}) {
    double discrete = 0, continuous = 0;
    const double step = (1 - from) / static_cast<double>(N);
    for (index_t k = 1; k <= N; ++k) {
      const double t = k == N ? 1.0 : from + step * static_cast<double>(k), s = from + step * static_cast<double>(k - 1);
      discrete +=
          average(t, [&](const auto& a, const auto& b, const auto& z) { return summands(process, head, a, b, z, s, t); });
      for (index_t j = 0; j < 4; ++j) {
        const double mid = s + step * (static_cast<double>(j) + 0.5) / 4;
        continuous += step / 4 * average(mid, [&](const auto& a, const auto& b, const auto& z) {
                        array<double, 1> times(a.extent(0));
                        times.fill(mid);
                        return nelbo<double>(process, head, a, b, times, z, one);
                      });
      }
    }
    CHECK(continuous > 0.1);
    gaps.push_back(std::abs(discrete - continuous) / continuous);
  }
  CAPTURE(gaps[0]);
  CHECK(gaps[1] < 0.01);
  CHECK(gaps[1] <= gaps[0] / 3 + 1e-9);
}

/// Over data of law P, the exact posterior has no gradient, and any other denoiser is worse.
template <class Process, class Head>
void check_minimiser(const Process& process, const Head& head, const std::vector<double>& P) {
  const index_t S = process.max_states();
  const double s = 0.3, t = 0.7;
  const auto now = process.between(0, t);
  const pairs all(now, static_cast<index_t>(P.size()), S);
  array<double, 4> exact(all.count(), 1, 1, S), gradient(all.count(), 1, 1, S);  // (n, 1, 1, S)
  array<double, 1> weights(all.count());                                         // (n)  P(x_0) q(x_t | x_0)
  for (index_t i = 0; i < all.count(); ++i) {
    const token y = all.x_t(i, 0);
    weights(i) = P[static_cast<std::size_t>(all.x_0(i, 0))] * now.marginal_t(0, all.x_0(i, 0), y);
    for (token x = 0; x < S; ++x) {
      const double p = x < static_cast<token>(P.size()) ? P[static_cast<std::size_t>(x)] * now.marginal_t(0, x, y) : 0.0;
      exact(i, 0, 0, x) = p > 0 ? std::log(p) : -700;
    }
  }
  const std::vector<kernel_of<Process>> kernels(static_cast<std::size_t>(all.count()), process.between(s, t));
  const view<const kernel_of<Process>, 1> seen(kernels.data(), all.count());
  const auto run = [&](const array<double, 4>& raw) {
    auto loss = make_objective<double>(stepped<Head, kernel_of<Process>>{head, seen}, all.x_t, 1, S, {},
                                       posterior_divergence<double, kernel_of<Process>>{{seen, all.x_0, all.x_t}, {weights}});
    return value_and_gradient(loss, view<const double, 4>(raw), gradient.whole(), one, gradient_mode::overwrite, 1.0);
  };
  const double least = run(exact);
  double largest = 0;
  for (token y = 0; y < S; ++y)
    for (index_t z = 0; z < S; ++z) {
      double total = 0;
      for (index_t i = 0; i < all.count(); ++i) {
        if (all.x_t(i, 0) == y) total += gradient(i, 0, 0, z);
        largest = std::max(largest, std::abs(gradient(i, 0, 0, z)));
      }
      CHECK(std::abs(total) < 1e-13);
    }
  CHECK(largest > 0.01);  // each x_0 pulls, and together they balance
  for (std::uint64_t seed = 0; seed < 5; ++seed) {
    array<double, 4> other = exact;
    for (index_t i = 0; i < other.size(); ++i)
      other.data()[i] += 0.3 * laws::uniform_number(seed, all.x_t(i / S, 0) * S + i % S);
    CHECK(run(other) > least);
  }
}

const forward_process masked(absorbing<3>{}, cosine{});
const forward_process noisy(uniform<3>{}, log_linear{});
const forward_process ordered(ordinal(4, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 1});

}  // namespace

TEST_CASE("laws: posterior_divergence and cross_entropy: gradient = central difference") {
  array<token, 2> x_t(2, 2), x_0(2, 2);  // (B, D)
  x_t(0, 1) = 2, x_t(1, 0) = 1;
  x_0(0, 0) = 1, x_0(1, 0) = 2;
  check_gradient(noisy, softmax{}, x_t, x_0);
  check_gradient(ordered, softmax{}, x_t, x_0);
  array<token, 2> hidden(2, 2), clean(2, 2);  // (B, D)
  hidden.fill(2);
  hidden(0, 1) = clean(0, 1) = 1;
  check_gradient(masked, subs{2}, hidden, clean);
}

TEST_CASE("laws: posterior_divergence where positions differ in kind and number of states") {
  const forward_process process(laws::some_mixture(), linear{0, 2});  // 5, 3, 4 (a table) and 4 states
  array<token, 2> x_t(2, 4), x_0(2, 4);                               // (B, D)
  x_t(0, 0) = 4, x_t(1, 0) = 4, x_t(0, 1) = 2, x_t(0, 2) = 3, x_t(1, 2) = 1, x_t(0, 3) = 3, x_t(1, 3) = 1;
  x_0(0, 0) = 1, x_0(1, 1) = 2, x_0(0, 2) = 2, x_0(1, 2) = 3, x_0(0, 3) = 2, x_0(1, 3) = 1;
  check_gradient(process, default_head(process.space()), x_t, x_0);
  const std::vector<kernel_of<std::decay_t<decltype(process)>>> kernels(2, process.between(0.3, 0.6));
  const posterior_rows<double, kernel_of<std::decay_t<decltype(process)>>> posterior{{kernels.data(), 2}, x_0, x_t};
  for (index_t b = 0; b < 2; ++b)
    for (index_t d = 0; d < 4; ++d)
      for (index_t s = process.space().states(d); s < 5; ++s) CHECK(posterior(b, d, s) == 0);
  for (token beyond : {3, 4}) {  // a state elsewhere, but not of position 1
    x_0(1, 1) = beyond;
    test_core::refuses<invalid_argument>([&] { posterior.check("", 2, 4, 5); }, {"x_0[1, 1] = ", "[0, 3)"});
  }
}

TEST_CASE("laws: at s = 0 the posterior_divergence is the cross entropy") {
  for (double t : {0.2, 0.9}) {
    const pairs all(noisy.between(0, t), 3, 3);
    array<double, 4> raw(all.count(), 1, 1, 3);  // (n, 1, 1, S)
    laws::fill_noise(raw, 2, 1);
    const auto values = summands(noisy, softmax{}, all.x_0, all.x_t, raw, 0, t);
    auto plain_loss = make_objective<double>(softmax{}, all.x_t, 1, 3, {}, cross_entropy<double>{{all.x_0}});
    value(plain_loss, view<const double, 4>(raw), one);
    for (index_t i = 0; i < all.count(); ++i) {
      const double wanted = std::log(std::exp(raw(i, 0, 0, 0)) + std::exp(raw(i, 0, 0, 1)) + std::exp(raw(i, 0, 0, 2))) -
                            raw(i, 0, 0, all.x_0(i, 0));
      CHECK(plain_loss.value(0)(i) == doctest::Approx(wanted).epsilon(1e-13));
      CHECK(values(i) == doctest::Approx(wanted).epsilon(1e-13));
    }
  }
}

TEST_CASE("laws: the bound in discrete time tends to the bound in continuous time") {
  check_limit(masked, subs{2}, 2);
  check_limit(noisy, softmax{}, 3);
  check_limit(ordered, softmax{}, 4);
  check_sum(masked, subs{2}, 0);
  check_sum(noisy, softmax{}, 0.25);
}

TEST_CASE("laws: the exact posterior is the minimiser of posterior_divergence") {
  check_minimiser(masked, subs{2}, {0.3, 0.7});
  check_minimiser(noisy, softmax{}, {0.2, 0.7, 0.1});
  check_minimiser(ordered, softmax{}, {0.2, 0.1, 0.3, 0.4});
}

TEST_CASE("bad input: terms of the bound in discrete time") {
  using kernel = kernel_of<forward_process<absorbing<3>, cosine>>;
  array<token, 2> x_t(2, 2), x_0(2, 2), other(2, 3);  // (B, D)
  x_t.fill(2);
  const std::vector<kernel> kernels(2, masked.between(0.3, 0.6));
  const view<const kernel, 1> seen(kernels.data(), 2), few(kernels.data(), 1);
  const auto make = [&](auto term) { make_objective<double>(subs{2}, x_t, 1, 3, {}, term); };
  const auto posterior = [&](view<const kernel, 1> k, const array<token, 2>& a, const array<token, 2>& b) {
    make(posterior_divergence<double, kernel>{{k, a, b}});
  };
  const auto entropy = [&](const array<token, 2>& a) { make(cross_entropy<double>{{a}}); };
  posterior(seen, x_0, x_t);
  using test_core::refuses;
  refuses<invalid_argument>([&] { posterior(few, x_0, x_t); }, {"posterior_divergence: kernels", "(1)", "(2)"});
  refuses<invalid_argument>([&] { posterior(seen, other, x_t); }, {"posterior_divergence: x_0", "(2, 3)"});
  refuses<invalid_argument>([&] { posterior(seen, x_0, other); }, {"posterior_divergence: x_t", "(2, 3)"});
  refuses<invalid_argument>([&] { entropy(other); }, {"cross_entropy: tokens", "(2, 3)"});
  x_t(1, 0) = 1;
  refuses<invalid_argument>([&] { posterior(seen, x_0, x_t); }, {"x_0[1, 0] = 0", "cannot have become x_t = 1"});
  x_0(0, 1) = 3;
  refuses<invalid_argument>([&] { posterior(seen, x_0, x_t); }, {"x_0[0, 1] = 3", "[0, 3)"});
  refuses<invalid_argument>([&] { entropy(x_0); }, {"cross_entropy: tokens[0, 1] = 3"});
  x_0(0, 1) = -1;
  entropy(x_0);
  refuses<invalid_argument>([&] { posterior(seen, x_0, x_t); }, {"x_0[0, 1] = -1"});
  x_0(0, 1) = 0;
  array<double, 1> weights(3);  // (B)
  refuses<invalid_argument>([&] { make(cross_entropy<double>{{x_0}, {weights}}); }, {"cross_entropy: weights", "(3)"});
}
