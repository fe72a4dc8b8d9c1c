// Defects of losses and likelihoods in other systems, each as a test that ours passes and that tells the defective formula apart.
#include <dimix/head/subs.hpp>
#include <dimix/marginal.hpp>
#include <dimix/objective/nelbo.hpp>

#include <sys/mman.h>

#include "laws/support.hpp"

using namespace dimix;

namespace {

/// Raw outputs (B, M, D, S) of a masked model with the mask last, x_t (B, D) with some of it shown, and data (B, D).
struct masked_case {
  index_t B, M, D, S;
  array<double, 4> raw;      // (B, M, D, S)
  array<token, 2> x_t, x_0;  // (B, D)
  masked_case(index_t items, index_t components, index_t dims, index_t states)
      : B(items), M(components), D(dims), S(states), raw(B, M, D, S), x_t(B, D), x_0(B, D) {
    laws::fill_noise(raw, 9, 2.0);
    for (index_t i = 0; i < x_0.size(); ++i) {
      x_0.data()[i] = static_cast<token>(static_cast<double>(S - 1) * laws::uniform_number(10, i));
      x_t.data()[i] = laws::uniform_number(11, i) < 0.6 ? static_cast<token>(S - 1) : x_0.data()[i];
    }
  }
  subs head() const { return {static_cast<token>(S - 1)}; }
  view<const token, 3> targets() const { return {x_0.data(), B, 1, D}; }
  double log_p(index_t b, index_t m) const {  // of the masked positions, over states that are not the mask
    double sum = 0;
    for (index_t d = 0; d < D; ++d) {
      if (x_t(b, d) != S - 1) continue;
      exp_sum<double> total;
      for (index_t s = 0; s < S - 1; ++s) total = merge(total, exp_sum<double>::of(raw(b, m, d, s)));
      sum += raw(b, m, d, x_0(b, d)) - total.log();
    }
    return sum;
  }
};

}  // namespace

// di4c, maskgit tree: the mask is a class among the others (S = 1025), and positions that already show enter the loss.
TEST_CASE("conformance: the mask has no probability, and what shows costs nothing") {
  masked_case given(3, 1, 6, 5);
  const auto seen = [&] { return log_likelihood<double>(given.head(), given.x_t, given.raw, given.targets(), 5, cpu{}); };
  const array<double, 2> before = seen();
  for (index_t b = 0; b < 3; ++b) CHECK(before(b, 0) == doctest::Approx(given.log_p(b, 0)));
  for (index_t b = 0; b < 3; ++b)
    for (index_t d = 0; d < 6; ++d) {
      given.raw(b, 0, d, 4) = 50;  // the mask's logit
      for (index_t s = 0; s < 5; ++s)
        if (given.x_t(b, d) != 4) given.raw(b, 0, d, s) -= 3 * static_cast<double>(s);
    }
  CHECK(seen() == before);
  // with the mask among the classes the same logits make the data impossible
  const array<double, 2> with_mask = log_likelihood<double>(softmax{}, given.x_t, given.raw, given.targets(), 5, cpu{});
  for (index_t b = 0; b < 3; ++b) CHECK(with_mask(b, 0) < before(b, 0) - 40);

  // nor does it reach the gradient of the bound
  const forward_process process(absorbing<5>{}, log_linear{0});
  array<double, 1> t(3);               // (3)
  array<double, 4> slope(3, 1, 6, 5);  // (3, 1, 6, 5)
  t.fill(0.6);
  nelbo<double>(process, given.head(), given.x_0, given.x_t, t, given.raw, cpu{}, slope.whole());
  double masked = 0;
  for (index_t b = 0; b < 3; ++b)
    for (index_t d = 0; d < 6; ++d)
      for (index_t s = 0; s < 5; ++s) {
        if (s == 4 || given.x_t(b, d) != 4) CHECK(slope(b, 0, d, s) == 0);
        masked += std::abs(slope(b, 0, d, s));
      }
  CHECK(masked > 0);
}

