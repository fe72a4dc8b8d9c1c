// Known tokens that noise hides, and the choice among several λ at the last step: against enumeration of the mixture.
#include <dimix/objective.hpp>

#include "laws/sampler.hpp"

using namespace dimix;

namespace {

const laws::tested one = laws::on(1);

/// A mixture of M components that are not equally likely; rows depend on x_t, on λ and on the position.
struct some_mixture {
  index_t S;
  std::vector<double> weights;  // (M) log π up to a constant

  index_t outputs() const { return S; }
  index_t components() const { return static_cast<index_t>(weights.size()); }
  weighted_latent<double> latent() const { return {{weights.data(), components()}}; }
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t m = 0; m < asked.components(); ++m)
        for (index_t d = 0; d < asked.dims(); ++d)
          for (index_t s = 0; s < S; ++s)
            raw(b, m, d, s) = static_cast<Real>(2 * std::sin(1.3 * static_cast<double>(asked.latents(b, m, 0)) +
                                                             2.1 * static_cast<double>(s) + 0.7 * static_cast<double>(d) +
                                                             static_cast<double>(asked.tokens(b, (d + 1) % asked.dims()))));
  }
};

const std::vector<double> unequal = {std::log(0.5), std::log(0.3), std::log(0.2)};

/// Every position is 1 with probability λ, λ uniform on (0, 1): pairs are correlated.
struct shared_coin {
  index_t outputs() const { return 2; }
  uniform_latent latent() const { return {}; }
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t m = 0; m < asked.components(); ++m)
        for (index_t d = 0; d < asked.dims(); ++d) {
          raw(b, m, d, 0) = std::log(1 - asked.latents(b, m, 0));
          raw(b, m, d, 1) = std::log(asked.latents(b, m, 0));
        }
  }
};

/// One step of many items with the same x_t and evidence against the conditional law of the mixture, by enumeration of x_0.
template <class Process>
void check_conditional_step(const Process& process, std::vector<token> start, std::vector<token> known, double s, double t) {
  const auto D = static_cast<index_t>(start.size()), S = process.max_states(), M = index_t{3}, B = laws::draws(20000);
  const some_mixture net{S, unequal};
  laws::sampler<double, Process, some_mixture> steps(process, net, {.scope = latent_scope::per_step}, {}, one);
  // all of p(x_0 | x_t), and from it the law of x_s given x_0 = y at the known positions: x_s^d ~ q(x_s | x_0^d, x_t^d)
  array<double, 4> raw(1, M, D, S);  // (1, M, D, S)
  array<double, 3> lambda(1, M, 1);  // (1, M, 1)
  array<double, 1> time(1);          // (1)
  array<double, 2> log_pi(1, M);     // (1, M)
  time(0) = t;
  for (index_t m = 0; m < M; ++m) lambda(0, m, 0) = static_cast<double>(m), log_pi(0, m) = unequal[static_cast<std::size_t>(m)];
  const view<const token, 2> x_t(start.data(), 1, D);
  net(request<double>{x_t, time, lambda, {}, 0}, raw.whole());
  const auto kernel = process.template between<double>(s, t);
  std::vector<double> law(static_cast<std::size_t>(std::pow(S, D)));
  const auto head = default_head(process.space());
  laws::for_each_sequence(D, S, [&](const std::vector<token>& x_0) {
    for (std::size_t d = 0; d < x_0.size(); ++d)
      if (known[d] >= 0 && x_0[d] != known[d]) return;
    double p = 0;
    for (index_t m = 0; m < M; ++m) {
      double of_component = std::exp(unequal[static_cast<std::size_t>(m)]);
      for (index_t d = 0; d < D; ++d) {
        const place at{0, d, start[static_cast<std::size_t>(d)]};
        const auto row = make_row<double>(serial_group{}, head, view<const double, 1>(raw.whole().row(0, m, d)), at);
        of_component *= std::exp(row.log_prob(x_0[static_cast<std::size_t>(d)]));
      }
      p += of_component;
    }
    std::size_t cell = 0;
    laws::for_each_sequence(D, S, [&](const std::vector<token>& x_s) {
      double q = p;
      for (index_t d = 0; d < D; ++d) {
        const auto i = static_cast<std::size_t>(d);
        q *= kernel.posterior(d, x_0[i], start[i], x_s[i]);
      }
      law[cell++] += q;
    });
  });
  array<token, 2> x(B, D), evidence(B, D);  // (B, D)
  array<double, 1> from(B), to(B);          // (B)
  from.fill(t), to.fill(s);
  for (index_t b = 0; b < B; ++b) {
    std::copy(start.begin(), start.end(), x.whole().row(b).data());
    std::copy(known.begin(), known.end(), evidence.whole().row(b).data());
  }
  sampler_state state{5, 0};
  steps.step(state, x.whole(), to, from, laws::ids(B), {.evidence = evidence});
  std::vector<double> counts(law.size());
  for (index_t b = 0; b < B; ++b) {
    std::size_t cell = 0;
    for (index_t d = D - 1; d >= 0; --d) cell = cell * static_cast<std::size_t>(S) + static_cast<std::size_t>(x(b, d));
    ++counts[cell];
  }
  laws::check_frequencies("x_s given x_t and evidence", counts, law);
}

}  // namespace

