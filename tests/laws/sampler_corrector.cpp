// Correctors: the law of the exact denoiser stays, to first order; draws follow rows; and they mend what a predictor breaks.
#include <dimix/sampler/predictor_corrector.hpp>

#include "laws/sampler.hpp"

using namespace dimix;

namespace {

/// A law of two positions of 3 states each: strongly correlated, and positive everywhere.
struct pair_law {
  array<token, 2> sequences;  // (9, 2)
  array<double, 1> law;       // (9)

  pair_law() : sequences(9, 2), law(9) {
    double total = 0;
    for (index_t n = 0; n < 9; ++n) {
      sequences(n, 0) = static_cast<token>(n / 3), sequences(n, 1) = static_cast<token>(n % 3);
      total += law(n) = (n / 3 == n % 3 ? 1.0 : 0.1) + 0.05 * static_cast<double>(n);
    }
    for (double& p : law) p /= total;
  }

  /// q_t over the S^2 states, the first position running fastest.
  template <class Process>
  std::vector<double> at(const Process& process, double t) const {
    const index_t S = process.max_states();
    const auto kernel = process.between(0, t);
    std::vector<double> q(static_cast<std::size_t>(S * S));
    for (index_t n = 0; n < 9; ++n)
      for (token i = 0; i < S; ++i)
        for (token j = 0; j < S; ++j)
          q[static_cast<std::size_t>(i + S * j)] +=
              law(n) * kernel.marginal_t(0, sequences(n, 0), i) * kernel.marginal_t(1, sequences(n, 1), j);
    return q;
  }
};

/// The row of a corrector at t, exactly: (S^2, 2, S), for the items of x_t (S^2, 2).
template <class Process, class Net, class Method>
array<double, 3> corrector_rows(const Process& process, const Net& net, view<const token, 2> x_t, double t, double noise,
                                const Method& method) {
  const index_t B = x_t.extent(0), D = x_t.extent(1), S = process.max_states();
  array<double, 1> when(B);  // (B)
  when.fill(t);
  array<double, 4> raw(B, 1, D, S);  // (B, 1, D, S)
  net(request<double>{x_t, when, laws::no_latents<double>(B), {}, 0}, raw.whole());
  const auto head = head_of(net, process.space());
  const auto kernel = process.between(t, t);
  const auto step = method.correction(process, t, noise);
  array<double, 3> rows(B, D, S);  // (B, D, S)
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < D; ++d) {
      const place at{b, d, x_t(b, d)};
      const auto row = make_row<double>(serial_group{}, head, view<const double, 4>(raw).row(b, 0, d), at);
      const auto law = step.row(kernel, at, row);
      for (index_t a = 0; a < S; ++a) rows(b, d, a) = std::exp(law.log_prob(a));
    }
  return rows;
}

/// The exact denoiser of one of two laws: of the second for class 1, of the first for any other or none.
template <class Process>
struct by_class {
  tabular<Process> first, second;

  index_t outputs() const { return first.outputs(); }
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    array<Real, 4> other(raw.extent(0), raw.extent(1), raw.extent(2), raw.extent(3));  // (B, M, D, outputs)
    first(asked, raw);
    second(asked, other.whole());
    for (index_t b = 0; b < asked.batch(); ++b)
      if (!asked.classes.empty() && asked.classes(b) == 1)
        std::copy(other.whole()[b].begin(), other.whole()[b].end(), raw[b].begin());
  }
};

/// A corrector without its forward half.
template <class Method>
struct only_back {
  Method method;
  template <class Process>
  auto correction(const Process& process, double t, double noise) const {
    auto step = method.correction(process, t, noise);
    step.noise.forth = 0;
    return step;
  }
};

array<token, 2> all_pairs(index_t S) {
  array<token, 2> x(S * S, 2);  // (S^2, 2)
  for (index_t b = 0; b < S * S; ++b) x(b, 0) = static_cast<token>(b % S), x(b, 1) = static_cast<token>(b / S);
  return x;
}

/// A law after one product step with these rows.
std::vector<double> pushed(const std::vector<double>& law, view<const double, 3> rows) {
  const index_t S = rows.extent(2);
  std::vector<double> next(law.size());
  for (index_t from = 0; from < S * S; ++from)
    for (index_t to = 0; to < S * S; ++to)
      next[static_cast<std::size_t>(to)] += law[static_cast<std::size_t>(from)] * rows(from, 0, to % S) * rows(from, 1, to / S);
  return next;
}

template <class F>
void for_every_process(const F& f) {
  f(forward_process(absorbing<4>{}, log_linear{}));
  f(forward_process(uniform<3>{}, log_linear{}));
  f(forward_process(ordinal(3, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 1}));
}

}  // namespace

