// The continuous-time bound keeps the laws on every process.
#include <dimix/denoiser/tabular.hpp>
#include <dimix/objective/nelbo.hpp>

#include "laws/nelbo.hpp"

using namespace dimix;

TEST_CASE("laws: the bound is the divergence of rates") {
  for (double t : {0.05, 0.5, 0.99}) {
    CAPTURE(t);
    laws::check_nelbo(forward_process(absorbing<4>{}, log_linear{}), subs{3}, t);
    laws::check_nelbo(forward_process(absorbing<4>{}, cosine{}), subs{3}, t);
    laws::check_nelbo(forward_process(uniform<4>{}, log_linear{}), softmax{}, t);
    laws::check_nelbo(forward_process(uniform<>{3}, geometric{}), softmax{}, t);
    laws::check_nelbo(forward_process(laws::skewed{}, log_linear{}), softmax{}, t);
    laws::check_nelbo(forward_process(laws::skewed{}, laws::only_alpha{}), softmax{}, t);
  }
}

TEST_CASE("laws: absorbing is the closed form -alpha' / (1 - alpha) * -log p(x_0) at masked positions") {
  for (double t : {0.01, 0.3, 1.0}) {
    const cosine_squared schedule{};
    const forward_process process(absorbing<4>{}, schedule);
    array<token, 2> x_0(1, 3), x_t(1, 3);  // (B, D)
    x_0(0, 0) = 1, x_0(0, 1) = 2, x_0(0, 2) = 0;
    x_t(0, 0) = 3, x_t(0, 1) = 2, x_t(0, 2) = 3;
    array<double, 1> time(1);  // (B)
    time(0) = t;
    array<double, 4> raw(1, 1, 3, 4);  // (B, 1, D, S)
    laws::fill_noise(raw, 1, 2);
    const auto log_p = [&](index_t d, token s) {
      double total = 0;
      for (index_t z = 0; z < 3; ++z) total += std::exp(raw(0, 0, d, z));
      return raw(0, 0, d, s) - std::log(total);
    };
    const double weight = -schedule.alpha_prime(t) / (1 - schedule.alpha(t));
    CHECK(nelbo<double>(process, subs{3}, x_0, x_t, time, raw, laws::on(1))(0) ==
          doctest::Approx(-weight * (log_p(0, 1) + log_p(2, 0))).epsilon(1e-12));
  }
}

TEST_CASE("laws: where alpha reaches 0 the bound of a random prior does too, in float as in double") {
  const auto both = [](const auto& process, double time, double tolerance) {
    const laws::pairs at(process, time);
    const index_t B = at.t.size(), S = process.max_states();
    array<double, 4> raw(B, 1, 1, S), slope(B, 1, 1, S);  // (B, 1, 1, S)
    laws::fill_noise(raw, 5, 2);
    array<float, 4> raw_float(B, 1, 1, S), slope_float(B, 1, 1, S);
    std::transform(raw.begin(), raw.end(), raw_float.begin(), [](double x) { return static_cast<float>(x); });
    std::transform(raw_float.begin(), raw_float.end(), raw.begin(), [](float x) { return x; });
    const auto head = default_head(process.space());
    const auto wide = nelbo<double>(process, head, at.x_0, at.x_t, at.t, raw, laws::on(1), slope.whole());
    const auto narrow = nelbo<float>(process, head, at.x_0, at.x_t, at.t, raw_float, laws::on(1), slope_float.whole());
    laws::worst values, slopes;
    for (index_t b = 0; b < B; ++b)
      values.see(std::abs(wide(b) - static_cast<double>(narrow(b))) / (1e-30 + wide(b)), "b =", b);
    for (index_t i = 0; i < slope.size(); ++i)
      slopes.see(std::abs(slope.data()[i] - static_cast<double>(slope_float.data()[i])) / (1 + std::abs(slope.data()[i])),
                 "i =", i);
    values.check("values of float = those of double", tolerance);
    slopes.check("slopes of float = those of double", tolerance);
    return *std::max_element(wide.begin(), wide.end());
  };
  for (double t : {0.2, 0.8, 0.99, 0.9999, 1 - 1e-6}) {
    both(forward_process(uniform<4>{}, log_linear{0}), t, 4e-5);
    both(forward_process(laws::skewed{}, cosine{}), t, 4e-5);
  }
  CHECK(both(forward_process(uniform<4>{}, log_linear{0}), 1, 1e-5) == 0);
  for (double t : {0.2, 0.8, 0.99, 1 - 1e-6}) both(forward_process(mask_and_replace<4>{0.7}, log_linear{0}), t, 4e-5);
  CHECK(both(forward_process(mask_and_replace<4>{0.7}, log_linear{0}), 1, 1e-5) == 0);
  CHECK(both(forward_process(uniform<4>{}, linear{0, 40}), 1, 1e-5) < 1e-14);
}

