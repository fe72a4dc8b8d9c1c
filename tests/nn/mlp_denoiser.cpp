// The whole network: gradients in double, and the laws that its header states.
#include "support.hpp"

namespace test_nn {

namespace nn = dimix::nn;
using dimix::array;
using dimix::cpu;

static_assert(dimix::factorized_denoiser<nn::mlp_denoiser<float>, float>);
static_assert(!dimix::mixture_denoiser<nn::mlp_denoiser<float>, float>);
static_assert(dimix::mixture_denoiser<nn::mlp_denoiser<float, categories>, float>);
static_assert(dimix::mixture_denoiser<nn::mlp_denoiser<double, cube>, double>);
static_assert(dimix::trainable_denoiser<nn::mlp_denoiser<float, categories>, float>);

static constexpr index_t D = 5, S = 4, outputs = 3;

static nn::mlp_options small() {
  return {.dims = D,
          .states = S,
          .outputs = outputs,
          .mask = 3,
          .width = 32,
          .blocks = 2,
          .features = 16,
          .time_features = 8,
          .latent_features = 8,
          .seed = 5};
}

template <class Real>
array<Real, 4> noisy(index_t B, index_t M, std::uint64_t seed) {
  array<Real, 4> a(B, M, D, outputs);
  for (index_t i = 0; i < a.size(); ++i) a.data()[i] = static_cast<Real>(noise(seed, i));
  return a;
}

template <class Network, class Real>
array<Real, 4> answer(const Network& network, const batch<Real>& b) {
  array<Real, 4> raw(b.tokens.extent(0), b.latents.extent(1), D, outputs);
  network(b.asked(), raw);
  return raw;
}

template <class Latent>
void check_all_gradients(nn::mlp_options how, Latent law, index_t B, index_t M, index_t L) {
  nn::mlp_denoiser<double, Latent> network(how, law);
  // Larger weights than at the start, so that no term is too small to be seen.
  for (double& w : network.weights().values()) w *= 1.5;
  const batch<double> b(B, M, D, S, L);
  const array<double, 4> c = noisy<double>(B, M, 9);
  array<double, 4> raw(B, M, D, outputs);
  const auto loss = [&] {
    network.set_passes(3);  // the same dropout every time
    network.forward(b.asked(), raw);
    double sum = 0;
    for (index_t i = 0; i < raw.size(); ++i) sum += c.data()[i] * raw.data()[i];
    return sum;
  };
  loss();
  network.backward(c);
  nn::parameters<double>& weights = network.weights();
  const std::vector<double> gradient(weights.gradients().begin(), weights.gradients().end());
  for (const nn::block& block : weights.blocks().blocks()) {
    const index_t stride = block.size > 200 ? 17 : 1;
    check_gradient(block.name, {weights.values().data() + block.offset, block.size},
                   {gradient.data() + block.offset, block.size}, loss, stride);
  }
}

TEST_CASE("gradients: factorized, scalar input with a mask") { check_all_gradients(small(), nn::no_latent{}, 3, 1, 0); }

TEST_CASE("gradients: factorized, scalar input without a mask") {
  nn::mlp_options how = small();
  how.mask = -1;
  check_all_gradients(how, nn::no_latent{}, 3, 1, 0);
}

TEST_CASE("gradients: one-hot input, with dropout") {
  nn::mlp_options how = small();
  how.encoding = nn::token_encoding::one_hot;
  how.dropout = 0.3;
  check_all_gradients(how, nn::no_latent{}, 3, 1, 0);
}

TEST_CASE("gradients: mixture over categories, more rows than a tile") {
  check_all_gradients(small(), categories{4}, 17, 4, 1);
}

TEST_CASE("gradients: mixture with a continuous latent of two coordinates, with dropout") {
  nn::mlp_options how = small();
  how.dropout = 0.2;
  check_all_gradients(how, cube{2}, 3, 3, 2);
}

TEST_CASE("gradients: mixture with a continuous latent whose coordinates go in themselves, or as slow waves") {
  for (double frequency : {0.0, 3.0}) {
    nn::mlp_options how = small();
    how.latent_frequency = frequency;
    check_all_gradients(how, cube{2}, 3, 3, 2);
  }
}

TEST_CASE("a continuous λ of itself has one input a coordinate; without frequencies the network is smooth in λ") {
  nn::mlp_options how = small();
  how.latent_frequency = 0;
  const nn::mlp_denoiser<double, cube> plain(how, cube{2});
  how.latent_frequency = 1000;
  const nn::mlp_denoiser<double, cube> waves(how, cube{2});
  // latent.in is (inputs, features), 16 features
  CHECK(waves.weights().size() - plain.weights().size() == 2 * (how.latent_features - 1) * 16);
  batch<double> b(1, 1, D, S, 2);
  const array<double, 4> before = answer(plain, b), far = answer(waves, b);
  b.latents(0, 0, 0) += 1e-3;
  const array<double, 4> after = answer(plain, b), farther = answer(waves, b);
  double moved = 0, jumped = 0;
  for (index_t i = 0; i < before.size(); ++i) {
    moved = std::max(moved, std::abs(after.data()[i] - before.data()[i]));
    jumped = std::max(jumped, std::abs(farther.data()[i] - far.data()[i]));
  }
  CHECK(moved > 0);
  CHECK(moved < 2e-3);
  CHECK(jumped > 10 * moved);
}

TEST_CASE("gradients add up over passes, and each forward serves one backward") {
  nn::mlp_denoiser<double, categories> network(small(), categories{4});
  const batch<double> b(3, 4, D, S, 1);
  const array<double, 4> c = noisy<double>(3, 4, 9);
  array<double, 4> raw(3, 4, D, outputs);
  CHECK_THROWS_AS(network.backward(c), dimix::invalid_argument);
  network.forward(b.asked(), raw);
  network.backward(c);
  CHECK_THROWS_WITH_AS(network.backward(c),
                       "mlp_denoiser: backward without a forward before it; each forward serves one backward",
                       dimix::invalid_argument);
  const std::vector<double> once(network.weights().gradients().begin(), network.weights().gradients().end());
  network.forward(b.asked(), raw);
  answer(network, batch<double>(70, 4, D, S, 1, 8));  // an evaluation in between disturbs nothing
  network.backward(c);
  double largest = 0;
  for (index_t i = 0; i < network.weights().size(); ++i) {
    CHECK(network.weights().gradients()(i) == doctest::Approx(2 * once[static_cast<std::size_t>(i)]));
    largest = std::max(largest, std::abs(once[static_cast<std::size_t>(i)]));
  }
  CHECK(largest > 0.1);
}

TEST_CASE_TEMPLATE("equal rows, equal bits: any batch, any split, any number of threads", Real, float, double) {
  constexpr index_t B = 150, M = 3;
  for (const nn::token_encoding encoding : {nn::token_encoding::scalar, nn::token_encoding::one_hot}) {
    nn::mlp_options how = small();
    how.encoding = encoding;
    const nn::mlp_denoiser<Real, cube> network(how, cube{2});
    const batch<Real> all(B, M, D, S, 2);
    const array<Real, 4> whole = answer(network, all);
    for (const int threads : {2, 3}) {
      const nn::mlp_denoiser<Real, cube> other(how, cube{2}, cpu(threads));
      CHECK(same_bits(whole, answer(other, all)));
    }
    for (const index_t part : {index_t{1}, index_t{2}, index_t{7}, index_t{64}, index_t{149}}) {
      array<Real, 4> pieces(B, M, D, outputs);
      for (index_t first = 0; first < B; first += part) {
        const index_t count = std::min(part, B - first);
        const dimix::request<Real> asked{.tokens = all.asked().tokens.slice(first, count),
                                         .times = all.asked().times.slice(first, count),
                                         .latents = all.asked().latents.slice(first, count),
                                         .items = {}};
        network(asked, pieces.whole().slice(first, count));
      }
      CHECK(same_bits(whole, pieces));
    }
  }
}

TEST_CASE("equal rows, equal bits: the digits network, whose products are blocked in every direction") {
  const nn::mlp_options how{.dims = 64, .states = 18, .outputs = 17, .mask = 17};
  const batch<float> all(200, 1, 64, 18, 0);
  array<float, 4> whole(200, 1, 64, 17), pieces(200, 1, 64, 17);
  nn::mlp_denoiser<float>(how, {}, cpu(2))(all.asked(), whole);
  const nn::mlp_denoiser<float> network(how);
  for (index_t first = 0; first < 200; first += 33) {
    const index_t count = std::min(index_t{33}, 200 - first);
    const dimix::request<float> asked{.tokens = all.asked().tokens.slice(first, count),
                                      .times = all.asked().times.slice(first, count),
                                      .latents = {},
                                      .items = {}};
    network(asked, pieces.whole().slice(first, count));
  }
  CHECK(same_bits(whole, pieces));
}

TEST_CASE("sharing x_t, t and λ among rows equals asking for every row alone, bit by bit") {
  constexpr index_t B = 9, M = 8;
  const nn::mlp_denoiser<float, categories> network(small(), categories{M});
  batch<float> shared(B, M, D, S, 1), alone(B * M, 1, D, S, 1);
  shared.times(4) = shared.times(3);  // a run of equal times
  for (index_t b = 0; b < B; ++b)
    for (index_t m = 0; m < M; ++m) {
      for (index_t d = 0; d < D; ++d) alone.tokens(b * M + m, d) = shared.tokens(b, d);
      alone.times(b * M + m) = shared.times(b);
      alone.latents(b * M + m, 0, 0) = shared.latents(b, m, 0) = static_cast<float>((m * 5 + b) % M);
    }
  const array<float, 4> together = answer(network, shared), apart = answer(network, alone);
  CHECK(std::memcmp(together.data(), apart.data(), static_cast<std::size_t>(apart.size()) * sizeof(float)) == 0);
  CHECK(together(0, 0, 0, 0) != together(0, 1, 0, 0));  // λ matters
  CHECK(together(0, 0, 0, 0) != together(1, 0, 0, 0));
}

TEST_CASE("forward without dropout answers as evaluation does; gradients are the same bits for any number of threads") {
  constexpr index_t B = 40, M = 4;
  nn::mlp_options how = small();
  const batch<float> b(B, M, D, S, 1);
  const array<float, 4> c = noisy<float>(B, M, 9);
  std::vector<float> gradient;
  for (const double dropout : {0.0, 0.25})
    for (const int threads : {1, 2, 3}) {
      how.dropout = dropout;
      nn::mlp_denoiser<float, categories> network(how, categories{M}, cpu(threads));
      array<float, 4> raw(B, M, D, outputs);
      network.forward(b.asked(), raw);
      CHECK(same_bits(raw, answer(network, b)) == (dropout == 0));
      network.backward(c);
      const auto found = network.weights().gradients();
      if (threads == 1) gradient.assign(found.begin(), found.end());
      CHECK(std::equal(gradient.begin(), gradient.end(), found.begin()));
    }
}

TEST_CASE("dropout: another draw in every pass, the same again when the count is set back") {
  nn::mlp_options how = small();
  how.dropout = 0.5;
  nn::mlp_denoiser<float> network(how);
  const batch<float> b(4, 1, D, S, 0);
  array<float, 4> first(4, 1, D, outputs), second = first, again = first;
  network.forward(b.asked(), first);
  network.forward(b.asked(), second);
  CHECK(network.passes() == 2);
  network.set_passes(0);
  network.forward(b.asked(), again);
  CHECK(!same_bits(first, second));
  CHECK(same_bits(first, again));
}

TEST_CASE("dropout: rate, scale and independence of rows") {
  const nn::dropout drop(0.1);
  array<float, 2> factors(200, 384);
  drop.draw(dimix::rng{1}, 5, 0, 64, factors.whole());
  double zeros = 0, mean = 0;
  for (float f : factors) {
    CHECK((f == 0.f || f == doctest::Approx(1 / 0.9).epsilon(1e-4)));
    zeros += f == 0.f;
    mean += static_cast<double>(f);
  }
  const double n = 200 * 384, deviation = std::sqrt(0.1 * 0.9 / n);
  CHECK(std::abs(zeros / n - 0.1) < 5 * deviation);
  CHECK(std::abs(mean / n - 1) < 5 * deviation / 0.9);
  array<float, 2> later(136, 384);  // the same rows, drawn from another first row
  drop.draw(dimix::rng{1}, 5, 0, 128, later.whole());
  CHECK(std::equal(later.begin(), later.end(), &factors(64, 0)));
  drop.draw(dimix::rng{1}, 5, 1, 128, later.whole());
  CHECK(!std::equal(later.begin(), later.end(), &factors(64, 0)));
  CHECK(!nn::dropout(0).active());
  CHECK_THROWS_AS(nn::dropout(1.0), dimix::invalid_argument);
}

TEST_CASE("warm start: a student that adopts a teacher and ignores λ gives the teacher's answers") {
  const nn::mlp_denoiser<float> teacher(small());
  nn::mlp_options how = small();
  how.seed = 77;
  how.zero_latent = true;
  nn::mlp_denoiser<float, categories> student(how, categories{4});
  const nn::adoption done = student.adopt(teacher);
  CHECK(done.left == std::vector<std::string>{"latent.table", "latent.in.weight", "latent.in.bias", "latent.start.weight",
                                              "latent.start.bias"});
  CHECK(done.copied.size() == teacher.weights().blocks().blocks().size());
  for (const index_t M : {index_t{1}, index_t{4}}) {
    const batch<float> b(20, M, D, S, 1), plain(20, 1, D, S, 0);
    const array<float, 4> wanted = answer(teacher, plain), found = answer(student, b);
    for (index_t i = 0; i < 20; ++i)
      for (index_t m = 0; m < M; ++m)
        for (index_t d = 0; d < D; ++d)
          for (index_t s = 0; s < outputs; ++s) CHECK(found(i, m, d, s) == wanted(i, 0, d, s));
  }
  how.zero_latent = false;
  nn::mlp_denoiser<float, categories> live(how, categories{4});
  live.adopt(teacher);
  const array<float, 4> spread = answer(live, batch<float>(1, 4, D, S, 1));
  CHECK(spread(0, 0, 0, 0) != spread(0, 1, 0, 0));
}

TEST_CASE("a copy of a network is independent, and the same seed gives the same network") {
  nn::mlp_denoiser<float, categories> network(small(), categories{4});
  const nn::mlp_denoiser<float, categories> copy = network, twin(small(), categories{4});
  const batch<float> b(3, 4, D, S, 1);
  const array<float, 4> before = answer(network, b);
  network.weights().values()(0) += 1;
  CHECK(same_bits(before, answer(copy, b)));
  CHECK(same_bits(before, answer(twin, b)));
  CHECK(!same_bits(before, answer(network, b)));
}

TEST_CASE("the digits network has the size of the study's") {
  const nn::mlp_denoiser<float> teacher({.dims = 64, .states = 18, .outputs = 17, .mask = 17, .dropout = 0.1});
  CHECK(teacher.weights().count() == 1526720);
}

TEST_CASE("requests that do not fit are refused with a sentence") {
  nn::mlp_denoiser<float> plain(small());
  nn::mlp_denoiser<float, categories> mixed(small(), categories{4});
  batch<float> b(2, 1, D, S, 0), l(2, 3, D, S, 1);
  array<float, 4> one(2, 1, D, outputs), three(2, 3, D, outputs), none(2, 0, D, outputs), few(2, 3, D, outputs - 1);

  CHECK_THROWS_WITH_AS(plain(b.asked(), three), "mlp_denoiser: raw has room for 3 components, but a factorized network has one",
                       dimix::invalid_argument);
  CHECK_THROWS_WITH_AS(mixed(l.asked(), none), "mlp_denoiser: raw is (2, 0, 5, 3), wanted (2, M >= 1, 5, 3)",
                       dimix::invalid_argument);
  CHECK_THROWS_AS(mixed(l.asked(), few), dimix::invalid_argument);
  CHECK_THROWS_WITH_AS(mixed(l.asked(), one), "mlp_denoiser: latents are (2, 3, 1), wanted (2, 1, 1)", dimix::invalid_argument);
  CHECK_THROWS_AS(mixed(b.asked(), one), dimix::invalid_argument);

  l.latents(1, 2, 0) = 4;
  CHECK_THROWS_WITH_AS(mixed(l.asked(), three), "mlp_denoiser: latents[5] = 4 is no component of 4", dimix::invalid_argument);
  l.latents(1, 2, 0) = 1.5f;
  CHECK_THROWS_AS(mixed(l.asked(), three), dimix::invalid_argument);
  l.latents(1, 2, 0) = 0;
  l.tokens(1, 4) = 4;
  CHECK_THROWS_WITH_AS(mixed(l.asked(), three), "mlp_denoiser: tokens[1, 4] = 4 lies outside [0, 4)", dimix::invalid_argument);
  l.tokens(1, 4) = -1;
  CHECK_THROWS_AS(mixed(l.asked(), three), dimix::invalid_argument);
  l.tokens(1, 4) = 0;
  l.times(1) = 1.25f;
  CHECK_THROWS_WITH_AS(mixed(l.asked(), three), "mlp_denoiser: times[1] = 1.25 lies outside [0, 1]", dimix::invalid_argument);
  l.times(1) = std::nanf("");
  CHECK_THROWS_AS(mixed(l.asked(), three), dimix::invalid_argument);
  l.times(1) = 0.5f;
  CHECK_NOTHROW(mixed(l.asked(), three));

  const batch<float> wide(2, 1, D + 1, S, 0);
  CHECK_THROWS_WITH_AS(plain(wide.asked(), one), "mlp_denoiser: tokens have 6 positions, the network 5",
                       dimix::invalid_argument);
  dimix::request<float> short_times = b.asked();
  short_times.times = short_times.times.slice(0, 1);
  CHECK_THROWS_AS(plain(short_times, one), dimix::invalid_argument);

  plain.forward(b.asked(), one);
  CHECK_THROWS_AS(plain.backward(three), dimix::invalid_argument);
}

TEST_CASE("options that make no network are refused") {
  const auto refused = [](auto change) {
    nn::mlp_options how = small();
    change(how);
    CHECK_THROWS_AS(nn::mlp_denoiser<float>{how}, dimix::invalid_argument);
  };
  refused([](nn::mlp_options& o) { o.width = 40; });
  refused([](nn::mlp_options& o) { o.features = 8; });
  refused([](nn::mlp_options& o) { o.blocks = 0; });
  refused([](nn::mlp_options& o) { o.dims = 0; });
  refused([](nn::mlp_options& o) { o.states = 0; });
  refused([](nn::mlp_options& o) { o.mask = 4; });
  refused([](nn::mlp_options& o) { o.dropout = 1; });
  refused([](nn::mlp_options& o) { o.time_features = 3; });
  CHECK_THROWS_AS((nn::mlp_denoiser<float, categories>(small(), categories{0})), dimix::invalid_argument);
  CHECK_THROWS_AS((nn::mlp_denoiser<float, cube>(small(), cube{0})), dimix::invalid_argument);
}

TEST_CASE("an empty batch is answered with nothing") {
  const nn::mlp_denoiser<float> plain(small());
  const batch<float> none(0, 1, D, S, 0);
  array<float, 4> raw(0, 1, D, outputs);
  CHECK_NOTHROW(plain(none.asked(), raw));
}

}  // namespace test_nn