TEST_CASE("laws: a corrector of noise h moves the exact law by O(h^2)") {
  for_every_process([](const auto& process) {
    const pair_law data;
    const tabular<std::decay_t<decltype(process)>> net(process, data.sequences, data.law);
    const auto x = all_pairs(process.max_states());  // (S^2, 2)
    const double t = 0.4;
    const auto q = data.at(process, t);
    const auto check = [&](const auto& method) {
      const auto moved = [&](double h) {
        return laws::total_variation(pushed(q, corrector_rows(process, net, x, t, h, method)), q);
      };
      const double far = moved(2e-3), near = moved(1e-3);
      CHECK(near < 2e-5);
      CHECK(far / near == doctest::Approx(4).epsilon(0.03));
      // while the reverse rates alone move it in the first order
      const double back = laws::total_variation(
          pushed(q, corrector_rows(process, net, x, t, 1e-3, only_back<std::decay_t<decltype(method)>>{method})), q);
      CHECK(back > 1e-4);
    };
    check(euler{});
    check(euler{.form = jump_form::linear});
    check(tau_leaping<single_jump>{});
  });
}

TEST_CASE("laws: correctors bring a wrong law to the exact one") {
  for_every_process([](const auto& process) {
    const pair_law data;
    const tabular<std::decay_t<decltype(process)>> net(process, data.sequences, data.law);
    const index_t S = process.max_states();
    const double t = 0.4;
    const auto q = data.at(process, t);
    std::vector<double> product(q.size()), first(static_cast<std::size_t>(S)), second(first.size());
    for (index_t i = 0; i < S * S; ++i) {
      first[static_cast<std::size_t>(i % S)] += q[static_cast<std::size_t>(i)];
      second[static_cast<std::size_t>(i / S)] += q[static_cast<std::size_t>(i)];
    }
    for (index_t i = 0; i < S * S; ++i)
      product[static_cast<std::size_t>(i)] = first[static_cast<std::size_t>(i % S)] * second[static_cast<std::size_t>(i / S)];
    const auto rows = corrector_rows(process, net, all_pairs(S), t, 0.01, euler{});
    const double wrong = laws::total_variation(product, q);
    CHECK(wrong > 0.04);
    for (int n = 0; n < 2000; ++n) product = pushed(product, rows);
    CHECK(laws::total_variation(product, q) < 0.1 * wrong);  // what is left is the O(h) of its own stationary law
  });
}

TEST_CASE("laws: correct draws from the rows of a corrector, whatever the batch") {
  for_every_process([](const auto& process) {
    using process_type = std::decay_t<decltype(process)>;
    const laws::some_net<typename process_type::space_type> net{process.space(), 1.0};
    const index_t S = process.max_states(), B = laws::draws(20000);
    const double t = 0.5, h = 0.3;
    const auto x = all_pairs(S);         // (S^2, 2)
    array<double, 1> when(B), noise(B);  // (B)
    when.fill(t), noise.fill(h);
    const auto check = [&]<class Method>(const Method& method) {
      const auto rows = corrector_rows(process, net, x, t, h, method);  // (S^2, 2, S)
      laws::sampler<double, process_type, decltype(net), Method> steps(process, net, {}, method, laws::on(1));
      for (index_t from : {index_t{1}, S * S - 1}) {
        array<token, 2> many(B, 2);  // (B, 2)
        for (index_t b = 0; b < B; ++b) many(b, 0) = x(from, 0), many(b, 1) = x(from, 1);
        sampler_state state{5, 3};
        steps.correct(state, many.whole(), when, noise, laws::ids(B));
        CHECK(state.step == 4);
        std::vector<double> counts(static_cast<std::size_t>(S * S)), law(counts.size());
        for (index_t b = 0; b < B; ++b) ++counts[static_cast<std::size_t>(many(b, 0) + S * many(b, 1))];
        for (index_t i = 0; i < S * S; ++i) law[static_cast<std::size_t>(i)] = rows(from, 0, i % S) * rows(from, 1, i / S);
        laws::check_frequencies("corrector", counts, law);
        // one item alone has its tokens
        array<token, 2> one(1, 2);  // (1, 2)
        one(0, 0) = x(from, 0), one(0, 1) = x(from, 1);
        array<double, 1> t_one(1), h_one(1);  // (1)
        t_one.fill(t), h_one.fill(h);
        array<std::uint64_t, 1> item(1);  // (1)
        item(0) = 17;
        sampler_state again{5, 3};
        steps.correct(again, one.whole(), t_one, h_one, item);
        CHECK((one(0, 0) == many(17, 0) && one(0, 1) == many(17, 1)));
      }
    };
    check(euler{});
    check(euler{.form = jump_form::linear});
    check(tau_leaping<single_jump>{});
  });
}

