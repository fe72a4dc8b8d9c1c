// Rounds of distillation: a second round of Di4C, whose teacher is a mixture, keeps what the mixture correlates; the gradient of its
// step is that of its loss.
#include <dimix/dimix.hpp>

#include "laws/backends.hpp"
#include "laws/support.hpp"

namespace {

using namespace dimix;

constexpr index_t D = 2, S = 3;  // two states and the mask
using space = absorbing<S>;
using process_type = forward_process<space, log_linear>;

/// The number of x_t among the S^D.
index_t pattern(view<const token, 1> x) { return static_cast<index_t>(x[0]) * S + static_cast<index_t>(x[1]); }

/// Logits (S^D, M, D, S) for every x_t, the same at all times.
struct mixture_table {
  index_t components;
  array<double, 4> logits, slopes;  // (S^D, M, D, S)
  std::vector<index_t> used{};      // the block of every row of the last forward

  explicit mixture_table(index_t M, std::uint64_t seed = 1) : components(M), logits(S * S, M, D, S), slopes(S * S, M, D, S) {
    laws::fill_noise(logits, seed, 0.5);
  }
  categorical_latent latent() const { return {components}; }
  index_t outputs() const { return S; }
  void operator()(const request<double>& asked, view<double, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t m = 0; m < asked.components(); ++m)
        std::copy_n(logits.whole().row(pattern(asked.tokens.row(b)), static_cast<index_t>(asked.latents(b, m, 0)), 0).data(),
                    D * S, raw.row(b, m, 0).data());
  }
  void forward(const request<double>& asked, view<double, 4> raw) {
    used.clear();
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t m = 0; m < asked.components(); ++m)
        used.push_back(pattern(asked.tokens.row(b)) * components + static_cast<index_t>(asked.latents(b, m, 0)));
    (*this)(asked, raw);
  }
  void backward(view<const double, 4> gradient) {
    for (index_t i = 0; i < gradient.size(); ++i)
      slopes.data()[used[static_cast<std::size_t>(i / (D * S))] * D * S + i % (D * S)] += gradient.data()[i];
  }

  /// P(x_0 | x_t = both masked) by enumeration over λ: (S - 1, S - 1)
  array<double, 2> law() const {
    array<double, 2> total(S - 1, S - 1);
    const index_t hidden = S * S - 1;
    for (index_t m = 0; m < components; ++m) {
      const auto p = [&](index_t d, index_t s) {
        return 1 / (1 + std::exp(logits(hidden, m, d, 1 - s) - logits(hidden, m, d, s)));
      };
      for (index_t a = 0; a < 2; ++a)
        for (index_t b = 0; b < 2; ++b) total(a, b) += p(0, a) * p(1, b) / static_cast<double>(components);
    }
    return total;
  }
};

double total_variation_of(const array<double, 2>& p, const array<double, 2>& q) {
  double total = 0;
  for (index_t i = 0; i < p.size(); ++i) total += std::abs(p.data()[i] - q.data()[i]) / 2;
  return total;
}

/// A student of a first round, exact for (.45, .05, .05, .45): component 0 prefers state 0 at both positions, component 1 state 1;
/// where one position is known the other agrees with chance .9.
mixture_table exact_mixture() {
  mixture_table net(2);
  const double likely = (1 + std::sqrt(0.8)) / 2;  // p^2 + (1 - p)^2 = .9
  for (index_t x = 0; x < S * S; ++x)
    for (index_t m = 0; m < 2; ++m)
      for (index_t d = 0; d < D; ++d) {
        const index_t other = d == 0 ? x % S : x / S;
        const index_t preferred = other == S - 1 ? m : other;
        const double p = other == S - 1 ? likely : 0.9;
        for (index_t s = 0; s < S; ++s) net.logits(x, m, d, s) = std::log(s == preferred ? p : 1 - p);
      }
  return net;
}

