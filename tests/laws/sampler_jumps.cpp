// Samplers that jump: rows and their limit for short steps, draws, the error of Euler's method, and tau-leaping against its convolution.
#include <dimix/parity/tauldr_sampling.hpp>

#include "laws/sampler.hpp"

using namespace dimix;

namespace {

template <class F>
void for_every_process(const F& f) {
  f(forward_process(absorbing<4>{}, log_linear{}));
  f(forward_process(uniform<4>{}, log_linear{}));
  f(forward_process(laws::skewed{}, cosine{}));
  f(forward_process(ordinal(4, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 4}));
  f(forward_process(mask_and_replace<4>{0.6}, log_linear{}));
  f(forward_process(laws::some_mixture(), linear{0, 3}));
}

template <class F>
void for_every_row_method(const F& f) {
  for (jump_clock clock : {jump_clock::noise, jump_clock::frozen_rate})
    for (bool last : {false, true}) {
      f(euler{jump_form::exponential, clock, last});
      f(euler{jump_form::linear, clock, last});
      f(tau_leaping<single_jump>{clock, last});
    }
}

/// rows() of S items, each with another x_t, 3 positions: (S, 3, S).
template <class Real, class Process, class Method>
array<Real, 3> sampled_rows(const Process& process, double s, double t, Method method) {
  const index_t B = process.max_states();
  const laws::some_net<typename Process::space_type> net{process.space()};
  laws::sampler<Real, Process, decltype(net), Method> steps(process, net, {}, method, laws::on(1));
  array<double, 1> from(B), to(B);  // (B)
  from.fill(t), to.fill(s);
  return steps.rows(laws::walk(process.space(), B, 3), to, from, laws::no_latents<Real>(B));
}

template <class A, class B>
double distance(const array<A, 3>& a, const array<B, 3>& b) {
  double most = 0;
  for (index_t i = 0; i < a.size(); ++i)
    most = std::max(most, std::abs(static_cast<double>(a.data()[i]) - static_cast<double>(b.data()[i])));
  return most;
}

template <class Real, class Process, class Method>
void check_sums(const Process& process, double s, double t, Method method, double tolerance) {
  const auto rows = sampled_rows<Real>(process, s, t, method);  // (B, D, S)
  laws::worst sums, negative;
  for (index_t b = 0; b < rows.extent(0); ++b)
    for (index_t d = 0; d < rows.extent(1); ++d) {
      double total = 0;
      for (Real p : rows.whole().row(b, d)) {
        total += static_cast<double>(p);
        negative.see(-static_cast<double>(p), "b =", b, "d =", d);
      }
      sums.see(std::abs(total - 1), "b =", b, "d =", d);
    }
  sums.check("rows sum to 1", tolerance);
  negative.check("rows are not negative", 0);
}

/// One position with the law of tables, the exact denoiser, and TV after N uniform steps.
template <class Method, class Process>
double distance_after(const Process& process, const std::vector<double>& p, index_t N, Method method) {
  const auto S = static_cast<index_t>(p.size());
  array<token, 2> sequences(S, 1);  // (S, 1)
  array<double, 1> law(S);          // (S)
  for (index_t n = 0; n < S; ++n) sequences(n, 0) = static_cast<token>(n), law(n) = p[static_cast<std::size_t>(n)];
  const tabular<Process> net(process, sequences, law);
  return laws::total_variation(laws::exact_law(process, net, uniform_grid(N), 1, method), p);
}

}  // namespace

TEST_CASE("laws: rows of methods that jump at most once") {
  for_every_process([](const auto& process) {
    for_every_row_method([&](auto method) {
      for (auto [s, t] : {std::pair{0.0, 0.4}, {0.3, 0.7}, {0.65, 0.7}, {0.5, 0.5}, {0.0, 0.9}}) {
        CAPTURE(s);
        CAPTURE(t);
        check_sums<double>(process, s, t, method, 1e-14);
        check_sums<float>(process, s, t, method, 2e-6);
        CHECK(distance(sampled_rows<float>(process, s, t, method), sampled_rows<double>(process, s, t, method)) < 5e-6);
      }
    });
  });
}

