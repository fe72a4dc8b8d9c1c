// Guidance of logits and of rows, against the formulas it states.
#include <dimix/guidance.hpp>

#include <dimix/denoiser/with_classes.hpp>
#include <dimix/head/from_score.hpp>
#include <dimix/head/reshaped.hpp>

#include "laws/sampler.hpp"

using namespace dimix;

namespace {

const laws::tested one = laws::on(1);

/// A mixture whose logits depend on x_t, t, λ and the class; without a class it says something else.
struct class_net {
  index_t S;
  double tilt = 1;

  index_t outputs() const { return S; }
  categorical_latent latent() const { return {3}; }
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b) {
      const double kind = asked.classes.empty() ? -1 : asked.classes(b);
      for (index_t m = 0; m < asked.components(); ++m)
        for (index_t d = 0; d < asked.dims(); ++d)
          for (index_t s = 0; s < S; ++s)
            raw(b, m, d, s) = static_cast<Real>(
                tilt * std::sin(1.1 * static_cast<double>(s) + 0.9 * kind + 1.7 * static_cast<double>(asked.latents(b, m, 0)) +
                                static_cast<double>(asked.times(b)) + static_cast<double>(asked.tokens(b, d) + d)));
    }
  }
};

/// A factorized network without classes: the teacher of --lfg.
struct plain_net {
  index_t S;

  index_t outputs() const { return S; }
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    CHECK(raw.extent(1) == 1);
    CHECK(asked.latents.extent(2) == 0);
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t d = 0; d < asked.dims(); ++d)
        for (index_t s = 0; s < S; ++s)
          raw(b, 0, d, s) = static_cast<Real>(std::cos(static_cast<double>(s + d)) + static_cast<double>(asked.times(b)));
  }
};

/// A request of B items and M components over S states, with classes.
template <class Real>
struct some_request {
  array<token, 2> tokens;
  array<Real, 1> times;
  array<Real, 3> latents;
  array<token, 1> classes;
  some_request(index_t B, index_t M, index_t D, index_t S) : tokens(B, D), times(B), latents(B, M, 1), classes(B) {
    for (index_t i = 0; i < tokens.size(); ++i) tokens.data()[i] = static_cast<token>(i * 5 % S);
    for (index_t b = 0; b < B; ++b)
      times(b) = static_cast<Real>(0.3 + 0.1 * static_cast<double>(b)), classes(b) = static_cast<token>(b % 2);
    for (index_t i = 0; i < latents.size(); ++i) latents.data()[i] = static_cast<Real>(i % 3);
  }
  request<Real> asked(index_t step = 0) const { return {tokens, times, latents, {}, step, classes}; }
  request<Real> unconditional() const { return {tokens, times, latents, {}, 0, {}}; }
};

template <class Net, class Real>
array<Real, 4> answer(const Net& net, const request<Real>& asked) {
  array<Real, 4> raw(asked.batch(), asked.components(), asked.dims(), net.outputs());
  net(asked, raw.whole());
  return raw;
}

/// rows() of a method for one item under one λ and one class (-1: none).
template <class Method, class Process, class Net>
array<double, 3> sampled_rows(const Process& process, const Net& net, double s, double t, token x, double lambda, token kind,
                              Method method) {
  laws::sampler<double, Process, Net, Method> steps(process, net, {}, method, one);
  array<token, 2> x_t(1, 2);          // (1, D)
  array<token, 1> classes(1);         // (1)
  array<double, 1> from(1), to(1);    // (1)
  array<double, 3> latents(1, 1, 1);  // (1, 1, L)
  x_t.fill(x), classes.fill(kind), from.fill(t), to.fill(s), latents.fill(lambda);
  return steps.rows(x_t, to, from, latents, 0, classes);  // (1, D, S)
}

