// The bound from one jump is, in expectation, the bound that averages the jump out; and its jump follows its law.
#include <dimix/objective/ct_elbo.hpp>
#include <dimix/objective/nelbo.hpp>
#include <dimix/parity/tauldr_elbo.hpp>

#include "laws/backends.hpp"
#include "laws/support.hpp"

using namespace dimix;

namespace {

constexpr index_t D = 2;

/// f(process, head) for each kind of noise.
template <class F>
void for_every_process(const F& f) {
  f(forward_process(absorbing<4>{}, log_linear{}), subs{3});
  f(forward_process(uniform<3>{}, cosine{}), softmax{});
  f(forward_process(laws::skewed{}, linear{0, 3}), softmax{});
  f(forward_process(ordinal(4, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 0.5}), softmax{});
  f(forward_process(birth_death<4>{}, log_linear{}), softmax{});
  array<double, 2> rates(3, 3);  // (S, S)  a cycle, which is not reversible
  rates(0, 1) = 1, rates(1, 2) = 0.5, rates(2, 0) = 2, rates(1, 0) = 0.25;
  const array<double, 1> prior = stationary_law(rates);
  f(forward_process(rate_table(rates, prior), linear{0, 2}), softmax{});
  f(forward_process(mask_and_replace<4>{0.6}, log_linear{}), values_only{3});
  const auto kinds = laws::some_mixture();
  f(forward_process(kinds, linear{0, 2}), default_head(kinds));
}

/// Every x_t that x_0 can become and every jump from it, one item each; a network that is a table over x.
template <class Process>
struct jumps {
  index_t S;
  std::vector<double> weight;                       // (B)  q(x_t | x_0) p(x~ | x_t)
  std::vector<token> clean, noisy, jumped;          // (B D)
  std::vector<std::size_t> place_of_x, place_of_y;  // (B)  rows of the table
  array<double, 3> network;                         // (S^D, D, S)

  jumps(const Process& process, const std::vector<token>& x_0, double t) : S(process.max_states()), network(S * S, D, S) {
    laws::fill_noise(network, 7, 1.5);
    for (index_t i = 0; i < S * S; ++i)
      for (index_t d = 0; d < D; ++d)
        for (index_t s = process.space().states(d); s < S; ++s) network(i, d, s) = -500;  // states that a position lacks
    const auto kernel = process.between(0, t);
    laws::for_each_sequence(D, S, [&](const std::vector<token>& x) {
      const double q = kernel.marginal_t(0, x_0[0], x[0]) * kernel.marginal_t(1, x_0[1], x[1]);
      if (x[0] >= process.space().states(0) || x[1] >= process.space().states(1) || q == 0) return;
      double total = 0;
      const auto each_jump = [&](const auto& f) {
        for (index_t d = 0; d < D; ++d)
          for (token y = 0; y < process.space().states(d); ++y) {
            const double jump =
                y == x[static_cast<std::size_t>(d)] ? 0.0 : process.jump_rate(d, x[static_cast<std::size_t>(d)], y, t);
            if (jump > 0) f(d, y, jump);
          }
      };
      const auto add = [&](double w, const std::vector<token>& after) {
        weight.push_back(w);
        clean.insert(clean.end(), x_0.begin(), x_0.end());
        noisy.insert(noisy.end(), x.begin(), x.end());
        jumped.insert(jumped.end(), after.begin(), after.end());
        place_of_x.push_back(place(x)), place_of_y.push_back(place(after));
      };
      each_jump([&](index_t, token, double jump) { total += jump; });
      if (total == 0) add(q, x);
      each_jump([&](index_t d, token y, double jump) {
        auto after = x;
        after[static_cast<std::size_t>(d)] = y;
        add(q * jump / total, after);
      });
    });
  }

