// What a user can bring, in one program: a state space, a schedule, a law of λ and a loss term. Two dice always agree; a mixture student is
// distilled from the exact teacher and throws both dice in one call.
#include <dimix/dimix.hpp>
#include <dimix/nn/adamw.hpp>
#include <dimix/nn/mlp_denoiser.hpp>

#include <cmath>
#include <cstdio>

using dimix::token;

struct loaded_dice {  // noise throws a die that likes the six
  DIMIX_HD dimix::index_t states(dimix::index_t) const { return 6; }
  DIMIX_HD dimix::index_t max_states() const { return 6; }
  DIMIX_HD double prior(dimix::index_t, token s) const { return s == 5 ? 0.25 : 0.15; }
};

struct quadratic {  // alpha(t) = 1 - t^2: noise comes late
  template <class Real>
  DIMIX_HD Real alpha(Real t) const {
    return Real(1) - t * t;
  }
  template <class Real>
  DIMIX_HD Real alpha_prime(Real t) const {
    return Real(-2) * t;
  }
};

struct early_components {  // twelve components, the early ones more often
  dimix::index_t dims() const { return 1; }
  dimix::index_t components() const { return 12; }
  double quantile(dimix::index_t, double u) const { return std::floor(12 * std::pow(u, 1.2)); }
};

struct unsure {  // -0.01 sum_d entropy of the marginal: keeps every face possible
  static constexpr bool uses_components = false, uses_marginals = true, uses_joint = false;
  DIMIX_HD float weight(dimix::index_t) const { return 0.01f; }
  DIMIX_HD dimix::slope_of<float> marginal(dimix::index_t, dimix::index_t, dimix::index_t, float log_p) const {
    const float p = std::exp(log_p);
    return {p * log_p, p * (log_p + 1)};
  }
  void check(dimix::index_t, dimix::index_t, dimix::index_t, dimix::index_t) const {}
};

int main() {
  const dimix::cpu run_on;
  const dimix::forward_process<loaded_dice, quadratic> process;
  dimix::array<token, 2> agreeing(6, 2);  // (6, D)
  dimix::array<double, 1> likely(6);      // (6)
  for (dimix::index_t face = 0; face < 6; ++face)
    agreeing(face, 0) = agreeing(face, 1) = static_cast<token>(face), likely(face) = 1.0 / 6;
  const dimix::tabular teacher(process, agreeing, likely);

  dimix::nn::mlp_denoiser<float, early_components> student(
      {.dims = 2, .states = 6, .encoding = dimix::nn::token_encoding::one_hot, .width = 64, .blocks = 1, .seed = 3}, {},
      run_on);
  dimix::nn::adamw<float> optimiser(student.weights(), {.clip = 1}, run_on);
  auto distil = dimix::make_distiller<float>(process, teacher, student, dimix::detached{},
                                             {.components = 12, .datapoint_weight = 1, .seed = 4}, run_on, unsure{});
  dimix::array<token, 2> x_0(32, 2);  // (B, D)
  for (dimix::index_t step = 0; step < 400; ++step) {
    for (dimix::index_t b = 0; b < 32; ++b) x_0(b, 0) = x_0(b, 1) = static_cast<token>((step * 32 + b) % 6);
    const auto losses = distil.step(x_0, static_cast<std::uint64_t>(step) * 32);
    optimiser.step(student.weights(), 2e-3);
    if (step % 100 == 0) std::printf("step %3td: loss %.3f\n", step, losses.total);
  }

  const auto agreement = [&](const auto& net) {
    const auto x = dimix::sample(process, net, {.batch = 4000, .dims = 2, .steps = 1, .seed = 5}, run_on);  // (4000, 2)
    double equal = 0;
    for (dimix::index_t b = 0; b < 4000; ++b) equal += x(b, 0) == x(b, 1);
    return equal / 4000;
  };
  std::printf("both dice agree after one call: teacher %.3f, student %.3f\n", agreement(teacher), agreement(student));
  return agreement(student) > 0.8 ? 0 : 1;
}