TEST_CASE("laws: paths of steps and correctors follow the law of both in turn") {
  for_every_process([](const auto& process) {
    using process_type = std::decay_t<decltype(process)>;
    const laws::some_net<typename process_type::space_type> net{process.space(), 1.0};
    const index_t S = process.max_states(), B = laws::draws(20000);
    const corrector_options options{.steps = 2, .size = 0.6, .entry_time = 0.7};
    const time_grid grid{1, 0.7, 0.3, 0};
    const auto pairs = all_pairs(S);  // (S^2, 2)
    const auto check = [&]<class Method>(const Method& method) {
      laws::sampler<double, process_type, decltype(net), Method> steps(process, net, {}, method, laws::on(1));
      auto law = exact::prior_law(process, 2);
      array<token, 2> x(B, 2);  // (B, 2)
      draw_initial(process, rng{8}, laws::ids(B), x.whole());
      sampler_state state{8, 0};
      for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
        const double s = grid[n + 1], t = grid[n];
        law = exact::push(steps, law, {s, t}, exact::latents_of(steps));
        if (s > 0 && t <= 0.7) {
          const auto rows = corrector_rows(process, net, pairs, s, 0.6 * rate(process.schedule(), s) * (t - s), method);
          for (index_t k = 0; k < 2; ++k) {
            exact::joint_law next(law.states);
            for (index_t i = 0; i < S * S; ++i)
              next.add(law.of(pairs.whole().row(i)), exact::product_law(law.states, rows.whole()[i]));
            law = next;
          }
        }
        step_and_correct(steps, state, x.whole(), s, t, laws::ids(B), options);
      }
      CHECK(state.step == 5);
      laws::check_frequencies("x_0", exact::sample_counts(law.states, x).counts, law.p);
    };
    check(euler{});
    check(tau_leaping<single_jump>{});
  });
}

TEST_CASE("laws: step_and_correct is a step and its correctors") {
  const forward_process process(ordinal(5), exponential{0.2, 20});
  const laws::some_net<ordinal> net{process.space(), 1.0};
  laws::sampler<float, decltype(process), decltype(net), tau_leaping<>> steps(process, net, {}, {}, laws::on(1));
  const index_t B = 6, D = 4;
  const auto run = [&](double s, double t, const corrector_options& options) {
    auto x = laws::walk(process.space(), B, D);
    sampler_state state{1, 0};
    step_and_correct(steps, state, x.whole(), s, t, laws::ids(B), options);
    return std::pair(x, state.step);
  };
  auto x = laws::walk(process.space(), B, D);  // (B, D)
  sampler_state state{1, 0};
  array<double, 1> s(B), t(B), noise(B);  // (B)
  s.fill(0.3), t.fill(0.5), noise.fill(1.5 * rate(process.schedule(), 0.3) * 0.2);
  steps.step(state, x.whole(), s, t, laws::ids(B));
  const auto predicted = x;
  steps.correct(state, x.whole(), s, noise, laws::ids(B));
  steps.correct(state, x.whole(), s, noise, laws::ids(B));
  CHECK(run(0.3, 0.5, {.steps = 2, .size = 1.5}) == std::pair(x, index_t{3}));
  CHECK(x != predicted);
  CHECK(run(0.3, 0.5, {.steps = 0}) == std::pair(predicted, index_t{1}));
  CHECK(run(0.3, 0.5, {.steps = 2, .entry_time = 0.4}) == std::pair(predicted, index_t{1}));
  CHECK(run(0.3, 0.5, {.steps = 2, .size = 1.5, .entry_time = 0.5}) == std::pair(x, index_t{3}));
  CHECK(run(0, 0.5, {.steps = 2}).second == 1);
}

TEST_CASE("laws: with classes, predictor and correctors draw from the rows of each item's class") {
  for_every_process([](const auto& process) {
    using process_type = std::decay_t<decltype(process)>;
    const pair_law data;
    pair_law turned;  // the other law: states of the first position the other way round
    for (index_t n = 0; n < 9; ++n) turned.sequences(n, 0) = static_cast<token>(2 - data.sequences(n, 0));
    const tabular<process_type> of_first(process, data.sequences, data.law), of_second(process, turned.sequences, turned.law);
    const by_class<process_type> both{of_first, of_second};
    const index_t B = 500;
    array<token, 1> classes(B);  // (B)
    for (index_t b = 0; b < B; ++b) classes(b) = static_cast<token>(b % 2);
    const corrector_options options{.steps = 2, .size = 0.7};
    const auto start = laws::walk(process.space(), B, 2);  // (B, 2)
    const auto run = [&](const auto& net, const conditions<double>& given) {
      laws::sampler<double, process_type, std::decay_t<decltype(net)>, euler> steps(process, net, {}, {}, laws::on(1));
      auto x = start;
      sampler_state state{6, 0};
      step_and_correct(steps, state, x.whole(), 0.4, 0.6, laws::ids(B), options, given);
      return x;
    };
    auto by_turns = run(of_first, {});       // (B, 2)
    const auto second = run(of_second, {});  // (B, 2)
    CHECK(by_turns != second);
    for (index_t b = 1; b < B; b += 2) std::copy_n(&second(b, 0), 2, &by_turns(b, 0));
    CHECK(run(both, {.classes = classes}) == by_turns);
  });
}