template <class Method = ancestral, class Process>
void check_guided_rows(const Process& process, double s, double t) {
  const index_t S = process.max_states();
  const class_net net{S, 2};
  const auto head = head_of(net, process.space());
  const paired both(net, net, head);
  for (token x = 0; x < S; ++x)
    for (double lambda : {0.0, 2.0}) {
      const auto given = sampled_rows(process, net, s, t, x, lambda, 1, Method{}),
                 none = sampled_rows(process, net, s, t, x, lambda, -1, Method{});
      for (double gamma : {0.0, 0.5, 1.0, 3.0}) {
        const auto rows = sampled_rows(process, both, s, t, x, lambda, 1, guided_rows<Method>{gamma});
        laws::worst error;
        for (index_t d = 0; d < 2; ++d) {
          double total = 0, sum = 0;
          const auto tilted = [&](index_t a) {
            const double p = given(0, d, a), q = none(0, d, a);
            return (p == 0 && gamma > 0) || (q == 0 && gamma != 1) ? 0.0 : std::pow(p, gamma) * std::pow(q, 1 - gamma);
          };
          for (index_t a = 0; a < S; ++a) total += tilted(a), sum += rows(0, d, a);
          error.see(std::abs(sum - 1), "sum, d =", d);
          for (index_t a = 0; a < S; ++a) {
            error.see(std::abs(rows(0, d, a) - tilted(a) / total), "gamma =", gamma, "x =", x, "a =", a);
            if (gamma == 1) error.see(std::abs(rows(0, d, a) - given(0, d, a)), "conditional, a =", a);
            if (gamma == 0) error.see(std::abs(rows(0, d, a) - none(0, d, a)), "unconditional, a =", a);
          }
        }
        error.check("guided rows = the tilted rows, normalised", 1e-13);
      }
    }
}

}  // namespace

TEST_CASE("guidance: logits by the formula, for every component, weight and time") {
  const class_net net{4};
  const some_request<double> r(5, 3, 2, 4);
  const auto given = answer(net, r.asked()), none = answer(net, r.unconditional());  // (B, M, D, S)
  const auto check = [&](const auto& wrapped, const auto& weight_of, index_t step) {
    const auto found = answer(wrapped, r.asked(step));
    for (index_t b = 0; b < 5; ++b)
      for (index_t m = 0; m < 3; ++m)
        for (index_t d = 0; d < 2; ++d)
          for (index_t s = 0; s < 4; ++s) {
            const double w = weight_of(b);
            CHECK(found(b, m, d, s) == doctest::Approx((1 + w) * given(b, m, d, s) - w * none(b, m, d, s)).epsilon(1e-14));
          }
  };
  check(
      guided(net, constant_weight{1.5}), [](index_t) { return 1.5; }, 0);
  check(
      guided(net, step_ramp{2, 5}), [](index_t) { return 0.0; }, 0);
  check(
      guided(net, step_ramp{2, 5}), [](index_t) { return 1.5; }, 3);
  check(
      guided(net, step_ramp{2, 1}), [](index_t) { return 2.0; }, 0);
  check(
      guided(net, time_ramp{2}), [&](index_t b) { return 2 * (1 - r.times(b)); }, 0);
  check(
      guided(net, [](index_t step, double t) { return t * static_cast<double>(step); }),
      [&](index_t b) { return 2 * r.times(b); }, 2);
  // at the ends it is the one network or the other, bit by bit
  CHECK(answer(guided(net, constant_weight{0}), r.asked()) == given);
  CHECK(answer(guided(net, constant_weight{-1}), r.asked()) == none);
  CHECK(given != none);
  static_assert(mixture_denoiser<guided<class_net, class_net, constant_weight>, float>);
}

