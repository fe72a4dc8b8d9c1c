// What the laws share: numbers that depend only on their place, chi-square, walks over all sequences of a small shape, and the
// models that a user might bring.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/exact/chi_square.hpp>
#include <dimix/forward_process.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string>
#include <vector>

#include "sanitized.hpp"

namespace laws {

using dimix::array;
using dimix::index_t;
using dimix::token;
using dimix::view;

/// A uniform number in (0, 1), a function of its place.
inline double uniform_number(std::uint64_t seed, index_t i) {
  return dimix::unit(dimix::rng{seed}(dimix::purpose::user, 0, 0, 0, i).first());
}

/// Fills with numbers in (-spread, spread).
template <class T, int Rank>
void fill_noise(array<T, Rank>& values, std::uint64_t seed, double spread) {
  for (index_t i = 0; i < values.size(); ++i) values.data()[i] = static_cast<T>(spread * (2 * uniform_number(seed, i) - 1));
}

/// Statistics of many draws run 20 times as long with DIMIX_LONG=1, and an eighth under a sanitizer.
inline index_t draws(index_t quick) {
  if (sanitized) return quick / 8;
  return std::getenv("DIMIX_LONG") ? 20 * quick : quick;
}

/// A standard normal number if the counts follow the probabilities.
using dimix::exact::chi_square_deviation;

/// Seeds are fixed, so that a passing test passes for ever; 4 is one chance in 30,000 for a correct law.
inline void check_frequencies(const std::string& what, const std::vector<double>& counts,
                              const std::vector<double>& probabilities) {
  INFO(what);
  CHECK(chi_square_deviation(counts, probabilities) < 4);
}

/// f(x) for every sequence of D tokens in [0, S).
template <class F>
void for_each_sequence(index_t D, index_t S, const F& f) {
  std::vector<token> x(static_cast<std::size_t>(D), 0);
  for (;;) {
    f(x);
    std::size_t d = 0;
    while (d < x.size() && ++x[d] == S) x[d++] = 0;
    if (d == x.size()) return;
  }
}

/// Collects the largest violation of a law, so that one CHECK reports it with its place.
struct worst {
  double error = 0;
  std::string place;

  template <class... Parts>
  void see(double e, const Parts&... where) {
    if (!(e <= error) && !std::isnan(error)) {  // a NaN is the worst of all, and stays
      error = e;
      std::ostringstream text;
      ((text << where << ' '), ...);
      place = text.str();
    }
  }
  void check(const std::string& law, double bound) const {
    INFO(law << ": worst at " << place);
    CHECK(error <= bound);
  }
};

/// A user's space: 5 states at even positions and 3 at odd ones, noise that prefers some, and a state that noise never makes.
struct skewed {
  DIMIX_HD index_t states(index_t d) const { return d % 2 == 0 ? 5 : 3; }
  DIMIX_HD index_t max_states() const { return 5; }
  DIMIX_HD double prior(index_t d, token s) const {
    if (s < 0 || s >= states(d)) return 0;
    if (d % 2 == 0) return s == 0 ? 0.5 : s == 1 ? 0.25 : s == 2 ? 0.0 : 0.125;
    return s == 0 ? 0.7 : s == 1 ? 0.2 : 0.1;
  }
};
static_assert(dimix::state_space<skewed> && !dimix::masked_space<skewed>);

/// Positions of four kinds in turn: hidden, redrawn, levels, masked or redrawn, with 5, 3, 4 and 4 states.
struct in_turn {
  DIMIX_HD int operator()(index_t d) const { return static_cast<int>(d % 4); }
};
inline auto some_mixture() {
  return dimix::mixed(in_turn{}, dimix::absorbing<5>{}, dimix::uniform<3>{}, dimix::birth_death<4>{},
                      dimix::mask_and_replace<4>{0.6});
}

/// Rates that no detailed balance binds: mostly around a circle of 4 states.
inline dimix::rate_table circle() {
  static const array<double, 2> rates = [] {
    array<double, 2> made(4, 4);  // (S, S)
    for (index_t a = 0; a < 4; ++a)
      for (index_t y = 0; y < 4; ++y) made(a, y) = a == y ? -1 : y == (a + 1) % 4 ? 1.5 + 0.2 * static_cast<double>(a) : 0.1;
    return made;
  }();
  static const array<double, 1> law = dimix::stationary_law(rates);
  return {rates, law};
}

/// Schedules with exactly one pair of members: what a user has to write at least.
struct only_alpha {
  template <class Real>
  DIMIX_HD Real alpha(Real t) const {
    return (Real(1) - t) * (Real(1) - t / 2);
  }
  template <class Real>
  DIMIX_HD Real alpha_prime(Real t) const {
    return t - Real(1.5);
  }
};
struct only_noise {
  template <class Real>
  DIMIX_HD Real total_noise(Real t) const {
    return 3 * t * t;
  }
  template <class Real>
  DIMIX_HD Real rate(Real t) const {
    return 6 * t;
  }
};
static_assert(dimix::noise_schedule<only_alpha, float> && !dimix::has_total_noise<only_alpha, float>);
static_assert(dimix::noise_schedule<only_noise, float> && !dimix::has_alpha<only_noise, float>);

}  // namespace laws
