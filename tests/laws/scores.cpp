// Scores of every process: from rows, exact on data, back to rows, as rates, and as networks.
#include <dimix/denoiser/score_network.hpp>
#include <dimix/denoiser/tabular.hpp>
#include <dimix/distiller/pretrainer.hpp>
#include <dimix/forward_process/scores_of.hpp>

#include "laws/forward_process.hpp"
#include "laws/head.hpp"
#include "laws/sampler.hpp"

using namespace dimix;

namespace {

/// f(process, D): every kind of kernel.
template <class F>
void for_every_process(const F& f) {
  f(forward_process(absorbing<4>{}, log_linear{}), 2);
  f(forward_process(uniform<4>{}, log_linear{}), 2);
  f(forward_process(laws::skewed{}, cosine{}), 2);
  f(forward_process(ordinal(4, {.rate_sigma = 1.5, .target_sigma = 5}), linear{0, 2}), 2);
  f(forward_process(birth_death<4>{}, linear{0, 2}), 2);
  f(forward_process(laws::circle(), linear{0, 2}), 2);
  f(forward_process(mask_and_replace<4>{0.6}, log_linear{}), 2);
  f(forward_process(laws::some_mixture(), linear{0, 2}), 4);
}

/// A row without the mask: log p_0, normalised.
template <class Space>
std::vector<double> some_data_row(const Space& space, index_t d, std::uint64_t seed) {
  auto log_p = laws::some_log_row(space.states(d), seed);
  double total = 0;
  for (token s = 0; s < space.states(d); ++s) {
    if (is_mask(space, d, s)) log_p[static_cast<std::size_t>(s)] = -infinity<double>();
    total += std::exp(log_p[static_cast<std::size_t>(s)]);
  }
  for (double& x : log_p) x -= std::log(total);
  return log_p;
}

/// Whether there is data that can become y, but not x_t: then the row at x_t knows only a part of s(y), which no jump back needs.
template <class Kernel>
bool from_elsewhere(const Kernel& kernel, index_t d, token x_t, token y) {
  for (token z = 0; z < kernel.space.states(d); ++z)
    if (!is_mask(kernel.space, d, z) && kernel.marginal_t(d, z, x_t) == 0 && kernel.marginal_t(d, z, y) > 0) return true;
  return false;
}

/// Sequences of values with a law, one for each seed.
struct some_data {
  array<token, 2> sequences;  // (n, D)
  array<double, 1> law;       // (n)
  template <class Space>
  some_data(const Space& space, index_t D) : sequences(3, D), law(3) {
    for (index_t n = 0; n < 3; ++n)
      for (index_t d = 0; d < D; ++d) {
        const auto value = static_cast<token>((n + d * n) % space.states(d));
        sequences(n, d) = is_mask(space, d, value) ? 0 : value;
      }
    law(0) = 0.5, law(1) = 0.3, law(2) = 0.2;
  }
};

}  // namespace

