// The layers one by one: their values by hand, their gradients by central differences in double.
#include <dimix/nn/activation.hpp>
#include <dimix/nn/embedding.hpp>
#include <dimix/nn/layer_norm.hpp>
#include <dimix/nn/linear.hpp>

#include "support.hpp"

namespace test_nn {

namespace nn = dimix::nn;

static nn::matrix<double> noisy(index_t rows, index_t features, std::uint64_t seed) {
  nn::matrix<double> m;
  m.resize(rows, features);
  for (index_t i = 0; i < rows * features; ++i) m.whole().data()[i] = noise(seed, i);
  return m;
}

static double dot(const nn::matrix<double>& a, const nn::matrix<double>& b) {
  double sum = 0;
  for (index_t i = 0; i < a.whole().size(); ++i) sum += a.whole().data()[i] * b.whole().data()[i];
  return sum;
}

TEST_CASE("linear: values by hand") {
  nn::parameters<double> store;
  const nn::linear<double> layer(store, "layer", 2, 3, dimix::rng{1});
  const double weight[] = {1, 2, 3, 4, 5, 6}, bias[] = {10, 20, 30};
  std::copy_n(weight, 6, store.values(layer.weight()).data());
  std::copy_n(bias, 3, store.values(layer.bias()).data());
  const double x[] = {1, 0, 0, 1, 2, -1};
  double y[9];
  layer.forward(store, {x, 3, 2}, {y, 3, 3});
  const double wanted[] = {11, 22, 33, 14, 25, 36, 8, 19, 30};
  for (int i = 0; i < 9; ++i) CHECK(y[i] == doctest::Approx(wanted[i]));
  layer.accumulate(store, {x, 3, 2}, {y, 3, 3});
  CHECK(y[8] == doctest::Approx(30 + 0));
  CHECK(y[0] == doctest::Approx(12));
}

TEST_CASE("linear: gradients, in one call and in parts") {
  nn::parameters<double> store;
  const nn::linear<double> layer(store, "layer", 150, 7, dimix::rng{1});
  nn::matrix<double> x = noisy(9, 150, 2), y = noisy(9, 7, 0), gx = noisy(9, 150, 0);
  const nn::matrix<double> gy = noisy(9, 7, 3);
  const auto loss = [&] {
    layer.forward(store, x.whole(), y.whole());
    return dot(y, gy);
  };
  loss();
  layer.backward_inputs(store, gy.whole(), gx.whole());
  layer.backward_weights(store, x.whole(), gy.whole());
  check_gradient("x", x.whole().flat(), gx.whole().flat(), loss);
  check_gradient("weight", store.values(layer.weight()), store.gradients(layer.weight()), loss);
  check_gradient("bias", store.values(layer.bias()), store.gradients(layer.bias()), loss);

  nn::parameters<double> other = store;
  other.zero_gradients();
  nn::weight_jobs<double> jobs;
  jobs.add(layer, x.whole(), gy.whole());
  REQUIRE(jobs.size() == 3);  // two ranges of inputs and the bias
  for (index_t job = jobs.size() - 1; job >= 0; --job) jobs.run(other, job);
  CHECK(same_bits(other.gradients(), store.gradients()));
}

TEST_CASE("linear: default law of the weights, zero start, and shapes that do not fit") {
  nn::parameters<float> store;
  const nn::linear<float> layer(store, "layer", 400, 50, dimix::rng{1});
  const nn::linear<float> zero(store, "zero", 4, 5, dimix::rng{1}, {.zero = true});
  double square = 0, largest = 0;
  for (float w : store.values(layer.weight())) {
    square += static_cast<double>(w) * static_cast<double>(w);
    largest = std::max(largest, std::abs(static_cast<double>(w)));
  }
  CHECK(largest <= 0.05);
  CHECK(square / 20000 == doctest::Approx(0.05 * 0.05 / 3).epsilon(0.05));
  for (float w : store.values(zero.weight())) CHECK(w == 0.f);
  float x[8] = {}, y[10];
  CHECK_THROWS_WITH_AS(zero.forward(store, {x, 2, 3}, {y, 2, 5}),
                       "linear: rows of 2 x 3 and 2 x 5 do not fit a layer of 4 -> 5", dimix::invalid_argument);
}

TEST_CASE("layer_norm: moments and gradients") {
  constexpr index_t width = 20, rows = 6;
  nn::parameters<double> store;
  const nn::layer_norm<double> layer(store, "norm", width);
  nn::matrix<double> x = noisy(rows, width, 2), y = noisy(rows, width, 0), hat = y, sums = noisy(1, 2 * width, 0);
  const nn::matrix<double> gy = noisy(rows, width, 3), residual = noisy(rows, width, 4);
  std::vector<double> deviation(rows);
  const auto loss = [&] {
    layer.forward(store, x.whole(), hat.whole(), deviation.data(), y.whole());
    return dot(y, gy) + dot(x, residual);
  };
  loss();
  for (index_t r = 0; r < rows; ++r) {
    double mean = 0, square = 0;
    for (index_t i = 0; i < width; ++i) mean += y.row(r)[i] / width, square += y.row(r)[i] * y.row(r)[i] / width;
    CHECK(std::abs(mean) < 1e-12);
    CHECK(square == doctest::Approx(1).epsilon(1e-4));
  }
  for (index_t i = 0; i < width; ++i) {
    store.values(layer.gain())(i) = 1 + 0.5 * noise(5, i);
    store.values(layer.bias())(i) = noise(6, i);
  }
  loss();
  for (double& sum : sums.whole()) sum = 0;
  layer.backward(store, gy.whole(), residual.whole(), hat.whole(), deviation.data(), sums.row(0), sums.row(0) + width);
  layer.add(store, sums.row(0), sums.row(0) + width);
  const nn::matrix<double> gx = hat;
  check_gradient("x", x.whole().flat(), gx.whole().flat(), loss);
  check_gradient("gain", store.values(layer.gain()), store.gradients(layer.gain()), loss);
  check_gradient("bias", store.values(layer.bias()), store.gradients(layer.bias()), loss);
}

TEST_CASE("layer_norm: without a residual") {
  nn::parameters<double> store;
  const nn::layer_norm<double> layer(store, "norm", 8);
  nn::matrix<double> x = noisy(2, 8, 2), y = noisy(2, 8, 0), hat = y, sums = noisy(1, 16, 0);
  const nn::matrix<double> gy = noisy(2, 8, 3);
  std::vector<double> deviation(2);
  const auto loss = [&] {
    layer.forward(store, x.whole(), hat.whole(), deviation.data(), y.whole());
    return dot(y, gy);
  };
  loss();
  layer.backward(store, gy.whole(), {}, hat.whole(), deviation.data(), sums.row(0), sums.row(0) + 8);
  const nn::matrix<double> gx = hat;
  check_gradient("x", x.whole().flat(), gx.whole().flat(), loss);
}

TEST_CASE_TEMPLATE("silu: values, also far out, and its derivative in place", Real, float, double) {
  const index_t n = 3000;  // more than one strip
  std::vector<Real> x(n), y(n), g(n, Real(2));
  for (index_t i = 0; i < n; ++i) x[static_cast<std::size_t>(i)] = static_cast<Real>(60 * noise(1, i));
  nn::silu(dimix::view<const Real, 1>(x.data(), n), dimix::view<Real, 1>(y.data(), n));
  nn::silu_backward(dimix::view<const Real, 1>(x.data(), n), dimix::view<const Real, 1>(g.data(), n),
                    dimix::view<Real, 1>(g.data(), n));
  double worst = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(n); ++i) {
    const double at = static_cast<double>(x[i]), s = dimix::sigmoid(at);
    worst = std::max(worst, std::abs(static_cast<double>(y[i]) - at * s) / (1 + std::abs(at)));
    worst = std::max(worst, std::abs(static_cast<double>(g[i]) - 2 * (s + at * s * (1 - s))));
  }
  CHECK(worst < (sizeof(Real) == 4 ? 1e-5 : 1e-13));
}