TEST_CASE("laws: rows from a time of infinite noise") {
  const auto check = [](const auto& process) {
    for_every_row_method([&](auto method) {
      for (double s : {0.0, 0.5, 0.99}) {
        check_sums<double>(process, s, 1, method, 1e-14);
        check_sums<float>(process, s, 1, method, 5e-6);  // the logarithm of 1e20 takes two bits
      }
    });
  };
  check(forward_process(absorbing<4>{}, log_linear{0}));
  check(forward_process(absorbing<4>{}, cosine{}));
  check(forward_process(uniform<4>{}, log_linear{0}));
  check(forward_process(laws::skewed{}, cosine{}));
  // a frozen rate reveals even there: α = 1 - t, and a mask leaves at the rate 1/t
  const forward_process process(absorbing<4>{}, log_linear{0});
  const auto rows = sampled_rows<double>(process, 0.9, 1, euler{.clock = jump_clock::frozen_rate});  // (B, D, S)
  const auto stays = sampled_rows<double>(process, 0.9, 1, euler{});                                 // (B, D, S)
  CHECK(rows(3, 0, 3) == doctest::Approx(std::exp(-0.1)).epsilon(1e-13));
  CHECK(stays(3, 0, 3) == 1);
}

namespace {

/// An arc whose slope vanishes where alpha does: beta = -alpha' / alpha is 0 / 0 at t = 1.
struct flat_end {
  template <class Real>
  DIMIX_HD Real alpha(Real t) const {
    return (Real(1) - t) * (Real(1) - t);
  }
  template <class Real>
  DIMIX_HD Real alpha_prime(Real t) const {
    return Real(-2) * (Real(1) - t);
  }
};

}  // namespace

TEST_CASE("laws: at infinite noise a frozen rate reveals by its limit, and is refused where it has none") {
  const euler frozen{.clock = jump_clock::frozen_rate};
  const tau_leaping<single_jump> one{.clock = jump_clock::frozen_rate};
  const log_linear ends{0};
  const auto refused = [&](const auto& process) {
    const auto says = doctest::Contains("jump_clock::frozen_rate: at t = 1 noise is infinite");
    CHECK_THROWS_WITH_AS(sampled_rows<double>(process, 0.9, 1, frozen), says, invalid_argument);
    CHECK_THROWS_WITH_AS(sampled_rows<double>(process, 0.9, 1, one), says, invalid_argument);
    // below, a step reveals, the more the later; by the noise that passes it may begin at 1, where what is hidden stays
    const index_t mask = process.max_states() - 1;
    double before = 0;
    for (double t : {0.99, 0.9999, 0.999999}) {
      const double leaves = 1 - sampled_rows<double>(process, t - 1e-7, t, frozen)(mask, 0, mask);
      CHECK(leaves > before);
      before = leaves;
    }
    CHECK(sampled_rows<double>(process, 0.9, 1, euler{})(mask, 0, mask) == 1);
  };
  refused(forward_process(mask_and_replace<4>{0.6}, ends));
  refused(forward_process(mixed([](index_t d) { return d == 0 ? 0 : 1; }, mask_and_replace<4>{0.6}, uniform<4>{}), ends));
  array<double, 2> rates(4, 4);  // (S, S)  hides at two paces: which state is left last depends on the pace
  array<double, 1> prior(4);     // (S)
  rates(0, 3) = 0.5, rates(1, 3) = 0.5, rates(2, 3) = 0.8, prior(3) = 1;
  refused(forward_process(rate_table(rates, prior), ends));

  // states that all come back: jumps without end, as by the noise that passes
  const forward_process levels(birth_death<4>{}, ends);
  CHECK(distance(sampled_rows<double>(levels, 0.9, 1, frozen), sampled_rows<double>(levels, 0.9, 1, euler{})) == 0);
  // -alpha' = 0: nothing is revealed, and nothing is undefined
  const auto rows = sampled_rows<double>(forward_process(absorbing<4>{}, flat_end{}), 0.9, 1, frozen);  // (B, D, S)
  CHECK(rows(3, 0, 3) == 1);
  for (jump_clock clock : {jump_clock::noise, jump_clock::frozen_rate})
    CHECK(noise_between(forward_process(uniform<4>{}, ends), 1, 1, clock).back == 0);
}