TEST_CASE("laws: scores of the exact denoiser are ratios of p_t") {
  for_every_process([](const auto& process, index_t D) {
    const some_data data(process.space(), D);
    const tabular net(process, data.sequences, data.law);
    laws::worst error;
    for (double time : {0.05, 0.5, 0.95}) {
      const auto kernel = process.between(0, time);
      const auto p_t = [&](const std::vector<token>& x) {
        double total = 0;
        for (index_t n = 0; n < data.law.size(); ++n) {
          double p = data.law(n);
          for (index_t d = 0; d < D; ++d) p *= kernel.marginal_t(d, data.sequences(n, d), x[static_cast<std::size_t>(d)]);
          total += p;
        }
        return total;
      };
      array<double, 1> t(1);  // (B)
      t.fill(time);
      array<double, 4> raw(1, 1, D, process.max_states());  // (B, 1, D, S)
      laws::for_each_sequence(D, process.max_states(), [&](std::vector<token> x) {
        for (index_t d = 0; d < D; ++d)
          if (x[static_cast<std::size_t>(d)] >= process.space().states(d)) return;
        const double here = p_t(x);
        if (here == 0) return;
        net(request<double>{view<const token, 2>(x.data(), 1, D), t, laws::no_latents<double>(1), {}, 0}, raw.whole());
        for (index_t d = 0; d < D; ++d) {
          const token now = x[static_cast<std::size_t>(d)];
          const auto row = raw.whole().row(0, 0, d);
          std::vector<double> log_p(row.begin(), row.end());
          const auto scores = scores_of(kernel, d, now, laws::given_row<double>{log_p});
          for (token y = 0; y < process.space().states(d); ++y) {
            if (from_elsewhere(kernel, d, now, y)) continue;
            auto moved = x;
            moved[static_cast<std::size_t>(d)] = y;
            const double wanted = p_t(moved) / here;
            error.see(std::abs(std::exp(scores.log_score(y)) - wanted) / (1 + wanted), "t =", time, "d =", d, "x_t, y =", now,
                      y);
          }
        }
      });
    }
    error.check("s(y) = p_t(y) / p_t(x_t)", 1e-12);
  });
}

TEST_CASE("laws: a short step back is the reverse rate") {
  for_every_process([](const auto& process, index_t D) {
    laws::worst error;
    const double h = 1e-6;
    for (double t : {0.2, 0.6})
      for (index_t d = 0; d < D; ++d)
        for (token x = 0; x < process.space().states(d); ++x) {
          const auto kernel = process.between(t - h, t);
          const auto log_p = some_data_row(process.space(), d, 5);
          const laws::given_row<double> row{log_p};
          if (kernel.marginal_t(d, 0, x) == 0 && kernel.marginal_t(d, 1, x) == 0) continue;
          if (reveals(process.space(), d) && !is_mask(process.space(), d, x))
            continue;  // certain of x_0, whatever the row says
          const auto scores = scores_of(kernel, d, x, row);
          const auto back = kernel.reverse(d, x, row);
          for (token a = 0; a < process.space().states(d); ++a) {
            const double rate = rate_from_score(process, d, x, a, t, std::exp(scores.log_score(a)));
            if (a == x) CHECK(rate == 0);
            if (a != x)
              error.see(std::abs(std::exp(back.log_prob(a)) / h - rate) / (1 + rate), "t =", t, "d =", d, "x, a =", x, a);
          }
        }
    error.check("p(x_{t-h} = a | x_t) = h R(a, x_t) s(a)", 1e-4);
  });
}

namespace {

/// The row of p(x_0 | x_t) that the head makes of the scores of another row is that row.
template <class Real, class Process>
void check_round_trip(const Process& process, index_t D, double tolerance) {
  const index_t S = process.max_states();
  laws::worst error;
  for (double t : {0.05, 0.3, 0.7}) {
    const auto kernel = process.template between<Real>(0, t);
    const auto inverse = score_inverse_of(kernel);
    const from_score<std::decay_t<decltype(inverse)>> head{{&inverse, 1}};
    for (index_t d = 0; d < D; ++d)
      for (token x = 0; x < process.space().states(d); ++x) {
        const auto log_p = some_data_row(process.space(), d, 7 + static_cast<std::uint64_t>(x));
        bool certain = true;  // of x_0 = x_t
        for (token z = 0; z < process.space().states(d); ++z)
          certain = certain && (z == x ? !is_mask(process.space(), d, x) : kernel.marginal_t(d, z, x) == 0);
        const auto scores = scores_of(kernel, d, x, laws::given_row<Real>{log_p});
        array<Real, 1> raw(S);  // (S)
        raw.fill(Real(5));      // beyond S_d nothing is read
        for (token y = 0; y < process.space().states(d); ++y) raw(y) = scores.log_score(y);
        raw(x) += Real(0.7);  // nor at x_t
        const view<const Real, 1> given = raw;
        const auto row = make_row<Real>(serial_group{}, head, given, place{0, d, x});
        CHECK(row.fixed() == (certain ? x : -1));
        for (token a = 0; a < S; ++a) {
          const double wanted = certain                         ? a == x
                                : a < process.space().states(d) ? std::exp(log_p[static_cast<std::size_t>(a)])
                                                                : 0;
          error.see(std::abs(std::exp(static_cast<double>(row.log_prob(a))) - wanted), "t =", t, "d =", d, "x_t, a =", x, a);
        }
      }
  }
  error.check("x_0-prediction -> score -> x_0-prediction", tolerance);
}

}  // namespace

