// The exact reverse process: with the exact denoiser its law is that of the forward process, whatever the positions share.
#include <dimix/denoiser/time_independent.hpp>
#include <dimix/sampler/gillespie.hpp>

#include "laws/reveal.hpp"

using namespace dimix;

namespace {

/// Two positions that are equal nine times in ten.
struct pair_law {
  index_t values;
  array<token, 2> sequences;  // (values^2, 2)
  array<double, 1> law;       // (values^2)

  explicit pair_law(index_t count) : values(count), sequences(count * count, 2), law(count * count) {
    double total = 0;
    for (index_t n = 0; n < law.size(); ++n) {
      sequences(n, 0) = static_cast<token>(n / count), sequences(n, 1) = static_cast<token>(n % count);
      total += law(n) = (n / count == n % count ? 9.0 : 0.5) * static_cast<double>(1 + n % count);
    }
    for (double& p : law) p /= total;
  }

  /// q_s, (S^2), the second position running fastest.
  template <class Process>
  std::vector<double> at(const Process& process, double s) const {
    const index_t S = process.max_states();
    const auto kernel = process.between(0, s);
    std::vector<double> q(static_cast<std::size_t>(S * S));
    for (index_t n = 0; n < law.size(); ++n)
      for (token i = 0; i < S; ++i)
        for (token j = 0; j < S; ++j)
          if (i < process.space().states(0) && j < process.space().states(1))
            q[static_cast<std::size_t>(i * S + j)] +=
                law(n) * kernel.marginal_t(0, sequences(n, 0), i) * kernel.marginal_t(1, sequences(n, 1), j);
    return q;
  }

  /// Draws of x_t for items [0, B): (B, 2).
  template <class Process>
  array<token, 2> noised(const Process& process, view<const double, 1> t) const {
    const index_t B = t.extent(0);
    array<token, 2> x(B, 2);  // (B, 2)
    for (index_t b = 0; b < B; ++b) {
      const token n = draw_categorical(
          law.size(), [&](index_t i) { return std::log(law(i)); },
          rng{77}(purpose::data, static_cast<std::uint64_t>(b), 0, 0, 0));
      x(b, 0) = sequences(n, 0), x(b, 1) = sequences(n, 1);
    }
    corrupt(process, x, t, rng{78}, laws::ids(B), x.whole(), laws::on(1));
    return x;
  }
};

/// The first position is of the first kind, the second of the second.
struct position_is_kind {
  int operator()(index_t d) const { return static_cast<int>(d); }
};

/// The law at s of paths that begin with draws of q_t, against q_s.
template <class Process>
void check_law(const Process& process, index_t values, double s, double t) {
  const pair_law data(values);
  const tabular<Process> net(process, data.sequences, data.law);
  const index_t B = laws::draws(8000), S = process.max_states();
  array<double, 1> from(B), to(B);  // (B)
  from.fill(t), to.fill(s);
  auto x = data.noised(process, from);  // (B, 2)
  const index_t calls = gillespie<double>(process, net, rng{3}, x.whole(), to, from, laws::ids(B));
  CHECK(calls > 1);
  std::vector<double> counts(static_cast<std::size_t>(S * S));
  for (index_t b = 0; b < B; ++b) ++counts[static_cast<std::size_t>(x(b, 0) * S + x(b, 1))];
  CAPTURE(s);
  CAPTURE(t);
  laws::check_frequencies("x_s", counts, data.at(process, s));
}

}  // namespace

