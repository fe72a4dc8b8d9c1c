// Every head keeps the laws, at masked and revealed positions.
#include <dimix/guidance/paired.hpp>
#include <dimix/head/reshaped.hpp>
#include <dimix/head/stepped.hpp>

#include "laws/head.hpp"

using namespace dimix;

TEST_CASE_TEMPLATE("laws: heads of x_0", Real, float, double) {
  for (index_t S : {2, 5, 67}) {
    const auto mask = static_cast<token>(S - 1);
    for (std::uint64_t seed = 0; seed < 3; ++seed) {
      laws::check_head<Real>(softmax{}, S, {0, 0, 0}, seed);
      laws::check_head<Real>(subs{mask}, S, {0, 0, mask}, seed);
      laws::check_head<Real>(subs{mask}, S, {0, 0, 0}, seed);
      laws::check_head<Real>(subs{mask, -1e6}, S, {0, 0, mask}, seed);
      laws::check_head<Real>(subs{mask, -1e6}, S, {0, 0, 1 % mask}, seed);
      laws::check_head<Real>(values_only{mask}, S, {0, 0, mask}, seed);
      laws::check_head<Real>(values_only{mask}, S, {0, 0, 0}, seed);
    }
  }
}

TEST_CASE_TEMPLATE("laws: truncated logistic", Real, float, double) {
  for (index_t S : {2, 5, 67})
    for (tails beyond : {tails::cut, tails::to_ends})
      for (std::uint64_t seed = 0; seed < 4; ++seed) {
        laws::check_head<Real>(truncated_logistic{S, beyond}, S, {0, 0, 0}, seed, 0.7);
        laws::check_head<Real>(truncated_logistic{S, beyond}, S, {0, 0, static_cast<token>(S - 1)}, seed, 0.7);
      }
}

TEST_CASE("laws: a truncated logistic keeps its digits where its mass is e^-500") {
  const truncated_logistic head{256};
  array<double, 1> raw(2);  // (outputs)
  raw(0) = 0, raw(1) = -4;  // k = e^6
  const view<const double, 1> given = raw;
  const place at{0, 0, 20};
  const auto row = make_row<double>(serial_group{}, head, given, at);
  const long double mean = std::tanh(2.0L * 20 / 255 - 1), k = std::exp(6.0L);
  laws::worst error;
  for (index_t s = 30; s < 256; ++s) {  // right of the mean: e^-a (1 - e^(a - b)) / ((1 + e^-a)(1 + e^-b)), in long double
    const long double a = (-1 + 2.0L * static_cast<long double>(s) / 256 - mean) * k, b = a + 2 * k / 256;
    const long double wanted = -a + std::log1p(-std::exp(a - b)) - std::log1p(std::exp(-a)) - std::log1p(std::exp(-b));
    error.see(static_cast<double>(std::abs((row.log_prob(s) - wanted) / wanted)), "s =", s);
  }
  error.check("relative error of log p", 1e-13);
}

TEST_CASE("laws: softmax and subs hold far from zero") {
  laws::check_head<double>(softmax{}, 5, {0, 0, 0}, 1, 300);
  laws::check_head<double>(subs{4}, 5, {0, 0, 4}, 1, 300);
}

TEST_CASE_TEMPLATE("laws: softmax rows are the same for any guess, and tell of outputs that are not finite", Real, float,
                   double) {
  const index_t S = 67;
  array<Real, 1> raw(S), weights(S);  // (S)
  laws::fill_noise(raw, 3, 4);
  const view<const Real, 1> given = raw;
  const auto check = [&](const auto& head, const place& at) {
    const Real state = head.template observe<Real>(serial_group{}, given, at);
    const auto row = head.template row<Real>(given, at, state);
    laws::worst error;
    for (Real off : {-infinity<Real>(), Real(0), Real(-3), Real(10), Real(-2000), Real(2000)}) {
      const auto kept = head.keep(vector_group<Real>{}, given, at, weights.whole(), state + off);
      CHECK(kept.doubt == 0);
      error.see(std::abs(static_cast<double>(kept.state - state)), "state from a guess off by", off);
      for (index_t s = 0; s < S; ++s)
        error.see(std::abs(static_cast<double>(weights(s) * kept.each - std::exp(row.log_prob(s)))), "p", s);
    }
    error.check("a row from a guess", sizeof(Real) == 4 ? 2e-6 : 1e-14);
    for (Real bad : {std::numeric_limits<Real>::quiet_NaN(), infinity<Real>(), -infinity<Real>()}) {
      const Real good = std::exchange(raw(40), bad);
      CHECK(std::isnan(head.keep(vector_group<Real>{}, given, at, weights.whole(), state).doubt));
      raw(40) = good;
    }
  };
  check(softmax{}, {0, 0, 0});
  check(subs{66}, {0, 0, 66});
}

