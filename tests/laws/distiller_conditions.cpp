// Distillation of a student that learns the weights of its components, and of students and teachers that are asked for a class.
#include <dimix/dimix.hpp>
#include <dimix/nn/adamw.hpp>
#include <dimix/nn/mlp_denoiser.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "laws/backends.hpp"

namespace {

using namespace dimix;

constexpr index_t D = 3;

/// Logits (M, D, S) that do not look at x_t, and log-weights (M) of the components.
struct weighted_table {
  index_t components, states;
  array<double, 3> logits, slopes;          // (M, D, S)
  array<double, 1> weights, weight_slopes;  // (M)
  std::vector<double> used{};               // λ of the rows of the last forward

  weighted_table(index_t M, index_t S)
      : components(M), states(S), logits(M, D, S), slopes(M, D, S), weights(M), weight_slopes(M) {
    for (index_t i = 0; i < logits.size(); ++i) logits.data()[i] = std::sin(1.7 * static_cast<double>(i));
    for (index_t m = 0; m < M; ++m) weights(m) = std::cos(2.3 * static_cast<double>(m));
  }
  weighted_latent<double> latent() const { return {weights}; }
  view<const double, 1> log_weights() const { return weights; }
  void backward_log_weights(view<const double, 1> gradient) {
    for (index_t m = 0; m < components; ++m) weight_slopes(m) += gradient(m);
  }
  index_t outputs() const { return states; }
  void operator()(const request<double>& asked, view<double, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t m = 0; m < asked.components(); ++m)
        for (index_t d = 0; d < D; ++d)
          for (index_t s = 0; s < states; ++s) raw(b, m, d, s) = logits(static_cast<index_t>(asked.latents(b, m, 0)), d, s);
  }
  void forward(const request<double>& asked, view<double, 4> raw) {
    used.assign(asked.latents.begin(), asked.latents.end());
    (*this)(asked, raw);
  }
  void backward(view<const double, 4> gradient) {
    const index_t row_size = D * states;
    for (index_t row = 0; row < gradient.size() / row_size; ++row)
      for (index_t i = 0; i < row_size; ++i)
        slopes.data()[static_cast<index_t>(used[static_cast<std::size_t>(row)]) * row_size + i] +=
            gradient.data()[row * row_size + i];
  }
};
static_assert(weighted_denoiser<weighted_table, double>);

template <class Space>
void step_is_the_gradient_of_its_loss(const Space& space, distiller_options options) {
  const forward_process<Space, cosine> process(space);
  const index_t S = space.max_states();
  token pairs[] = {0, 0, 0, 1, 1, 1, 2, 0, 1};
  double likely[] = {0.5, 0.3, 0.2};
  const tabular<forward_process<Space, cosine>> teacher(process, {pairs, 3, D}, {likely, 3});
  weighted_table student(4, S);
  const weighted_table fixed(4, S);  // at u: constant
  options.components = 4;
  options.draws = latent_draws::enumerated;
  auto distil = make_distiller<double>(process, teacher, student, ema<weighted_table>{fixed}, options, laws::on(1));
  array<token, 2> x_0(5, D);  // (B, D)
  for (index_t b = 0; b < 5; ++b)
    for (index_t d = 0; d < D; ++d) x_0(b, d) = pairs[b % 3 * D + d];
  distil.step(x_0, 1000);
  const auto difference = [&](double& x) {
    const double kept = x, h = 1e-5;
    x = kept + h;
    const double above = distil.step(x_0, 1000).total;
    x = kept - h;
    const double below = distil.step(x_0, 1000).total;
    x = kept;
    return (above - below) / (2 * h);
  };
  const array<double, 3> slopes = student.slopes;                // (M, D, S)
  const array<double, 1> weight_slopes = student.weight_slopes;  // (M)
  double largest = 0;
  for (index_t i = 0; i < slopes.size(); ++i)
    CHECK(slopes.data()[i] == doctest::Approx(difference(student.logits.data()[i])).epsilon(1e-5).scale(0.01));
  for (index_t m = 0; m < 4; ++m) {
    CHECK(weight_slopes(m) == doctest::Approx(difference(student.weights(m))).epsilon(1e-5).scale(0.01));
    largest = std::max(largest, std::abs(weight_slopes(m)));
  }
  CHECK(largest > 1e-3);
}

/// Writes zeros, and checks that every row is asked for the class of its item: item b of the batch has class b, its rows lie in order.
struct class_checker {
  index_t M, *asked_rows;
  categorical_latent latent() const { return {M}; }
  index_t outputs() const { return 4; }
  void operator()(const request<double>& asked, view<double, 4> raw) const {
    const index_t rows = asked.batch(), per_item = rows / 3;
    REQUIRE(asked.classes.extent(0) == rows);
    for (index_t i = 0; i < rows; ++i) CHECK(asked.classes(i) == static_cast<token>(i / per_item) - 1);
    *asked_rows += rows;
    std::fill(raw.begin(), raw.end(), 0.0);
  }
  void forward(const request<double>& asked, view<double, 4> raw) { (*this)(asked, raw); }
  void backward(view<const double, 4>) {}
};

}  // namespace

