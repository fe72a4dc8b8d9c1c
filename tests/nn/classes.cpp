// Networks that are asked for a class, and networks that learn how likely their components are.
#include "support.hpp"

#include <algorithm>

namespace test_nn {

namespace nn = dimix::nn;
using dimix::array;
using dimix::cpu;
using dimix::token;

static constexpr index_t D = 5, S = 4;

static_assert(dimix::weighted_denoiser<nn::mlp_denoiser<float, nn::learned_latent>, float>);
static_assert(!dimix::weighted_denoiser<nn::mlp_denoiser<float, categories>, float>);

static nn::mlp_options small(index_t classes) {
  return {.dims = D,
          .states = S,
          .mask = 3,
          .width = 32,
          .blocks = 2,
          .features = 16,
          .time_features = 8,
          .latent_features = 8,
          .classes = classes,
          .seed = 5};
}

/// A request with classes 0, 1, 2, none, 0, ...
template <class Real>
struct class_batch : batch<Real> {
  array<token, 1> classes;

  class_batch(index_t B, index_t M, index_t L) : batch<Real>(B, M, D, S, L), classes(B) {
    for (index_t b = 0; b < B; ++b) classes(b) = static_cast<token>(b % 4 == 3 ? -1 : b % 4);
    if (B > 5) this->times(5) = this->times(4);  // equal times, other classes
  }
  dimix::request<Real> asked() const {
    auto of = batch<Real>::asked();
    of.classes = classes;
    return of;
  }
};

template <class Network, class Real>
array<Real, 4> answer(const Network& network, const dimix::request<Real>& asked) {
  array<Real, 4> raw(asked.batch(), std::max<index_t>(1, asked.components()), D, S);
  network(asked, raw);
  return raw;
}

/// Moves every weight, so that classes matter.
template <class Network>
void shake(Network& network) {
  auto values = network.weights().values();
  for (const nn::block& b : network.weights().blocks().blocks())
    for (index_t i = b.offset; i < b.offset + b.size; ++i)
      values(i) = static_cast<typename Network::scalar>(1.5 * static_cast<double>(values(i)) + 0.3 * noise(77, i));
}

template <class Latent>
void check_all_gradients(Latent law, index_t M, index_t L) {
  nn::mlp_denoiser<double, Latent> network(small(3), law);
  shake(network);
  const class_batch<double> b(21, M, L);  // more times than a tile has rows
  array<double, 4> raw(21, M, D, S), c(21, M, D, S);
  for (index_t i = 0; i < c.size(); ++i) c.data()[i] = noise(9, i);
  const auto loss = [&] {
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
    if (block.name == "latent.log_weights") continue;  // no output depends on them
    check_gradient(block.name, {weights.values().data() + block.offset, block.size},
                   {gradient.data() + block.offset, block.size}, loss, block.size > 200 ? 17 : 1);
  }
}

TEST_CASE("gradients: with classes, factorized and mixture") {
  check_all_gradients(nn::no_latent{}, 1, 0);
  check_all_gradients(categories{4}, 4, 1);
  check_all_gradients(nn::learned_latent{4}, 4, 1);
}

TEST_CASE_TEMPLATE("equal rows, equal bits, with classes: any batch, split and number of threads", Real, float, double) {
  constexpr index_t B = 150, M = 3;
  nn::mlp_denoiser<Real, cube> network(small(3), cube{2}), threaded(small(3), cube{2}, cpu(3));
  shake(network);
  shake(threaded);
  const class_batch<Real> all(B, M, 2);
  const array<Real, 4> whole = answer(network, all.asked());
  CHECK(same_bits(whole, answer(threaded, all.asked())));
  for (const index_t part : {index_t{1}, index_t{2}, index_t{7}, index_t{149}}) {
    array<Real, 4> pieces(B, M, D, S);
    for (index_t first = 0; first < B; first += part) {
      const index_t count = std::min(part, B - first);
      auto asked = all.asked();
      asked.tokens = asked.tokens.slice(first, count);
      asked.times = asked.times.slice(first, count);
      asked.latents = asked.latents.slice(first, count);
      asked.classes = asked.classes.slice(first, count);
      network(asked, pieces.whole().slice(first, count));
    }
    CHECK(same_bits(whole, pieces));
  }
}

TEST_CASE("classes: another class is another answer, and none is the answer without classes") {
  nn::mlp_denoiser<float> network(small(3));
  const nn::mlp_denoiser<float> plain(small(0));
  class_batch<float> b(8, 1, 0);
  const auto without = [&] {
    auto asked = b.asked();
    asked.classes = {};
    return asked;
  };
  // nothing learned: the class changes nothing, and the other weights are those of a network without classes
  CHECK(same_bits(answer(network, b.asked()), answer(plain, without())));
  shake(network);
  const auto mixed = answer(network, b.asked()), none = answer(network, without());
  b.classes.fill(-1);
  CHECK(same_bits(answer(network, b.asked()), none));
  for (index_t i = 0; i < 8; ++i) CHECK((mixed(i, 0, 0, 0) == none(i, 0, 0, 0)) == (i % 4 == 3));
}

TEST_CASE("classes: gradients are the same bits for any number of threads") {
  std::vector<float> gradient;
  const class_batch<float> b(40, 4, 1);
  array<float, 4> raw(40, 4, D, S), c(40, 4, D, S);
  for (index_t i = 0; i < c.size(); ++i) c.data()[i] = static_cast<float>(noise(9, i));
  for (const int threads : {1, 2, 3}) {
    nn::mlp_denoiser<float, categories> network(small(3), categories{4}, cpu(threads));
    shake(network);
    network.forward(b.asked(), raw);
    network.backward(c);
    const auto found = network.weights().gradients();
    if (threads == 1) gradient.assign(found.begin(), found.end());
    CHECK(std::equal(gradient.begin(), gradient.end(), found.begin()));
  }
}

TEST_CASE("classes: a student adopts its teacher's, and answers as the teacher does") {
  nn::mlp_denoiser<float> teacher(small(3));
  shake(teacher);
  nn::mlp_options how = small(3);
  how.seed = 77;
  how.zero_latent = true;
  nn::mlp_denoiser<float, categories> student(how, categories{4});
  const auto done = student.adopt(teacher);
  CHECK(std::count(done.copied.begin(), done.copied.end(), "class.table") == 1);
  const class_batch<float> plain(20, 1, 0), b(20, 4, 1);
  const array<float, 4> wanted = answer(teacher, plain.asked()), found = answer(student, b.asked());
  for (index_t i = 0; i < 20; ++i)
    for (index_t m = 0; m < 4; ++m) CHECK(found(i, m, 2, 1) == wanted(i, 0, 2, 1));
  nn::mlp_denoiser<float> other(small(2));
  const auto left = other.adopt(teacher).left;
  CHECK(left == std::vector<std::string>{"class.table"});  // of another size
}

TEST_CASE("classes that there are not are refused") {
  const nn::mlp_denoiser<float> network(small(3)), plain(small(0));
  class_batch<float> b(4, 1, 0);
  CHECK_THROWS_WITH_AS(answer(plain, b.asked()),
                       "mlp_denoiser: classes[0] = 0 is neither -1 nor one of the 0 classes of mlp_options",
                       dimix::invalid_argument);
  b.classes(2) = 3;
  CHECK_THROWS_WITH_AS(answer(network, b.asked()), doctest::Contains("classes[2] = 3"), dimix::invalid_argument);
  b.classes(2) = -2;
  CHECK_THROWS_WITH_AS(answer(network, b.asked()), doctest::Contains("classes[2] = -2"), dimix::invalid_argument);
  const class_batch<float> good(4, 1, 0);
  auto asked = good.asked();
  asked.classes = asked.classes.slice(0, 3);
  CHECK_THROWS_WITH_AS(answer(network, asked), "mlp_denoiser: 3 classes for 4 items", dimix::invalid_argument);
  CHECK_THROWS_WITH_AS(nn::mlp_denoiser<float>(small(-1)), doctest::Contains("classes = -1"), dimix::invalid_argument);
}

TEST_CASE("learned weights: the law is what they are now, of a copy its own, and gradients add up") {
  nn::mlp_denoiser<float, nn::learned_latent> network(small(0), nn::learned_latent{4});
  CHECK(network.latent().components() == 4);
  for (index_t m = 0; m < 4; ++m) CHECK(network.latent().log_weight(m) == 0);
  const auto copy = network;
  const nn::block* block = network.weights().blocks().find("latent.log_weights");
  REQUIRE(block != nullptr);
  network.weights().values()(block->offset + 2) = 5;
  CHECK(network.latent().log_weight(2) == 5);
  CHECK(network.latent().quantile(0, 0.5) == 2);
  CHECK(copy.latent().log_weight(2) == 0);
  const float slope[] = {1, 2, 3, 4};
  network.backward_log_weights({slope, 4});
  network.backward_log_weights({slope, 4});
  for (index_t m = 0; m < 4; ++m) CHECK(network.weights().gradients()(block->offset + m) == 2 * slope[m]);
  CHECK_THROWS_WITH_AS(network.backward_log_weights({slope, 3}), doctest::Contains("3 log-weights, but there are 4"),
                       dimix::invalid_argument);
}

}  // namespace test_nn
