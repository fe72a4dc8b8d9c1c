// Remasking: every σ keeps the law of x_s, rows and draws agree, and what must not be hidden is not.
#include <dimix/sampler/remasking/confident.hpp>

#include "laws/reveal.hpp"

using namespace dimix;

namespace {

const laws::tested one = laws::on(1);
const std::pair<double, double> steps_of_time[] = {{0.0, 0.4}, {0.3, 0.7}, {0.65, 0.7}, {0.5, 0.5}, {0.2, 1.0}, {0.0, 1.0}};

/// Certain of one state.
struct certain_row {
  token x_0;
  token fixed() const { return x_0; }
  double log_prob(index_t s) const { return s == x_0 ? 0 : -infinity<double>(); }
};

template <class F>
void for_every_rate(const F& f) {
  for (double eta : {0.0, 0.02, 0.4, 1.0}) {
    f(remask_cap(eta));
    f(remask_rescale(eta));
  }
}

/// σ = 0 by a policy of the test.
struct never {
  template <class Space, class Real>
  DIMIX_HD Real sigma(const two_time_kernel<Space, Real>&, const place&) const {
    return 0;
  }
};

}  // namespace

TEST_CASE("laws: q(x_s | x_0) is kept for every σ") {
  const auto check = [](const auto& process) {
    for_every_rate([&](const auto& rate) {
      for (auto [s, t] : steps_of_time) {
        const auto kernel = process.between(s, t);
        const remasking method{rate};
        double shown = 0, total = 0;
        for (token x_t : {token{1}, token{3}})
          for (token x_s : {token{1}, token{3}}) {
            const double p =
                kernel.marginal_t(0, 1, x_t) * std::exp(method.row(kernel, {0, 0, x_t}, certain_row{1}).log_prob(x_s));
            total += p;
            if (x_s == 1) shown += p;
          }
        CHECK(std::abs(total - 1) < 1e-14);
        CHECK(std::abs(shown - kernel.kept_s) < 1e-14);
        const double sigma = rate.sigma(kernel, place{0, 0, 1});
        CHECK((sigma >= 0 && sigma <= 1));
        CHECK(sigma * kernel.kept_t <= kernel.hit_s + 1e-15);
      }
    });
  };
  check(forward_process(absorbing<4>{}, log_linear{}));
  check(forward_process(absorbing<4>{}, log_linear{0}));
  check(forward_process(absorbing<4>{}, maskgit_arccos{}));
}

TEST_CASE("laws: σ of the policies") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  const auto kernel = process.between(0.3, 0.6);
  const place at{0, 0, 1};
  CHECK(largest_sigma(kernel) == doctest::Approx(0.3 / 0.4));
  CHECK(remask_cap(0.02).sigma(kernel, at) == doctest::Approx(0.02));
  CHECK(remask_cap(0.9).sigma(kernel, at) == doctest::Approx(0.75));
  CHECK(remask_rescale(0.2).sigma(kernel, at) == doctest::Approx(0.15));
  CHECK(largest_sigma(process.between(0.9, 1)) == 1);
  CHECK(largest_sigma(process.between(0, 0.5)) == 0);
  const auto active = [&](double t_on, double t_off, double s, double t) {
    return remask_between(process, t_on, t_off, remask_cap(0.1)).sigma(process.between(s, t), at) > 0;
  };
  CHECK(active(0.6, 0.3, 0.3, 0.6));
  CHECK(active(0.6, 0.3, 0.4, 0.5));
  CHECK_FALSE(active(0.6, 0.3, 0.25, 0.5));
  CHECK_FALSE(active(0.6, 0.3, 0.5, 0.65));
  CHECK(active(0.5, 0.5, 0.5, 0.5));
  CHECK_FALSE(active(0.5, 0.5, 0.4, 0.5));
  CHECK_FALSE(active(0.5, 0.5, 0.5, 0.6));
}