TEST_CASE("a step's gradient is that of its loss, in the weights of the components too") {
  for (bool control_variates : {true, false})
    for (double fraction : {0.0, 0.5}) {
      CAPTURE(control_variates);
      CAPTURE(fraction);
      const distiller_options options{.targets = 3,
                                      .target_fraction = fraction,
                                      .control_variates = control_variates,
                                      .datapoint_weight = 0.7,
                                      .distillation_rows = 2,
                                      .seed = 9};
      step_is_the_gradient_of_its_loss(absorbing<4>{}, options);
      step_is_the_gradient_of_its_loss(uniform<3>{}, options);
    }
}

TEST_CASE("a student learns how likely its components are") {
  const forward_process<absorbing<3>, log_linear> process(absorbing<3>{}, log_linear{0});
  token sequences[] = {0, 0, 0, 1, 1, 1};
  double likely[] = {0.7, 0.3};
  const tabular teacher(process, view<const token, 2>(sequences, 2, D), view<const double, 1>(likely, 2));
  using net = nn::mlp_denoiser<float, nn::learned_latent>;
  net student({.dims = D, .states = 3, .mask = 2, .width = 16, .blocks = 1, .features = 16, .latent_features = 16, .seed = 3},
              nn::learned_latent{2});
  auto distil = make_distiller<float>(process, teacher, student, detached{},
                                      {.components = 2,
                                       .targets = 8,
                                       .draws = latent_draws::enumerated,
                                       .start_share = 0.5,
                                       .datapoint_weight = 1,
                                       .distillation_rows = 2,
                                       .seed = 5},
                                      laws::on(1));
  nn::adamw<float> optimiser(student.weights(), {.beta2 = 0.99, .clip = 1}, cpu(1));
  constexpr index_t B = 32;
  array<token, 2> x_0(B, D);  // (B, D)
  for (index_t n = 0; n < 600; ++n) {
    for (index_t b = 0; b < B; ++b) {
      const bool first = unit(rng{8}(purpose::data, static_cast<std::uint64_t>(n * B + b), 0, 0, 0).first()) < 0.7;
      for (index_t d = 0; d < D; ++d) x_0(b, d) = first ? 0 : 1;
    }
    distil.step(x_0, static_cast<std::uint64_t>(n * B));
    optimiser.step(student.weights(), n < 400 ? 1e-2 : 1e-3);
  }
  const auto w = student.log_weights();
  const double larger_weight = 1 / (1 + std::exp(-std::abs(static_cast<double>(w(0) - w(1)))));
  CHECK(larger_weight == doctest::Approx(0.7).epsilon(0.05));
  // one step from the mask alone: the law of the data, with its weights
  const auto x = sample(process, student, {.batch = 4000, .dims = D, .steps = 1, .seed = 2}, laws::on(1));  // (B, D)
  double zeros = 0, ones = 0;
  for (index_t b = 0; b < x.extent(0); ++b) {
    zeros += x(b, 0) == 0 && x(b, 1) == 0 && x(b, 2) == 0;
    ones += x(b, 0) == 1 && x(b, 1) == 1 && x(b, 2) == 1;
  }
  CHECK(zeros / 4000 == doctest::Approx(0.7).epsilon(0.06));
  CHECK(ones / 4000 == doctest::Approx(0.3).epsilon(0.12));
}

TEST_CASE("a student with weights is asked for all of them, or refused") {
  const forward_process<absorbing<4>, log_linear> process;
  weighted_table student(4, 4);
  const auto make = [&](distiller_options options) {
    make_distiller<double>(process, student, student, detached{}, options, laws::on(1));
  };
  make({.components = 4, .draws = latent_draws::enumerated});
  CHECK_THROWS_WITH_AS(make({.components = 4}), doctest::Contains("draws = latent_draws::enumerated"), invalid_argument);
  CHECK_THROWS_WITH_AS(make({.components = 3, .draws = latent_draws::enumerated}), doctest::Contains("components = 4, not 3"),
                       invalid_argument);
}

TEST_CASE("the class of an item goes with all of its draws") {
  const forward_process<absorbing<4>, log_linear> process;
  token x_0[] = {0, 1, 2, 2, 1, 0, 1, 1, 1}, classes[] = {-1, 0, 1};
  index_t taught = 0, studied = 0, pretrained = 0;
  const class_checker teacher{2, &taught};
  class_checker student{2, &studied};
  auto distil = make_distiller<double>(process, teacher, student, detached{},
                                       {.components = 2, .targets = 5, .distillation_rows = 4}, laws::on(1));
  distil.step({x_0, 3, D}, 0, {classes, 3});
  CHECK(taught == 3 + 3 * 4);
  CHECK(studied == 3 * 5 + 3 + 3 * 4);
  CHECK_THROWS_WITH_AS(distil.step({x_0, 3, D}, 0, {classes, 2}), doctest::Contains("distiller: classes has shape (2)"),
                       invalid_argument);
  class_checker net{1, &pretrained};
  pretrainer<double, forward_process<absorbing<4>, log_linear>, class_checker, laws::tested> step(process, net, {},
                                                                                                  laws::on(1));
  step.step({x_0, 3, D}, 0, {classes, 3});
  step.evaluate({x_0, 3, D}, 0, {classes, 3});
  CHECK(pretrained == 6);
  CHECK_THROWS_WITH_AS(step.step({x_0, 3, D}, 0, {classes, 2}), doctest::Contains("pretrainer: classes"), invalid_argument);
}
