// Score entropy is the bound of a network that predicts log scores; and what the bound of uniform noise is in closed form.
#include <dimix/objective/nelbo.hpp>
#include <dimix/objective/score_entropy.hpp>

#include "laws/nelbo.hpp"

using namespace dimix;

namespace {

template <class F>
void for_every_process(const F& f) {
  f(forward_process(absorbing<4>{}, log_linear{}), subs{3});
  f(forward_process(uniform<4>{}, log_linear{}), softmax{});
  f(forward_process(uniform<>{3}, geometric{}), softmax{});
  f(forward_process(laws::skewed{}, linear{0, 3}), softmax{});
  f(forward_process(ordinal(5, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 1}), softmax{});
  f(forward_process(birth_death<4>{}, log_linear{}), softmax{});
  array<double, 2> rates(3, 3);  // (S, S)  a cycle, which is not reversible
  rates(0, 1) = 1, rates(1, 2) = 0.5, rates(2, 0) = 2, rates(1, 0) = 0.25;
  const array<double, 1> prior = stationary_law(rates);
  f(forward_process(rate_table(rates, prior), linear{0, 2}), softmax{});
  f(forward_process(mask_and_replace<4>{0.6}, log_linear{}), values_only{3});
}

/// Random log scores for every pair (x_0, x_t).
template <class Process>
array<double, 4> noise_scores(const Process& process, const laws::pairs& at) {
  array<double, 4> raw(at.t.size(), 1, 1, process.max_states());  // (B, 1, 1, S)
  laws::fill_noise(raw, 9, 2);
  return raw;
}

}  // namespace

TEST_CASE("laws: score entropy of the scores of a denoiser's row is its bound") {
  for_every_process([](const auto& process, const auto& head) {
    for (double t : {0.05, 0.5, 0.95}) {
      const laws::pairs at(process, t);
      const index_t B = at.t.size(), S = process.max_states();
      array<double, 4> raw(B, 1, 1, S), log_scores(B, 1, 1, S);  // (B, 1, 1, S)
      laws::fill_noise(raw, 3, 2);
      const double alpha_t = alpha(process.schedule(), t);
      for (index_t b = 0; b < B; ++b) {
        for (index_t s = process.space().states(0); s < S; ++s) raw(b, 0, 0, s) = -500;
        const place here{b, 0, at.x_t(b, 0)};
        const view<const double, 1> outputs = raw.whole().row(b, 0, 0);
        const auto row = make_row<double>(serial_group{}, head, outputs, here);
        const auto kernel = process.between(t, t);
        const auto rates = reverse_rates(kernel, here, row, unit_noise(alpha_t));
        for (token y = 0; y < process.space().states(0); ++y)
          log_scores(b, 0, 0, y) = y == here.now || base_rate(process.space(), 0, y, here.now) == 0
                                       ? 77.0  // not read
                                       : rates.log_expected(y) - std::log(base_rate(process.space(), 0, y, here.now));
      }
      const auto bound = nelbo<double>(process, head, at.x_0, at.x_t, at.t, raw, laws::on(1));
      const auto ours = score_entropy<double>(process, at.x_0, at.x_t, at.t, log_scores, laws::on(1));
      laws::worst error;
      for (index_t b = 0; b < B; ++b)
        error.see(std::abs(ours(b) - bound(b)) / (1 + bound(b)), "t =", t, "x_0 =", at.x_0(b, 0), "x_t =", at.x_t(b, 0));
      error.check("score entropy = bound", 1e-11);
    }
  });
}

