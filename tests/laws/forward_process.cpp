// Every process keeps the laws: spaces times schedules, in both precisions, from the start to the end of time.
#include <dimix/backend/cpu.hpp>

#include "laws/forward_process.hpp"

using namespace dimix;

namespace {

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

}  // namespace

TEST_CASE("laws: kernels of every process") {
  for_every_process([](const auto& process) {
    laws::check_kernels<double>(process, 2, 1e-14);
    laws::check_kernels<float>(process, 2, 6e-7);
    laws::check_rates(process, 2);
  });
}

TEST_CASE("laws: reverse rows of every process, float within 2e-6 of double") {
  for_every_process([](const auto& process) {
    laws::check_reverse_rows<double>(process, 2, 1e-14);
    laws::check_reverse_rows<float>(process, 2, 2e-6);
  });
}

TEST_CASE("laws: draws of every process") {
  for_every_process([](const auto& process) { laws::check_draws<float>(process, 2, 0.3, 0.7); });
  laws::check_draws<double>(forward_process(absorbing<4>{}, log_linear{0}), 1, 0, 1);
  laws::check_draws<double>(forward_process(uniform<4>{}, log_linear{0}), 1, 0, 1);
  laws::check_draws<double>(forward_process(uniform<4>{}, log_linear{0}), 1, 0, 0);
  laws::check_draws<double>(forward_process(laws::skewed{}, log_linear{0}), 1, 0.5, 1);
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
  array<token, 2> x_0(B, D), x_t(B, D), again(B, D), half(B / 2, D);  // (B, D)
  array<double, 1> t(B);                                              // (B)
  array<std::uint64_t, 1> items(B);                                   // (B)
  for (index_t b = 0; b < B; ++b) {
    t(b) = static_cast<double>(b % 3) / 2;  // 0, 1/2, 1
    items(b) = static_cast<std::uint64_t>(1000 + b);
    for (index_t d = 0; d < D; ++d) x_0(b, d) = static_cast<token>((b + d) % 3);
  }
  corrupt(process, x_0, t, rng{3}, items, x_t, cpu{1});
  index_t hidden = 0;
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < D; ++d) {
      if (b % 3 == 0) CHECK(x_t(b, d) == x_0(b, d));
      if (b % 3 == 2) CHECK(x_t(b, d) == 3);
      CHECK((x_t(b, d) == 3 || x_t(b, d) == x_0(b, d)));
      hidden += b % 3 == 1 && x_t(b, d) == 3;
    }
  CHECK((hidden > 30 && hidden < 75));  // 105 at 1/2
  corrupt(process, x_0, t, rng{3}, items, again, cpu{3});
  CHECK(again == x_t);
  corrupt(process, x_0.whole().slice(B / 2, B / 2), t.whole().slice(B / 2, B / 2), rng{3}, items.whole().slice(B / 2, B / 2),
          half, cpu{2});
  CHECK(std::equal(half.begin(), half.end(), x_t.begin() + B / 2 * D));
  corrupt(process, x_0, t, rng{3}, items, again, cpu{1}, 1);
  CHECK(again != x_t);
  corrupt(process, x_0, t, rng{3}, items, x_0, cpu{1});  // in place
  CHECK(x_0 == x_t);
}