/// A second round from a random student of M components.
template <class Teacher>
mixture_table second_round(const Teacher& teacher, index_t M, const distiller_options& options, int iterations) {
  const process_type process;
  mixture_table student(M, 5);
  const token pairs[] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0};  // enough of cor2 to corrupt
  auto distil = make_distiller<double>(process, teacher, student, detached{}, options, laws::on(1));
  array<double, 4> first(S * S, M, D, S), second(S * S, M, D, S);  // (S^D, M, D, S)  moments of Adam
  for (int i = 1; i <= iterations; ++i) {
    student.slopes.fill(0);
    const auto losses = distil.step({pairs, 12, D}, static_cast<std::uint64_t>(i) * 12);
    REQUIRE(std::isfinite(losses.total));
    const double rate = 0.05 * (1 - i / (iterations + 1.0));
    for (index_t j = 0; j < student.logits.size(); ++j) {
      const double g = student.slopes.data()[j];
      double &m = first.data()[j], &v = second.data()[j];
      m += 0.1 * (g - m), v += 0.01 * (g * g - v);
      student.logits.data()[j] -= rate * (m / (1 - std::pow(0.9, i))) / (std::sqrt(v / (1 - std::pow(0.99, i))) + 1e-8);
    }
  }
  return student;
}

}  // namespace

TEST_CASE("the table of the first round is the law it stands for") {
  array<double, 2> wanted(2, 2);
  wanted(0, 0) = wanted(1, 1) = 0.45, wanted(0, 1) = wanted(1, 0) = 0.05;
  CHECK(total_variation_of(exact_mixture().law(), wanted) < 1e-14);
}

TEST_CASE("a second round: the step's gradient is that of its loss, and goes to the student alone") {
  const process_type process;
  const mixture_table teacher = exact_mixture();
  for (bool control_variates : {true, false})
    for (index_t targets : {0, 5}) {
      CAPTURE(control_variates);
      const mixture_table fixed(3, 8);  // at u: constant
      mixture_table student(3);
      const distiller_options options{.components = 3,
                                      .targets = targets,
                                      .control_variates = control_variates,
                                      .distillation_rows = 2,
                                      .distillation_time = 0.9,
                                      .seed = 3};
      auto distil = make_distiller<double>(process, teacher, student, ema<mixture_table>{fixed}, options, laws::on(1));
      const token data[] = {0, 0, 1, 1, 0, 1};
      const distiller_losses losses = distil.step({data, 3, D}, 40);
      CHECK(std::isfinite(losses.total));
      const array<double, 4> slopes = student.slopes;
      double largest = 0;
      for (index_t i = 0; i < slopes.size(); ++i) {
        double& z = student.logits.data()[i];
        const double kept = z, h = 1e-5;
        z = kept + h;
        const double above = distil.step({data, 3, D}, 40).total;
        z = kept - h;
        const double below = distil.step({data, 3, D}, 40).total;
        z = kept;
        CHECK(slopes.data()[i] == doctest::Approx((above - below) / (2 * h)).epsilon(1e-5).scale(0.01));
        largest = std::max(largest, std::abs(slopes.data()[i]));
      }
      CHECK(largest > 1e-3);
      CHECK(teacher.slopes == array<double, 4>(S * S, 2, D, S));
    }
}

TEST_CASE("a second round at small times keeps the mixture's correlation") {
  // the site of distillation alone; each component against the mean rows would end in the product law, .4 away
  const mixture_table teacher = exact_mixture();
  for (bool control_variates : {true, false}) {
    CAPTURE(control_variates);
    const mixture_table student = second_round(teacher, 2,
                                               {.components = 2,
                                                .targets = 8,
                                                .control_variates = control_variates,
                                                .consistency_weight = 0,
                                                .datapoint_weight = 0,
                                                .marginal_weight = 0,
                                                .distillation_rows = 4,
                                                .distillation_time = 0.5},
                                               1500);
    const array<double, 2> law = student.law();
    CAPTURE(total_variation_of(law, teacher.law()));
    CHECK(total_variation_of(law, teacher.law()) < 0.03);
    CHECK(law(0, 0) * law(1, 1) - law(0, 1) * law(1, 0) > 0.15);  // .2 of the teacher, 0 of a product
  }
}

TEST_CASE("a second round: the student's one-step law comes near the mixture's") {
  const mixture_table teacher = exact_mixture();
  const mixture_table student = second_round(
      teacher, 2, {.components = 2, .targets = 8, .datapoint_weight = 0, .distillation_rows = 1, .distillation_time = 0.5},
      1500);
  const array<double, 2> law = student.law();
  CAPTURE(total_variation_of(law, teacher.law()));
  CHECK(total_variation_of(law, teacher.law()) < 0.03);
}