namespace {

template <class Real, class Head, class Process>
void check_stepped(const Head& head, const Process& process, index_t d = 0) {
  using kernel = typename Process::template kernel<Real>;
  for (auto [s, t] : {std::pair{0.0, 0.5}, {0.3, 0.7}, {0.69, 0.7}, {0.2, 1.0}, {0.0, 1.0}, {0.5, 0.5}}) {
    CAPTURE(s);
    CAPTURE(t);
    const std::vector<kernel> kernels{process.template between<Real>(0, 0.1), process.template between<Real>(s, t)};
    const stepped<Head, kernel> to_s{head, {kernels.data(), 2}};
    for (token now = 0; now < process.space().states(d); ++now) {
      CAPTURE(now);
      if (kernels[1].marginal_t(d, now, now) > 0) laws::check_head<Real>(to_s, process.max_states(), {1, d, now}, 7);
    }
  }
}

}  // namespace

TEST_CASE_TEMPLATE("laws: a row draws what its log-probabilities draw, long ones too", Real, float, double) {
  const vector_group<Real> group;
  for (index_t S : {67, 1023, 1024, 5000}) {
    array<Real, 1> raw(S);  // (S)
    laws::fill_noise(raw, 3, 4);
    const view<const Real, 1> given = raw;
    const auto mask = static_cast<token>(S - 1);
    const auto check = [&](const auto& row) {
      for (std::uint64_t item = 0; item < 50; ++item) {
        const auto bits = rng{5}(purpose::denoise, item, 0, 0, 0);
        const token drawn = draw_categorical(
            group, S, [&](auto s) { return row.log_prob(s); }, bits);
        CHECK(draw_row(group, row, S, bits) == drawn);
      }
    };
    check(make_row<Real>(group, softmax{}, given, {0, 0, 0}));
    check(make_row<Real>(group, subs{mask}, given, {0, 0, mask}));
  }
}

TEST_CASE_TEMPLATE("laws: heads pushed to x_s", Real, float, double) {
  check_stepped<Real>(subs{4}, forward_process(absorbing<5>{}, log_linear{}));
  check_stepped<Real>(softmax{}, forward_process(absorbing<5>{}, log_linear{0}));
  check_stepped<Real>(softmax{}, forward_process(uniform<5>{}, log_linear{}));
  check_stepped<Real>(softmax{}, forward_process(laws::skewed{}, cosine{}));
  check_stepped<Real>(softmax{}, forward_process(ordinal(5, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 4}));
  check_stepped<Real>(values_only{4}, forward_process(mask_and_replace<5>{0.7}, log_linear{}));
  check_stepped<Real>(softmax{}, forward_process(mask_and_replace<5>{0.7}, log_linear{}));
  for (index_t d = 0; d < 4; ++d) {
    CAPTURE(d);
    const auto space = laws::some_mixture();
    check_stepped<Real>(default_head(space), forward_process(space, log_linear{}), d);
  }
}

TEST_CASE_TEMPLATE("laws: states that a position does not have are impossible", Real, float, double) {
  const auto check = [](const auto& space, index_t D) {
    const auto heads = default_head(space);
    const index_t S = space.max_states();
    for (index_t d = 0; d < D; ++d)
      for (token now = 0; now < space.states(d); ++now) {
        CAPTURE(d);
        CAPTURE(now);
        laws::check_head<Real>(heads, S, {0, d, now}, 11);
        array<Real, 1> raw(S);  // (S)
        raw.fill(Real(3));
        const view<const Real, 1> given = raw;
        const auto row = make_row<Real>(serial_group{}, heads, given, place{0, d, now});
        for (index_t s = space.states(d); s < S; ++s) CHECK(row.log_prob(s) == -infinity<Real>());
        for (token s = 0; s < space.states(d); ++s)
          if (row.fixed() < 0) CHECK((row.log_prob(s) == -infinity<Real>()) == is_mask(space, d, s));
      }
  };
  check(laws::skewed{}, 2);
  check(laws::some_mixture(), 4);
  check(mask_and_replace<4>{}, 1);
  CHECK(std::is_same_v<decltype(default_head(ordinal(4))), softmax>);  // equal S asks nothing
  CHECK(std::is_same_v<decltype(default_head(absorbing<4>{})), subs>);
}