TEST_CASE("laws: from a row to scores and back") {
  for_every_process([](const auto& process, index_t D) {
    check_round_trip<double>(process, D, 1e-13);
    check_round_trip<float>(process, D, 1e-4);
  });
}

TEST_CASE("laws: rows of scores sum to 1, for any scores, and their gradient is the derivative") {
  index_t consistent = 0, cut = 0;  // rows of either kind that were checked
  for_every_process([&](const auto& process, index_t D) {
    const index_t S = process.max_states();
    for (double t : {0.1, 0.5}) {
      const auto inverse = score_inverse_of(process.between(0, t));
      const from_score<std::decay_t<decltype(inverse)>> head{{&inverse, 1}};
      for (index_t d = 0; d < D; ++d)
        for (token x = 0; x < process.space().states(d); ++x)
          for (std::uint64_t seed = 0; seed < 8; ++seed) {
            CAPTURE(t);
            CAPTURE(d);
            CAPTURE(x);
            CAPTURE(seed);
            array<double, 1> raw(S);  // (S)
            laws::fill_noise(raw, seed, 0.5);
            const auto row = make_row<double>(serial_group{}, head, view<const double, 1>(raw), place{0, d, x});
            bool near = false, cuts = false;  // a difference across the cut is no derivative, and close to it a bad one
            for (index_t a = 0; a < process.space().states(d); ++a) {
              const double p = std::exp(row.log_prob(a));
              cuts = cuts || (p > 0 && p < 1e-12);
              near = near || (p >= 1e-12 && p < 0.15);
            }
            if (near) continue;
            laws::check_head<double>(head, S, {0, d, x}, seed, 0.5);
            ++(cuts ? cut : consistent);
          }
    }
  });
  CHECK((consistent > 100 && cut > 50));
}

TEST_CASE("laws: where alpha is 0 scores say nothing, and the row is flat") {
  const auto kernel = forward_process(uniform<4>{}, log_linear{0}).between(0, 1);
  const auto inverse = score_inverse_of(kernel);
  const from_score<std::decay_t<decltype(inverse)>> head{{&inverse, 1}};
  const array<double, 1> raw(4);  // (S)
  const auto row = make_row<double>(serial_group{}, head, raw.whole(), place{0, 0, 2});
  for (index_t s = 0; s < 4; ++s) CHECK(std::exp(row.log_prob(s)) == doctest::Approx(0.25));
  CHECK_THROWS_WITH_AS(score_inverse_of(forward_process(birth_death<4>{}, log_linear{0}).between(0, 1)),
                       doctest::Contains("score inverse: so much noise"), numeric_error);
}