TEST_CASE("sinusoidal: the released formula with 128 features") {
  const nn::sinusoidal features(128);
  std::vector<double> out(128);
  features(0.37, out.data());
  for (int i = 0; i < 64; ++i) {
    const double f = std::exp(-i * std::log(1e4) / 63);
    CHECK(out[static_cast<std::size_t>(i)] == doctest::Approx(std::sin(1000 * 0.37 * f)).epsilon(1e-9));
    CHECK(out[static_cast<std::size_t>(64 + i)] == doctest::Approx(std::cos(1000 * 0.37 * f)).epsilon(1e-9));
  }
  CHECK_THROWS_AS(nn::sinusoidal(7), dimix::invalid_argument);
}

TEST_CASE("sinusoidal: another largest frequency is another unit of x") {
  std::vector<double> out(8), same(8);
  nn::sinusoidal(8, 10)(0.5, out.data());
  nn::sinusoidal(8)(0.005, same.data());
  for (std::size_t i = 0; i < 8; ++i) CHECK(out[i] == doctest::Approx(same[i]).epsilon(1e-12));
  CHECK_THROWS_AS(nn::sinusoidal(8, 0), dimix::invalid_argument);
  CHECK_THROWS_AS(nn::sinusoidal(8, -1), dimix::invalid_argument);
}