namespace {

/// Expected numbers of jumps from state 0 to two others.
template <class Real>
struct given_rates {
  Real log_first, log_second;

  Real log_expected(index_t a) const { return a == 1 ? log_first : a == 2 ? log_second : -infinity<Real>(); }
  Real log_total() const { return merge(exp_sum<Real>::of(log_first), exp_sum<Real>::of(log_second)).log(); }
  struct {
    Real log_prob(index_t) const { return 0; }
  } reverse;
};

}  // namespace

TEST_CASE("laws: more jumps than a float can count") {
  const auto check = [](auto real, double log_first) {
    using Real = decltype(real);
    const given_rates<Real> rates{static_cast<Real>(log_first), static_cast<Real>(log_first - std::log(3.0)), {}};
    for (auto form : {jump_form::exponential, jump_form::linear, jump_form::single}) {
      const auto row = one_jump_row<given_rates<Real>, Real>::make(rates, form, 0, false);
      const bool leaves = form != jump_form::single;  // there is a first jump for certain, and never exactly one
      CHECK(std::exp(row.log_prob(0)) == (leaves ? 0 : 1));
      CHECK(std::exp(static_cast<double>(row.log_prob(1))) == doctest::Approx(leaves ? 0.75 : 0).epsilon(2e-5));
      CHECK(std::exp(static_cast<double>(row.log_prob(2))) == doctest::Approx(leaves ? 0.25 : 0).epsilon(2e-5));
    }
  };
  check(0.0f, 60), check(0.0f, 88), check(0.0f, 95), check(0.0f, 300);
  check(0.0, 60), check(0.0, 709), check(0.0, 720), check(0.0, 2000);
  // x_t that only a trace of noise can have made, under a denoiser that believes in it
  const forward_process process(uniform<4>{}, linear{0, 1});
  for (jump_form form : {jump_form::exponential, jump_form::linear, jump_form::single}) {
    const one_jump_step step{{1e20, 1e20}, form};
    array<float, 1> raw(4);  // (S)
    raw(1) = 60;
    const auto denoised = make_row<float>(serial_group{}, softmax{}, view<const float, 1>(raw), place{0, 0, 0});
    const auto row = step.row(process.between<float>(0, 1e-30), {0, 0, 0}, denoised);
    double total = 0;
    for (index_t a = 0; a < 4; ++a) total += std::exp(static_cast<double>(row.log_prob(a)));
    CHECK(total == doctest::Approx(1).epsilon(1e-5));
  }
}

TEST_CASE("laws: short steps are the identity plus the reverse rates") {
  // the ancestral row is the identity plus the rates, too (reverse_rate.cpp): the difference is of second order
  for_every_process([](const auto& process) {
    for_every_row_method([&](auto method) {
      const auto apart = [&](double h) {
        return distance(sampled_rows<double>(process, 0.5 - h, 0.5, method),
                        sampled_rows<double>(process, 0.5 - h, 0.5, ancestral{}));
      };
      const double far = apart(2e-3), near = apart(1e-3);
      CHECK(near < 1e-4);
      if (near > 1e-12) CHECK(far / near == doctest::Approx(4).epsilon(0.05));
    });
  });
}

TEST_CASE("laws: the linear form leaves for certain where jumps sum to more than 1") {
  const forward_process process(uniform<4>{}, linear{0, 20});
  const auto rows = sampled_rows<double>(process, 0.1, 0.9, euler{.form = jump_form::linear});  // (B, D, S)
  const auto x_t = laws::walk(process.space(), 4, 3);
  for (index_t b = 0; b < 4; ++b)
    for (index_t d = 0; d < 3; ++d) CHECK(rows(b, d, x_t(b, d)) == 0);
}

TEST_CASE("laws: steps draw from rows of methods that jump at most once") {
  for_every_process([](const auto& process) {
    laws::check_step_draws<float, euler>(process, 0.3, 0.7);
    laws::check_step_draws<float, tau_leaping<single_jump>>(process, 0.3, 0.7);
    laws::check_step_draws<double, euler>(process, 0, 0.8);
  });
}