TEST_CASE("guidance: a factorized network without classes guides every component of a student") {
  const class_net student{4};
  const plain_net teacher{4};
  const some_request<double> r(5, 3, 2, 4);
  const auto given = answer(student, r.asked());
  const array<double, 3> no_latents(5, 1, 0);                                                      // (B, 1, 0)
  const auto of_teacher = answer(teacher, request<double>{r.tokens, r.times, no_latents, {}, 0});  // (B, 1, D, S)
  const auto found = answer(guided(student, teacher, constant_weight{0.5}), r.asked());
  const auto pair = answer(paired(student, teacher, softmax{}), r.asked());  // (B, M, D, 2 S)
  for (index_t b = 0; b < 5; ++b)
    for (index_t m = 0; m < 3; ++m)
      for (index_t s = 0; s < 4; ++s) {
        CHECK(found(b, m, 1, s) == doctest::Approx(1.5 * given(b, m, 1, s) - 0.5 * of_teacher(b, 0, 1, s)).epsilon(1e-14));
        CHECK(pair(b, m, 1, s) == given(b, m, 1, s));
        CHECK(pair(b, m, 1, 4 + s) == of_teacher(b, 0, 1, s));
      }
}

namespace {

/// Logits that are the same everywhere.
struct constant_net {
  std::vector<double> logits;  // (S)

  index_t outputs() const { return static_cast<index_t>(logits.size()); }
  categorical_latent latent() const { return {1}; }
  template <class Real>
  void operator()(const request<Real>&, view<Real, 4> raw) const {
    for (index_t i = 0; i < raw.size(); ++i) raw.data()[i] = static_cast<Real>(logits[static_cast<std::size_t>(i % outputs())]);
  }
};

}  // namespace

TEST_CASE("guidance: -infinity in either branch, or both, at any weight") {
  const double never = -infinity<double>();
  const constant_net given{{0.5, -1, never, never}}, none{{2, never, 1, never}};
  const some_request<double> r(1, 1, 1, 4);
  const forward_process process(uniform<4>{}, log_linear{0});  // x_1 says nothing of x_0
  const auto z_c = answer(given, r.asked()), z_u = answer(none, r.asked());
  const auto law = [&](const auto& net, auto method) { return sampled_rows(process, net, 0, 1, 1, 0, 0, method); };
  CHECK(answer(guided(given, none, constant_weight{0}), r.asked()) == z_c);
  CHECK(answer(guided(given, none, constant_weight{-1}), r.asked()) == z_u);
  for (double w : {0.0, 0.7, 3.0, -0.5, -1.0, -2.0}) {
    CAPTURE(w);
    const auto found = answer(guided(given, none, constant_weight{w}), r.asked());  // (1, 1, 1, S)
    CHECK(found(0, 0, 0, 0) == doctest::Approx((1 + w) * 0.5 - w * 2));
    CHECK(found(0, 0, 0, 1) == (w == 0 ? -1 : never));  // excluded by the other branch alone
    CHECK(found(0, 0, 0, 2) == (w == -1 ? 1 : never));  // by this one alone
    CHECK(found(0, 0, 0, 3) == never);
    const auto of_logits = law(guided(given, none, constant_weight{w}), ancestral{}),
               of_rows = law(paired(given, none, softmax{}), guided_rows<>{1 + w});  // (1, D, S)
    for (index_t a = 0; a < 4; ++a) CHECK(of_logits(0, 0, a) == doctest::Approx(of_rows(0, 0, a)).epsilon(1e-14));
  }
}

TEST_CASE("guidance: branches that leave a position no state are refused where it is drawn") {
  const double never = -infinity<double>();
  const constant_net given{{0, never}}, none{{never, 0}};
  const forward_process process(uniform<2>{}, log_linear{});
  const auto with = [&](double w) {
    return sample(process, guided(given, none, constant_weight{w}), {.batch = 2, .dims = 2, .steps = 1}, one);
  };
  CHECK(with(0) == sample(process, given, {.batch = 2, .dims = 2, .steps = 1}, one));
  CHECK_THROWS_WITH_AS(with(1), doctest::Contains("no state with a positive probability"), numeric_error);
}