// Energy-Diffusion-LLM #3: importance weights with the sign turned round, and no leave-one-out for log Z.
TEST_CASE("conformance: components are weighed by their likelihood, not by its inverse, and one can be left out") {
  const masked_case given(2, 7, 4, 5);
  const auto gamma = responsibilities<double>(given.head(), given.x_t, given.raw, given.targets(), 5, cpu{});  // (2, 7, 1)
  const auto plain_of = log_likelihood<double>(given.head(), given.x_t, given.raw, given.targets(), 5, cpu{});
  const auto jackknife_of = log_likelihood<double, jackknife>(given.head(), given.x_t, given.raw, given.targets(), 5, cpu{});
  for (index_t b = 0; b < 2; ++b) {
    exp_sum<double> all, turned;
    for (index_t m = 0; m < 7; ++m)
      all = merge(all, exp_sum<double>::of(given.log_p(b, m))), turned = merge(turned, exp_sum<double>::of(-given.log_p(b, m)));
    double left_out = 0, apart = 0;
    for (index_t m = 0; m < 7; ++m) {
      CHECK(gamma(b, m, 0) == doctest::Approx(std::exp(given.log_p(b, m) - all.log())));
      apart = std::max(apart, std::abs(gamma(b, m, 0) - std::exp(-given.log_p(b, m) - turned.log())));
      exp_sum<double> others;
      for (index_t j = 0; j < 7; ++j)
        if (j != m) others = merge(others, exp_sum<double>::of(given.log_p(b, j)));
      left_out += (others.log() - std::log(6.0)) / 7;
    }
    CHECK(apart > 0.1);
    CHECK(plain_of(b, 0) == doctest::Approx(all.log() - std::log(7.0)));
    CHECK(jackknife_of(b, 0) == doctest::Approx(7 * plain_of(b, 0) - 6 * left_out));
    CHECK(jackknife_of(b, 0) > plain_of(b, 0));
  }
}

// di4c, tauldr tree: B M is held at 128 by dropping data.
TEST_CASE("conformance: no item is dropped however many components there are") {
  const masked_case given(3, 200, 3, 4);
  const auto together = log_likelihood<double>(given.head(), given.x_t, given.raw, given.targets(), 4, cpu{});
  marginalisation<double, subs> over(given.head(), given.x_t, 200, 4, {.targets = given.targets(), .marginals = false});
  for (index_t first = 0; first < 200; first += 32) {  // the same in chunks of components
    const index_t count = std::min<index_t>(32, 200 - first);
    array<double, 4> chunk(3, count, 3, 4);  // (3, count, 3, 4)
    for (index_t b = 0; b < 3; ++b) std::copy_n(&given.raw(b, first, 0, 0), count * 12, &chunk(b, 0, 0, 0));
    over.observe(view<const double, 4>(chunk), first, cpu{});
  }
  over.close(cpu{});
  for (index_t b = 0; b < 3; ++b) {
    exp_sum<double> all;
    for (index_t m = 0; m < 200; ++m) all = merge(all, exp_sum<double>::of(given.log_p(b, m)));
    CHECK(together(b, 0) == doctest::Approx(all.log() - std::log(200.0)));
    CHECK(over.log_likelihood()(b, 0) == doctest::Approx(together(b, 0)));
  }
}

// A float sum over a long sequence, as every system with float log-probabilities has: off by more than responsibilities bear.
TEST_CASE("conformance: float log-likelihoods of thousands of positions are summed in double") {
  const index_t D = 20000;
  array<float, 4> raw(1, 1, D, 3);  // (1, 1, D, 3)
  array<token, 2> x_t(1, D);        // (1, D)
  array<token, 3> target(1, 1, D);  // (1, 1, D)
  x_t.fill(2);
  double exact = 0;
  float running = 0;
  for (index_t d = 0; d < D; ++d) {
    raw(0, 0, d, 0) = static_cast<float>(4 * laws::uniform_number(12, d));
    const double log_p = static_cast<double>(raw(0, 0, d, 0)) - std::log1p(std::exp(static_cast<double>(raw(0, 0, d, 0))));
    exact += log_p, running += static_cast<float>(log_p);
  }
  CHECK(std::abs(static_cast<double>(running) - exact) > 5e-3);
  marginalisation<float, subs> over(subs{2}, x_t, 1, 3, {.targets = view<const token, 3>(target), .marginals = false});
  over.observe(view<const float, 4>(raw), 0, cpu{});
  CHECK(std::abs(over.component_log_likelihood()(0, 0, 0) - exact) < 1e-3);
}

// llama.cpp examples/diffusion: an int32 product of vocabulary and length overflows at 262144 x 8192.
TEST_CASE("conformance: places in an array of logits do not overflow 32 bits") {
  const index_t V = 262144, length = 8192;
  CHECK(static_cast<std::int32_t>(static_cast<std::uint32_t>(V) * static_cast<std::uint32_t>(length)) < 0);

  const std::size_t bytes = static_cast<std::size_t>(V * length);
  void* const reserved = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  REQUIRE(reserved != MAP_FAILED);
  const view<const char, 4> logits(static_cast<const char*>(reserved), 1, 1, length, V);
  CHECK(logits.size() == 2147483648);
  CHECK(logits.row(0, 0, length - 1).data() - logits.data() == V * (length - 1));
  CHECK(&logits(0, 0, length - 1, V - 1) - logits.data() == 2147483647);
  munmap(reserved, bytes);
}