TEST_CASE("laws: the reverse process takes q_t to q_s") {
  check_law(forward_process(absorbing<4>{}, log_linear{}), 3, 0.2, 0.8);
  check_law(forward_process(absorbing<3>{}, log_linear{0}), 2, 0.01, 1);
  check_law(forward_process(uniform<3>{}, log_linear{}), 3, 0.1, 0.9);
  check_law(forward_process(uniform<2>{}, linear{0, 5}), 2, 0.01, 1);
  check_law(forward_process(ordinal(3, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 2}), 3, 0.1, 0.8);
  check_law(forward_process(birth_death<4>{}, linear{0, 2}), 4, 0.05, 0.7);
  check_law(forward_process(mask_and_replace<4>{0.6}, log_linear{}), 3, 0.2, 0.8);
  check_law(forward_process(mask_and_replace<3>{0.2}, linear{0, 6}), 2, 0.02, 1);
  const auto two_kinds = [](const auto& first, const auto& second) { return mixed(position_is_kind{}, first, second); };
  check_law(forward_process(two_kinds(absorbing<4>{}, uniform<3>{}), log_linear{}), 3, 0.1, 0.9);
  check_law(forward_process(two_kinds(birth_death<3>{}, mask_and_replace<4>{0.6}), linear{0, 3}), 3, 0.05, 0.8);
}

TEST_CASE("laws: a path to s and one step more are a draw of the data") {
  // one position, for which the last step is exact
  const forward_process process(ordinal(4, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 8});
  array<token, 2> sequences(4, 1);  // (4, 1)
  array<double, 1> law(4);          // (4)
  const std::vector<double> p{0.1, 0.6, 0.05, 0.25};
  for (index_t n = 0; n < 4; ++n) sequences(n, 0) = static_cast<token>(n), law(n) = p[static_cast<std::size_t>(n)];
  const tabular<std::decay_t<decltype(process)>> net(process, sequences, law);
  const index_t B = laws::draws(8000);
  array<double, 1> one(B), s(B), zero(B);  // (B)
  one.fill(1), s.fill(0.1);
  array<token, 2> x(B, 1);  // (B, 1)
  draw_initial(process, rng{2}, laws::ids(B), x.whole());
  gillespie(process, net, rng{2}, x.whole(), s, one, laws::ids(B));
  laws::sampler<float, std::decay_t<decltype(process)>, decltype(net)> last(process, net, {}, {}, laws::on(1));
  sampler_state state{2, 0};
  last.step(state, x.whole(), zero, s, laws::ids(B));
  std::vector<double> counts(4);
  for (token a : x) ++counts[static_cast<std::size_t>(a)];
  laws::check_frequencies("x_0", counts, p);
}

TEST_CASE("laws: absorbing jumps once a position, from the mask to a value") {
  const forward_process process(absorbing<5>{}, cosine{});
  const laws::some_net<absorbing<5>> net{};
  const index_t B = 30, D = 7;
  array<token, 2> x(B, D);  // (B, D)
  x.fill(4);
  for (index_t b = 0; b < B; ++b) x(b, b % D) = static_cast<token>(b % 4);
  array<double, 1> s(B), t(B);  // (B)
  s.fill(1e-4), t.fill(1);
  const index_t calls = gillespie(process, net, rng{1}, x.whole(), s, t, laws::ids(B));
  CHECK(calls >= D - 1);
  CHECK(calls <= 3 * D);  // few candidates are in vain
  for (index_t b = 0; b < B; ++b) {
    CHECK(x(b, b % D) == b % 4);
    for (index_t d = 0; d < D; ++d) CHECK(x(b, d) < 4);
  }
}

TEST_CASE("laws: positions stay hidden with probability (1 - alpha_s) / (1 - alpha_t), whatever the network says") {
  const forward_process process(absorbing<3>{}, log_linear{0});  // 1 - alpha = t
  const laws::some_net<absorbing<3>> net{};
  const index_t B = laws::draws(40000), D = 4;
  array<token, 2> x(B, D);  // (B, D)
  x.fill(2);
  array<double, 1> s(B), t(B);  // (B)
  s.fill(0.5), t.fill(0.75);
  gillespie(process, net, rng{1}, x.whole(), s, t, laws::ids(B));
  std::vector<double> hidden(static_cast<std::size_t>(D + 1)), law;
  for (index_t b = 0; b < B; ++b)
    ++hidden[static_cast<std::size_t>((x(b, 0) == 2) + (x(b, 1) == 2) + (x(b, 2) == 2) + (x(b, 3) == 2))];
  const double stays = 0.5 / 0.75, ways[] = {1, 4, 6, 4, 1};
  for (int n = 0; n <= 4; ++n) law.push_back(ways[n] * std::pow(stays, n) * std::pow(1 - stays, 4 - n));
  laws::check_frequencies("hidden positions", hidden, law);
}

