// gillespie: the reverse process of a network itself, without a time step. Jumps come at random times, one position at a time, each after
// a network call: exact, and for small problems. For reference laws, and to see what a step costs.
//
// Noise sigma is the clock, in which rates do not depend on the schedule. Jumps are thinned (Lewis and Shedler 1979): candidates come at a
// constant rate that no denoiser can exceed (rate_bounds.hpp), and one is taken in proportion to the true rates R̂ at its time.
// Law (tests/laws/gillespie.cpp): with the exact denoiser, x_s follows q_s for any D.
#pragma once

#include <dimix/sampler.hpp>
#include <dimix/sampler/rate_bounds.hpp>

#include <algorithm>

namespace dimix {

/// One item on its way from noise to less noise.
struct thinned_path {
  double noise, last;     // where it is, and where it ends
  double candidates = 0;  // their rate at `noise`

  bool moving() const { return noise > last; }

  /// To the next candidate, or to the end: `mass` is what their rates sum up to on the way, an exponential draw.
  template <class Bounds>
  void advance(const Bounds& bounds, view<const token, 1> x, double mass) {
    for (index_t i = bounds.intervals().holding(noise); moving(); --i) {
      candidates = 0;
      for (index_t d = 0; d < x.extent(0); ++d) candidates += bounds.of(d, x(d), i);
      const double low = std::clamp(bounds.intervals().end(i), last, noise), there = candidates * (noise - low);
      if (mass < there) {
        noise -= mass / candidates;
        return;
      }
      mass -= there;
      noise = low;
    }
  }
};

/// The time in [s, t] with this noise.
template <class Schedule>
double time_at(const Schedule& schedule, double noise, double s, double t) {
  return std::clamp(inverse_alpha(schedule, std::exp(-noise)), s, t);
}

/// The paths from t (B) to s (B), before their first jump.
template <class Process>
std::vector<thinned_path> paths_between(const Process& process, view<const double, 1> s, view<const double, 1> t) {
  constexpr bool masked = revealing_space<typename Process::space_type>;
  const double most = masked ? 40 : 700;
  std::vector<thinned_path> paths;  // (B)
  for (index_t b = 0; b < t.extent(0); ++b) {
    expects(0 < s(b) && s(b) <= t(b) && t(b) <= 1, "gillespie: needs 0 < s <= t <= 1, but s[", b, "] = ", s(b), " and t[", b,
            "] = ", t(b));
    const double noise = total_noise(process.schedule(), t(b));
    expects(masked || noise < most, "gillespie: the noise at t[", b, "] = ", t(b), " is ", noise,
            "; begin where it is finite, and below ", most);
    paths.push_back({std::min(noise, most), total_noise(process.schedule(), s(b))});
  }
  return paths;
}

/// One candidate of an item: `left` is a point of [0, the rate of candidates), cut into the reverse rates of the positions of x (D) and a
/// rest in which nothing jumps. raw (D, outputs).
template <class Real, class Kernel, class Head>
void take_candidate(const Kernel& kernel, const Head& head, view<const Real, 2> raw, index_t item, view<token, 1> x,
                    const step_noise& noise, double left, random_block bits) {
  for (index_t d = 0; d < x.extent(0) && left >= 0; ++d) {
    const place at{item, d, x(d)};
    const auto rates = reverse_rates(kernel, at, make_row<Real>(serial_group{}, head, raw.row(d), at), noise);
    const double total = std::exp(static_cast<double>(rates.log_total()));
    expects<numeric_error>(std::isfinite(total), "gillespie: item ", item, " position ", d,
                           " has reverse rates that are not finite (non-finite logits?)");
    left -= total;
    if (left < 0)
      x(d) = draw_categorical(
          kernel.space.max_states(), [&](index_t a) { return rates.log_expected(a); }, bits);
  }
}

/// tokens (B, D) go from t (B) to s (B) in place, 0 < s <= t <= 1, by the reverse process of `net`; the last step to the data, where rates are
/// not bounded, is any product sampler's. items (B) are ids: the same tokens for any batch. λ of a mixture stays along the path. Noise at
/// t must be finite; where it only hides all beyond 40 is 40 (alpha = 4e-18). Returns the number of network calls, of all B items each; about
/// sum_d (the bounds above, integrated) of them. Errors: numeric_error for rates that are not finite.
template <class Real = float, class Process, class Net>
index_t gillespie(const Process& process, const Net& net, rng random, view<token, 2> tokens, view<const double, 1> s,
                  view<const double, 1> t, view<const std::uint64_t, 1> items) {
  static_assert(factorized_denoiser<Net, Real>, "gillespie: Net must provide outputs() and operator(); see dimix/denoiser.hpp");
  const index_t B = tokens.extent(0), D = tokens.extent(1);
  const auto& space = process.space();
  const auto& schedule = process.schedule();
  expects_shape("gillespie: s", s, B);
  expects_shape("gillespie: t", t, B);
  expects_shape("gillespie: items", items, B);
  expects_tokens("gillespie: tokens", tokens, space);
  expects_draws("gillespie", 0, 0, D);

  auto paths = paths_between(process, s, t);  // (B)
  array<Real, 3> latents;                     // (B, 1, L)
  draw_path_latents(net, random, items, 0, latents);

  const auto head = head_of(net, space);
  const rate_bounds<typename Process::space_type> bounds(space);
  array<Real, 4> raw(B, 1, D, net.outputs());  // (B, 1, D, outputs)
  array<Real, 1> times(B);                     // (B)
  for (index_t calls = 0;; ++calls) {
    expects(calls < rng::max_step, "gillespie: more than ", rng::max_step, " candidates; take a shorter way from t to s");
    // the draws of other samplers' jumps are numbered from 0
    const auto bits = [&](index_t b, index_t draw) { return random(purpose::jump, items(b), calls, rng::max_draw - draw, 0); };
    bool moving = false;
    for (index_t b = 0; b < B; ++b) {
      thinned_path& path = paths[static_cast<std::size_t>(b)];
      path.advance(bounds, tokens.row(b), -std::log(unit(bits(b, 1).first())));
      times(b) = static_cast<Real>(time_at(schedule, path.noise, s(b), t(b)));
      moving = moving || path.moving();
    }
    if (!moving) return calls;
    net(request<Real>{tokens, times, latents, items, calls}, raw.whole());
    for (index_t b = 0; b < B; ++b) {
      const thinned_path& path = paths[static_cast<std::size_t>(b)];
      if (!path.moving()) continue;
      const double now = time_at(schedule, path.noise, s(b), t(b));
      take_candidate<Real>(process.template between<Real>(now, now), head, view<const Real, 4>(raw)[b][0], b, tokens.row(b),
                           unit_noise(alpha(schedule, now)), path.candidates * unit(bits(b, 1).second()), bits(b, 2));
    }
  }
}

}  // namespace dimix