TEST_CASE_TEMPLATE("laws: without σ the rows are the ancestral ones, and with any they sum to 1", Real, float, double) {
  const double bound = sizeof(Real) == 8 ? 1e-14 : 2e-6;
  const forward_process process(absorbing<4>{}, cosine{});
  const laws::some_net<absorbing<4>> net{};
  const index_t B = 4, D = 3;
  const auto x = laws::walk(process.space(), B, D);
  array<double, 1> to(B), from(B);  // (B)
  const auto rows = [&](const auto& method) {
    laws::sampler<Real, decltype(process), decltype(net), std::decay_t<decltype(method)>> steps(process, net, {}, method, one);
    return steps.rows(x, to, from, laws::no_latents<Real>(B));  // (B, D, S)
  };
  for (auto [s, t] : steps_of_time) {
    to.fill(s), from.fill(t);
    const auto plain = rows(ancestral{}), without = rows(remasking{never{}});
    laws::worst same, sums;
    for (index_t i = 0; i < plain.size(); ++i)
      same.see(std::abs(static_cast<double>(plain.data()[i] - without.data()[i])), "s =", s, "t =", t, "at", i);
    for_every_rate([&](const auto& rate) {
      const auto with = rows(remasking{rate});
      for (index_t row = 0; row < B * D; ++row) {
        double total = 0;
        for (index_t a = 0; a < 4; ++a) total += static_cast<double>(with.data()[row * 4 + a]);
        sums.see(std::abs(total - 1), "s =", s, "t =", t, "row", row);
      }
    });
    same.check("ancestral", bound);
    sums.check("sum", bound);
  }
}

TEST_CASE("laws: a head that gives the mask a probability keeps rows that sum to 1") {
  struct quarter_row {
    token fixed() const { return -1; }
    double log_prob(index_t) const { return std::log(0.25); }
  };
  const forward_process process(absorbing<4>{}, log_linear{0});
  const auto row = remasking{remask_cap(0.2)}.row(process.between(0.3, 0.6), {0, 0, 3}, quarter_row{});
  double total = 0;
  for (index_t a = 0; a < 4; ++a) total += std::exp(row.log_prob(a));
  CHECK(std::abs(total - 1) < 1e-15);
}

TEST_CASE("laws: remasking steps draw from rows") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  laws::check_step_draws<float>(process, 0.3, 0.7, remasking{remask_cap(0.3)});
  laws::check_step_draws<double>(process, 0.5, 0.5, remasking{remask_rescale(0.5)});
  laws::check_step_draws<double>(process, 0, 0.5, remasking{remask_rescale(1)});
}

TEST_CASE("laws: paths that hide again keep the law of one position, also while they stay at a time") {
  array<token, 2> sequences(3, 1);  // (n, 1)
  array<double, 1> law(3);          // (n)
  const double p[] = {0.2, 0.5, 0.3};
  for (index_t n = 0; n < 3; ++n) sequences(n, 0) = static_cast<token>(n), law(n) = p[n];
  const forward_process process(absorbing<4>{}, log_linear{0});
  const tabular<forward_process<absorbing<4>, log_linear>> net(process, sequences, law);
  const index_t B = laws::draws(20000);
  const auto check = [&](const auto& rate, const time_grid& grid) {
    const auto x = sample<double>(process, net, {.batch = B, .dims = 1, .seed = 3, .grid = grid}, one, remasking{rate});
    std::vector<double> counts(3);
    for (token value : x) ++counts.at(static_cast<std::size_t>(value));
    laws::check_frequencies("x_0", counts, {0.2, 0.5, 0.3});
  };
  check(remask_cap(0.5), uniform_grid(6));
  check(remask_rescale(1), uniform_grid(6));
  check(remask_between(process, 0.4, 0.4, remask_cap(0.3)), loop_grid(3, 5, 2, 0.4));
}

TEST_CASE("laws: while it stays at a time as many positions are shown as before, but others") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  const laws::some_net<absorbing<4>> net{};
  laws::sampler<double, decltype(process), decltype(net), remasking<remask_cap>> steps(process, net, {}, {remask_cap(0.5)},
                                                                                       one);
  const index_t B = laws::draws(20000);
  array<token, 2> x(B, 1);  // (B, 1)
  for (index_t b = 0; b < B; ++b) x(b, 0) = b % 2 == 0 ? token{0} : token{3};
  sampler_state state{2, 0};
  laws::step_all(steps, state, x, 0.5, 0.5);
  std::vector<double> shown(2), changed(2);
  for (index_t b = 0; b < B; ++b) {
    ++shown[x(b, 0) != 3];
    ++changed[(x(b, 0) != 3) != (b % 2 == 0)];
  }
  laws::check_frequencies("shown", shown, {0.5, 0.5});
  laws::check_frequencies("changed", changed, {0.5, 0.5});
}

TEST_CASE("laws: the grid of a loop") {
  CHECK(loop_grid(2, 3, 2, 0.5) == time_grid{1, 0.75, 0.5, 0.5, 0.5, 0.5, 0.25, 0});
  CHECK_NOTHROW(expects_grid("grid", loop_grid(7, 4, 3, 0.3), true));
}