TEST_CASE("laws: one step with hidden evidence follows the conditional law of the mixture") {
  for (auto [s, t] : {std::pair{0.0, 0.8}, {0.4, 0.8}, {0.5, 1.0}}) {
    CAPTURE(s);
    check_conditional_step(forward_process(uniform<3>{}, log_linear{}), {0, 2, 1}, {-1, 1, -1}, s, t);
    check_conditional_step(forward_process(uniform<3>{}, log_linear{}), {2, 2, 0}, {0, -1, 2}, s, t);
    check_conditional_step(forward_process(uniform<3>{}, log_linear{}), {2, 2, 0}, {-1, -1, -1}, s, t);
    check_conditional_step(forward_process(ordinal(4, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 4}), {3, 1, 0},
                           {1, -1, -1}, s, t);
    check_conditional_step(forward_process(absorbing<4>{}, log_linear{}), {3, 3, 1}, {-1, 2, -1}, s, t);
  }
}

TEST_CASE("laws: visible evidence says nothing more: with subs the weights of λ stay as they are") {
  array<token, 2> x_t(1, 3);         // (B, D)
  array<token, 3> known(1, 1, 3);    // (B, 1, D)
  array<double, 4> raw(1, 3, 3, 4);  // (B, M, D, S)
  array<double, 2> log_pi(1, 3);     // (B, M)
  laws::fill_noise(raw, 3, 2);
  std::copy(unequal.begin(), unequal.end(), log_pi.begin());
  x_t(0, 0) = 2, x_t(0, 1) = 3, x_t(0, 2) = 0;
  known(0, 0, 0) = 2, known(0, 0, 1) = -1, known(0, 0, 2) = 0;
  const view<const double, 4> given = raw;
  const auto weights = responsibilities<double>(subs{3}, x_t, given, known, 4, one, log_pi);  // (B, M, 1)
  for (index_t m = 0; m < 3; ++m) CHECK(weights(0, m, 0) == doctest::Approx(std::exp(log_pi(0, m))).epsilon(1e-14));
  x_t(0, 0) = 3;  // hidden: now it does
  CHECK(std::abs(responsibilities<double>(subs{3}, x_t, given, known, 4, one, log_pi)(0, 0, 0) - 0.5) > 1e-3);
}

