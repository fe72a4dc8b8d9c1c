// Optimiser, average and learning rate against their recurrences.
#include <dimix/nn/adamw.hpp>
#include <dimix/nn/ema.hpp>
#include <dimix/nn/learning_rate.hpp>

#include "support.hpp"

#include <limits>

namespace test_nn {

namespace nn = dimix::nn;
using dimix::cpu;

static nn::parameters<double> two_blocks() {
  nn::parameters<double> store;
  store.add("a", {3});
  store.add("b", {2, 2});
  for (index_t i = 0; i < 3; ++i) store.values(0)(i) = static_cast<double>(i) - 1;
  for (index_t i = 0; i < 4; ++i) store.values(1)(i) = 0.5 * static_cast<double>(i);
  return store;
}

static void set_gradients(nn::parameters<double>& store, std::uint64_t seed, double size = 1) {
  for (const index_t block : {index_t{0}, index_t{1}})
    for (index_t i = 0; i < store.gradients(block).size(); ++i) store.gradients(block)(i) = size * noise(seed, 10 * block + i);
}

TEST_CASE("adamw: the recurrence, with decay and clipping") {
  const nn::adamw_options how{.beta1 = 0.8, .beta2 = 0.9, .epsilon = 1e-3, .weight_decay = 0.1, .clip = 1.5};
  nn::parameters<double> store = two_blocks();
  nn::adamw<double> optimiser(store, how);
  std::vector<double> x, m(7), v(7), g(7);
  const auto collect = [&](std::vector<double>& to, bool gradients) {
    to.clear();
    for (const index_t block : {index_t{0}, index_t{1}})
      for (double value : gradients ? store.gradients(block) : store.values(block)) to.push_back(value);
  };
  collect(x, false);
  bool clipped = false, whole = false;
  for (int n = 1; n <= 6; ++n) {
    set_gradients(store, static_cast<std::uint64_t>(n), n % 2 ? 0.1 : 3.0);
    collect(g, true);
    double square = 0;
    for (double value : g) square += value * value;
    const double length = std::sqrt(square), scale = length > 1.5 ? 1.5 / length : 1, rate = 0.01 * n;
    (length > 1.5 ? clipped : whole) = true;
    CHECK(optimiser.step(store, rate) == doctest::Approx(length));
    std::vector<double> found;
    collect(found, false);
    for (std::size_t i = 0; i < 7; ++i) {
      const double gi = g[i] * scale;
      m[i] = 0.8 * m[i] + 0.2 * gi;
      v[i] = 0.9 * v[i] + 0.1 * gi * gi;
      x[i] -= rate * (m[i] / (1 - std::pow(0.8, n)) / (std::sqrt(v[i] / (1 - std::pow(0.9, n))) + 1e-3) + 0.1 * x[i]);
      CHECK(found[i] == doctest::Approx(x[i]).epsilon(1e-12));
    }
    collect(g, true);
    for (double value : g) CHECK(value == 0);
  }
  CHECK(clipped);
  CHECK(whole);
  CHECK(optimiser.steps() == 6);
}

TEST_CASE("adamw: the gaps between blocks stay zero") {
  nn::parameters<double> store = two_blocks();
  nn::adamw<double> optimiser(store, {.weight_decay = 0.1});
  set_gradients(store, 1);
  optimiser.step(store, 0.1);
  for (index_t i = 3; i < 16; ++i) CHECK(store.values()(i) == 0);
}

TEST_CASE("adamw: state copied by name resumes the same path") {
  nn::parameters<double> store = two_blocks();
  nn::adamw<double> optimiser(store);
  for (std::uint64_t n = 1; n <= 3; ++n) set_gradients(store, n), optimiser.step(store, 0.1);
  nn::parameters<double> other = two_blocks();
  other.adopt(store);
  nn::adamw<double> resumed(other);
  std::vector<std::pair<std::string, std::vector<double>>> saved;
  std::as_const(optimiser).for_each_block(
      [&](const std::string& name, const std::vector<index_t>&, dimix::view<const double, 1> data) {
        saved.emplace_back(name, std::vector<double>(data.begin(), data.end()));
      });
  REQUIRE(saved.size() == 4);
  CHECK(saved[0].first == "first_moment/a");
  CHECK(saved[3].first == "second_moment/b");
  std::size_t next = 0;
  resumed.for_each_block([&](const std::string& name, const std::vector<index_t>&, dimix::view<double, 1> data) {
    CHECK(name == saved[next].first);
    std::copy(saved[next].second.begin(), saved[next].second.end(), data.begin());
    ++next;
  });
  resumed.set_steps(optimiser.steps());
  set_gradients(store, 9);
  set_gradients(other, 9);
  optimiser.step(store, 0.1);
  resumed.step(other, 0.1);
  CHECK(same_bits(store.values(), other.values()));
}

TEST_CASE("adamw: a gradient that is not finite stops with the step's number and changes nothing") {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    nn::parameters<double> store = two_blocks();
    nn::adamw<double> optimiser(store, {.clip = 1});
    set_gradients(store, 1);
    optimiser.step(store, 0.1);
    const std::vector<double> before(store.values().begin(), store.values().end());
    set_gradients(store, 2);
    store.gradients(1)(2) = bad;
    CHECK_THROWS_WITH_AS(optimiser.step(store, 0.1), doctest::Contains("adamw: the gradient's norm in step 2 is "),
                         dimix::numeric_error);
    CHECK(std::equal(before.begin(), before.end(), store.values().begin()));
    CHECK(optimiser.steps() == 1);
  }
}

