// Denoisers around denoisers: what goes in, what comes out, and how the gradient goes back.
#include <dimix/denoiser/cached.hpp>
#include <dimix/denoiser/hybrid.hpp>
#include <dimix/denoiser/shifted.hpp>
#include <dimix/denoiser/time_independent.hpp>
#include <dimix/nn/mlp_denoiser.hpp>

#include "laws/sampler.hpp"

#include <utility>

using namespace dimix;

namespace {

constexpr index_t B = 3, M = 2, D = 4, S = 3;

using net_type = nn::mlp_denoiser<double, nn::learned_latent>;
net_type some_network() {
  return net_type({.dims = D, .states = S, .width = 16, .blocks = 1, .features = 16, .seed = 3}, nn::learned_latent{M});
}

struct site {
  array<token, 2> tokens{B, D};
  array<double, 1> times{B};
  array<double, 3> latents{B, M, 1};

  explicit site(double t) {
    for (index_t i = 0; i < tokens.size(); ++i) tokens.data()[i] = static_cast<token>(i * 7 % S);
    for (index_t b = 0; b < B; ++b) times(b) = t * static_cast<double>(b + 1) / static_cast<double>(B);
    for (index_t i = 0; i < latents.size(); ++i) latents.data()[i] = static_cast<double>(i % M);
  }
  request<double> asked() const { return {tokens, times, latents, {}, 0}; }
};

template <class Net>
array<double, 4> answer(const Net& net, const request<double>& asked) {
  array<double, 4> raw(B, M, D, S);  // (B, M, D, S)
  net(asked, raw.whole());
  return raw;
}

/// forward answers as the call does, and backward is the gradient of sum c raw with respect to the weights.
template <class Wrapped>
void check_training(net_type& net, Wrapped& wrapped) {
  static_assert(trainable_denoiser<Wrapped, double> && weighted_denoiser<Wrapped, double>);
  const site at(0.8);
  array<double, 4> raw(B, M, D, S), c(B, M, D, S);  // (B, M, D, S)
  laws::fill_noise(c, 5, 1);
  wrapped.forward(at.asked(), raw.whole());
  CHECK(raw == answer(wrapped, at.asked()));
  net.weights().zero_gradients();
  wrapped.backward(view<const double, 4>(c));
  laws::worst error;
  auto values = net.weights().values();
  for (index_t i = 0; i < values.size(); i += 13) {
    const auto loss = [&] {
      const auto now = answer(wrapped, at.asked());
      double sum = 0;
      for (index_t j = 0; j < now.size(); ++j) sum += c.data()[j] * now.data()[j];
      return sum;
    };
    const double kept = values(i), h = 1e-5;
    values(i) = kept + h;
    const double above = loss();
    values(i) = kept - h;
    const double below = loss();
    values(i) = kept;
    error.see(std::abs((above - below) / (2 * h) - net.weights().gradients()(i)), "weight", i);
  }
  error.check("gradient through the wrapper = central difference", 1e-7);
}

/// Counts the rows that a network is asked about, and fails once when it is told to.
struct counting_net {
  const net_type& net;
  index_t* rows;
  bool* broken;

  index_t outputs() const { return net.outputs(); }
  auto latent() const { return net.latent(); }
  void operator()(const request<double>& asked, view<double, 4> raw) const {
    *rows += asked.batch();
    if (std::exchange(*broken, false)) fail("broken");
    net(asked, raw);
  }
};

}  // namespace