TEST_CASE("laws: stepped with s = 0 is the head itself under subs") {
  const forward_process process(absorbing<5>{}, log_linear{});
  const std::vector kernels{process.between(0, 0.5)};
  const subs inner{4};
  const stepped<subs, two_time_kernel<absorbing<5>, double>> outer{inner, {kernels.data(), 1}};
  array<double, 1> raw(5);  // (S)
  laws::fill_noise(raw, 3, 2);
  const view<const double, 1> given = raw;
  for (token now : {token{0}, token{4}}) {
    const place at{0, 0, now};
    const auto state = inner.observe<double>(serial_group{}, given, at);
    const auto row = inner.row<double>(given, at, state);
    const auto pushed = outer.row<double>(given, at, outer.observe<double>(serial_group{}, given, at));
    CHECK(pushed.fixed() == row.fixed());
    for (index_t s = 0; s < 5; ++s)
      CHECK(std::exp(pushed.log_prob(s)) == doctest::Approx(std::exp(row.log_prob(s))).epsilon(1e-12));
  }
}

TEST_CASE("laws: the head of a denoiser is its own, or that of the space") {
  struct plain {};
  struct own {
    subs head() const { return {7}; }
  };
  CHECK(head_of(own{}, absorbing<9>{}).mask == 7);
  CHECK(head_of(plain{}, absorbing<8>{}).mask == 7);
  CHECK(std::is_same_v<decltype(head_of(plain{}, uniform<8>{})), softmax>);
}

TEST_CASE_TEMPLATE("laws: a head of one's own for each kind of position", Real, float, double) {
  const auto space = laws::some_mixture();
  const mixed_head heads(space.kinds(), make_pack(padded(subs{4}, absorbing<5>{}), padded(softmax{}, uniform<3>{}),
                                                  padded(truncated_logistic{4}, birth_death<4>{}),
                                                  padded(values_only{3}, mask_and_replace<4>{0.6})));
  CHECK(heads.outputs(5) == 5);
  for (index_t d = 0; d < 4; ++d)
    for (token now = 0; now < space.states(d); ++now) {
      CAPTURE(d);
      CAPTURE(now);
      laws::check_head<Real>(heads, 5, {0, d, now}, 3, 0.7);
    }
}

TEST_CASE("laws: heads fit the spaces that they are meant for") {
  using mixture = decltype(laws::some_mixture());
  CHECK(head_fits<subs, absorbing<4>>);
  CHECK(!head_fits<subs, uniform<4>>);
  CHECK(!head_fits<subs, ordinal>);
  CHECK(!head_fits<subs, mask_and_replace<4>>);
  CHECK(!head_fits<subs, mixture>);
  CHECK(!head_fits<padded<subs, mixture>, mixture>);
  CHECK(!head_fits<softmax, mask_and_replace<4>>);
  CHECK(head_fits<values_only, mask_and_replace<4>>);
  CHECK(!head_fits<values_only, uniform<4>>);
  CHECK(head_fits<decltype(default_head(laws::some_mixture())), mixture>);
  CHECK(!head_fits<decltype(default_head(laws::some_mixture())), absorbing<4>>);
  CHECK(head_fits<decltype(default_head(laws::skewed{})), laws::skewed>);
  // a row over all states takes a mask for a value
  CHECK(!head_fits<softmax, absorbing<4>>);
  CHECK(!head_fits<truncated_logistic, absorbing<4>>);
  CHECK(!head_fits<padded<softmax, mixture>, mixture>);
  CHECK(head_fits<values_only, absorbing<4>>);
  CHECK(head_fits<softmax, decltype(mixed([](index_t) { return 0; }, uniform<4>{}, birth_death<4>{}))>);
}

TEST_CASE("laws: a head over another fits where that one does") {
  using mixture = decltype(laws::some_mixture());
  using kinds_head = decltype(default_head(laws::some_mixture()));
  const auto check = []<class Head, class Fits, class Other>() {
    using kernel = two_time_kernel<absorbing<4>, double>;
    const auto both = []<class Over>() { return head_fits<Over, Fits> && !head_fits<Over, Other>; };
    CHECK(both.template operator()<tempered<Head>>());
    CHECK(both.template operator()<nucleus<Head>>());
    CHECK(both.template operator()<top_k<tempered<Head>>>());
    CHECK(both.template operator()<stepped<Head, kernel>>());
    CHECK(both.template operator()<padded<Head, absorbing<4>>>());
    CHECK(both.template operator()<paired_head<Head>>());
    CHECK(both.template operator()<tempered<paired_head<stepped<Head, kernel>>>>());
  };
  check.operator()<subs, absorbing<4>, uniform<4>>();
  check.operator()<softmax, uniform<4>, absorbing<4>>();
  check.operator()<values_only, mask_and_replace<4>, ordinal>();
  check.operator()<kinds_head, mixture, uniform<5>>();
}