TEST_CASE("laws: the last step of a method that jumps is ancestral") {
  for_every_process([](const auto& process) {
    const auto rows = sampled_rows<double>(process, 0, 0.3, ancestral{});
    CHECK(distance(sampled_rows<double>(process, 0, 0.3, euler{}), rows) < 1e-14);
    CHECK(distance(sampled_rows<double>(process, 0, 0.3, tau_leaping<single_jump>{}), rows) < 1e-14);
    CHECK(distance(sampled_rows<double>(process, 0, 0.3, euler{.denoise_last = false}), rows) > 0.01);
    const laws::some_net<std::decay_t<decltype(process.space())>> net{process.space(), 1.0};
    const sample_options once{.batch = 50, .dims = 3, .steps = 1, .seed = 3};
    CHECK(sample<float, euler>(process, net, once, laws::on(1)) == sample<float, ancestral>(process, net, once, laws::on(1)));
  });
  const forward_process masked(absorbing<4>{}, log_linear{});
  for (token x :
       sample<float, euler>(masked, laws::some_net<absorbing<4>>{}, {.batch = 50, .dims = 9, .steps = 4}, laws::on(1)))
    CHECK(x != 3);
}

TEST_CASE("laws: Euler's method misses one position by O(1/N), ancestral sampling does not") {
  const forward_process process(uniform<3>{}, linear{0, 5});  // α = exp(-5 t)
  const std::vector<double> p{0.7, 0.25, 0.05};
  // four digits of an independent computation
  const euler plain{.form = jump_form::linear, .denoise_last = false};
  for (auto [N, distance] : {std::pair<index_t, double>{16, 0.0254}, {32, 0.0117}, {64, 0.0056}})
    CHECK(std::abs(distance_after(process, p, N, plain) - distance) < 5e-5);
  // ancestral sampling from noise that is complete (e^-60): nothing but the rounding of N rows
  for (index_t N : {1, 16, 64})
    CHECK(distance_after(forward_process(uniform<3>{}, linear{0, 60}), p, N, ancestral{}) <
          1e-16 * static_cast<double>(N + 10));
  const auto check = [&](auto method) {
    const double coarse = distance_after(process, p, 128, method), fine = distance_after(process, p, 256, method);
    CHECK(fine < 0.01);
    CHECK(coarse / fine == doctest::Approx(2).epsilon(0.1));
  };
  check(euler{});
  check(euler{.form = jump_form::linear});
  check(euler{.denoise_last = false});
  check(tau_leaping<single_jump>{});
}