TEST_CASE("laws: evidence is never hidden again") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  const laws::some_net<absorbing<4>> net{};
  array<token, 2> evidence(30, 5);  // (B, D)
  evidence.fill(-1);
  for (index_t b = 0; b < 30; ++b) evidence(b, b % 5) = static_cast<token>(b % 3);
  const sample_options options{.batch = 30, .dims = 5, .steps = 8, .seed = 1, .evidence = evidence, .chunk = 7};
  const auto check = [&](const array<token, 2>& x) {
    for (index_t b = 0; b < 30; ++b)
      for (index_t d = 0; d < 5; ++d) {
        CHECK(x(b, d) < 3);
        if (d == b % 5) CHECK(x(b, d) == b % 3);
      }
  };
  check(sample(process, net, options, one, remasking{remask_rescale(1)}));
  check(sample_confident_remasking(process, net, options, remask_rescale(1), one));
}

TEST_CASE("laws: shares of the confident are small, and sum to 1 over what was decoded") {
  array<double, 2> decoded(2, 3);  // (B, D)
  decoded.fill(infinity<double>());
  decoded(0, 0) = 0.9, decoded(0, 2) = 0.1;
  const auto share = confidence_shares(decoded);  // (B, D)
  CHECK(share(0, 0) == doctest::Approx(std::exp(-0.9) / (std::exp(-0.9) + std::exp(-0.1))));
  CHECK(share(0, 0) + share(0, 2) == doctest::Approx(1));
  CHECK(share(0, 1) == 0);
  for (double eta : share.whole().row(1)) CHECK(eta == 0);
}

TEST_CASE("laws: positions are hidden again by their share, and their probability is noted when they are decoded") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  laws::fixed_rows net;
  for (double p : {0.9, 0.5, 0.1}) net.log_p.push_back({std::log(p), std::log(1 - p), -800, 0});
  confident_remasking<double, decltype(process), laws::fixed_rows, remask_cap, laws::tested> steps(process, net,
                                                                                                   remask_cap(0.6), {}, one);
  const index_t B = laws::draws(20000);
  array<token, 2> x(B, 3);  // (B, D)
  x.fill(3);
  confident_state state{4};
  laws::step_all(steps, state, x, 0.0, 1);  // all are decoded
  for (index_t b = 0; b < B; ++b) {
    const double p[] = {0.9, 0.5, 0.1};
    for (index_t d = 0; d < 3; ++d) CHECK(std::abs(state.decoded(b, d) - (x(b, d) == 0 ? p[d] : 1 - p[d])) < 1e-14);
  }
  state.decoded.fill(infinity<double>());
  for (index_t b = 0; b < B; ++b) state.decoded(b, 0) = 0.2, state.decoded(b, 2) = 1;
  const auto share = confidence_shares(state.decoded);  // (B, D)
  laws::step_all(steps, state, x, 0.5, 0.5);
  double hidden[3] = {0, 0, 0};
  for (index_t b = 0; b < B; ++b)
    for (index_t d = 0; d < 3; ++d) {
      hidden[d] += x(b, d) == 3;
      if (x(b, d) == 3) CHECK(state.decoded(b, d) == infinity<double>());
    }
  CHECK(hidden[1] == 0);
  for (index_t d : {0, 2})
    laws::check_frequencies("hidden", {hidden[d], static_cast<double>(B) - hidden[d]},
                            {0.6 * share(0, d), 1 - 0.6 * share(0, d)});
}

