// Defects of schedules, grids and transition tables in other systems, each as a test that ours passes and that tells the defective formula apart.
#include <dimix/forward_process.hpp>
#include <dimix/sampler/ancestral.hpp>
#include <dimix/sampler/time_grid.hpp>

#include "laws/support.hpp"

using namespace dimix;

namespace {

template <class F>
void for_each_schedule(const F& f) {
  f(log_linear{}), f(cosine{}), f(cosine_squared{}), f(polynomial{2}), f(linear{0, 3}), f(geometric{}), f(exponential{0.2, 20});
  f(maskgit_power{2}), f(maskgit_cosine{}), f(maskgit_arccos{}), f(scaled<cosine>{{}, 0.5});
}

/// alpha(t) of the cosine schedule with its derivative as duo had it.
struct cosine_of_duo {
  double eps = 1e-3;
  double alpha(double t) const { return cosine{eps}.alpha(t); }
  double alpha_prime(double t) const { return -std::numbers::pi / 2 * std::sin(std::numbers::pi / 2 * t); }
};

/// The largest relative difference between alpha_prime and the central difference of alpha.
template <class Schedule>
double derivative_off(const Schedule& schedule) {
  double off = 0;
  for (double t = 0.05; t < 1; t += 0.1) {
    const double h = 1e-6, numeric = (alpha(schedule, t + h) - alpha(schedule, t - h)) / (2 * h);
    off = std::max(off, std::abs(alpha_prime(schedule, t) / numeric - 1));
  }
  return off;
}

}  // namespace

// duo Cosine.dalpha: without the factor (1 - eps) that alpha has, off by 0.1% at eps = 1e-3.
TEST_CASE("conformance: the derivative of alpha is that of alpha, with its factor 1 - eps") {
  for_each_schedule([](const auto& schedule) { CHECK(derivative_off(schedule) < 1e-6); });
  CHECK(derivative_off(cosine_of_duo{}) > 9e-4);
}

// flow_matching: MixtureDiscreteProbPath refuses CosineScheduler, which is no ConvexScheduler.
TEST_CASE("conformance: every schedule makes a process") {
  for_each_schedule([](const auto& schedule) {
    const forward_process process(uniform<3>{}, schedule);
    const auto kernel = process.between(0.3, 0.8);
    for (token y = 0; y < 3; ++y) {
      double sum = 0;
      for (token a = 0; a < 3; ++a) sum += kernel.posterior(0, 1, y, a);
      CHECK(sum == doctest::Approx(1));
    }
  });
}

// multinomial_diffusion #2: probabilities as differences from 1 vanish near the data; the posterior is 0 / 0.
TEST_CASE("conformance: a step near the data in float is no division of zero by zero") {
  const float naive = 1 - static_cast<float>(log_linear{0}.alpha(1e-9));
  CHECK(naive == 0);

  const forward_process process(absorbing<3>{}, log_linear{0});
  const auto kernel = process.between<float>(0.5e-9, 1e-9);
  CHECK(kernel.posterior(0, 1, 2, 1) == doctest::Approx(0.5));
  CHECK(kernel.posterior(0, 1, 2, 2) == doctest::Approx(0.5));
}

// DiGress #13: "probability tensor contains inf, nan or <0". bionemo-moco d3pm.py: tables are made on the CPU because a GPU with TF32 spoils them.
TEST_CASE("conformance: tables of transitions are probabilities at any times, and keep Chapman and Kolmogorov in float") {
  const forward_process process(ordinal(16, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 6});
  const token S = 16;
  laws::worst low, sum;
  for (const double s : {0.0, 1e-9, 1e-4, 0.2, 0.999})
    for (const double t : {s, std::min(1.0, s + 1e-9), std::min(1.0, s + 0.1), 1.0}) {
      const auto kernel = process.between<float>(s, t);
      for (token a = 0; a < S; ++a) {
        double total = 0;
        for (token y = 0; y < S; ++y) {
          const double p = static_cast<double>(kernel.transition(0, a, y));
          low.see(std::isfinite(p) ? std::max(-p, p - 1) : infinity<double>(), "s", s, "t", t, "from", a, "to", y);
          total += p;
        }
        sum.see(std::abs(total - 1), "s", s, "t", t, "from", a);
      }
    }
  low.check("probabilities lie in [0, 1]", 1e-6);
  sum.check("rows sum to 1", 1e-5);

  // sixteen steps of 1/16 make one; with tables in TF32, 11 bits of significand, they do not
  const auto off_after_steps = [&](int bits) {
    const auto step_of = [&](double s, double t, token a, token y) {
      int exponent = 0;
      const double p = std::frexp(static_cast<double>(process.between<float>(s, t).transition(0, a, y)), &exponent);
      return std::ldexp(std::round(std::ldexp(p, bits)), exponent - bits);
    };
    std::vector<double> row(16);
    row[3] = 1;
    for (int n = 0; n < 16; ++n) {
      std::vector<double> next(16);
      for (token a = 0; a < S; ++a)
        for (token y = 0; y < S; ++y)
          next[static_cast<std::size_t>(y)] += row[static_cast<std::size_t>(a)] * step_of(n / 16.0, (n + 1) / 16.0, a, y);
      row = next;
    }
    double off = 0;
    for (token y = 0; y < S; ++y)
      off = std::max(off, std::abs(row[static_cast<std::size_t>(y)] -
                                   static_cast<double>(process.between<float>(0, 1).transition(0, 3, y))));
    return off;
  };
  CHECK(off_after_steps(24) < 3e-6);
  CHECK(off_after_steps(11) > 3e-5);
}

// muse-maskgit-pytorch #4, Halton-MaskGIT #17: linspace(1, 0, steps) has steps - 1 steps. di4c and bionemo-moco divide by steps - 1: one
// step is a division by zero.
TEST_CASE("conformance: N steps are N steps, and one is legal") {
  const auto linspace = [](index_t n) {
    time_grid grid;
    for (index_t k = 0; k < n; ++k) grid.push_back(1 - static_cast<double>(k) / static_cast<double>(n - 1));
    return grid;
  };
  CHECK(linspace(8).size() == 8);  // seven steps
  CHECK(std::isnan(linspace(1)[0]));

  for (index_t n : {1, 2, 7, 100})
    for (const time_grid& grid : {uniform_grid(n), power_grid(n, 2), cosine_grid(n), logarithmic_grid(n, 0.01)}) {
      CHECK(static_cast<index_t>(grid.size()) == n + 1);
      CHECK(grid.front() == 1);
      CHECK(grid.back() == 0);
      CHECK_NOTHROW(expects_grid("grid", grid));
    }
}

// Halton-MaskGIT #17: arccos where cosine was meant, and the reverse.
TEST_CASE("conformance: arccos and cosine are two schedules") {
  // half-way MaskGIT's cosine hides cos(π/4), the arccos schedule arccos(1/2) / (π/2), of the positions
  CHECK(move_chance(maskgit_cosine{}, 0.5) == doctest::Approx(std::sqrt(0.5)));
  CHECK(move_chance(maskgit_arccos{}, 0.5) == doctest::Approx(2.0 / 3));
}