TEST_CASE("laws: the likelihood of part of a sequence is the sum over the rest") {
  array<token, 2> x_t(1, 3);         // (B, D)
  array<double, 4> raw(1, 2, 3, 3);  // (B, M, D, S)
  array<token, 3> all(1, 9, 3), part(1, 1, 3), nothing(1, 1, 3);
  laws::fill_noise(raw, 4, 2);
  for (index_t k = 0; k < 9; ++k)
    all(0, k, 0) = static_cast<token>(k / 3), all(0, k, 1) = 1, all(0, k, 2) = static_cast<token>(k % 3);
  part.fill(-1), nothing.fill(-1);
  part(0, 0, 1) = 1;
  const view<const double, 4> given = raw;
  double sum = 0;
  const auto each = log_likelihood<double>(softmax{}, x_t, given, all, 3, one);  // (B, K)
  for (double l : each) sum += std::exp(l);
  CHECK(std::exp(log_likelihood<double>(softmax{}, x_t, given, part, 3, one)(0, 0)) == doctest::Approx(sum).epsilon(1e-13));
  CHECK(log_likelihood<double>(softmax{}, x_t, given, nothing, 3, one)(0, 0) == doctest::Approx(0).epsilon(1e-15));
  auto loss = make_objective<double>(softmax{}, x_t, 2, 3, {}, correlation<double>{part});
  CHECK_THROWS_WITH_AS(value(loss, given, one), doctest::Contains("holds -1"), invalid_argument);
}

TEST_CASE("laws: evidence about a continuous λ, by many even draws of it") {
  const forward_process process(uniform<2>{}, log_linear{0});
  const index_t B = laws::draws(20000);
  array<token, 2> evidence(B, 2);  // (B, D)
  for (index_t b = 0; b < B; ++b) evidence(b, 0) = 1, evidence(b, 1) = -1;
  const auto x =
      sample<double>(process, shared_coin{},
                     {.batch = B, .dims = 2, .seed = 3, .evidence = evidence, .evidence_candidates = 128}, one);  // (B, D)
  double ones = 0;
  for (index_t b = 0; b < B; ++b) {
    ones += x(b, 1);
    CHECK(x(b, 0) == 1);
  }
  laws::check_frequencies("ones", {static_cast<double>(B) - ones, ones},
                          {1.0 / 3, 2.0 / 3});  // E λ^2 / E λ; 1/2 without evidence
}

TEST_CASE("laws: whole paths with hidden evidence follow the steps of the weighted λ, once per path or in every step") {
  const index_t D = 2, B = laws::draws(20000);
  const std::vector<token> known{1, -1};
  array<token, 2> evidence(B, D);  // (B, D)
  for (index_t b = 0; b < B; ++b) std::copy(known.begin(), known.end(), evidence.whole().row(b).data());
  const time_grid grid{1, 0.6, 0.25, 0};
  const auto check = [&](const auto& process) {
    using process_type = std::decay_t<decltype(process)>;
    const index_t S = process.max_states();
    const laws::leaning<weighted_latent<double>> net{S, laws::unequal_latent()};
    laws::sampler<double, process_type, std::decay_t<decltype(net)>> steps(process, net, {}, {}, one);
    const auto over = exact::latents_of(steps);
    const auto times = [](double t) {
      array<double, 1> result(1);  // (1)
      result(0) = t;
      return result;
    };
    const auto rows_of = [&](view<const token, 2> x_t, double s, double t, index_t m) {  // (1, D, S)
      return steps.rows(x_t, times(s), times(t), exact::repeated<double>(over.point(m), 1));
    };
    /// π_m p(y | x_t; λ_m), normalised
    const auto weights = [&](view<const token, 2> x_t, double t) {
      std::vector<double> w;
      double total = 0;
      for (index_t m = 0; m < over.count(); ++m) {
        w.push_back(over.weight(m) * rows_of(x_t, 0, t, m)(0, 0, known[0]));
        total += w.back();
      }
      for (double& each : w) each /= total;
      return w;
    };
    const auto pushed = [&](const exact::joint_law& law, double s, double t, auto weights_at) {
      exact::joint_law next(law.states);
      const auto kernel = process.template between<double>(s, t);
      for (index_t i = 0; i < law.size(); ++i) {
        if (law[i] == 0) continue;
        const auto x_t = law.states.tokens({i});  // (1, D)
        const std::vector<double> w = weights_at(x_t);
        for (index_t m = 0; m < over.count(); ++m) {
          auto rows = rows_of(x_t, s, t, m);  // (1, D, S)
          for (token a = 0; a < S; ++a) rows(0, 0, a) = kernel.posterior(0, known[0], x_t(0, 0), a);
          next.add(law[i] * w[static_cast<std::size_t>(m)], exact::product_law(law.states, rows.whole()[0]));
        }
      }
      return next;
    };
    const auto prior = exact::prior_law(process, D);
    for (auto scope : {latent_scope::per_path, latent_scope::per_step}) {
      exact::joint_law law(prior.states);
      if (scope == latent_scope::per_step) {
        law = prior;
        for (std::size_t n = 0; n + 1 < grid.size(); ++n)
          law = pushed(law, grid[n + 1], grid[n], [&](view<const token, 2> x_t) { return weights(x_t, grid[n]); });
      } else {
        for (index_t m = 0; m < over.count(); ++m) {
          exact::joint_law of_one = prior;  // x_1 and λ_m together
          for (index_t i = 0; i < prior.size(); ++i)
            if (prior[i] > 0) of_one[i] *= weights(prior.states.tokens({i}), 1)[static_cast<std::size_t>(m)];
          std::vector<double> alone(3);
          alone[static_cast<std::size_t>(m)] = 1;
          for (std::size_t n = 0; n + 1 < grid.size(); ++n)
            of_one = pushed(of_one, grid[n + 1], grid[n], [&](const auto&) { return alone; });
          law.add(1, of_one);
        }
      }
      const auto x = sample<double>(
          process, net,
          {.batch = B, .dims = D, .seed = 6, .scope = scope, .grid = grid, .evidence = evidence, .hidden_evidence = true}, one);
      laws::check_frequencies("x_0", exact::sample_counts(law.states, x).counts, law.p);
    }
  };
  check(forward_process(uniform<3>{}, log_linear{0.2}));  // at t = 1 a part of x_0 is left, and x_1 tells of it
  check(forward_process(absorbing<4>{}, log_linear{0}));
}