TEST_CASE("laws: paths of remasking by confidence follow their law") {
  // rows are the same for every x_t, so that x_t tells with which probability each token was decoded
  const forward_process process(absorbing<3>{}, log_linear{0});  // 1 - alpha = t
  const double p[3][2] = {{0.95, 0.05}, {0.5, 0.5}, {0.1, 0.9}};
  laws::fixed_rows net;
  for (const auto& row : p) net.log_p.push_back({std::log(row[0]), std::log(row[1]), 0});
  const index_t D = 3;
  const time_grid grid{1, 0.45, 0.45, 0.3};  // it stays once, with much to hide
  exact::joint_law law = exact::prior_law(process, D);
  for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
    const double t = grid[n], s = grid[n + 1], sigma = t == 1 ? 0.8 : std::min(0.8, s / (1 - t));
    exact::joint_law next(law.states);
    for (index_t i = 0; i < law.size(); ++i) {
      double total = 0;
      array<double, 2> rows(D, 3);  // (D, S)
      for (index_t d = 0; d < D; ++d)
        if (const token x = law.states.at(i, d); x != 2) total += std::exp(-p[d][x]);
      for (index_t d = 0; d < D; ++d)
        if (const token x = law.states.at(i, d); x != 2) {
          rows(d, 2) = sigma * std::exp(-p[d][x]) / total;
          rows(d, x) = 1 - rows(d, 2);
        } else {
          rows(d, 2) = s / t;
          for (index_t a = 0; a < 2; ++a) rows(d, a) = (1 - s / t) * p[d][a];
        }
      next.add(law[i], exact::product_law(law.states, rows));
    }
    law = next;
  }
  const index_t B = laws::draws(20000);
  confident_remasking<double, decltype(process), laws::fixed_rows, remask_cap, laws::tested> steps(process, net,
                                                                                                   remask_cap(0.8), {}, one);
  array<token, 2> x(B, D);  // (B, D)
  x.fill(2);
  confident_state state{4};
  walk(steps, state, x.whole(), laws::ids(B), grid, [] {});
  laws::check_frequencies("x at t = 0.3", exact::sample_counts(law.states, x).counts, law.p);
}

TEST_CASE("laws: remasking by confidence takes classes and the candidates of the last step") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  struct class_is_state {
    index_t outputs() const { return 4; }
    void operator()(const request<float>& asked, view<float, 4> raw) const {
      for (index_t b = 0; b < asked.batch(); ++b)
        for (index_t d = 0; d < asked.dims(); ++d)
          for (index_t s = 0; s < 4; ++s) raw(b, 0, d, s) = s == asked.classes(b) ? 0.0f : -80.0f;
    }
  };
  array<token, 1> classes(20);  // (B)
  for (index_t b = 0; b < 20; ++b) classes(b) = static_cast<token>(b % 3);
  const auto x = sample_confident_remasking(process, class_is_state{},
                                            {.batch = 20, .dims = 2, .steps = 4, .classes = classes, .chunk = 3},
                                            remask_cap(0.5), one);  // (B, D)
  for (index_t i = 0; i < x.size(); ++i) CHECK(x.data()[i] == i / 2 % 3);

  // all in one step: nothing is there to hide again
  const laws::follow_latent net{4, 3};
  const sample_options last{.batch = 20, .dims = 3, .steps = 1, .seed = 3, .last_candidates = 2};
  const auto likeliest = sample_confident_remasking(process, net, last, remask_cap(0.5), one);  // (B, D)
  CHECK(likeliest == sample(process, net, last, one));
  CHECK(likeliest != sample(process, net, {.batch = 20, .dims = 3, .steps = 1, .seed = 3}, one));
}

TEST_CASE("laws: remasking is the same for any batch, chunk and threads, and can be taken up again") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  const laws::some_net<absorbing<4>> net{absorbing<4>{}, 1.0};
  const index_t B = 23, D = 6;
  const auto run = [&](index_t chunk, int threads) {
    return sample_confident_remasking(process, net, {.batch = B, .dims = D, .steps = 5, .seed = 8, .chunk = chunk},
                                      remask_cap(0.5), laws::on(threads));
  };
  const auto all = run(512, 1);  // (B, D)
  CHECK(run(512, 3) == all);
  CHECK(run(5, 2) == all);
  CHECK(std::count(all.begin(), all.end(), 3) == 0);
  CHECK(all != sample(process, net, {.batch = B, .dims = D, .steps = 5, .seed = 8}, one));

  array<token, 2> x(B, D);  // (B, D)
  x.fill(3);
  confident_state state{8};
  for (index_t n = 0; n < 5; ++n) {
    confident_remasking<float, decltype(process), std::decay_t<decltype(net)>, remask_cap, laws::tested> anew(
        process, net, remask_cap(0.5), {}, one);
    confident_state taken_up{state.seed, state.step, state.decoded};
    laws::step_all(anew, taken_up, x, static_cast<double>(4 - n) / 5, static_cast<double>(5 - n) / 5);
    state = taken_up;
  }
  CHECK(x == all);

  const auto plain = [&](index_t chunk, int threads) {
    return sample(process, net, {.batch = B, .dims = D, .steps = 5, .seed = 8, .chunk = chunk}, laws::on(threads),
                  remasking{remask_rescale(0.8)});
  };
  CHECK(plain(512, 1) == plain(4, 3));
}