TEST_CASE("guidance: heads that read no logits, and all that is over them") {
  using levels = truncated_logistic;
  using of_scores = from_score<decltype(score_inverse_of(forward_process(uniform<3>{}, log_linear{}).between(0, 1)))>;
  using kernel = two_time_kernel<uniform<3>, double>;
  static_assert(reads_logits<softmax> && reads_logits<subs> && reads_logits<values_only>);
  static_assert(!reads_logits<levels> && !reads_logits<of_scores>);
  static_assert(reads_logits<tempered<nucleus<softmax>>> && reads_logits<top_k<stepped<subs, kernel>>>);
  static_assert(!reads_logits<tempered<levels>> && !reads_logits<nucleus<levels>> && !reads_logits<top_k<levels>>);
  static_assert(!reads_logits<stepped<levels, kernel>> && !reads_logits<tempered<stepped<of_scores, kernel>>>);
  static_assert(!reads_logits<paired_head<levels>> && reads_logits<paired_head<softmax>>);
  using kinds = decltype(laws::some_mixture().kinds());
  static_assert(reads_logits<decltype(default_head(laws::some_mixture()))>);
  static_assert(!reads_logits<mixed_head<kinds, padded<subs, absorbing<5>>, padded<levels, birth_death<4>>>>);
}

TEST_CASE("guidance: rows of a step, for every noise") {
  for (auto [s, t] : {std::pair{0.0, 0.5}, {0.3, 0.7}, {0.4, 1.0}}) {
    CAPTURE(s);
    check_guided_rows(forward_process(absorbing<4>{}, log_linear{}), s, t);
    check_guided_rows(forward_process(uniform<4>{}, log_linear{}), s, t);
    check_guided_rows(forward_process(ordinal(4, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 4}), s, t);
  }
  // a method that is made for each step
  check_guided_rows<euler>(forward_process(uniform<4>{}, log_linear{}), 0.3, 0.7);
  check_guided_rows<euler>(forward_process(absorbing<4>{}, log_linear{}), 0.3, 0.7);
}

TEST_CASE(
    "guidance: where noise only hides, the row is the tilted token law and the chance to stay masked, together normalised") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  const class_net net{4, 2};
  const double s = 0.3, t = 0.8, gamma = 2.5, unmask = 1 - s / t;
  const auto clean = sampled_rows(process, net, 0, t, 3, 1, 0, ancestral{}),
             none = sampled_rows(process, net, 0, t, 3, 1, -1, ancestral{});
  const auto rows = sampled_rows(process, paired(net, net, subs{3}), s, t, 3, 1, 0, guided_rows<>{gamma});
  double total = 1 - unmask;
  for (index_t a = 0; a < 3; ++a) total += unmask * std::pow(clean(0, 1, a), gamma) * std::pow(none(0, 1, a), 1 - gamma);
  for (index_t a = 0; a < 3; ++a)
    CHECK(
        rows(0, 1, a) ==
        doctest::Approx(unmask * std::pow(clean(0, 1, a), gamma) * std::pow(none(0, 1, a), 1 - gamma) / total).epsilon(1e-12));
  CHECK(rows(0, 1, 3) == doctest::Approx((1 - unmask) / total).epsilon(1e-12));
}

