// What noise makes of a law, and what a product step loses of it: the theory of few steps as laws over random joints.
#include <dimix/dimix.hpp>

#include "laws/support.hpp"

using namespace dimix;
using exact::joint_law;

namespace {

/// A random joint law of D positions with V values each, as a table and over the sequences of a space.
struct random_joint {
  array<token, 2> sequences;  // (V^D, D)
  array<double, 1> law;       // (V^D)

  random_joint(index_t D, index_t V, std::uint64_t seed) {
    const exact::joint_states all(std::vector<index_t>(static_cast<std::size_t>(D), V));
    sequences.resize(all.size(), D);
    law.resize(all.size());
    double total = 0;
    for (index_t i = 0; i < all.size(); ++i) {
      all.tokens(i, sequences.whole().row(i));
      total += law(i) = std::pow(-std::log(laws::uniform_number(seed, i)), 3);  // uneven
    }
    for (double& p : law) p /= total;
  }
  template <class Space>
  joint_law over(const Space& space) const {
    return exact::law_of(exact::joint_states::of(space, sequences.extent(1)), sequences, law);
  }
};

template <class Process>
double path_error(const Process& process, const random_joint& joint, const time_grid& grid) {
  const tabular<Process> net(process, joint.sequences, joint.law);
  sampler<double, Process, tabular<Process>> steps(process, net, {}, {}, cpu{1});
  return exact::total_variation(exact::law_after(steps, joint.sequences.extent(1), grid), joint.over(process.space()));
}

/// sum_k (alpha_{k-1} - alpha_k)^2
template <class Schedule>
double squared_steps(const Schedule& schedule, const time_grid& grid) {
  double sum = 0;
  for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
    const double shown = (grid[n + 1] == 0 ? 1.0 : alpha(schedule, grid[n + 1])) - alpha(schedule, grid[n]);
    sum += shown * shown;
  }
  return sum;
}

/// A product model of two bits: both are the first bit of x_t.
struct copies_first {
  index_t outputs() const { return 2; }
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t d = 0; d < 2; ++d)
        for (index_t s = 0; s < 2; ++s) raw(b, 0, d, s) = s == asked.tokens(b, 0) ? Real(0) : lowest_log<Real>();
  }
};

const time_grid grids[] = {uniform_grid(1), uniform_grid(3), power_grid(5, 2), {1, 0.9, 0.35, 0.3, 0}};

}  // namespace

TEST_CASE("exact: the marginals of the posterior are the rows of ancestral steps with the exact denoiser") {
  const auto check = [](const auto& process) {
    using process_type = std::decay_t<decltype(process)>;
    const random_joint joint(2, 2, 3);
    const tabular<process_type> net(process, joint.sequences, joint.law);
    sampler<double, process_type, tabular<process_type>> steps(process, net, {}, {}, cpu{1});
    const joint_law data = joint.over(process.space()), q_s = exact::noised_law(process, data, 0.3),
                    q_t = exact::noised_law(process, data, 0.8);
    const auto kernel = process.template between<double>(0.3, 0.8);
    joint_law back(data.states), forth(data.states);
    for (index_t i = 0; i < data.size(); ++i) {
      if (q_t[i] == 0) continue;
      array<token, 1> x_t(2);
      data.states.tokens(i, x_t);
      const joint_law posterior = exact::posterior_law(q_s, kernel, view<const token, 1>(x_t));
      back.add(q_t[i], posterior);
      const auto step = exact::transition(steps, view<const token, 1>(x_t), {0.3, 0.8});
      CHECK(exact::total_variation(exact::product_of_marginals(posterior), step) < 1e-12);
    }
    CHECK(exact::total_variation(back, q_s) < 1e-13);
    const joint_law onwards =
        exact::through_positions(q_s, [&](index_t d, token x, token y) { return kernel.transition(d, x, y); });
    CHECK(exact::total_variation(onwards, q_t) < 1e-13);
  };
  check(forward_process(absorbing<>{3}, log_linear{0}));
  check(forward_process(uniform<>{3}, log_linear{}));
  check(forward_process(birth_death<3>{}, exponential{}));
}