TEST_CASE("embedding_table: N(0, 1) at first; gradients go to the asked row alone") {
  nn::parameters<float> store;
  const nn::embedding_table<float> table(store, "table", 100, 128, dimix::rng{3});
  double mean = 0, square = 0, fourth = 0;
  for (float w : store.values()) {
    const double z = static_cast<double>(w);
    mean += z / 12800, square += z * z / 12800, fourth += z * z * z * z / 12800;
  }
  CHECK(std::abs(mean) < 0.04);
  CHECK(square == doctest::Approx(1).epsilon(0.05));
  CHECK(fourth == doctest::Approx(3).epsilon(0.1));
  const std::vector<float> g(128, 1.5f);
  table.backward(store, 7, {g.data(), 128});
  table.backward(store, 7, {g.data(), 128});
  for (index_t i = 0; i < 12800; ++i) CHECK(store.gradients(table.table())(i) == (i / 128 == 7 ? 3.f : 0.f));
}

TEST_CASE("parameters: layout, names, adoption, and weights that depend on seed and name alone") {
  nn::parameters<float> a, b;
  const nn::linear<float> first(a, "first", 3, 5, dimix::rng{1}), second(a, "second", 5, 2, dimix::rng{1});
  b.add("extra", {9});
  const nn::linear<float> other(b, "second", 5, 2, dimix::rng{1}), changed(b, "first", 4, 5, dimix::rng{2});
  CHECK(same_bits(a.values(second.weight()), b.values(other.weight())));
  CHECK(a.count() == 15 + 5 + 10 + 2);
  for (const nn::block& block : a.blocks().blocks()) CHECK(block.offset % 16 == 0);
  CHECK(a.blocks().find("first.weight")->shape == std::vector<index_t>{3, 5});
  CHECK(a.blocks().find("third") == nullptr);
  CHECK_THROWS_AS(a.add("first.weight", {1}), dimix::invalid_argument);
  CHECK_THROWS_AS(a.add("empty", {2, 0}), dimix::invalid_argument);

  a.fill(second.weight(), 4.f);
  const nn::adoption done = b.adopt(a);
  CHECK(done.copied == std::vector<std::string>{"second.weight", "second.bias", "first.bias"});
  CHECK(done.left == std::vector<std::string>{"extra", "first.weight"});
  for (float w : b.values(other.weight())) CHECK(w == 4.f);

  std::vector<std::string> names;
  index_t count = 0;
  a.for_each_block([&](const std::string& name, const std::vector<index_t>&, dimix::view<float, 1> data) {
    names.push_back(name);
    count += data.size();
  });
  CHECK(names == std::vector<std::string>{"first.weight", "first.bias", "second.weight", "second.bias"});
  CHECK(count == a.count());
}

}  // namespace test_nn
