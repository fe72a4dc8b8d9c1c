// The umbrella compiles with nvcc, and the verbs of the CPU run in a .cu file as ever.
#include <dimix/dimix.hpp>

#include <doctest/doctest.h>

using namespace dimix;

namespace {

/// Nearly certain of state 2.
struct certain {
  index_t outputs() const { return 4; }
  uniform_latent latent() const { return {}; }
  void operator()(const request<float>&, view<float, 4> raw) const {
    for (index_t i = 0; i < raw.size(); ++i) raw.data()[i] = i % 4 == 2 ? 0.0f : -80.0f;
  }
};

const int kind_of[] = {0, 1, 2, 3, 0};

}  // namespace

TEST_CASE("cuda: sampling on the host from a .cu file") {
  const forward_process<absorbing<4>, log_linear> masked;
  const forward_process<uniform<4>, log_linear> noisy;
  const sample_options options{.batch = 3, .dims = 5, .steps = 2};
  for (token s : sample(masked, certain{}, options)) CHECK(s == 2);  // (B, D)
  for (token s : sample(noisy, certain{}, options)) CHECK(s == 2);
  for (token s : sample<float, analytic>(masked, certain{}, {.batch = 3, .dims = 5, .steps = 2, .argmax_tail = true}))
    CHECK(s == 2);
}

TEST_CASE("cuda: sampling positions of several kinds on the host from a .cu file") {
  const mixed kinds(listed_kinds(view<const int, 1>(kind_of, 5)), absorbing<4>{}, uniform<3>{}, birth_death<3>{},
                    mask_and_replace<4>{0.5});
  const forward_process process(kinds, log_linear{});
  for (token s : sample(process, certain{}, {.batch = 3, .dims = 5, .steps = 2})) CHECK(s == 2);  // (B, D)
  for (token s : sample<float, analytic>(process, certain{}, {.batch = 3, .dims = 5, .steps = 2})) CHECK(s == 2);
}

TEST_CASE("cuda: losses on the host from a .cu file") {
  const cpu run_on(2);
  const index_t B = 2, M = 3, D = 4, S = 4;
  array<token, 2> x_0(B, D), x_t(B, D);  // (B, D)
  array<std::uint64_t, 1> items(B);      // (B)
  array<double, 1> t(B);                 // (B)
  t.fill(1);
  const forward_process<absorbing<4>, log_linear> process;
  corrupt(process, x_0, t, rng{1}, items, x_t.whole(), run_on);
  array<float, 4> raw(B, M, D, S), gradient(B, M, D, S);  // (B, M, D, S)
  array<float, 3> teacher(B, D, S);                       // (B, D, S)
  for (index_t i = 0; i < teacher.size(); ++i) teacher.data()[i] = i % S == 3 ? 0.0f : 1.0f / 3;
  array<token, 3> targets(B, M, D);  // (B, M, D)
  const view<const float, 4> given = raw;
  draw_tokens(subs{3}, x_t, given, S, rng{2}, purpose::target, items, 0, targets.whole(), run_on);
  auto loss = make_objective<float>(subs{3}, x_t, M, S, {}, distillation_bound<float>{teacher},
                                    consistency<float>{{targets}, {teacher}}, joint_negative_log_likelihood<float>{targets});
  CHECK(value_and_gradient(loss, given, gradient.whole(), run_on) == doctest::Approx(D * std::log(3.0)).epsilon(1e-5));
  auto careful = make_objective<float>(subs{3}, x_t, M, S, {}, jackknife_negative_log_likelihood<float>{targets},
                                       squared_error<float>{teacher}, cross_entropy<float>{{x_0}});
  CHECK(value(careful, given, run_on) == doctest::Approx(D * 2 * std::log(3.0)).epsilon(1e-5));  // the rows are the teacher's
  array<float, 4> one(B, 1, D, S);  // (B, 1, D, S)
  CHECK(nelbo<float>(process, subs{3}, x_0, x_t, t, one, run_on).size() == B);
  t.fill(0.5);
  array<token, 2> x_tilde(B, D);  // (B, D)
  draw_jump(process, x_t, rng{1}, items, x_tilde.whole(), run_on);
  CHECK(ct_elbo<float>(process, subs{3}, x_0, t, {x_t, one}, {x_tilde, one}, run_on).signal.size() == B);
  CHECK(score_entropy<float>(process, x_0, x_t, t, one, run_on).size() == B);
}