TEST_CASE("laws: what a mixture without time has revealed until s, in random order and with one λ") {
  const forward_process process(absorbing<3>{}, log_linear{0});  // 1 - alpha = t
  const laws::leaning<weighted_latent<double>> mixture{3, laws::unequal_latent()};
  const time_independent net(mixture);
  const index_t B = laws::draws(20000), D = 3;
  const double stays = 0.4, ways[] = {1, 3, 3, 1};
  const auto start = exact::prior_law(process, D);
  exact::joint_law law(start.states);
  for (index_t k = 0; k <= D; ++k)
    law.add(ways[k] * std::pow(1 - stays, k) * std::pow(stays, D - k), laws::law_after_reveals(process, net, start, k));
  array<token, 2> x(B, D);  // (B, D)
  x.fill(2);
  array<double, 1> s(B), t(B);  // (B)
  s.fill(stays), t.fill(1);
  gillespie<double>(process, net, rng{4}, x.whole(), s, t, laws::ids(B));
  laws::check_frequencies("x_s", exact::sample_counts(law.states, x).counts, law.p);
}

TEST_CASE("laws: the same path of an item in any batch, each with its own times") {
  const auto check = [](const auto& process) {
    const laws::some_net<std::decay_t<decltype(process.space())>> net{process.space(), 1.0};
    const index_t B = 12, D = 3;
    array<double, 1> s(B), t(B);  // (B)
    for (index_t b = 0; b < B; ++b) s(b) = 0.1 + 0.02 * static_cast<double>(b), t(b) = 0.5 + 0.03 * static_cast<double>(b);
    auto x = laws::walk(process.space(), B, D);  // (B, D)
    const auto start = x;
    gillespie(process, net, rng{6}, x.whole(), s, t, laws::ids(B));
    CHECK(x != start);
    for (index_t b = 0; b < B; ++b) {
      array<token, 2> alone(1, D);  // (1, D)
      std::copy_n(start.data() + b * D, D, alone.data());
      array<std::uint64_t, 1> id(1);  // (1)
      id(0) = static_cast<std::uint64_t>(b);
      gillespie(process, net, rng{6}, alone.whole(), s.whole().slice(b, 1), t.whole().slice(b, 1), id);
      for (index_t d = 0; d < D; ++d) CHECK(alone(0, d) == x(b, d));
    }
  };
  check(forward_process(uniform<4>{}, log_linear{}));
  check(forward_process(laws::skewed{}, laws::only_noise{}));
  check(forward_process(birth_death<5>{}, linear{0, 3}));
  check(forward_process(laws::some_mixture(), linear{0, 3}));
}

TEST_CASE("laws: λ of a mixture stays along the path") {
  const forward_process process(absorbing<4>{}, log_linear{0});
  const laws::follow_latent net{4, 3};
  const index_t B = 60, D = 4;
  array<token, 2> x(B, D);  // (B, D)
  x.fill(3);
  array<double, 1> s(B), t(B);  // (B)
  s.fill(1e-6), t.fill(1);
  gillespie(process, net, rng{1}, x.whole(), s, t, laws::ids(B));
  std::vector<double> counts(3);
  for (index_t b = 0; b < B; ++b) {
    for (index_t d = 0; d < D; ++d) CHECK(x(b, d) == x(b, 0));
    ++counts.at(static_cast<std::size_t>(x(b, 0)));
  }
  for (double count : counts) CHECK(count > 5);
}