TEST_CASE("wrappers: a cached network answers as the network at t = 0, and is asked about what has changed alone") {
  const auto net = some_network();
  index_t rows = 0;
  bool broken = false;
  const counting_net counted{net, &rows, &broken};
  const cached<double, counting_net> wrapped(counted);
  const time_independent timeless(net);
  site at(0.8);
  const auto asked_about = [&](index_t wanted) {
    rows = 0;
    const auto found = answer(wrapped, at.asked());
    CHECK(rows == wanted);
    CHECK(found == answer(timeless, at.asked()));
  };
  asked_about(B);
  asked_about(0);
  at.times.fill(0.3);
  asked_about(0);
  at.tokens(1, 2) = static_cast<token>((at.tokens(1, 2) + 1) % S);
  asked_about(1);
  at.latents(0, 0, 0) = at.latents(2, 1, 0) = 0;
  at.latents(0, 1, 0) = 1;
  asked_about(1);  // of item 0 nothing has changed
  // what a network did not answer is asked again
  at.tokens(0, 0) = static_cast<token>((at.tokens(0, 0) + 1) % S);
  broken = true;
  CHECK_THROWS_AS(answer(wrapped, at.asked()), invalid_argument);
  asked_about(1);
  // whole paths are the same, with fewer rows
  const forward_process process(absorbing<S>{}, log_linear{});
  rows = 0;
  const sample_options options{.batch = 20, .dims = D, .steps = 30, .seed = 2};
  CHECK(sample<double>(process, wrapped, options, laws::on(1)) == sample<double>(process, timeless, options, laws::on(1)));
  CHECK(rows <= 20 * (D + 1));
}

TEST_CASE("wrappers: a network without time is the network at t = 0") {
  auto net = some_network();
  time_independent wrapped(net);
  CHECK(answer(wrapped, site(0.8).asked()) == answer(net, site(0).asked()));
  CHECK(answer(wrapped, site(0.8).asked()) != answer(net, site(0.8).asked()));
  check_training(net, wrapped);
  const auto& fixed = net;
  const time_independent only_asked(fixed);
  CHECK(answer(only_asked, site(0.8).asked()) == answer(net, site(0).asked()));
  static_assert(!trainable_denoiser<time_independent<const net_type>, double>);
  static_assert(mixture_denoiser<time_independent<const net_type>, double>);
}

TEST_CASE("wrappers: outputs shifted by one position") {
  auto net = some_network();
  shifted wrapped(net);
  const auto inner = answer(net, site(0.8).asked()), raw = answer(wrapped, site(0.8).asked());
  for (index_t b = 0; b < B; ++b)
    for (index_t m = 0; m < M; ++m)
      for (index_t d = 0; d < D; ++d)
        for (index_t s = 0; s < S; ++s) CHECK(raw(b, m, d, s) == inner(b, m, d == 0 ? 0 : d - 1, s));
  check_training(net, wrapped);
  // one position has no neighbour to speak of it
  nn::mlp_denoiser<double> single({.dims = 1, .states = S, .width = 16, .blocks = 1, .features = 16});
  shifted alone(single);
  const array<token, 2> x(1, 1);       // (B, D)
  const array<double, 1> t(1);         // (B)
  const array<double, 3> no(1, 1, 0);  // (B, 1, 0)
  array<double, 4> a(1, 1, 1, S), b(1, 1, 1, S);
  const request<double> asked{x, t, no, {}, 0};
  alone.forward(asked, a.whole());
  single(asked, b.whole());
  CHECK(a == b);
  CHECK_NOTHROW(alone.backward(view<const double, 4>(a)));
}

TEST_CASE("wrappers: they can be put into each other, and sampled") {
  const auto net = some_network();
  const time_independent timeless(net);
  const shifted both(timeless);
  const forward_process process(uniform<S>{}, log_linear{});
  const auto x = sample<double>(process, both, {.batch = 20, .dims = D, .steps = 3}, laws::on(1));  // (B, D)
  for (token value : x) CHECK((value >= 0 && value < S));
  CHECK(x != sample<double>(process, net, {.batch = 20, .dims = D, .steps = 3}, laws::on(1)));
  CHECK(x == sample<double>(process, hybrid(both, net, 3), {.batch = 20, .dims = D, .steps = 3}, laws::on(1)));
}