TEST_CASE("laws: where noise has rates of its own") {
  const forward_process levels(ordinal(5, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 4});
  for (double t : {0.02, 0.4, 1.0}) {
    laws::check_nelbo(levels, softmax{}, t);
    laws::check_nelbo(forward_process(birth_death<4>{}, log_linear{}), softmax{}, t);
    laws::check_minimiser(levels, softmax{}, t, {0.2, 0.1, 0.3, 0.3, 0.1});
  }
}

TEST_CASE("laws: where noise masks or redraws") {
  for (double t : {0.02, 0.4, 0.99}) {
    CAPTURE(t);
    laws::check_nelbo(forward_process(mask_and_replace<4>{0.6}, log_linear{}), values_only{3}, t);
    laws::check_nelbo(forward_process(mask_and_replace<3>{0.1}, cosine{}), values_only{2}, t);
    laws::check_minimiser(forward_process(mask_and_replace<4>{0.6}, log_linear{}), values_only{3}, t, {0.6, 0.3, 0.1});
  }
}

TEST_CASE("laws: masking or redrawing has the bound of absorbing where hits mask, of uniform where they redraw") {
  const double time = 0.4;
  array<token, 2> x_0(3, 1), masked(3, 1), visible(3, 1);  // (B, D)
  array<double, 1> t(3);                                   // (B)
  array<double, 4> raw(3, 1, 1, 4), values(3, 1, 1, 3);    // (B, 1, D, S)
  laws::fill_noise(raw, 4, 2);
  t.fill(time);
  for (index_t b = 0; b < 3; ++b) {
    x_0(b, 0) = static_cast<token>(b), masked(b, 0) = 3, visible(b, 0) = static_cast<token>(b == 0 ? 0 : b - 1);
    for (index_t s = 0; s < 3; ++s) values(b, 0, 0, s) = raw(b, 0, 0, s);
  }
  const log_linear schedule{};
  const auto mostly_masks = nelbo<double>(forward_process(mask_and_replace<4>{1 - 1e-9}, schedule), values_only{3}, x_0, masked,
                                          t, raw, laws::on(1)),
             hides = nelbo<double>(forward_process(absorbing<4>{}, schedule), subs{3}, x_0, masked, t, raw, laws::on(1)),
             mostly_redraws = nelbo<double>(forward_process(mask_and_replace<4>{1e-9}, schedule), values_only{3}, x_0, visible,
                                            t, raw, laws::on(1)),
             replaces = nelbo<double>(forward_process(uniform<3>{}, schedule), softmax{}, x_0, visible, t, values, laws::on(1));
  for (index_t b = 0; b < 3; ++b) {
    CHECK(mostly_masks(b) == doctest::Approx(hides(b)).epsilon(1e-6));
    CHECK(mostly_redraws(b) == doctest::Approx(replaces(b)).epsilon(1e-6));
  }
}

TEST_CASE("laws: states that are out of reach leave the bound and its gradient finite") {
  // levels so many jumps away that their probabilities end in the smallest numbers that each type holds, and below
  const forward_process process(birth_death<>{256}, linear{0, 0.02});
  const auto check = [&](auto real) {
    using Real = decltype(real);
    array<token, 2> x_0(3, 1), x_t(3, 1);  // (B, D)
    x_0(0, 0) = 3, x_0(1, 0) = 200, x_0(2, 0) = 0;
    x_t(0, 0) = 4, x_t(1, 0) = 200, x_t(2, 0) = 0;
    array<double, 1> t(3);  // (B)
    t.fill(0.5);
    array<Real, 4> raw(3, 1, 1, 256), gradient(3, 1, 1, 256);  // (B, 1, D, S)
    for (Real value : nelbo<Real>(process, softmax{}, x_0, x_t, t, raw, laws::on(1), gradient.whole()))
      CHECK(std::isfinite(value));
    for (Real g : gradient) CHECK(std::isfinite(g));
  };
  check(0.0);
  check(0.0f);
}

TEST_CASE("laws: the minimiser of the bound is the exact posterior") {
  for (double t : {0.1, 0.6}) {
    laws::check_minimiser(forward_process(absorbing<4>{}, log_linear{}), subs{3}, t, {0.6, 0.3, 0.1});
    laws::check_minimiser(forward_process(uniform<3>{}, log_linear{}), softmax{}, t, {0.6, 0.3, 0.1});
    laws::check_minimiser(forward_process(laws::skewed{}, linear{0, 3}), softmax{}, t, {0.2, 0.1, 0.3, 0.3, 0.1});
  }
}

