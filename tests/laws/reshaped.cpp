// Temperature, nucleus and top-k: laws of heads, and that they leave the rate of reveals alone.
#include <dimix/denoiser/under_head.hpp>
#include <dimix/head/reshaped.hpp>

#include "laws/head.hpp"
#include "laws/sampler.hpp"

#include <numeric>

using namespace dimix;

namespace {

/// The probabilities of a head's row for the raw outputs.
template <class Real, class Head>
std::vector<double> row_of(const Head& head, view<const Real, 1> raw, index_t S, place at = {0, 0, 0}) {
  const auto row = make_row<Real>(serial_group{}, head, raw, at);
  std::vector<double> p;
  for (index_t s = 0; s < S; ++s) p.push_back(std::exp(static_cast<double>(row.log_prob(s))));
  return p;
}

/// Some raw outputs, with one that is impossible.
template <class Real>
array<Real, 1> some_raw(index_t S, std::uint64_t seed) {
  array<Real, 1> raw(S);  // (S)
  laws::fill_noise(raw, seed, 3);
  raw(S / 2) = -infinity<Real>();
  return raw;
}

/// The n most probable states keep their probability, renormalised.
std::vector<double> best_of(const std::vector<double>& p, std::size_t n) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] > p[b]; });
  std::vector<double> result(p.size());
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) total += p[order[i]];
  for (std::size_t i = 0; i < n; ++i) result[order[i]] = p[order[i]] / total;
  return result;
}

void check_same(const std::vector<double>& a, const std::vector<double>& b, double bound) {
  laws::worst error;
  for (std::size_t s = 0; s < a.size(); ++s) error.see(std::abs(a[s] - b[s]), "s =", s);
  error.check("rows", bound);
}

}  // namespace

TEST_CASE_TEMPLATE("laws: reshaped heads are heads", Real, float, double) {
  for (index_t S : {2, 5, 67}) {
    const auto mask = static_cast<token>(S - 1);
    for (std::uint64_t seed = 0; seed < 2; ++seed)
      for (token now : {token{0}, mask}) {
        const place at{0, 0, now};
        laws::check_head<Real>(tempered{softmax{}, 0.6, S}, S, at, seed, 2);
        laws::check_head<Real>(tempered{subs{mask}, 1.7, S}, S, at, seed, 2);
        laws::check_head<Real>(tempered{subs{mask, -1e6}, 1.7, S}, S, at, seed, 2);
        laws::check_head<Real>(nucleus{subs{mask}, 0.8, S}, S, at, seed, 2);
        laws::check_head<Real>(top_k{subs{mask}, 2, S}, S, at, seed, 2);
        laws::check_head<Real>(nucleus{tempered{softmax{}, 0.6, S}, 0.8, S}, S, at, seed, 2);
        laws::check_head<Real>(tempered{truncated_logistic{S}, 1.5, S}, S, at, seed, 0.7);
      }
  }
}

TEST_CASE_TEMPLATE("laws: temperature, nucleus and top-k against their definitions", Real, float, double) {
  const double bound = sizeof(Real) == 8 ? 1e-14 : 2e-6;
  for (index_t S : {3, 8, 70})
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      const array<Real, 1> given = some_raw<Real>(S, seed);  // (S)
      const view<const Real, 1> raw = given;
      const auto p = row_of(softmax{}, raw, S);
      for (double tau : {0.3, 1.0, 2.5}) {
        std::vector<double> wanted;
        for (double x : p) wanted.push_back(std::pow(x, 1 / tau));
        const double total = std::accumulate(wanted.begin(), wanted.end(), 0.0);
        for (double& x : wanted) x /= total;
        check_same(row_of(tempered{softmax{}, tau, S}, raw, S), wanted, 4 * bound);
      }
      for (double mass : {0.01, 0.5, 0.9}) {
        auto sorted = p;
        std::sort(sorted.rbegin(), sorted.rend());
        std::size_t n = 0;
        for (double held = 0; held < mass; ++n) held += sorted[n];
        check_same(row_of(nucleus{softmax{}, mass, S}, raw, S), best_of(p, n), bound);
      }
      for (index_t k : {1, 2})
        check_same(row_of(top_k{softmax{}, k, S}, raw, S), best_of(p, static_cast<std::size_t>(k)), bound);
      check_same(row_of(tempered{softmax{}, 1, S}, raw, S), p, bound);
      check_same(row_of(nucleus{softmax{}, 1, S}, raw, S), p, bound);
      check_same(row_of(top_k{softmax{}, S, S}, raw, S), p, bound);
      check_same(row_of(top_k{softmax{}, S + 5, S}, raw, S), p, bound);
    }
}

TEST_CASE("laws: states that tie with the last one kept are kept") {
  const double values[] = {0, 1, 1, 1, -2};
  const view<const double, 1> raw(values, 5);
  const std::vector<double> wanted{0, 1 / 3.0, 1 / 3.0, 1 / 3.0, 0};
  check_same(row_of(top_k{softmax{}, 2, 5}, raw, 5), wanted, 1e-15);
  check_same(row_of(nucleus{softmax{}, 0.4, 5}, raw, 5), wanted, 1e-15);
}

TEST_CASE("laws: no temperature changes how often a position is revealed, and none is needed for the certain") {
  const forward_process process(absorbing<5>{}, log_linear{0});
  const laws::some_net<absorbing<5>> net{};
  const array<token, 2> x = laws::walk(process.space(), 5, 3);  // (B, D)
  array<double, 1> s(5), t(5);                                  // (B)
  s.fill(0.3), t.fill(0.7);
  const auto rows = [&](const auto& head) {
    const under_head reheaded(net, head);
    laws::sampler<double, decltype(process), decltype(reheaded)> steps(process, reheaded, {}, {}, laws::on(1));
    return steps.rows(x, s, t, laws::no_latents<double>(5));  // (B, D, S)
  };
  const auto plain = rows(subs{4});
  const auto check = [&](const auto& head) {
    const auto other = rows(head);
    double moved = 0;
    for (index_t b = 0; b < 5; ++b)
      for (index_t d = 0; d < 3; ++d) {
        CHECK(std::abs(other(b, d, 4) - plain(b, d, 4)) < 1e-15);
        for (index_t a = 0; a < 4; ++a)
          if (x(b, d) != 4)
            CHECK(other(b, d, a) == plain(b, d, a));
          else
            moved = std::max(moved, std::abs(other(b, d, a) - plain(b, d, a)));
      }
    CHECK(moved > 0.01);
  };
  check(tempered{subs{4}, 0.25, 5});
  check(tempered{subs{4}, 4, 5});
  check(nucleus{subs{4}, 0.7, 5});
  check(top_k{subs{4}, 1, 5});
}

TEST_CASE("laws: a network under another head is sampled like one that has it") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  const laws::some_net<absorbing<4>> net{};
  const sample_options options{.batch = 20, .dims = 5, .steps = 3, .seed = 2};
  CHECK(sample(process, under_head(net, tempered{subs{3}, 1, 4}), options, laws::on(1)) ==
        sample(process, net, options, laws::on(1)));
  const laws::follow_latent mixture{4, 3};
  const under_head over_mixture(mixture, tempered{subs{3}, 0.5, 4});
  CHECK(mixture_denoiser<decltype(over_mixture), float>);
  CHECK(sample(process, over_mixture, options, laws::on(1)) == sample(process, mixture, options, laws::on(1)));
}