  std::size_t place(const std::vector<token>& x) const { return static_cast<std::size_t>(x[0] + S * x[1]); }
  index_t items() const { return static_cast<index_t>(weight.size()); }
  view<const token, 2> tokens(const std::vector<token>& all) const { return {all.data(), items(), D}; }
  array<double, 1> times(double t) const {
    array<double, 1> all(items());  // (B)
    all.fill(t);
    return all;
  }
  array<double, 4> outputs(const std::vector<std::size_t>& places) const {
    array<double, 4> raw(items(), 1, D, S);  // (B, 1, D, S)
    for (index_t b = 0; b < items(); ++b)
      for (index_t d = 0; d < D; ++d)
        for (index_t s = 0; s < S; ++s)
          raw(b, 0, d, s) = network(static_cast<index_t>(places[static_cast<std::size_t>(b)]), d, s);
    return raw;
  }
  /// Adds the gradient of the mean over items, weighted and scaled to a sum, to that of the table.
  void pull(const array<double, 4>& gradient, const std::vector<std::size_t>& places, array<double, 3>& of_table) const {
    for (index_t b = 0; b < items(); ++b)
      for (index_t d = 0; d < D; ++d)
        for (index_t s = 0; s < S; ++s)
          of_table(static_cast<index_t>(places[static_cast<std::size_t>(b)]), d, s) +=
              weight[static_cast<std::size_t>(b)] * static_cast<double>(items()) * gradient(b, 0, d, s);
  }
  double mean(const array<double, 1>& values) const {
    double total = 0;
    for (index_t b = 0; b < items(); ++b) total += weight[static_cast<std::size_t>(b)] * values(b);
    return total;
  }
};

/// E sum_d sum_y R_t(y, x) [ s_q(y) log s_q(y) - s_q(y) ]: what the bound from one jump leaves out.
template <class Process>
double left_out(const Process& process, const std::vector<token>& x_0, double t) {
  const auto kernel = process.between(0, t);
  double total = 0;
  for (index_t d = 0; d < D; ++d)
    for (token x = 0; x < process.space().states(d); ++x)
      for (token y = 0; y < process.space().states(d); ++y) {
        const double q = kernel.marginal_t(d, x_0[static_cast<std::size_t>(d)], x),
                     jump = x == y ? 0.0 : process.jump_rate(d, y, x, t);
        if (q == 0 || jump == 0) continue;
        const double s = kernel.marginal_t(d, x_0[static_cast<std::size_t>(d)], y) / q;
        total += s == 0 ? 0.0 : q * jump * (s * std::log(s) - s);
      }
  return total;
}

}  // namespace

TEST_CASE("laws: in expectation over x_t and its jump, the bound from one jump is the bound") {
  for_every_process([](const auto& process, const auto& head) {
    for (double t : {0.1, 0.5, 0.9}) {
      const std::vector<token> x_0 = {0, 1};
      const jumps at(process, x_0, t);
      const index_t B = at.items(), S = at.S;
      const auto raw_t = at.outputs(at.place_of_x), raw_tilde = at.outputs(at.place_of_y);
      array<double, 4> by_x(B, 1, D, S), by_y(B, 1, D, S), by_exact(B, 1, D, S);  // (B, 1, D, S)
      const auto terms = ct_elbo<double>(process, head, at.tokens(at.clean), at.times(t), {at.tokens(at.noisy), raw_t, by_x},
                                         {at.tokens(at.jumped), raw_tilde, by_y}, laws::on(1));
      const auto exact = nelbo<double>(process, head, at.tokens(at.clean), at.tokens(at.noisy), at.times(t), raw_t, laws::on(1),
                                       by_exact.whole());
      const double value = at.mean(terms.regularisation) + at.mean(terms.signal), wanted = at.mean(exact);
      INFO("t = " << t << ", S = " << S);
      CHECK(value == doctest::Approx(wanted - left_out(process, x_0, t)).epsilon(1e-11));
      array<double, 3> ours(S * S, D, S), theirs(S * S, D, S);  // (S^D, D, S)
      at.pull(by_x, at.place_of_x, ours);
      at.pull(by_y, at.place_of_y, ours);
      at.pull(by_exact, at.place_of_x, theirs);
      laws::worst error;
      double largest = 0;
      for (index_t i = 0; i < ours.size(); ++i) {
        error.see(std::abs(ours.data()[i] - theirs.data()[i]), "i =", i);
        largest = std::max(largest, std::abs(theirs.data()[i]));
      }
      error.check("gradient by gradient", 1e-11);
      CHECK(largest > 1e-3);
    }
  });
}