TEST_CASE("laws: evidence reaches the end of every path, and decides λ of it") {
  const auto check = [](const auto& process, index_t S, index_t states) {
    const laws::follow_latent net{S, states};  // certain of the state of its λ
    const index_t B = 30, D = 5;
    array<token, 2> evidence(B, D);  // (B, D)
    evidence.fill(-1);
    for (index_t b = 0; b < B; ++b) evidence(b, b % D) = static_cast<token>(b % states);
    for (auto scope : {latent_scope::per_path, latent_scope::per_step}) {
      sample_options options{
          .batch = B, .dims = D, .steps = 4, .seed = 1, .scope = scope, .evidence = evidence, .hidden_evidence = true};
      const auto x = sample(process, net, options, one);  // (B, D)
      // subs is certain of a known token once it is unmasked: from then on it is for the network to look at x_t, which this one does not
      const bool decided = scope == latent_scope::per_path || !masked_space<std::decay_t<decltype(process.space())>>;
      for (index_t b = 0; b < B; ++b)
        for (index_t d = 0; d < D; ++d)
          if (decided || d == b % D) CHECK(x(b, d) == b % states);
      options.chunk = 7;
      CHECK(sample(process, net, options, laws::on(2)) == x);
    }
    // a factorized denoiser has no λ to decide
    const laws::some_net<std::decay_t<decltype(process.space())>> plain{process.space()};
    const auto x =
        sample(process, plain, {.batch = B, .dims = D, .steps = 4, .evidence = evidence, .hidden_evidence = true}, one);
    for (index_t b = 0; b < B; ++b) CHECK(x(b, b % D) == b % states);
  };
  check(forward_process(uniform<3>{}, log_linear{}), 3, 3);
  check(forward_process(ordinal(3, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 4}), 3, 3);
  check(forward_process(absorbing<4>{}, log_linear{}), 4, 3);
}