TEST_CASE("guidance: steps draw from guided rows, and whole paths are the same for any chunk") {
  const forward_process process(uniform<3>{}, log_linear{});
  const class_net net{3, 1};
  const paired both(net, net, softmax{});
  const guided_rows<> method{2};
  const index_t B = laws::draws(20000);
  laws::sampler<float, decltype(process), decltype(both), guided_rows<>> steps(process, both, {}, method, one);
  array<token, 2> x(B, 2);           // (B, D)
  array<token, 1> classes(B);        // (B)
  array<double, 1> s(B), t(B);       // (B)
  array<float, 3> latents(B, 1, 1);  // (B, 1, L)
  classes.fill(1), s.fill(0.3), t.fill(0.7), latents.fill(2);
  sampler_state state{1, 0};
  steps.step(state, x.whole(), s, t, laws::ids(B), {.classes = classes, .latents = latents});
  const auto rows = sampled_rows(process, both, 0.3, 0.7, 0, 2, 1, method);
  std::vector<double> counts(9), law(9);
  for (index_t b = 0; b < B; ++b) ++counts[static_cast<std::size_t>(3 * x(b, 0) + x(b, 1))];
  for (index_t i = 0; i < 9; ++i) law[static_cast<std::size_t>(i)] = rows(0, 0, i / 3) * rows(0, 1, i % 3);
  laws::check_frequencies("guided step", counts, law);

  sample_options options{.batch = 30, .dims = 4, .steps = 3, .seed = 4, .classes = classes.whole().slice(0, 30)};
  const auto whole = sample<float, guided_rows<>>(process, both, options, one, method);
  options.chunk = 7;
  CHECK(sample<float, guided_rows<>>(process, both, options, laws::on(2), method) == whole);
  CHECK(sample<float, guided_rows<analytic>>(process, both, options, one, {1}) ==
        sample<float, analytic>(process, net, options, one));
  CHECK(sample<float, guided_rows<>>(process, both, options, one, {4}) != whole);
}

TEST_CASE("guidance: the best of several λ, which would not be guided, is refused for a mixture") {
  const forward_process process(uniform<3>{}, log_linear{});
  const class_net net{3, 1};
  const paired both(net, net, softmax{});
  const auto with = [&](const auto& denoiser, index_t candidates) {
    return sample<float, guided_rows<>>(
        process, denoiser, {.batch = 8, .dims = 4, .steps = 2, .argmax_tail = candidates == 0, .last_candidates = candidates},
        one, {3});
  };
  CHECK_THROWS_WITH_AS(with(both, 2), doctest::Contains("last_candidates = 2 would choose by the network's rows"),
                       invalid_argument);
  CHECK(with(both, 1) == with(both, 0));
  const plain_net factorized{3};  // has no λ to choose: the most probable state of the guided row, for any number
  const paired one_law(factorized, factorized, softmax{});
  CHECK(with(one_law, 5) == with(one_law, 0));
}

TEST_CASE("guidance: classes by the ids of items reach every sampler") {
  const forward_process process(uniform<3>{}, log_linear{});
  const class_net net{3, 3};
  array<token, 1> classes(30);  // (B)
  for (index_t b = 0; b < 30; ++b) classes(b) = static_cast<token>(b % 3) - 1;
  sample_options options{.batch = 30, .dims = 4, .steps = 3, .seed = 4, .first_item = 100, .chunk = 8};
  const auto by_id = sample(process, with_classes(net, classes, 100), options, one);
  options.classes = classes;
  CHECK(sample(process, net, options, one) == by_id);
  CHECK_THROWS_WITH_AS(sample(process, with_classes(net, classes, 100), options, one), doctest::Contains("classes of its own"),
                       invalid_argument);
  options.classes = {};
  CHECK_THROWS_WITH_AS(sample(process, with_classes(net, classes, 90), options, one),
                       doctest::Contains("item 120 is none of the 30 from 90 on"), invalid_argument);
  CHECK_THROWS_WITH_AS(sample(process, with_classes(net, classes, 101), options, one), doctest::Contains("item 100 is none"),
                       invalid_argument);
}

TEST_CASE("guidance: branches of different heads are refused") {
  const class_net net{4};
  const plain_net other{3};
  const some_request<double> r(2, 1, 2, 3);
  CHECK_THROWS_WITH_AS(answer(guided(net, other, constant_weight{1}), r.asked()), doctest::Contains("4 outputs, the other 3"),
                       invalid_argument);
  CHECK_THROWS_WITH_AS(answer(paired(net, other, softmax{}), r.asked()), doctest::Contains("4 outputs, the other 3"),
                       invalid_argument);
}
