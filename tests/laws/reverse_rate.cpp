// Reverse rates: quotients of marginals for the exact denoiser, and the derivative of the reverse row in any case.
#include <dimix/forward_process/rate_matrix.hpp>
#include <dimix/forward_process/reverse_rate.hpp>
#include <dimix/forward_process/score.hpp>
#include <dimix/parity/tauldr_sampling.hpp>
#include <dimix/sampler/rate_bounds.hpp>

#include "laws/support.hpp"

#include <array>

using namespace dimix;

namespace {

/// A row of p(x_0 | x_t), from its probabilities.
template <class Real>
struct given_row {
  std::array<Real, 256> p{};  // (S) of them

  Real log_prob(index_t a) const { return std::log(p[static_cast<std::size_t>(a)]); }
  token fixed() const { return -1; }
};

/// Positive on the states of position d that can be data.
template <class Space>
std::vector<double> some_law(const Space& space, index_t d, std::uint64_t seed) {
  std::vector<double> p(static_cast<std::size_t>(space.max_states()));
  double total = 0;
  for (token s = 0; s < space.states(d); ++s) {
    if (is_mask(space, d, s)) continue;
    total += p[static_cast<std::size_t>(s)] = laws::uniform_number(seed, s + 10 * d);
  }
  for (double& x : p) x /= total;
  return p;
}

template <class Process>
std::vector<double> marginal_law(const Process& process, index_t d, const std::vector<double>& law, double t) {
  const auto kernel = process.between(0, t);
  std::vector<double> marginal(law.size());
  for (std::size_t z = 0; z < law.size(); ++z)
    for (std::size_t a = 0; a < law.size() && law[z] > 0; ++a)
      marginal[a] += law[z] * kernel.marginal_t(d, static_cast<token>(z), static_cast<token>(a));
  return marginal;
}

template <class F>
void for_every_process(const F& f) {
  f(forward_process(absorbing<4>{}, log_linear{}));
  f(forward_process(uniform<4>{}, log_linear{}));
  f(forward_process(laws::skewed{}, cosine{}));
  f(forward_process(ordinal(6, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 4}));
  f(forward_process(birth_death<5>{}, laws::only_noise{}));
}
/// Those whose kernels are put together from others too.
template <class F>
void for_every_kernel(const F& f) {
  for_every_process(f);
  f(forward_process(mask_and_replace<5>{0.6}, log_linear{}));
  f(forward_process(laws::some_mixture(), linear{0, 3}));
}

/// f(kernel, at, row) for every state that x_t can be: the exact denoiser's row, in Real.
template <class Real, class Process, class F>
void for_every_state(const Process& process, double t, const F& f) {
  const auto kernel = process.template between<Real>(t, t);
  for (index_t d = 0; d < 2; ++d) {
    const auto law = some_law(process.space(), d, 1), marginal = marginal_law(process, d, law, t);
    for (token x = 0; x < process.space().states(d); ++x) {
      if (marginal[static_cast<std::size_t>(x)] == 0) continue;
      given_row<Real> row;
      for (std::size_t z = 0; z < law.size(); ++z)
        if (law[z] > 0)
          row.p[z] = static_cast<Real>(law[z] * process.between(0, t).marginal_t(d, static_cast<token>(z), x) /
                                       marginal[static_cast<std::size_t>(x)]);
      f(kernel, place{0, d, x}, row, marginal);
    }
  }
}

template <class Real>
void check_quotients(double tolerance) {
  for_every_kernel([&](const auto& process) {
    laws::worst quotients, totals;
    for (double t : {0.05, 0.4, 0.95})
      for_every_state<Real>(process, t, [&](const auto& kernel, const place& at, const auto& row, const auto& marginal) {
        const double alpha_t = alpha(process.schedule(), t);
        const auto rates = reverse_rates(kernel, at, row, unit_noise(alpha_t));
        const auto both = reverse_rates(kernel, at, row, step_noise{2, 2 * alpha_t, 0.5});
        double sum = 0, sum_of_both = 0;
        for (token a = 0; a < process.max_states(); ++a) {
          const bool real = a < process.space().states(at.dim) && a != at.now;
          const double truth = real ? base_rate(process.space(), at.dim, a, at.now) * marginal[static_cast<std::size_t>(a)] /
                                          marginal[static_cast<std::size_t>(at.now)]
                                    : 0.0;
          const double forward = real ? base_rate(process.space(), at.dim, at.now, a) : 0.0;
          const double ours = std::exp(static_cast<double>(rates.log_expected(a)));
          quotients.see(std::abs(ours - truth) / (1 + truth), "t =", t, "d =", at.dim, "x =", at.now, "a =", a);
          quotients.see(std::abs(std::exp(static_cast<double>(both.log_expected(a))) - 2 * truth - 0.5 * forward) / (1 + truth),
                        "forth and back, t =", t, "x =", at.now, "a =", a);
          sum += ours, sum_of_both += 2 * truth + 0.5 * forward;
        }
        totals.see(std::abs(std::exp(static_cast<double>(rates.log_total())) - sum) / (1 + sum), "t =", t, "x =", at.now);
        totals.see(std::abs(std::exp(static_cast<double>(both.log_total())) - sum_of_both) / (1 + sum), "t =", t,
                   "x =", at.now);
      });
    quotients.check("rates are base rates times quotients of marginals", tolerance);
    totals.check("log_total is the sum over states", tolerance);
  });
}

}  // namespace