TEST_CASE("laws: the last of many λ is the one whose tokens the mixture likes best") {
  const forward_process process(uniform<3>{}, log_linear{});
  const some_mixture net{3, unequal};
  const index_t B = 27, D = 3, M = 3;
  const auto start = laws::walk(process.space(), B, D);
  array<double, 1> s(B), t(B);  // (B)
  t.fill(0.6);
  s(4) = 0.3;  // does not end: drawn as ever
  laws::sampler<double, decltype(process), some_mixture> best(process, net, {.last_candidates = M}, {}, one),
      plain(process, net, {}, {}, one);
  auto x = start, drawn = start;
  sampler_state a{9, 0}, b_state{9, 0};
  best.step(a, x.whole(), s, t, laws::ids(B));
  plain.step(b_state, drawn.whole(), s, t, laws::ids(B));
  CHECK(std::equal(x.whole().row(4).begin(), x.whole().row(4).end(), drawn.whole().row(4).begin()));
  for (index_t b = 0; b < B; ++b) {
    if (b == 4) continue;
    array<double, 4> raw(1, M, D, 3);  // (1, M, D, S)
    array<double, 3> lambda(1, M, 1);  // (1, M, 1)
    array<double, 2> log_pi(1, M);     // (1, M)
    for (index_t m = 0; m < M; ++m)
      lambda(0, m, 0) = static_cast<double>(m), log_pi(0, m) = unequal[static_cast<std::size_t>(m)];
    net(request<double>{start.whole().slice(b, 1), t.whole().slice(b, 1), lambda, {}, 0}, raw.whole());
    const auto likelihood = [&](const std::vector<token>& tokens) {
      return log_likelihood<double>(softmax{}, start.whole().slice(b, 1), view<const double, 4>(raw), {tokens.data(), 1, 1, D},
                                    3, one, log_pi)(0, 0);
    };
    std::vector<token> winner;
    for (index_t m = 0; m < M; ++m) {
      std::vector<token> tokens;
      for (index_t d = 0; d < D; ++d) tokens.push_back(argmax(3, [&](index_t state) { return raw(0, m, d, state); }));
      if (winner.empty() || likelihood(tokens) > likelihood(winner)) winner = tokens;
    }
    CHECK(std::equal(winner.begin(), winner.end(), x.whole().row(b).begin()));
  }
}

TEST_CASE("laws: paths that end with the likeliest of several λ follow the law of x_t and of the λ that are tried") {
  const forward_process process(uniform<3>{}, log_linear{0.2});
  const index_t D = 2, B = laws::draws(20000);
  const laws::leaning<weighted_latent<double>> weighted{3, laws::unequal_latent()};
  const laws::leaning<categorical_latent> even{3, {3}};
  const double t = 0.5;
  const auto check = [&](const std::string& what, const auto& net, index_t count,
                         const std::vector<std::vector<double>>& strata, bool all) {
    using net_type = std::decay_t<decltype(net)>;
    laws::sampler<double, std::decay_t<decltype(process)>, net_type> steps(process, net, {.scope = latent_scope::per_step}, {},
                                                                           one);
    const auto before = exact::push(steps, exact::prior_law(process, D), {t, 1}, exact::latents_of(steps));
    const auto over = exact::latents_of(steps);
    exact::joint_law law(before.states);
    // tried[k]: the component of the k-th λ that is tried, one of each stratum
    const auto each_tried = [&](const auto& f) {
      laws::for_each_sequence(count, 3, [&](const std::vector<token>& tried) {
        double chance = 1;
        for (std::size_t k = 0; k < tried.size(); ++k) chance *= strata[k][static_cast<std::size_t>(tried[k])];
        if (chance > 0) f(tried, chance);
      });
    };
    array<double, 1> from(1), to(1);  // (1)
    from(0) = t;
    for (index_t i = 0; i < before.size(); ++i) {
      std::vector<array<double, 3>> rows;  // of every component: (1, D, S)
      for (index_t m = 0; m < 3; ++m)
        rows.push_back(steps.rows(before.states.tokens({i}), to, from, exact::repeated<double>(over.point(m), 1), 1));
      each_tried([&](const std::vector<token>& tried, double chance) {
        double best = -1;
        index_t winner = 0;
        for (token m : tried) {
          token x[2];
          for (index_t d = 0; d < D; ++d)
            x[d] = argmax(3, [&](index_t a) { return rows[static_cast<std::size_t>(m)](0, d, a); });
          double likelihood = 0;
          for (token j : tried)
            likelihood += (all ? over.weight(j) : 1.0) * rows[static_cast<std::size_t>(j)](0, 0, x[0]) *
                          rows[static_cast<std::size_t>(j)](0, 1, x[1]);
          if (likelihood > best) best = likelihood, winner = before.states.index({x, D});
        }
        law[winner] += before[i] * chance;
      });
    }
    const auto x = sample<double>(
        process, net,
        {.batch = B, .dims = D, .seed = 6, .scope = latent_scope::per_step, .grid = {1, t, 0}, .last_candidates = count}, one);
    laws::check_frequencies(what, exact::sample_counts(law.states, x).counts, law.p);
  };
  check("all of them, by weight", weighted, 3, {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}, true);
  check("two even draws of three", even, 2, {{2.0 / 3, 1.0 / 3, 0}, {0, 1.0 / 3, 2.0 / 3}}, false);
  check("two even draws of unequal ones", weighted, 2, {{1, 0, 0}, {0, 0.6, 0.4}}, false);
}