namespace {

/// The law of clamp(x + sum_a N_a (a - x)), N_a Poisson: convolved on the lattice, tails below 1e-17 left out.
std::vector<double> summed_law(token x, const std::vector<double>& means) {
  const auto S = static_cast<token>(means.size());
  const token reach = 400;
  std::vector<double> law(static_cast<std::size_t>(2 * reach + 1));
  law[static_cast<std::size_t>(reach)] = 1;
  for (token a = 0; a < S; ++a) {
    if (a == x || means[static_cast<std::size_t>(a)] == 0) continue;
    std::vector<double> next(law.size());
    double p = std::exp(-means[static_cast<std::size_t>(a)]);
    for (token n = 0; p > 1e-17 || n < means[static_cast<std::size_t>(a)]; p *= means[static_cast<std::size_t>(a)] / ++n)
      for (token at = -reach; at <= reach; ++at) {
        const token to = std::clamp(at + n * (a - x), -reach, reach);
        next[static_cast<std::size_t>(to + reach)] += law[static_cast<std::size_t>(at + reach)] * p;
      }
    law = next;
  }
  std::vector<double> clamped(means.size());
  for (token at = -reach; at <= reach; ++at)
    clamped[static_cast<std::size_t>(std::clamp(x + at, 0, S - 1))] += law[static_cast<std::size_t>(at + reach)];
  return clamped;
}

/// Draws of tau_leaping with summed jumps against that law, with the rates of the public functor.
template <class Process>
void check_tau_leaping(const Process& process, double s, double t) {
  const index_t S = process.max_states(), B = laws::draws(20000);
  const laws::some_net<typename Process::space_type> net{process.space(), 1.0};
  laws::sampler<float, Process, decltype(net), tau_leaping<>> steps(process, net, {}, {}, laws::on(1));
  array<double, 1> from(B), to(B);  // (B)
  from.fill(t), to.fill(s);
  for (token x = 0; x < S; ++x) {
    array<token, 2> one(1, 1), many(B, 1);  // (B, 1)
    one.fill(x), many.fill(x);
    array<double, 4> raw(1, 1, 1, S);  // (1, 1, 1, S)
    array<double, 1> when(1);          // (1)
    when.fill(t);
    net(request<double>{one, when, laws::no_latents<double>(1), {}, 0}, raw.whole());
    const place at{0, 0, x};
    const auto row = make_row<double>(serial_group{}, softmax{}, view<const double, 4>(raw).row(0, 0, 0), at);
    const auto rates = reverse_rates(process.between(s, t), at, row, noise_between(process, s, t, jump_clock::noise));
    std::vector<double> means, counts(static_cast<std::size_t>(S));
    for (index_t a = 0; a < S; ++a) means.push_back(std::exp(rates.log_expected(a)));
    sampler_state state{7, x};
    steps.step(state, many.whole(), to, from, laws::ids(B));
    for (token landed : many) ++counts.at(static_cast<std::size_t>(landed));
    laws::check_frequencies("tau-leaping from " + std::to_string(x), counts, summed_law(x, means));
  }
}

/// A law after jumps that are summed at every position by itself. kernel: of the times of the noise.
template <class Kernel, class Net>
exact::joint_law after_summed_jumps(const Kernel& kernel, const Net& net, const exact::joint_law& law, double t,
                                    const step_noise& noise) {
  const index_t D = law.states.dims(), S = net.outputs();
  exact::joint_law next(law.states);
  array<token, 2> x(1, D);           // (1, D)
  array<double, 1> when(1);          // (1)
  array<double, 4> raw(1, 1, D, S);  // (1, 1, D, S)
  when(0) = t;
  for (index_t i = 0; i < law.size(); ++i) {
    law.states.tokens(i, x.whole().row(0));
    net(request<double>{x, when, laws::no_latents<double>(1), {}, 0}, raw.whole());
    array<double, 2> rows(D, S);  // (D, S)
    for (index_t d = 0; d < D; ++d) {
      const place at{0, d, x(0, d)};
      const auto row = make_row<double>(serial_group{}, softmax{}, view<const double, 4>(raw).row(0, 0, d), at);
      const auto rates = reverse_rates(kernel, at, row, noise);
      std::vector<double> means;
      for (index_t a = 0; a < S; ++a) means.push_back(std::exp(rates.log_expected(a)));
      const auto landed = summed_law(at.now, means);
      std::copy(landed.begin(), landed.end(), rows.whole().row(d).data());
    }
    next.add(law[i], exact::product_law(law.states, rows));
  }
  return next;
}

/// Whole paths of two positions, and a corrector step after all but the last step.
template <class Process>
void check_summed_paths(const Process& process, const tau_leaping<>& method) {
  const laws::some_net<typename Process::space_type> net{process.space(), 1.0};
  laws::sampler<double, Process, decltype(net), tau_leaping<>> steps(process, net, {}, method, laws::on(1));
  laws::sampler<double, Process, decltype(net)> denoises(process, net, {}, {}, laws::on(1));
  const index_t B = laws::draws(20000), D = 2;
  const time_grid grid{1, 0.6, 0.2, 0};
  const double forth = 0.3;
  auto law = exact::prior_law(process, D), corrected = law;
  const auto push = [&](const exact::joint_law& from, double s, double t) {
    if (s == 0 && method.denoise_last) return exact::push(denoises, from, {s, t}, exact::latents_of(denoises));
    return after_summed_jumps(process.between(s, t), net, from, t, noise_between(process, s, t, method.clock));
  };
  array<token, 2> x(B, D);                // (B, D)
  array<double, 1> from(B), to(B), h(B);  // (B)
  h.fill(forth);
  sampler_state state{9, 0};
  draw_initial(process, rng{9}, laws::ids(B), x.whole());
  for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
    const double s = grid[n + 1], t = grid[n];
    law = push(law, s, t), corrected = push(corrected, s, t);
    from.fill(t), to.fill(s);
    steps.step(state, x.whole(), to, from, laws::ids(B));
    if (s == 0) continue;
    corrected =
        after_summed_jumps(process.between(s, s), net, corrected, s, {forth, forth * alpha(process.schedule(), s), forth});
    steps.correct(state, x.whole(), to, h, laws::ids(B));
  }
  laws::check_frequencies("with correctors", exact::sample_counts(law.states, x).counts, corrected.p);
  const auto y = sample<double>(process, net, {.batch = B, .dims = D, .seed = 9, .grid = grid}, laws::on(1), method);
  laws::check_frequencies("tau-leaping", exact::sample_counts(law.states, y).counts, law.p);
}

}  // namespace