TEST_CASE("laws: the gradient of every term is its central difference, with one forward pass and with two") {
  for_every_process([](const auto& process, const auto& head) {
    const double t = 0.4;
    const jumps at(process, {0, 1}, t);
    const index_t B = at.items(), S = at.S;
    const auto raw_t = at.outputs(at.place_of_x), raw_tilde = at.outputs(at.place_of_y);
    const ct_elbo_weights weights{0.7, 1.3, 0.5};
    for (bool one_pass : {false, true}) {
      const auto run = [&](const array<double, 4>& before, const array<double, 4>& after, view<double, 4> by_x,
                           view<double, 4> by_y) {
        asked_at<double> first{at.tokens(at.noisy), {}};
        if (!one_pass) first.raw = before, first.gradient = by_x;
        return ct_elbo<double>(process, head, at.tokens(at.clean), at.times(t), first, {at.tokens(at.jumped), after, by_y},
                               laws::on(1), weights)
            .loss(weights);
      };
      array<double, 4> by_x(B, 1, D, S), by_y(B, 1, D, S);  // (B, 1, D, S)
      run(raw_t, raw_tilde, by_x, by_y);
      laws::worst error;
      const double h = 1e-5;
      for (index_t i = 0; i < raw_t.size(); i += 3) {
        if (raw_t.data()[i] < -100 || raw_tilde.data()[i] < -100) continue;
        const auto difference = [&](bool of_before) {
          array<double, 4> up = of_before ? raw_t : raw_tilde, down = up;
          up.data()[i] += h, down.data()[i] -= h;
          const double above = of_before ? run(up, raw_tilde, {}, {}) : run(raw_t, up, {}, {});
          return (above - (of_before ? run(down, raw_tilde, {}, {}) : run(raw_t, down, {}, {}))) / (2 * h);
        };
        error.see(std::abs(difference(true) - by_x.data()[i]), "before, i =", i, "one pass", one_pass);
        error.see(std::abs(difference(false) - by_y.data()[i]), "after, i =", i, "one pass", one_pass);
      }
      error.check("gradient = central difference", 1e-7);
    }
  });
}

TEST_CASE("laws: one forward pass takes the regularisation and the cross entropy at x~_t") {
  for_every_process([](const auto& process, const auto& head) {
    const double t = 0.6;
    const jumps at(process, {0, 1}, t);
    const auto raw_t = at.outputs(at.place_of_x), raw_tilde = at.outputs(at.place_of_y);
    const auto run = [&](const asked_at<double>& before) {
      return ct_elbo<double>(process, head, at.tokens(at.clean), at.times(t), before, {at.tokens(at.jumped), raw_tilde},
                             laws::on(1));
    };
    const auto once = run({at.tokens(at.noisy), {}}), there = run({at.tokens(at.jumped), raw_tilde}),
               twice = run({at.tokens(at.noisy), raw_t});
    for (index_t b = 0; b < at.items(); ++b) {
      CHECK(once.regularisation(b) == there.regularisation(b));
      CHECK(once.cross_entropy(b) == there.cross_entropy(b));
      CHECK(once.signal(b) == twice.signal(b));
      CHECK(there.signal(b) == 0);  // nothing jumped
    }
  });
}

TEST_CASE("laws: the bound from one jump in float is that in double") {
  for_every_process([](const auto& process, const auto& head) {
    for (double t : {0.01, 0.5, 0.95}) {
      const jumps at(process, {0, 1}, t);
      const index_t B = at.items(), S = at.S;
      const auto narrow = [](const array<double, 4>& wide) {
        array<float, 4> result(wide.extent(0), 1, D, wide.extent(3));  // (B, 1, D, S)
        std::transform(wide.begin(), wide.end(), result.begin(), [](double x) { return static_cast<float>(x); });
        return result;
      };
      const auto raw_t = at.outputs(at.place_of_x), raw_tilde = at.outputs(at.place_of_y);
      array<double, 4> slope(B, 1, D, S);       // (B, 1, D, S)
      array<float, 4> slope_float(B, 1, D, S);  // (B, 1, D, S)
      const auto raw_t_float = narrow(raw_t), raw_tilde_float = narrow(raw_tilde);
      const auto wide = ct_elbo<double>(process, head, at.tokens(at.clean), at.times(t), {at.tokens(at.noisy), raw_t},
                                        {at.tokens(at.jumped), raw_tilde, slope}, laws::on(1));
      const auto low = ct_elbo<float>(process, head, at.tokens(at.clean), at.times(t), {at.tokens(at.noisy), raw_t_float},
                                      {at.tokens(at.jumped), raw_tilde_float, slope_float}, laws::on(1));
      laws::worst error;
      const auto see = [&](double a, double b, const char* what) {
        error.see(std::abs(a - b) / (1 + std::abs(a)), what, "t =", t);
      };
      for (index_t b = 0; b < B; ++b) {
        see(wide.regularisation(b), static_cast<double>(low.regularisation(b)), "regularisation");
        see(wide.signal(b), static_cast<double>(low.signal(b)), "signal");
        see(wide.cross_entropy(b), static_cast<double>(low.cross_entropy(b)), "cross entropy");
      }
      for (index_t i = 0; i < slope.size(); ++i) see(slope.data()[i], static_cast<double>(slope_float.data()[i]), "slope");
      error.check("float = double", 2e-5);
    }
  });
}