TEST_CASE("adamw and ema: the same bits for any number of threads") {
  std::vector<float> wanted;
  double length = 0;
  for (const int threads : {1, 2, 3}) {
    nn::parameters<float> store;
    store.add("a", {100000});
    for (index_t i = 0; i < 100000; ++i) store.values(0)(i) = static_cast<float>(noise(1, i));
    nn::adamw<float> optimiser(store, {.weight_decay = 0.01, .clip = 2}, cpu(threads));
    nn::ema<float> average(store, 0.9, cpu(threads));
    for (std::uint64_t n = 0; n < 3; ++n) {
      for (index_t i = 0; i < 100000; ++i) store.gradients(0)(i) = static_cast<float>(noise(n, i));
      const double found = optimiser.step(store, 0.1);
      if (threads == 1) length = n == 2 ? found : length;
      if (n == 2) CHECK(found == length);
      average.update(store);
    }
    if (threads == 1) wanted.assign(average.values().begin(), average.values().end());
    CHECK(std::equal(wanted.begin(), wanted.end(), average.values().begin()));
  }
}

TEST_CASE("adamw and ema: options and parameters that do not fit") {
  nn::parameters<double> store = two_blocks(), other;
  other.add("a", {3});
  CHECK_THROWS_AS(nn::adamw<double>(store, {.beta1 = 1}), dimix::invalid_argument);
  CHECK_THROWS_AS(nn::adamw<double>(store, {.epsilon = 0}), dimix::invalid_argument);
  CHECK_THROWS_AS(nn::adamw<double>(store, {.clip = -1}), dimix::invalid_argument);
  CHECK_THROWS_AS(nn::ema<double>(store, 1.0), dimix::invalid_argument);
  nn::adamw<double> optimiser(store);
  nn::ema<double> average(store, 0.5);
  CHECK_THROWS_AS(optimiser.step(other, 0.1), dimix::invalid_argument);
  CHECK_THROWS_AS(average.update(other), dimix::invalid_argument);
  CHECK_THROWS_AS(average.copy_to(other), dimix::invalid_argument);
}

TEST_CASE("ema: the closed law") {
  nn::parameters<double> store = two_blocks();
  nn::ema<double> average(store, 0.9);
  double wanted = store.values(1)(1) * std::pow(0.9, 5);
  for (int n = 1; n <= 5; ++n) {
    store.values(1)(1) = n * n;
    average.update(store);
    wanted += 0.1 * std::pow(0.9, 5 - n) * n * n;
  }
  nn::parameters<double> target = two_blocks();
  average.copy_to(target);
  CHECK(target.values(1)(1) == doctest::Approx(wanted).epsilon(1e-12));
  CHECK(target.values(0)(0) == doctest::Approx(-1));
  std::vector<std::string> names;
  average.for_each_block(
      [&](const std::string& name, const std::vector<index_t>&, dimix::view<double, 1>) { names.push_back(name); });
  CHECK(names == std::vector<std::string>{"average/a", "average/b"});
}

TEST_CASE("warmup_cosine: end points, middle and order") {
  const nn::warmup_cosine rate{.peak = 2e-3, .warmup = 100, .steps = 1100, .last = 0.05};
  CHECK(rate(0) == doctest::Approx(2e-5));
  CHECK(rate(49) == doctest::Approx(1e-3));
  CHECK(rate(99) == doctest::Approx(2e-3));
  CHECK(rate(599) == doctest::Approx(2e-3 * 0.525));
  CHECK(rate(1099) == doctest::Approx(1e-4));
  CHECK(rate(5000) == doctest::Approx(1e-4));
  for (index_t step = 1; step < 1100; ++step) CHECK((step < 100 ? rate(step) > rate(step - 1) : rate(step) < rate(step - 1)));
  const nn::warmup_cosine flat{.peak = 1, .warmup = 0, .steps = 10, .last = 1};
  CHECK(flat(0) == doctest::Approx(1));
  CHECK_THROWS_AS(rate(-1), dimix::invalid_argument);
  CHECK_THROWS_AS((nn::warmup_cosine{.warmup = 5, .steps = 3}(0)), dimix::invalid_argument);
}

}  // namespace test_nn