namespace {

/// Log-scores that do not look at x_t, the same floats in every Real.
struct given_scores {
  index_t S;
  index_t outputs() const { return S; }
  template <class Real>
  void operator()(const request<Real>&, view<Real, 4> raw) const {
    for (index_t i = 0; i < raw.size(); ++i)
      raw.data()[i] = static_cast<Real>(static_cast<float>(2 * laws::uniform_number(3, i % S) - 1));
  }
};

/// Of every table and time: the inverse in float against that in double, and what it makes of the same scores, over their size.
template <class Space>
void check_float_inverse(const Space& space, const std::vector<double>& noises) {
  const forward_process process(space, linear{0, 6});
  const index_t S = space.max_states();
  laws::worst inverse, parts, rows;
  double largest = 0;
  for (double t : noises) {
    const auto wide = score_inverse_of(process.template between<double>(0, t));
    const auto narrow = score_inverse_of(process.template between<float>(0, t));
    const auto score = [](token y) { return static_cast<double>(static_cast<float>(laws::uniform_number(5, y))); };
    for (token a = 0; a < S; ++a) {
      for (token y = 0; y < S; ++y) {
        inverse.see(std::abs(narrow.inverse(y, a) - wide.inverse(y, a)), "t =", t, "y, a =", y, a);
        largest = std::max(largest, std::abs(wide.inverse(y, a)));
      }
      const auto exact = wide.part(0, a, score, 0.0);
      const auto part = narrow.part(
          0, a, [&](token y) { return static_cast<float>(score(y)); }, 0.0f);
      parts.see(std::abs(static_cast<double>(part.clean) - exact.clean) / exact.size, "t =", t, "a =", a);
    }
    // a network: p~ is off by the rounding of the scores, which the inverse enlarges as much as size exceeds p~
    const given_scores net{S};
    const auto in_double = make_score_network<double>(process, net);
    const auto in_float = make_score_network<float>(process, net);
    array<token, 2> x(1, 1);                // (B, D)
    array<double, 1> when(1);               // (B)
    array<float, 1> when_float(1);          // (B)
    array<double, 4> raw(1, 1, 1, S);       // (B, 1, D, S)
    array<float, 4> raw_float(1, 1, 1, S);  // (B, 1, D, S)
    when(0) = t, when_float(0) = static_cast<float>(t);
    in_double(request<double>{x, when, laws::no_latents<double>(1), {}, 0}, raw.whole());
    in_float(request<float>{x, when_float, laws::no_latents<float>(1), {}, 0}, raw_float.whole());
    for (token a = 0; a < S; ++a)
      rows.see(std::abs(std::exp(static_cast<double>(raw_float(0, 0, 0, a))) - std::exp(raw(0, 0, 0, a))), "t =", t, "a =", a);
  }
  inverse.check("inverses", 0);
  parts.check("p~ over its size", 0x1p-23);
  rows.check("p(x_0 | x_t) of a network", 1e-6);
  CHECK(largest > 100);
}

}  // namespace

TEST_CASE("laws: tables are inverted in double, whatever the scores are in") {
  check_float_inverse(birth_death<4>{}, {0.0625, 0.5, 1});  // times that float holds
  check_float_inverse(ordinal(4, {.rate_sigma = 1.5, .target_sigma = 5}), {0.25, 1});
  check_float_inverse(laws::circle(), {0.25, 1});
  // so much noise that double has nothing to invert: no inverse of rounding errors in float either
  const forward_process late(birth_death<4>{}, linear{0, 12});
  const auto says = doctest::Contains("score inverse: so much noise");
  CHECK_THROWS_WITH_AS(score_inverse_of(late.between<double>(0, 1)), says, numeric_error);
  CHECK_THROWS_WITH_AS(score_inverse_of(late.between<float>(0, 1)), says, numeric_error);
}

namespace {

/// The exact scores of a table, as a network would predict them.
template <class Process>
struct exact_scores {
  Process process;
  tabular<Process> net;

  index_t outputs() const { return net.outputs(); }
  void operator()(const request<double>& asked, view<double, 4> raw) const {
    net(asked, raw);
    for (index_t b = 0; b < asked.batch(); ++b) {
      const auto kernel = process.between(0, asked.times(b));
      for (index_t d = 0; d < asked.dims(); ++d) {
        const auto row = raw.row(b, 0, d);
        const std::vector<double> log_p(row.begin(), row.end());
        const auto scores = scores_of(kernel, d, asked.tokens(b, d), laws::given_row<double>{log_p});
        for (token y = 0; y < outputs(); ++y)
          raw(b, 0, d, y) = y < process.space().states(d) ? larger(scores.log_score(y), -700.0) : 0;
      }
    }
  }
};

}  // namespace