TEST_CASE("laws: reverse rates of the exact denoiser are quotients of marginals") {
  check_quotients<double>(1e-12);
  check_quotients<float>(3e-5);  // 1 - p(x) of a row that sums to 1 within rounding
}

TEST_CASE("laws: a short reverse row is the identity plus the reverse rates") {
  for_every_kernel([](const auto& process) {
    const double t = 0.4;
    laws::worst error;
    for_every_state<double>(process, t, [&](const auto&, const place& at, auto row, const auto&) {
      for (double& p : row.p) p = 0.5 * p + 0.5 * p * p;  // any row, not only the exact one
      double total = 0;
      for (double p : row.p) total += p;
      for (double& p : row.p) p /= total;
      const auto rates = reverse_rates(process.between(t, t), at, row, unit_noise(alpha(process.schedule(), t)));
      const auto slope = [&](double h, token a) {
        const auto kernel = process.between(t - h, t);
        const auto short_row = kernel.reverse(at.dim, at.now, row);
        return (std::exp(short_row.log_prob(a)) - (a == at.now)) /
               (total_noise(process.schedule(), t) - total_noise(process.schedule(), t - h));
      };
      for (token a = 0; a < process.max_states(); ++a) {
        const double truth = a == at.now ? -std::exp(rates.log_total()) : std::exp(rates.log_expected(a));
        // two steps, the first-order error taken out
        error.see(std::abs(2 * slope(5e-5, a) - slope(1e-4, a) - truth) / (1 + std::abs(truth)), "x =", at.now, "a =", a);
      }
    });
    error.check("derivative at h = 0", 1e-6);
  });
}

TEST_CASE("laws: states that are out of reach leave rates finite") {
  // levels so many jumps away that their probabilities end in the smallest numbers that double holds, and below
  const forward_process process(birth_death<>{256}, linear{0, 0.02});
  const auto check = [&](auto real) {
    using Real = decltype(real);
    const auto kernel = process.template between<Real>(0.5, 0.5);
    given_row<Real> row;
    row.p[3] = Real(0.5), row.p[5] = Real(0.5);
    const auto rates = reverse_rates(kernel, {0, 0, 4}, row, unit_noise(1));
    // one jump of noise 0.01 each: 1 / 0.01, and no other neighbour
    CHECK(std::exp(static_cast<double>(rates.log_expected(3))) == doctest::Approx(50).epsilon(0.01));
    CHECK(std::exp(static_cast<double>(rates.log_total())) == doctest::Approx(100).epsilon(0.01));
    given_row<Real> flat;
    flat.p.fill(Real(1) / 256);
    for (token x : {0, 4, 200}) CHECK(std::isfinite(reverse_rates(kernel, {0, 0, x}, flat, unit_noise(1)).log_total()));
  };
  check(0.0);
  check(0.0f);
}

TEST_CASE("laws: with a closed form the rate is that of the score") {
  const forward_process process(uniform<4>{}, log_linear{});
  for_every_state<double>(process, 0.3, [&](const auto& kernel, const place& at, const auto& row, const auto&) {
    const auto rates = reverse_rates(kernel, at, row, unit_noise(alpha(process.schedule(), 0.3)));
    const auto scores = score_row<uniform<4>, double>::make(kernel, at.dim, at.now, row.log_prob(at.now));
    for (token a = 0; a < 4; ++a)
      if (a != at.now)
        CHECK(rates.log_expected(a) == doctest::Approx(std::log(0.25) + scores.log_score(a, row.log_prob(a))).epsilon(1e-13));
  });
}

TEST_CASE("laws: rates of all jumps are those of single scores") {
  for_every_kernel([](const auto& process) {
    const double t = 0.3;
    for_every_state<double>(process, t, [&](const auto& kernel, const place& at, const auto& row, const auto&) {
      const auto rates = reverse_rates(kernel, at, row, unit_noise(alpha(process.schedule(), t)));
      const auto scores = scores_of(kernel, at.dim, at.now, row);
      for (token a = 0; a < process.space().states(at.dim); ++a) {
        const double one = rate_from_score(process, at.dim, at.now, a, t, std::exp(scores.log_score(a)));
        CHECK(rate(process.schedule(), t) * std::exp(rates.log_expected(a)) == doctest::Approx(one).epsilon(1e-12));
      }
    });
  });
}