TEST_CASE("laws: score entropy is its formula, not negative, and its gradient the central difference") {
  for_every_process([](const auto& process, const auto&) {
    for (double t : {0.05, 0.5, 0.95}) {
      const laws::pairs at(process, t);
      const index_t B = at.t.size(), S = process.max_states();
      auto raw = noise_scores(process, at);
      const auto kernel = process.between(0, t);
      const auto value = [&] { return score_entropy<double>(process, at.x_0, at.x_t, at.t, raw, laws::on(1)); };
      array<double, 4> gradient(B, 1, 1, S);  // (B, 1, 1, S)
      const auto values = score_entropy<double>(process, at.x_0, at.x_t, at.t, raw, laws::on(1), gradient.whole());
      laws::worst formula, derivative;
      for (index_t b = 0; b < B; ++b) {
        const token x_0 = at.x_0(b, 0), x = at.x_t(b, 0);
        double wanted = 0;
        for (token y = 0; y < process.space().states(0); ++y) {
          if (y == x) continue;
          const double r = kernel.marginal_t(0, x_0, y) / kernel.marginal_t(0, x_0, x), z = raw(b, 0, 0, y);
          wanted += process.jump_rate(0, y, x, t) * (std::exp(z) - r * z + (r > 0 ? r * (std::log(r) - 1) : 0));
        }
        formula.see(std::abs(values(b) - wanted) / (1 + wanted), "x_0, x_t =", x_0, x);
        CHECK(values(b) >= 0);
        for (index_t s = 0; s < S; ++s) {
          const double h = 1e-5, kept = raw(b, 0, 0, s);
          raw(b, 0, 0, s) = kept + h;
          const double above = value()(b);
          raw(b, 0, 0, s) = kept - h;
          const double below = value()(b);
          raw(b, 0, 0, s) = kept;
          derivative.see(std::abs((above - below) / (2 * h) - static_cast<double>(B) * gradient(b, 0, 0, s)) / (1 + wanted),
                         "x_0, x_t, s =", x_0, x, s);
        }
      }
      formula.check("value = formula", 1e-12);
      derivative.check("gradient = central difference", 1e-7);
    }
  });
}

TEST_CASE("laws: the minimiser of score entropy is the score of the data") {
  for_every_process([](const auto& process, const auto&) {
    const double t = 0.4;
    const laws::pairs at(process, t);
    const index_t B = at.t.size(), S = process.max_states();
    const std::vector<double> law = {0.5, 0.2, 0.1, 0.15, 0.05};
    std::vector<double> marginal(static_cast<std::size_t>(S));  // p_t, not normalised
    const auto weight = [&](index_t b) {
      return law[static_cast<std::size_t>(at.x_0(b, 0))] * at.q[static_cast<std::size_t>(b)];
    };
    for (index_t b = 0; b < B; ++b) marginal[static_cast<std::size_t>(at.x_t(b, 0))] += weight(b);
    array<double, 4> raw(B, 1, 1, S), gradient(B, 1, 1, S);  // (B, 1, 1, S)
    for (index_t b = 0; b < B; ++b)
      for (index_t y = 0; y < S; ++y)  // a state that noise never makes has a score of 0
        raw(b, 0, 0, y) = std::log(marginal[static_cast<std::size_t>(y)] + 1e-300) -
                          std::log(marginal[static_cast<std::size_t>(at.x_t(b, 0))]);
    const auto expected = [&](const array<double, 4>& scores) {
      const auto values = score_entropy<double>(process, at.x_0, at.x_t, at.t, scores, laws::on(1), gradient.whole());
      double total = 0;
      for (index_t b = 0; b < B; ++b) total += weight(b) * values(b);
      return total;
    };
    const double best = expected(raw);
    array<double, 2> pull(S, S);  // (x_t, y)
    for (index_t b = 0; b < B; ++b)
      for (index_t y = 0; y < S; ++y) pull(at.x_t(b, 0), y) += weight(b) * static_cast<double>(B) * gradient(b, 0, 0, y);
    for (double g : pull) CHECK(std::abs(g) < 1e-12);
    for (std::uint64_t seed = 0; seed < 5; ++seed) {
      auto moved = raw;  // one move for each x_t
      for (index_t b = 0; b < B; ++b)
        for (index_t y = 0; y < S; ++y) moved(b, 0, 0, y) += 0.2 * (2 * laws::uniform_number(seed, at.x_t(b, 0) * S + y) - 1);
      CHECK(expected(moved) > best);
    }
  });
}