namespace {

/// The bound of the exact denoiser of a law of two positions, integrated over t by the midpoint rule and over x_t exactly; with the
/// divergence of the prior it is the entropy of the data.
template <class Process>
double bound_of_exact_denoiser(const Process& process, const array<token, 2>& sequences, const array<double, 1>& law,
                               index_t cells) {
  const tabular<Process> net(process, sequences, law);
  const auto head = default_head(process.space());
  const index_t S = process.max_states();
  double total = 0;
  for (index_t cell = 0; cell < cells; ++cell) {
    // midpoints in v with t = v^2 (3 - 2 v): more of them near both ends
    const double v = (static_cast<double>(cell) + 0.5) / static_cast<double>(cells), time = v * v * (3 - 2 * v),
                 dt = 6 * v * (1 - v) / static_cast<double>(cells);
    const auto kernel = process.between(0, time);
    std::vector<double> weights;
    std::vector<token> clean, noisy;
    laws::for_each_sequence(2, S, [&](const std::vector<token>& x) {
      for (index_t n = 0; n < law.size(); ++n) {
        const double q = kernel.marginal_t(0, sequences(n, 0), x[0]) * kernel.marginal_t(1, sequences(n, 1), x[1]);
        if (law(n) * q == 0) continue;
        weights.push_back(law(n) * q);
        clean.insert(clean.end(), {sequences(n, 0), sequences(n, 1)});
        noisy.insert(noisy.end(), x.begin(), x.end());
      }
    });
    const auto B = static_cast<index_t>(weights.size());
    array<double, 1> t(B);  // (B)
    t.fill(time);
    array<double, 4> raw(B, 1, 2, S);  // (B, 1, D, S)
    array<double, 3> no_latents(B, 1, 0);
    const view<const token, 2> x_t(noisy.data(), B, 2);
    net(request<double>{x_t, t, no_latents, {}, 0}, raw.whole());
    const auto value = nelbo<double>(process, head, view<const token, 2>(clean.data(), B, 2), x_t, t, raw, laws::on(1));
    for (index_t b = 0; b < B; ++b) total += dt * weights[static_cast<std::size_t>(b)] * value(b);
  }
  return total;
}

}  // namespace

TEST_CASE("laws: for the exact denoiser the bound is the entropy of the data") {
  array<token, 2> sequences(3, 2);  // (n, D)
  array<double, 1> law(3);          // (n)
  sequences(0, 0) = 0, sequences(0, 1) = 0;
  sequences(1, 0) = 1, sequences(1, 1) = 1;
  sequences(2, 0) = 0, sequences(2, 1) = 1;
  law(0) = 0.5, law(1) = 0.3, law(2) = 0.2;
  const double entropy = -(0.5 * std::log(0.5) + 0.3 * std::log(0.3) + 0.2 * std::log(0.2));
  CHECK(bound_of_exact_denoiser(forward_process(absorbing<3>{}, log_linear{1e-9}), sequences, law, 400) ==
        doctest::Approx(entropy).epsilon(1e-4));
  CHECK(bound_of_exact_denoiser(forward_process(uniform<2>{}, log_linear{1e-9}), sequences, law, 400) ==
        doctest::Approx(entropy).epsilon(1e-4));
  CHECK(bound_of_exact_denoiser(forward_process(laws::skewed{}, linear{0, 12}), sequences, law, 400) ==
        doctest::Approx(entropy).epsilon(1e-3));
  CHECK(bound_of_exact_denoiser(forward_process(mask_and_replace<4>{0.7}, linear{0, 40}), sequences, law, 400) ==
        doctest::Approx(entropy).epsilon(1e-3));
  const int kinds[] = {1, 0};  // of the two positions: levels, and words that are masked
  const mixed words_and_levels(listed_kinds(view<const int, 1>(kinds, 2)), absorbing<3>{}, birth_death<5>{});
  CHECK(bound_of_exact_denoiser(forward_process(words_and_levels, linear{0, 40}), sequences, law, 400) ==
        doctest::Approx(entropy).epsilon(1e-3));
}

TEST_CASE("laws: divergence of the prior") {
  array<token, 2> x_0(2, 2);  // (B, D)
  x_0(1, 0) = 2;
  const auto of_uniform = prior_divergence(forward_process(uniform<3>{}, log_linear{0.1}), x_0);
  const double kept = 0.1 + 0.9 / 3, other = 0.9 / 3;
  CHECK(of_uniform(0) == doctest::Approx(2 * (kept * std::log(3 * kept) + 2 * other * std::log(3 * other))).epsilon(1e-13));
  CHECK(of_uniform(1) == doctest::Approx(of_uniform(0)).epsilon(1e-13));
  CHECK(prior_divergence(forward_process(uniform<3>{}, log_linear{0}), x_0)(0) == doctest::Approx(0).epsilon(1e-13));
  CHECK(prior_divergence(forward_process(absorbing<3>{}, log_linear{0}), x_0)(0) == 0);
}