TEST_CASE("laws: rates with a guard of 0 are the exact ones") {
  for_every_kernel([](const auto& process) {
    for_every_state<double>(process, 0.4, [&](const auto& kernel, const place& at, const auto& row, const auto&) {
      const step_noise noise{2, 2 * alpha(process.schedule(), 0.4), 0.5};
      const auto rates = reverse_rates(kernel, at, row, noise);
      const tauldr::guarded_rates plain{kernel, at, row, 0.0}, guarded{kernel, at, row, 1e-3};
      for (token a = 0; a < process.space().states(at.dim); ++a) {
        // absorbing has x_0 that cannot have become a visible x: 0 / 0 without a guard
        if (kernel.marginal_t(at.dim, a, at.now) > 0 && !masked_space<std::decay_t<decltype(process.space())>>)
          CHECK(plain.expected(a, noise) == doctest::Approx(std::exp(rates.log_expected(a))).epsilon(1e-12));
        CHECK(guarded.expected(a, noise) <= std::exp(rates.log_expected(a)) * (1 + 1e-12));
      }
    });
  });
}

TEST_CASE("laws: what is visible stays, and x_0 that cannot have become x do not count") {
  const forward_process masked(absorbing<4>{}, cosine{});
  for (double t : {0.5, 1.0}) {
    const auto kernel = masked.between(t, t);
    const step_noise noise{1e20, 0.25};  // as of a frozen rate at alpha = 0
    const auto visible = reverse_rates(kernel, {0, 0, 1}, given_row<double>{{0, 1, 0, 0}}, noise);
    CHECK(visible.log_total() == -infinity<double>());
    const auto hidden = reverse_rates(kernel, {0, 0, 3}, given_row<double>{{0.5, 0.25, 0.25, 0}}, noise);
    CHECK(std::exp(hidden.log_expected(1)) == doctest::Approx(0.25 * 0.25 / kernel.hit_t).epsilon(1e-12));
    CHECK(std::exp(hidden.log_total()) == doctest::Approx(0.25 / kernel.hit_t).epsilon(1e-12));
  }
  // two classes that do not communicate: 0 <-> 1 and 2 <-> 3
  array<double, 2> rates(4, 4);  // (S, S)
  rates(0, 1) = rates(1, 0) = rates(2, 3) = rates(3, 2) = 1;
  array<double, 1> prior(4);  // (S)
  prior.fill(0.25);
  const forward_process split(rate_table(rates, prior), linear{0, 1});
  const auto kernel = split.between(0.5, 0.5);
  const auto row = reverse_rates(kernel, {0, 0, 1}, given_row<double>{{0.1, 0.1, 0.4, 0.4}}, unit_noise(1));
  const auto alone = reverse_rates(kernel, {0, 0, 1}, given_row<double>{{0.5, 0.5, 0, 0}}, unit_noise(1));
  CHECK(std::exp(row.log_expected(0)) == doctest::Approx(std::exp(alone.log_expected(0))).epsilon(1e-13));
  CHECK(row.log_expected(2) == -infinity<double>());
  const auto nowhere = reverse_rates(kernel, {0, 0, 1}, given_row<double>{{0, 0, 0.5, 0.5}}, step_noise{1, 1, 2});
  CHECK(std::exp(nowhere.log_total()) == doctest::Approx(2).epsilon(1e-13));  // only forth
}

TEST_CASE("laws: no row has a larger reverse rate than its bound") {
  for_every_kernel([](const auto& process) {
    const rate_bounds bounds(process.space());
    const auto& schedule = process.schedule();
    double closest = 0;
    for (double t : {0.02, 0.1, 0.33, 0.7, 0.95}) {
      const double noise = total_noise(schedule, t);
      const index_t interval = bounds.intervals().holding(noise);
      CHECK(bounds.intervals().end(interval) < noise);
      CHECK(bounds.intervals().end(interval + 1) >= noise * (1 - 1e-14));
      for (index_t d = 0; d < 4; ++d)
        for (token x = 0; x < process.space().states(d); ++x)
          for (token z = 0; z < process.space().states(d); ++z) {  // rows that are certain of z are the worst
            const auto kernel = process.between(t, t);
            if (is_mask(process.space(), d, z) || kernel.marginal_t(d, z, x) == 0) continue;
            given_row<double> row;
            row.p[static_cast<std::size_t>(z)] = 1;
            const auto rates = reverse_rates(kernel, {0, d, x}, row, unit_noise(alpha(schedule, t)));
            const double share = std::exp(rates.log_total()) / bounds.of(d, x, interval);
            if (bounds.of(d, x, interval) > 0) closest = std::max(closest, share);
            CHECK(std::exp(rates.log_total()) <= bounds.of(d, x, interval) * (1 + 1e-12));
          }
    }
    CHECK(closest > 0.4);  // and the bound is of use
  });
}
