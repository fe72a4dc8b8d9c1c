// Every process keeps the laws: spaces times schedules, in both precisions, from the start to the end of time.
#include "laws/forward_process.hpp"
#include "laws/backends.hpp"

using namespace dimix;

namespace {

/// Noise with jumps of its own: kernels from tables.
template <class F>
void for_every_rate_process(const F& f) {
  f(forward_process(ordinal(7, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 6}));
  f(forward_process(birth_death<5>{}, geometric{1e-3, 5}));
  f(forward_process(laws::circle(), log_linear{0}));
}

/// Identity + rank one.
template <class F>
void for_every_process(const F& f) {
  f(forward_process(absorbing<4>{}, log_linear{}));
  f(forward_process(absorbing<4>{}, log_linear{0}));
  f(forward_process(absorbing<>{3}, cosine{}));
  f(forward_process(uniform<4>{}, log_linear{0}));
  f(forward_process(uniform<4>{}, geometric{1e-3, 5}));
  f(forward_process(uniform<>{3}, cosine_squared{}));
  f(forward_process(laws::skewed{}, linear{1e-4, 20}));
  f(forward_process(laws::skewed{}, laws::only_alpha{}));
  f(forward_process(laws::skewed{}, laws::only_noise{}));
}

/// Masked or redrawn, and a different kind at each position.
template <class F>
void for_every_other_process(const F& f) {
  f(forward_process(mask_and_replace<4>{0.6}, log_linear{}));
  f(forward_process(mask_and_replace<3>{0.9}, log_linear{0}));
  f(forward_process(mask_and_replace<>{5, 0.05}, cosine{}));
  f(forward_process(laws::some_mixture(), linear{0, 6}));
}

}  // namespace

TEST_CASE("laws: kernels of every process") {
  for_every_process([](const auto& process) {
    laws::check_kernels<double>(process, 2, 1e-14);
    laws::check_kernels<float>(process, 2, 6e-7);
    laws::check_rates(process, 2);
  });
  for_every_rate_process([](const auto& process) {
    laws::check_kernels<double>(process, 1, 1e-13);
    laws::check_kernels<float>(process, 1, 2e-6);
    laws::check_rates(process, 1);
  });
  for_every_other_process([](const auto& process) {
    laws::check_kernels<double>(process, 4, 1e-13);
    laws::check_kernels<float>(process, 4, 2e-6);
    laws::check_rates(process, 4);
  });
}

TEST_CASE("laws: reverse rows of every process, float within 4e-6 of double") {
  for_every_process([](const auto& process) {
    laws::check_reverse_rows<double>(process, 2, 1e-14);
    laws::check_reverse_rows<float>(process, 2, 2e-6);
    laws::check_scores<double>(process, 2, 1e-14);
    laws::check_scores<float>(process, 2, 2e-6);
  });
  for_every_rate_process([](const auto& process) {
    laws::check_reverse_rows<double>(process, 1, 1e-13);
    laws::check_reverse_rows<float>(process, 1, 4e-6);
  });
  for_every_other_process([](const auto& process) {
    laws::check_reverse_rows<double>(process, 4, 1e-13);
    laws::check_reverse_rows<float>(process, 4, 4e-6);
  });
}

TEST_CASE("laws: tables compose, keep π and start at the rates") {
  const auto check = [](const auto& space) {
    const index_t S = space.max_states();
    transition_tables tables(S, [&](token a, token y) { return space.base_rate(a, y); });
    laws::worst sums, composed, kept, start;
    for (double tau : {1e-6, 0.3, 7.0, 400.0}) {
      const auto once = tables.at(tau), twice = tables.at(2 * tau);
      const table product_of_both = product(*once, *once);
      for (index_t a = 0; a < S; ++a) {
        double sum = 0, from_prior = 0;
        for (index_t y = 0; y < S; ++y) {
          sum += (*once)(a, y);
          from_prior += space.prior(0, static_cast<token>(y)) * (*once)(y, a);
          // relative: small entries are as right as large ones
          composed.see(std::abs(product_of_both(a, y) - (*twice)(a, y)) / (1e-300 + (*twice)(a, y)), "tau =", tau, "a, y =", a,
                       y);
          if (tau < 1e-5 && a != y && space.base_rate(static_cast<token>(a), static_cast<token>(y)) > 0.01)
            start.see(std::abs((*once)(a, y) / tau / space.base_rate(static_cast<token>(a), static_cast<token>(y)) - 1),
                      "a, y =", a, y);
        }
        sums.see(std::abs(sum - 1), "tau =", tau, "a =", a);
        kept.see(std::abs(from_prior / space.prior(0, static_cast<token>(a)) - 1), "tau =", tau, "a =", a);
      }
    }
    sums.check("rows sum to 1", 1e-12);
    composed.check("exp(2 tau R) = exp(tau R)^2, relative", 1e-11);
    kept.check("π exp(tau R) = π", 1e-11);
    start.check("exp(tau R) = tau R off the diagonal for small tau", 1e-3);
    CHECK(tables.at(0)->whole()(0, 0) == 1);
    CHECK(tables.at(0)->whole()(0, 1) == 0);
    CHECK(tables.at(0.3) == tables.at(0.3));  // the same table, not an equal one
  };
  check(ordinal(7, {.rate_sigma = 1.5, .target_sigma = 5}));
  check(ordinal(32));
  check(birth_death<9>{});
  check(laws::circle());
}