TEST_CASE("laws: one λ at the last step is the argmax tail, and so is any number for a factorized denoiser") {
  const forward_process process(uniform<3>{}, log_linear{});
  sample_options tail{.batch = 40, .dims = 4, .steps = 3, .seed = 2, .argmax_tail = true}, candidates{tail};
  candidates.argmax_tail = false;
  for (auto scope : {latent_scope::per_path, latent_scope::per_step}) {
    tail.scope = candidates.scope = scope;
    candidates.last_candidates = 1;
    CHECK(sample(process, some_mixture{3, unequal}, candidates, one) == sample(process, some_mixture{3, unequal}, tail, one));
    candidates.last_candidates = 5;
    CHECK(sample(process, laws::some_net<uniform<3>>{}, candidates, one) ==
          sample(process, laws::some_net<uniform<3>>{}, tail, one));
    const auto x = sample(process, some_mixture{3, unequal}, candidates, one);
    CHECK(x != sample(process, some_mixture{3, unequal}, tail, one));
    candidates.chunk = 9;
    CHECK(x == sample(process, some_mixture{3, unequal}, candidates, laws::on(2)));
    candidates.chunk = tail.chunk;
  }
}

TEST_CASE("laws: a step is a network call, and one more where λ is chosen among many") {
  struct counted {
    some_mixture net{3, unequal};
    std::shared_ptr<std::vector<index_t>> components = std::make_shared<std::vector<index_t>>();

    index_t outputs() const { return net.outputs(); }
    weighted_latent<double> latent() const { return net.latent(); }
    void operator()(const request<float>& asked, view<float, 4> raw) const {
      components->push_back(asked.components());
      net(asked, raw);
    }
  };
  const forward_process process(uniform<3>{}, log_linear{});
  array<token, 2> evidence(2, 2);  // (B, D)
  const auto calls = [&](sample_options options) {
    options.batch = options.dims = 2, options.steps = 3;
    const counted net;
    sample(process, net, options, one);
    return *net.components;
  };
  using numbers = std::vector<index_t>;
  CHECK(calls({}) == numbers{1, 1, 1});
  CHECK(calls({.last_candidates = 1}) == numbers{1, 1, 1});
  CHECK(calls({.last_candidates = 5}) == numbers{1, 1, 5, 1});
  CHECK(calls({.evidence = evidence}) == numbers{3, 1, 1, 1});
  CHECK(calls({.scope = latent_scope::per_step, .evidence = evidence}) == numbers{3, 1, 3, 1, 3, 1});
}

