// What a row of truncated_logistic remembers, from its two outputs and x_t: of one position or, in lanes, of several.
#pragma once

#include <dimix/core/elementwise.hpp>

namespace dimix {

enum class tails { cut, to_ends };

template <class Number>
struct logistic_state {
  Number mean, steepness;    // μ, k
  Number two_h, ratio;       // 2h, r
  Number scale, log_scale;   // C
  Number by_mean, by_steep;  // slopes of log Z by μ over k, and of -log C by log k
};

template <class Number>
DIMIX_HD logistic_state<Number> logistic_of(Number z_0, Number z_1, Number now, index_t S, tails beyond) {
  using std::exp, std::expm1, std::log, std::tanh;
  using real = real_of_t<Number>;
  const Number one = real(1), two = real(2);
  const Number mean = tanh(z_0 + (now * (two / Number(static_cast<real>(S - 1))) - one)), k = exp(two - z_1);
  const Number two_h = k * Number(real(2) / static_cast<real>(S)), ratio = exp(-two_h), mass = -expm1(-two_h);
  logistic_state<Number> seen{mean, k, two_h, ratio, mass, real(0), real(0), -two_h * ratio / mass};
  if (beyond == tails::cut) {
    // e^a and e^-b of [-1, 1]
    const Number a = (-one - mean) * k, b = (one - mean) * k, low = exp(a), high = exp(-b), between = -expm1(-two * k);
    const Number below = low / (one + low), above = high / (one + high);
    seen.scale = seen.scale * ((one + low) * (one + high) / between);
    seen.by_mean = below - above;
    seen.by_steep += above * b - below * a + two * k * low * high / between;
  }
  seen.log_scale = log(seen.scale);
  return seen;
}

template <class Real>
DIMIX_HD void put(view<logistic_state<Real>, 1> states, index_t i, const logistic_state<Real>& seen) {
  states[i] = seen;
}
/// Those of lanes, one by one.
template <class Real, neighbouring_indices At>
DIMIX_HD void put(view<logistic_state<Real>, 1> states, At i, const logistic_state<typename number_at<Real, At>::type>& seen) {
  for (int w = 0; w < seen.mean.width; ++w)
    states[i.first + w] = {seen.mean[w],  seen.steepness[w], seen.two_h[w],   seen.ratio[w],
                           seen.scale[w], seen.log_scale[w], seen.by_mean[w], seen.by_steep[w]};
}

}  // namespace dimix