TEST_CASE("laws: guards of 0 leave the bound exact, and larger ones move it") {
  const forward_process process(ordinal(4, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 4});
  const double t = 0.4;
  const jumps at(process, {0, 1}, t);
  const index_t B = at.items();
  const auto raw_t = at.outputs(at.place_of_x), raw_tilde = at.outputs(at.place_of_y);
  const asked_at<double> before{at.tokens(at.noisy), raw_t}, after{at.tokens(at.jumped), raw_tilde};
  const auto exact = ct_elbo<double>(process, softmax{}, at.tokens(at.clean), at.times(t), before, after, laws::on(1));
  const auto kernel = process.between(0, t);
  using guarded_kernel = tauldr::guarded_kernel<ordinal, double>;
  const array<double, 1> beta = at.times(rate(process.schedule(), t));  // (B)
  for (double eps : {0.0, 0.01}) {
    const table below = tauldr::guarded(kernel.to_t, eps);
    const std::vector<guarded_kernel> kernels(static_cast<std::size_t>(B),
                                              guarded_kernel(process.space(), kernel.to_t, below, eps));
    const auto guarded =
        ct_elbo<double, guarded_kernel>({kernels.data(), B}, beta, softmax{}, at.tokens(at.clean), before, after, laws::on(1));
    if (eps == 0)
      CHECK(guarded.loss() == doctest::Approx(exact.loss()).epsilon(1e-13));
    else
      CHECK(std::abs(guarded.loss() - exact.loss()) > 1e-3);
  }
}

TEST_CASE("laws: a jump's position follows its rates, its state the row of rates") {
  for_every_process([](const auto& process, const auto&) {
    const index_t S = process.max_states(), n = laws::draws(20000);
    for (const std::vector<token>& x : {std::vector<token>{0, 1}, {2, 0}, {1, 2}}) {
      array<token, 2> x_t(n, D), x_tilde(n, D);  // (B, D)
      array<std::uint64_t, 1> items(n);          // (B)
      for (index_t b = 0; b < n; ++b) {
        items(b) = static_cast<std::uint64_t>(b);
        for (index_t d = 0; d < D; ++d) x_t(b, d) = x[static_cast<std::size_t>(d)];
      }
      draw_jump(process, x_t, rng{5}, items, x_tilde.whole(), laws::on(1));
      index_t shared = 0;  // with bits that samplers draw from
      for (index_t b = 0; b < 100; ++b) {
        const auto from = [&](purpose what) {
          return draw_jump(process.space(), x_t.whole().row(b), rng{5}(what, items(b), 0, 0, 0));
        };
        const jump_of_sequence own = from(purpose::noising), other = from(purpose::jump);
        REQUIRE(x_tilde(b, own.d) == own.to);
        shared += own.d == other.d && own.to == other.to;
      }
      CHECK(shared < 100);
      std::vector<double> counts(static_cast<std::size_t>(D * S)), rates(counts.size());
      for (index_t b = 0; b < n; ++b) {
        CHECK((x_tilde(b, 0) != x_t(b, 0)) + (x_tilde(b, 1) != x_t(b, 1)) == 1);
        const index_t d = x_tilde(b, 0) != x_t(b, 0) ? 0 : 1;
        ++counts[static_cast<std::size_t>(d * S + x_tilde(b, d))];
      }
      for (index_t d = 0; d < D; ++d)
        for (token y = 0; y < process.space().states(d); ++y)
          if (y != x[static_cast<std::size_t>(d)])
            rates[static_cast<std::size_t>(d * S + y)] = process.jump_rate(d, x[static_cast<std::size_t>(d)], y, 0.5);
      laws::check_frequencies("jumps", counts, rates);
    }
  });
}

TEST_CASE("laws: where nothing can jump, nothing does, and there is no signal") {
  const forward_process masked(absorbing<4>{}, log_linear{});
  array<token, 2> x_0(1, 2), x_t(1, 2), x_tilde(1, 2);  // (B, D)
  x_t.fill(3);
  array<std::uint64_t, 1> items(1);  // (B)
  draw_jump(masked, x_t, rng{1}, items, x_tilde.whole(), laws::on(1));
  CHECK(x_tilde(0, 0) == 3);
  CHECK(x_tilde(0, 1) == 3);
  array<double, 4> raw(1, 1, 2, 4), gradient(1, 1, 2, 4);  // (B, 1, D, S)
  array<double, 1> t(1);                                   // (B)
  t(0) = 0.5;
  gradient.fill(1);
  const auto terms = ct_elbo<double>(masked, subs{3}, x_0, t, {x_t, raw}, {x_tilde, raw, gradient}, laws::on(1));
  CHECK(terms.signal(0) == 0);
  CHECK(terms.signal_norm(0) == 0);
  for (double g : gradient) CHECK(g == 0);
}