TEST_CASE("laws: score entropy in float is that in double, also next to the score") {
  for_every_process([](const auto& process, const auto&) {
    for (double t : {0.02, 0.5, 0.95})
      for (double spread : {3.0, 1e-3}) {
        const laws::pairs at(process, t);
        const index_t B = at.t.size(), S = process.max_states();
        const auto kernel = process.between(0, t);
        array<double, 4> raw(B, 1, 1, S), slope(B, 1, 1, S);             // (B, 1, 1, S)
        array<float, 4> raw_float(B, 1, 1, S), slope_float(B, 1, 1, S);  // (B, 1, 1, S)
        laws::fill_noise(raw, 4, spread);
        for (index_t b = 0; b < B; ++b)
          for (token y = 0; y < process.space().states(0); ++y) {
            const double r = kernel.marginal_t(0, at.x_0(b, 0), y) / kernel.marginal_t(0, at.x_0(b, 0), at.x_t(b, 0));
            if (r > 0) raw(b, 0, 0, y) += std::log(r);
          }
        std::transform(raw.begin(), raw.end(), raw_float.begin(), [](double x) { return static_cast<float>(x); });
        std::transform(raw_float.begin(), raw_float.end(), raw.begin(), [](float x) { return x; });
        const auto wide = score_entropy<double>(process, at.x_0, at.x_t, at.t, raw, laws::on(1), slope.whole());
        const auto narrow = score_entropy<float>(process, at.x_0, at.x_t, at.t, raw_float, laws::on(1), slope_float.whole());
        laws::worst error;
        for (index_t b = 0; b < B; ++b)
          error.see(std::abs(wide(b) - static_cast<double>(narrow(b))) / (1 + wide(b)), "value, b =", b, "t =", t);
        for (index_t i = 0; i < slope.size(); ++i)
          error.see(std::abs(slope.data()[i] - static_cast<double>(slope_float.data()[i])) / (1 + std::abs(slope.data()[i])),
                    "slope, i =", i, "t =", t);
        error.check("float = double", 2e-5);
      }
  });
}

TEST_CASE("laws: data that cannot have become x_t leave no score entropy") {
  array<double, 2> rates(4, 4);  // (S, S)  two classes that do not communicate: 0 <-> 1 and 2 <-> 3
  rates(0, 1) = rates(1, 0) = rates(2, 3) = rates(3, 2) = 1;
  array<double, 1> prior(4), t(1);  // (S), (B)
  prior.fill(0.25), t.fill(0.5);
  array<token, 2> x_0(1, 1), x_t(1, 1);                    // (B, D)
  array<double, 4> raw(1, 1, 1, 4), gradient(1, 1, 1, 4);  // (B, 1, D, S)
  const forward_process split(rate_table(rates, prior), linear{0, 1});
  for (token x : {1, 2}) {
    x_t(0, 0) = x;
    const double value = score_entropy<double>(split, x_0, x_t, t, raw, laws::on(1), gradient.whole())(0);
    CHECK((value > 0) == (x == 1));
    CHECK((gradient(0, 0, 0, x == 1 ? 0 : 3) != 0) == (x == 1));
  }
}

TEST_CASE("laws: next to the score its entropy keeps its digits") {
  for (double v : {-1e-3, -1e-6, 1e-9, 1e-5, 0.02})
    CHECK(score_entropy_of<double>::make(1, v).value ==
          doctest::Approx(v * v / 2 * (1 + v / 3 + v * v / 12 + v * v * v / 60)).epsilon(1e-8));
  for (float v : {-1e-3f, 1e-6f, 0.01f})
    CHECK(score_entropy_of<float>::make(1, v).value == doctest::Approx(v * v / 2 * (1 + v / 3 + v * v / 12)).epsilon(2e-6));
  CHECK(score_entropy_of<double>::make(0.5, -200).value == doctest::Approx(0.5 * (199 + std::log(0.5))).epsilon(1e-14));
  CHECK(score_entropy_of<double>::make(0, -2).value == doctest::Approx(std::exp(-2.0)));
}

TEST_CASE("laws: absorbing score entropy counts masked positions alone") {
  const forward_process masked(absorbing<4>{}, log_linear{});
  array<token, 2> x_0(1, 3), x_t(1, 3);  // (B, D)
  x_0(0, 0) = 1, x_0(0, 1) = 2, x_0(0, 2) = 0;
  x_t(0, 0) = 3, x_t(0, 1) = 2, x_t(0, 2) = 3;
  array<double, 1> t(1);  // (B)
  t(0) = 0.3;
  array<double, 4> raw(1, 1, 3, 4), gradient(1, 1, 3, 4);  // (B, 1, D, S)
  laws::fill_noise(raw, 2, 1);
  const double all = score_entropy<double>(masked, x_0, x_t, t, raw, laws::on(1), gradient.whole())(0);
  for (index_t y = 0; y < 4; ++y) {
    CHECK(gradient(0, 0, 1, y) == 0);
    CHECK((gradient(0, 0, 0, y) != 0) == (y != 3));
    raw(0, 0, 1, y) = std::nan("");
  }
  CHECK(score_entropy<double>(masked, x_0, x_t, t, raw, laws::on(1))(0) == all);
}

