// Objectives at s > 0, through the posterior kernel, keep the laws.
#include <dimix/head/reshaped.hpp>
#include <dimix/head/stepped.hpp>

#include <functional>

#include "laws/objective.hpp"

using namespace dimix;

namespace {

/// wrap(the stepped head): a head over it, or itself.
template <class Head, class Process, class Wrap = std::identity>
void check_at_s(const Head& head, const Process& process, const array<token, 2>& x_t, index_t S, const Wrap& wrap = {}) {
  using kernel = typename Process::template kernel<double>;
  const std::vector<kernel> kernels{process.between(0.3, 0.6), process.between(0.0, 1.0)};
  const auto to_s = wrap(stepped<Head, kernel>{head, {kernels.data(), 2}});
  laws::site<double, std::remove_const_t<decltype(to_s)>> at(to_s, x_t, 3, S, 2);
  const laws::tested one = laws::on(1);
  const view<const double, 3> T = at.teacher;
  laws::check_objective(at, true, one, consistency<double>{{at.targets, {at.weights}}, {T}},
                        correlation<double>{at.targets, {{}, 0.3}}, joint_negative_log_likelihood<double>{at.targets},
                        distillation_bound<double>{T});
  laws::check_values(at, one, 1e-13);
  laws::check_marginalisation(at, one, 1e-13);
}

}  // namespace

TEST_CASE("laws: objectives at s over absorbing") {
  array<token, 2> x_t(2, 3);  // (B, D)
  x_t.fill(3);
  x_t(0, 1) = 2;
  check_at_s(subs{3}, forward_process(absorbing<4>{}, log_linear{}), x_t, 4);
}

TEST_CASE("laws: objectives at s over uniform") {
  array<token, 2> x_t(2, 2);  // (B, D)
  x_t(0, 1) = 2;
  x_t(1, 0) = 1;
  check_at_s(softmax{}, forward_process(uniform<3>{}, log_linear{}), x_t, 3);
}

TEST_CASE("laws: objectives at s over tables, whose gradients read outputs that they replace") {
  array<token, 2> x_t(2, 2);  // (B, D)
  x_t(0, 1) = 2;
  x_t(1, 0) = 1;
  const forward_process process(birth_death<4>{}, linear{0, 4});
  check_at_s(softmax{}, process, x_t, 4);
  const auto levels = mixed([](index_t) { return 0; }, birth_death<4>{}, uniform<4>{});
  check_at_s(softmax{}, forward_process(levels, linear{0, 4}), x_t, 4);
  // through a head over them
  check_at_s(softmax{}, process, x_t, 4, [](const auto& to_s) { return tempered{to_s, 0.7, 4}; });
}