TEST_CASE("laws: draws of every process") {
  for_every_process([](const auto& process) { laws::check_draws<float>(process, 2, 0.3, 0.7); });
  for_every_rate_process([](const auto& process) { laws::check_draws<float>(process, 1, 0.3, 0.7); });
  for_every_other_process([](const auto& process) { laws::check_draws<float>(process, 4, 0.3, 0.7); });
  laws::check_draws<double>(forward_process(absorbing<4>{}, log_linear{0}), 1, 0, 1);
  laws::check_draws<double>(forward_process(uniform<4>{}, log_linear{0}), 1, 0, 1);
  laws::check_draws<double>(forward_process(uniform<4>{}, log_linear{0}), 1, 0, 0);
  laws::check_draws<double>(forward_process(laws::skewed{}, log_linear{0}), 1, 0.5, 1);
}

TEST_CASE("laws: masking or redrawing is absorbing where hits mask, uniform on the values where they redraw") {
  const forward_process masks(mask_and_replace<4>{1 - 1e-9}, log_linear{}), redraws(mask_and_replace<4>{1e-9}, log_linear{});
  const forward_process hides(absorbing<4>{}, log_linear{});
  const forward_process replaces(uniform<3>{}, log_linear{});
  for (auto [s, t] : laws::time_pairs()) {
    if (t == 1) continue;  // there the mask wins however small its share
    CAPTURE(t);
    const auto m = masks.between(s, t), r = redraws.between(s, t);
    const auto h = hides.between(s, t);
    const auto u = replaces.between(s, t);
    for (token x_0 = 0; x_0 < 3; ++x_0)
      for (token y = 0; y < 4; ++y) {
        CHECK(std::abs(m.marginal_t(0, x_0, y) - h.marginal_t(0, x_0, y)) < 1e-7);
        CHECK(std::abs(m.transition(0, x_0, y) - h.transition(0, x_0, y)) < 1e-7);
        CHECK(std::abs(r.marginal_t(0, x_0, y) - (y == 3 ? 0 : u.marginal_t(0, x_0, y))) < 1e-7);
        CHECK(std::abs(r.transition(0, x_0, y) - (y == 3 ? 0 : u.transition(0, x_0, y))) < 1e-7);
      }
  }
}

TEST_CASE("laws: s = 0 is the data, also where the schedule starts with noise") {
  const forward_process process(uniform<4>{}, geometric{0.1, 5});
  const auto k = process.between(0, 0.5);
  CHECK(k.kept_s == 1);
  CHECK(k.hit_s == 0);
  CHECK(k.stay == k.kept_t);
}

TEST_CASE("laws: corrupt is q(x_t|x_0) with one kernel per item, the same for any batch and threads") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  const index_t B = 64, D = 5;
  array<token, 2> x_0(B, D), x_t(B, D), again(B, D), second_half(B / 2, D);  // (B, D)
  array<double, 1> t(B);                                                     // (B)
  array<std::uint64_t, 1> items(B);                                          // (B)
  for (index_t b = 0; b < B; ++b) {
    t(b) = static_cast<double>(b % 3) / 2;  // 0, 1/2, 1
    items(b) = static_cast<std::uint64_t>(1000 + b);
    for (index_t d = 0; d < D; ++d) x_0(b, d) = static_cast<token>((b + d) % 3);
  }
  corrupt(process, x_0, t, rng{3}, items, x_t, laws::on(1));
  index_t hidden = 0;
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < D; ++d) {
      if (b % 3 == 0) CHECK(x_t(b, d) == x_0(b, d));
      if (b % 3 == 2) CHECK(x_t(b, d) == 3);
      CHECK((x_t(b, d) == 3 || x_t(b, d) == x_0(b, d)));
      hidden += b % 3 == 1 && x_t(b, d) == 3;
    }
  CHECK((hidden > 30 && hidden < 75));  // 105 at 1/2
  corrupt(process, x_0, t, rng{3}, items, again, laws::on(3));
  CHECK(again == x_t);
  corrupt(process, x_0.whole().slice(B / 2, B / 2), t.whole().slice(B / 2, B / 2), rng{3}, items.whole().slice(B / 2, B / 2),
          second_half, laws::on(2));
  CHECK(std::equal(second_half.begin(), second_half.end(), x_t.begin() + B / 2 * D));
  corrupt(process, x_0, t, rng{3}, items, again, laws::on(1), 1);
  CHECK(again != x_t);
  corrupt(process, x_0, t, rng{3}, items, x_0, laws::on(1));  // in place
  CHECK(x_0 == x_t);
}