// UDLM (Schiff et al. 2024) writes the bound of uniform noise on N states, for x = x_t and x̄(y) = N alpha [y = x_0] + 1 - alpha, as
//   -(alpha' / (N alpha)) [ N / x̄_θ(x) - N / x̄(x) + sum_y (x̄(y) / x̄(x)) log( (x̄(y) / x̄(x)) / (x̄_θ(y) / x̄_θ(x)) ) ],
// x̄_θ(y) = N alpha x_θ(y) + 1 - alpha. There a network's row x_θ takes the place of x_0 in q(x_s | x_t, x_0), so that its score
// is x̄_θ(y) / x̄_θ(x). Ours is a row of p(x_0 | x_t), whose score is sum_z p(z) q(y | z) / q(x | z). The two are one where
// p(z) = x_θ(z) q(x | z) / sum_z x_θ(z) q(x | z): then sum_z p(z) q(y | z) / q(x | z) = sum_z x_θ(z) q(y | z) / sum_z x_θ(z) q(x | z), and
// q(y | z) = x̄ of z at y, over N. With s = x̄(y) / x̄(x), R_t(y, x) = beta / N, beta = -alpha' / alpha, and sum_y x̄(y) = N = sum_y x̄_θ(y):
//   (beta / N) sum_{y != x} [ s log(s / s_θ) - s + s_θ ] = (beta / N) [ sum_y s log(s / s_θ) - (N / x̄(x) - 1) + (N / x̄_θ(x) - 1) ].
TEST_CASE("laws: the bound of uniform noise is UDLM's closed form") {
  constexpr token N = 5;
  const cosine schedule{};
  const forward_process process(uniform<N>{}, schedule);
  for (double t : {0.05, 0.4, 0.9}) {
    const laws::pairs at(process, t);
    const index_t B = at.t.size();
    const double alpha_t = schedule.alpha(t), slope = schedule.alpha_prime(t);
    array<double, 4> logits(B, 1, 1, N), raw(B, 1, 1, N);  // (B, 1, 1, S)
    laws::fill_noise(logits, 6, 2);
    laws::worst error;
    std::vector<double> wanted;
    for (index_t b = 0; b < B; ++b) {
      const token x_0 = at.x_0(b, 0), x = at.x_t(b, 0);
      double total = 0;
      for (token z = 0; z < N; ++z) total += std::exp(logits(b, 0, 0, z));
      const auto of_data = [&](token y) { return N * alpha_t * (y == x_0) + 1 - alpha_t; };
      const auto of_model = [&](token y) { return N * alpha_t * std::exp(logits(b, 0, 0, y)) / total + 1 - alpha_t; };
      double inside = N / of_model(x) - N / of_data(x);
      for (token y = 0; y < N; ++y) {
        const double s = of_data(y) / of_data(x);
        inside += s * std::log(s / (of_model(y) / of_model(x)));
        raw(b, 0, 0, y) = logits(b, 0, 0, y) + std::log(x == y ? alpha_t + (1 - alpha_t) / N : (1 - alpha_t) / N);
      }
      wanted.push_back(-slope / (N * alpha_t) * inside);
    }
    const auto ours = nelbo<double>(process, softmax{}, at.x_0, at.x_t, at.t, raw, laws::on(1));
    for (index_t b = 0; b < B; ++b)
      error.see(std::abs(ours(b) - wanted[static_cast<std::size_t>(b)]) / (1 + wanted[static_cast<std::size_t>(b)]), "t =", t,
                "x_0 =", at.x_0(b, 0), "x_t =", at.x_t(b, 0));
    error.check("bound = closed form", 1e-12);
  }
}