TEST_CASE("laws: tau-leaping draws the clamped convolution of its Poisson laws") {
  check_tau_leaping(forward_process(ordinal(5, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 4}), 0.3, 0.7);
  check_tau_leaping(forward_process(ordinal(6), linear{0, 1}), 0.45, 0.5);
  check_tau_leaping(forward_process(birth_death<7>{}, exponential{0.2, 20}), 0.2, 0.9);
  check_tau_leaping(forward_process(tauldr::as_ordered<uniform<5>>{}, linear{0, 4}), 0.3, 0.7);
}

TEST_CASE("laws: paths of tau-leaping, with correctors or without, follow the law of its steps one after another") {
  const auto check = [](const auto& process) {
    check_summed_paths(process, {});
    check_summed_paths(process, {.clock = jump_clock::frozen_rate});
    check_summed_paths(process, {.denoise_last = false});
  };
  check(forward_process(ordinal(3, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 2}));
  check(forward_process(birth_death<3>{}, exponential{0.2, 20}));  // no constant rate: the clocks differ
}

TEST_CASE("laws: landing sums jumps and stays inside") {
  const std::vector<double> counts{1, 0, 5, 2, 0};
  const auto count = [&](index_t a) { return counts[static_cast<std::size_t>(a)]; };
  CHECK(landing(2, 5, count) == 2);  // -2 + 2
  CHECK(landing(1, 5, count) == 4);  // 1 - 1 + 5 + 4 = 9
  CHECK(landing(4, 5, count) == 0);  // 4 - 4 - 10 - 2 < 0
  CHECK(landing(4, 5, [](index_t a) { return a == 2 ? -1.0 : 0.0; }) == -1);
}

TEST_CASE("laws: the same tokens of methods that jump for any batch, chunk and threads") {
  const auto check = [](const auto& process, auto method) {
    const laws::some_net<std::decay_t<decltype(process.space())>> net{process.space(), 1.0};
    using Method = decltype(method);
    const index_t B = 37, D = 6;
    const sample_options options{.batch = B, .dims = D, .steps = 5, .seed = 8};
    const auto all = sample<float, Method>(process, net, options, laws::on(1));  // (B, D)
    CHECK(sample<float, Method>(process, net, options, laws::on(3)) == all);
    for (index_t chunk : {1, 5, 36})
      CHECK(sample<float, Method>(process, net, {.batch = B, .dims = D, .steps = 5, .seed = 8, .chunk = chunk}, laws::on(2)) ==
            all);
    const auto part =
        sample<float, Method>(process, net, {.batch = 10, .dims = D, .steps = 5, .seed = 8, .first_item = 20}, laws::on(1));
    CHECK(std::equal(part.begin(), part.end(), all.begin() + 20 * D));
    CHECK(all != sample<float, ancestral>(process, net, options, laws::on(1)));
  };
  for_every_process([&](const auto& process) {
    check(process, euler{});
    check(process, tau_leaping<single_jump>{});
  });
  check(forward_process(ordinal(5), linear{0, 4}), tau_leaping<>{});
  check(forward_process(birth_death<5>{}, linear{0, 4}), tau_leaping<>{});
}

TEST_CASE("laws: the argmax tail of methods that jump is that of ancestral sampling") {
  const forward_process levels(ordinal(5), linear{0, 4});
  const laws::some_net<ordinal> net{levels.space(), 1.0};
  const sample_options options{.batch = 20, .dims = 4, .steps = 1, .seed = 2, .argmax_tail = true};
  const auto x = sample<float, ancestral>(levels, net, options, laws::on(1));
  CHECK(sample<float, tau_leaping<>>(levels, net, options, laws::on(1)) == x);
  CHECK(sample<float, euler>(levels, net, options, laws::on(1)) == x);
}