TEST_CASE("exact: the error of a path is at most the sum of its steps' gaps") {
  const auto check = [](const auto& process) {
    for (std::uint64_t seed : {1u, 2u, 3u})
      for (const time_grid& grid : grids) {
        const random_joint joint(2, 3, seed);
        const joint_law data = joint.over(process.space());
        double bound = 0, nats = 0;
        for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
          const auto gap = exact::factorization_gap(process, data, grid[n], grid[n + 1]);
          CHECK(gap.variation <= std::sqrt(gap.divergence / 2) + 1e-12);
          bound += gap.variation, nats += gap.divergence;
        }
        const double error = path_error(process, joint, grid);
        CHECK(error <= bound + 1e-12);
        CHECK(error <= std::sqrt(nats / 2) + 1e-12);
      }
  };
  check(forward_process(absorbing<>{4}, log_linear{0}));
  check(forward_process(uniform<>{3}, log_linear{0}));
}

// T1d: for D = 2 the error is TV(q_0, its product) times the sum of squared steps, so that it falls as 1/N and no faster
TEST_CASE("exact: two hidden positions, the error in closed form over random joints") {
  for (std::uint64_t seed : {1u, 2u, 3u, 4u, 5u}) {
    const random_joint joint(2, seed % 2 == 0 ? 2 : 4, seed);
    for (const time_grid& grid : grids) {
      const auto check = [&](const auto& schedule) {
        const forward_process process(absorbing<>{joint.law.size() == 4 ? 3 : 5}, schedule);
        const joint_law data = joint.over(process.space());
        const double alone = exact::total_variation(data, exact::product_of_marginals(data));
        const double error = path_error(process, joint, grid), n = static_cast<double>(grid.size()) - 1;
        CHECK(error == doctest::Approx(alone * squared_steps(schedule, grid)).epsilon(1e-11));
        CHECK(error >= alone / n - 1e-12);
      };
      check(log_linear{0});
      check(maskgit_cosine{});
    }
  }
}

// T1c: two positions that are revealed in one step
TEST_CASE("exact: hidden positions, the union bound over random joints") {
  for (std::uint64_t seed : {1u, 2u, 3u})
    for (const time_grid& grid : grids) {
      const index_t D = 3;
      const random_joint joint(D, 2, seed);
      const forward_process process(absorbing<>{3}, log_linear{0});
      const double together = squared_steps(log_linear{0}, grid);
      CHECK(path_error(process, joint, grid) <= static_cast<double>(D * (D - 1)) / 2 * together);
    }
}

// One step from all masks is one product of rows, and the best of them is off by sqrt 2 - 1. From a random prior it is a mixture of products, one
// for every x_1: x_1 is a λ that costs nothing.
TEST_CASE("exact: one step of a product model fails where noise only hides, and need not from a random prior") {
  random_joint agree(2, 2, 1);
  agree.law.fill(0);
  agree.law(0) = agree.law(3) = 0.5;
  CHECK(path_error(forward_process(absorbing<>{3}, log_linear{0}), agree, uniform_grid(1)) == doctest::Approx(0.5));
  const exact::joint_states states({2, 2});
  const joint_law data = exact::law_of(states, agree.sequences, agree.law);
  double best = 1;
  for (double p = 0; p <= 1; p += 1.0 / 256)
    for (double q = 0; q <= 1; q += 1.0 / 256) {
      array<double, 2> rows(2, 2);
      rows(0, 0) = p, rows(0, 1) = 1 - p, rows(1, 0) = q, rows(1, 1) = 1 - q;
      best = std::min(best, exact::total_variation(data, exact::product_law(states, rows)));
    }
  CHECK(best >= std::sqrt(2.0) - 1 - 1e-12);
  CHECK(best < std::sqrt(2.0) - 1 + 5e-3);

  const forward_process redraws(uniform<>{2}, log_linear{0});
  CHECK(path_error(redraws, agree, uniform_grid(1)) ==
        doctest::Approx(0.5));  // of the exact marginals, which x_1 does not change
  const copies_first net;
  sampler<double, std::remove_const_t<decltype(redraws)>, copies_first> steps(redraws, net, {}, {}, cpu{1});
  CHECK(exact::total_variation(exact::law_after(steps, 2, uniform_grid(1)), data) < 1e-15);
}