TEST_CASE("laws: samplers of a score network draw what those of its x_0-prediction draw") {
  for_every_process([](const auto& process, index_t D) {
    using process_type = std::decay_t<decltype(process)>;
    const some_data data(process.space(), D);
    const tabular net(process, data.sequences, data.law);
    const exact_scores<process_type> scores{process, net};
    const auto from_scores = make_score_network<double>(process, scores);
    const index_t B = 12;
    auto x = laws::walk(process.space(), B, D);
    for (index_t b = 0; b < B; ++b)  // what the data can become: not everything can
      for (index_t d = 0; d < D; ++d)
        if (reveals(process.space(), d) && !is_mask(process.space(), d, x(b, d))) x(b, d) = data.sequences(0, d);
    array<double, 1> s(B), t(B);  // (B)
    for (index_t b = 0; b < B; ++b) t(b) = b < 6 ? 0.4 : 0.8, s(b) = b % 2 ? 0.0 : 0.3;
    laws::sampler<double, process_type, tabular<process_type>> direct(process, net, {}, {}, laws::on(1));
    laws::sampler<double, process_type, std::decay_t<decltype(from_scores)>> through(process, from_scores, {}, {}, laws::on(1));
    const auto wanted = direct.rows(x, s, t, laws::no_latents<double>(B)),
               got = through.rows(x, s, t, laws::no_latents<double>(B));
    laws::worst error;
    for (index_t i = 0; i < wanted.size(); ++i) error.see(std::abs(wanted.data()[i] - got.data()[i]), "flat index", i);
    error.check("rows", 1e-11);
  });
}

namespace {

/// Log-scores (D, S) that do not look at x_t.
struct learned_scores {
  array<double, 2> log_scores, slopes;  // (D, S)

  learned_scores(index_t D, index_t S) : log_scores(D, S), slopes(D, S) { laws::fill_noise(log_scores, 3, 0.2); }
  index_t outputs() const { return log_scores.extent(1); }
  void operator()(const request<double>&, view<double, 4> raw) const {
    for (index_t i = 0; i < raw.size(); ++i) raw.data()[i] = log_scores.data()[i % log_scores.size()];
  }
  void forward(const request<double>& asked, view<double, 4> raw) { (*this)(asked, raw); }
  void backward(view<const double, 4> gradient) {
    for (index_t i = 0; i < gradient.size(); ++i) slopes.data()[i % slopes.size()] += gradient.data()[i];
  }
};

}  // namespace

TEST_CASE("laws: a network that predicts scores learns by the bound: the step's gradient is that of its loss") {
  for_every_process([](const auto& process, index_t D) {
    learned_scores net(D, process.max_states());
    auto denoiser = make_score_network<double>(process, net);
    pretrainer<double, std::decay_t<decltype(process)>, decltype(denoiser), laws::tested> train(process, denoiser, {.seed = 4},
                                                                                                laws::on(1));
    const some_data data(process.space(), D);
    train.step(data.sequences, 0);
    const auto slopes = net.slopes;
    laws::worst error;
    double largest = 0;
    for (index_t i = 0; i < slopes.size(); ++i) {
      double& z = net.log_scores.data()[i];
      const double kept = z, h = 1e-6;
      z = kept + h;
      const double above = train.evaluate(data.sequences, 0);
      z = kept - h;
      const double below = train.evaluate(data.sequences, 0);
      z = kept;
      error.see(std::abs((above - below) / (2 * h) - slopes.data()[i]) / (1 + std::abs(slopes.data()[i])), "i =", i);
      largest = std::max(largest, std::abs(slopes.data()[i]));
    }
    error.check("gradient = central difference", 1e-6);
    CHECK(largest > 1e-3);
  });
}

TEST_CASE("a network with an output too few for its states is refused") {
  learned_scores net(2, 3);
  CHECK_THROWS_WITH_AS(make_score_network<double>(forward_process(uniform<4>{}, log_linear{}), net),
                       doctest::Contains("score_network: the network has 3 outputs, but there are S = 4"), invalid_argument);
}