TEST_CASE("laws: a path can be given its λ and its class") {
  struct class_is_state {
    index_t outputs() const { return 3; }
    void operator()(const request<float>& asked, view<float, 4> raw) const {
      for (index_t b = 0; b < asked.batch(); ++b)
        for (index_t d = 0; d < asked.dims(); ++d)
          for (index_t s = 0; s < 3; ++s) raw(b, 0, d, s) = s == asked.classes(b) ? 0.0f : -80.0f;
    }
  };
  const forward_process process(uniform<3>{}, log_linear{});
  array<token, 1> classes(20);  // (B)
  for (index_t b = 0; b < 20; ++b) classes(b) = static_cast<token>(b % 3);
  const auto x =
      sample(process, class_is_state{}, {.batch = 20, .dims = 2, .steps = 2, .classes = classes, .chunk = 3}, one);  // (B, D)
  for (index_t i = 0; i < x.size(); ++i) CHECK(x.data()[i] == i / 2 % 3);

  const laws::follow_latent net{3, 3};
  laws::sampler<float, decltype(process), laws::follow_latent> steps(process, net, {}, {}, one);
  array<token, 2> tokens(20, 2);      // (B, D)
  array<double, 1> s(20), t(20);      // (B)
  array<float, 3> latents(20, 1, 1);  // (B, 1, L)
  t.fill(0.5);
  for (index_t b = 0; b < 20; ++b) latents(b, 0, 0) = static_cast<float>(b % 3);
  sampler_state state;
  steps.step(state, tokens.whole(), s, t, laws::ids(20), {.latents = latents});
  for (index_t i = 0; i < tokens.size(); ++i) CHECK(tokens.data()[i] == i / 2 % 3);
}

TEST_CASE("laws: evidence and λ that do not fit are refused") {
  const forward_process process(uniform<3>{}, log_linear{});
  const laws::follow_latent net{3, 3};
  laws::sampler<float, decltype(process), laws::follow_latent> steps(process, net, {}, {}, one);
  array<token, 2> x(2, 2), evidence(2, 2), narrow(2, 1);  // (B, D)
  array<token, 1> classes(3);                             // (B)
  array<double, 1> s(2), t(2);                            // (B)
  array<float, 3> latents(2, 1, 2);                       // (B, 1, L)
  t.fill(0.5);
  sampler_state state;
  const auto step = [&](const conditions<float>& given) { steps.step(state, x.whole(), s, t, laws::ids(2), given); };
  CHECK_THROWS_WITH_AS(step({.evidence = evidence}), doctest::Contains("latents_given()"), invalid_argument);
  CHECK_THROWS_WITH_AS(step({.evidence = narrow}), doctest::Contains("has shape (2, 1)"), invalid_argument);
  CHECK_THROWS_WITH_AS(step({.classes = classes}), doctest::Contains("has shape (3)"), invalid_argument);
  CHECK_THROWS_WITH_AS(step({.latents = latents}), doctest::Contains("sampler: latents has shape (2, 1, 2)"), invalid_argument);
  CHECK_THROWS_WITH_AS(steps.latents_given(state, x, t, laws::ids(2), {}), doctest::Contains("no evidence"), invalid_argument);
  const laws::some_net<uniform<3>> plain{};
  laws::sampler<float, decltype(process), laws::some_net<uniform<3>>> without(process, plain, {}, {}, one);
  CHECK_THROWS_WITH_AS(without.step(state, x.whole(), s, t, laws::ids(2), {.latents = latents}),
                       doctest::Contains("sampler: latents has shape (2, 1, 2), but (2, 1, 0)"), invalid_argument);
  CHECK_THROWS_WITH_AS(steps.rows(x, s, t, latents.whole()), doctest::Contains("sampler: latents"), invalid_argument);
  CHECK_THROWS_WITH_AS(without.rows(x, s, t, laws::no_latents<float>(2), 0, classes), doctest::Contains("sampler: classes"),
                       invalid_argument);
  evidence(1, 0) = 3;
  CHECK_THROWS_WITH_AS(step({.evidence = evidence}),
                       doctest::Contains("evidence[1, 0] = 3 is neither -1 nor a state in [0, 3)"), invalid_argument);
  CHECK(state.step == 0);
  const auto make = [&](sampler_options options) {
    laws::sampler<float, decltype(process), laws::follow_latent>(process, net, options);
  };
  CHECK_THROWS_WITH_AS(make({.last_candidates = -1}), doctest::Contains("last_candidates = -1"), invalid_argument);
  CHECK_THROWS_WITH_AS(make({.evidence_candidates = 0}), doctest::Contains("evidence_candidates = 0"), invalid_argument);
  CHECK_THROWS_WITH_AS(sample(process, net, {.batch = 2, .dims = 2, .classes = classes}, one),
                       doctest::Contains("sample: classes has shape (3)"), invalid_argument);
}
