// The distiller's step against central differences of its own loss, for every way to run it; and its refusals.
#include <dimix/dimix.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "laws/backends.hpp"

namespace {

using namespace dimix;

constexpr index_t D = 3;

/// Logits (M, D, S) that do not look at x_t, one block per component: enough to see every gradient.
struct table_student {
  index_t components, states;
  array<double, 3> logits, slopes;  // (M, D, S)
  std::vector<double> used{};       // λ of the rows of the last forward

  table_student(index_t M, index_t S) : components(M), states(S), logits(M, D, S), slopes(M, D, S) {
    for (index_t i = 0; i < logits.size(); ++i) logits.data()[i] = std::sin(1.7 * static_cast<double>(i));
  }
  categorical_latent latent() const { return {components}; }
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

template <class Space>
void step_is_the_gradient_of_its_loss(const Space& space, distiller_options options) {
  const forward_process<Space, cosine> process(space);
  const index_t S = space.max_states();
  token pairs[] = {0, 0, 0, 1, 1, 1, 2, 0, 1};
  double likely[] = {0.5, 0.3, 0.2};
  const tabular<forward_process<Space, cosine>> teacher(process, {pairs, 3, D}, {likely, 3});
  table_student student(4, S);
  const table_student fixed(4, S);  // at u: constant, as a moving average is
  const laws::tested run_on = laws::on(1);
  options.components = 4;
  auto distil = make_distiller<double>(process, teacher, student, ema<table_student>{fixed}, options, run_on);
  array<token, 2> x_0(5, D);  // (B, D)
  for (index_t b = 0; b < 5; ++b)
    for (index_t d = 0; d < D; ++d) x_0(b, d) = pairs[b % 3 * D + d];

  const distiller_losses losses = distil.step(x_0, 1000);
  const array<double, 3> slopes = student.slopes;  // (M, D, S)
  CHECK(std::isfinite(losses.total));
  double largest = 0;
  for (index_t i = 0; i < student.logits.size(); ++i) {
    double& z = student.logits.data()[i];
    const double kept = z, h = 1e-5;
    z = kept + h;
    const double above = distil.step(x_0, 1000).total;
    z = kept - h;
    const double below = distil.step(x_0, 1000).total;
    z = kept;
    CHECK(slopes.data()[i] == doctest::Approx((above - below) / (2 * h)).epsilon(1e-5).scale(0.01));
    largest = std::max(largest, std::abs(slopes.data()[i]));
  }
  CHECK(largest > 1e-3);
}

/// Hidden, redrawn and levels, with 4, 3 and 3 states.
struct kind_is_position {
  int operator()(index_t d) const { return static_cast<int>(d); }
};
auto three_kinds() { return mixed(kind_is_position{}, absorbing<4>{}, uniform<3>{}, birth_death<3>{}); }

}  // namespace

TEST_CASE("a step's gradient is that of its loss") {
  for (bool control_variates : {true, false})
    for (double fraction : {0.0, 0.5})
      for (index_t targets : {0, 3}) {
        const distiller_options options{.targets = targets,
                                        .target_fraction = fraction,
                                        .control_variates = control_variates,
                                        .datapoint_weight = 0.7,
                                        .datapoint_time = time_weight::sigmoid,
                                        .distillation_rows = 2,
                                        .seed = 9};
        CAPTURE(control_variates);
        CAPTURE(fraction);
        step_is_the_gradient_of_its_loss(absorbing<4>{}, options);
        step_is_the_gradient_of_its_loss(uniform<3>{}, options);
        step_is_the_gradient_of_its_loss(mask_and_replace<4>{0.6}, options);
        step_is_the_gradient_of_its_loss(three_kinds(), options);
      }
}

TEST_CASE("the same step for any number of threads") {
  const forward_process<absorbing<4>, log_linear> process;
  token pairs[] = {0, 0, 0, 1, 1, 1};
  double likely[] = {0.5, 0.5};
  const tabular teacher(process, view<const token, 2>(pairs, 2, D), view<const double, 1>(likely, 2));
  std::vector<double> totals;
  for (int threads : {1, 2, 3}) {
    table_student student(4, 4);
    auto distil =
        make_distiller<double>(process, teacher, student, detached{}, {.components = 4, .seed = 2}, laws::on(threads));
    totals.push_back(distil.step({pairs, 2, D}, 7).total);
  }
  CHECK(totals[0] == totals[1]);
  CHECK(totals[0] == totals[2]);
}

TEST_CASE("what cannot be distilled is refused by name") {
  const forward_process<absorbing<4>, log_linear> process;
  token data[] = {0, 1, 2, 2, 1, 0};
  double likely[] = {1};
  const tabular teacher(process, view<const token, 2>(data, 1, D), view<const double, 1>(likely, 1));
  table_student student(4, 4);
  const auto make = [&](distiller_options options) {
    return make_distiller<double>(process, teacher, student, detached{}, options, laws::on(1));
  };
  CHECK_THROWS_WITH_AS(make({.components = 0}), doctest::Contains("components M = 0"), invalid_argument);
  CHECK_THROWS_WITH_AS(make({.shortest_gap = 0.5, .longest_gap = 0.1}), doctest::Contains("gaps [0.5, 0.1]"), invalid_argument);
  CHECK_THROWS_WITH_AS(make({.start_share = 1.5}), doctest::Contains("start_share = 1.5"), invalid_argument);
  CHECK_THROWS_WITH_AS(make({.target_fraction = 1}), doctest::Contains("target_fraction = 1"), invalid_argument);
  auto distil = make({.components = 4});
  data[4] = 4;
  CHECK_THROWS_WITH_AS(distil.step({data, 2, D}, 0), doctest::Contains("x_0[1, 1] = 4"), invalid_argument);
  data[4] = 3;
  CHECK_THROWS_WITH_AS(distil.step({data, 2, D}, 0), doctest::Contains("x_0[1, 1] = 3 is the mask"), invalid_argument);
  data[4] = 1;
  student.logits(0, 0, 0) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_AS(distil.step({data, 2, D}, 0), numeric_error);
}
