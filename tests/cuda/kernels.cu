// The formulas of the library on the device: schedules, Philox blocks, rows of the reverse kernel, categorical draws. Each is a functor that
// also runs on the host, from the same source: integers must agree bit by bit, numbers within the rounding of the two math libraries.
#include <dimix/core/categorical.hpp>
#include <dimix/head.hpp>
#include <dimix/sampler/analytic.hpp>
#include <dimix/sampler/ancestral.hpp>

#include "cuda/on_device.cuh"

using namespace dimix;
using namespace on_device;

namespace {

struct alternating {
  DIMIX_HD int operator()(index_t d) const { return static_cast<int>(d % 2); }
};

/// alpha, total noise, rate and move chance of a schedule at time i / (n - 1).
template <class Schedule, class Real>
struct schedule_body {
  Schedule schedule;
  view<Real, 2> out;  // (n, 4)

  DIMIX_HD void operator()(index_t i) const {
    const Real t = static_cast<Real>(i) / static_cast<Real>(out.extent(0) - 1);
    out(i, 0) = alpha(schedule, t);
    out(i, 1) = total_noise(schedule, t);
    out(i, 2) = rate(schedule, t);
    out(i, 3) = move_chance(schedule, t);
  }
};

struct philox_body {
  rng random;
  view<std::uint32_t, 2> out;  // (n, 4)

  DIMIX_HD void operator()(index_t i) const {
    const random_block bits = random(purpose::denoise, static_cast<std::uint64_t>(i), i % 7, i % 3, 2 * i);
    for (index_t word = 0; word < 4; ++word) out(i, word) = bits.word[word];
  }
};

/// The row p(x_s | x_t = i mod S), ancestral and analytic, from a softmax or subs row.
template <class Kernel, class Head>
struct reverse_body {
  Kernel kernel;
  Head head;
  view<const float, 1> raw;  // (outputs)
  view<float, 3> out;        // (S, S, 2)

  DIMIX_HD void operator()(index_t i) const {
    const place at{0, 0, static_cast<token>(i)};
    const auto denoised = make_row<float>(serial_group{}, head, raw, at);
    const auto law = ancestral{}.row(kernel, at, denoised);
    const auto other = analytic{}.row(kernel, at, denoised);
    for (index_t a = 0; a < out.extent(1); ++a) {
      using std::exp;
      out(i, a, 0) = exp(law.log_prob(a));
      out(i, a, 1) = exp(other.log_prob(a));
    }
  }
};

/// x_s of item i: a draw of the ancestral method, of the row itself, of the prior, and of q(x_t | x_0).
template <class Kernel, class Head>
struct draw_body {
  Kernel kernel;
  Head head;
  view<const float, 1> raw;  // (outputs)
  rng random;
  view<token, 2> out;  // (n, 4)

  DIMIX_HD void operator()(index_t i) const {
    const index_t S = kernel.space.max_states();
    const place at{0, 0, static_cast<token>(S - 1)};
    const auto row = make_row<float>(serial_group{}, head, raw, at);
    const auto item = static_cast<std::uint64_t>(i);
    out(i, 0) = ancestral{}.draw(
        kernel, at, S, [&] { return row; }, [&](purpose what) { return random(what, item, 0, 0, 0); });
    out(i, 1) = draw_categorical(
        S, [&](index_t s) { return row.log_prob(s); }, random(purpose::denoise, item, 1, 0, 0));
    out(i, 2) = draw_prior(kernel.space, 0, random(purpose::initial, item, 0, 0, 0).first());
    out(i, 3) = kernel.corrupt(0, static_cast<token>(i % (S - 1)), random(purpose::corrupt, item, 0, 0, 0));
  }
};

}  // namespace

TEST_CASE("cuda: schedules") {
  SKIP_WITHOUT_DEVICE();
  const auto check = [](const auto& schedule, auto real, double tolerance) {
    using Real = decltype(real);
    const index_t n = 1001;
    shared_memory<Real> out(4 * n);
    check_close(on_both(out, schedule_body<std::decay_t<decltype(schedule)>, Real>{schedule, {out.data(), n, 4}}, n),
                tolerance);
  };
  const auto both = [&](const auto& schedule) {
    check(schedule, float{}, 2e-4);  // rates near alpha = 1e-3 carry a thousand roundings
    check(schedule, double{}, 1e-12);
  };
  both(log_linear{});
  both(cosine{});
  both(cosine_squared{});
  both(linear{});
  both(geometric{});
  both(exponential{0.2, 20});
  both(polynomial{2});
}

TEST_CASE("cuda: Philox draws the same bits") {
  SKIP_WITHOUT_DEVICE();
  const index_t n = 10000;
  shared_memory<std::uint32_t> out(4 * n);
  const auto [device, host] = on_both(out, philox_body{rng{0x123456789abcdef0u}, {out.data(), n, 4}}, n);
  CHECK(device == host);
}

TEST_CASE("cuda: rows of the reverse kernel") {
  SKIP_WITHOUT_DEVICE();
  const auto check = [](const auto& process, const auto& head) {
    const index_t S = process.max_states(), outputs = head.outputs(S);
    shared_memory<float> raw(outputs), out(S * S * 2);
    fill(raw, 3, 1);
    for_the_device(process.template between<float>(0.3, 0.7), [&](const auto& kernel) {
      check_close(on_both(out,
                          reverse_body<std::decay_t<decltype(kernel)>, std::decay_t<decltype(head)>>{
                              kernel, head, {raw.data(), outputs}, {out.data(), S, S, 2}},
                          S),
                  1e-5);
    });
  };
  check(forward_process(birth_death<9>{}, linear{0, 4}), softmax{});
  check(forward_process(birth_death<>{17}, linear{0, 4}), truncated_logistic{17});
  check(forward_process(absorbing<18>{}, log_linear{}), subs{17});
  check(forward_process(uniform<17>{}, cosine{}), softmax{});
  check(forward_process(uniform<>{200}, log_linear{}), softmax{});
  check(forward_process(mask_and_replace<9>{0.6}, log_linear{}), values_only{8});
  const mixed two_kinds(alternating{}, absorbing<18>{}, uniform<5>{});
  check(forward_process(two_kinds, log_linear{}), default_head(two_kinds));
}

TEST_CASE("cuda: draws differ from the host's only where rounding decides") {
  SKIP_WITHOUT_DEVICE();
  const auto check = [](const auto& process, const auto& head) {
    const index_t S = process.max_states(), outputs = head.outputs(S), n = 20000;
    shared_memory<float> raw(outputs);
    shared_memory<token> out(4 * n);
    fill(raw, 5, 3);
    for_the_device(process.template between<float>(0.3, 0.7), [&](const auto& kernel) {
      const auto [device, host] = on_both(out,
                                          draw_body<std::decay_t<decltype(kernel)>, std::decay_t<decltype(head)>>{
                                              kernel, head, {raw.data(), outputs}, rng{9}, {out.data(), n, 4}},
                                          n);
      check_tokens(device, host, 2);  // of 80,000; a boundary moves by about 1e-7
    });
  };
  check(forward_process(birth_death<9>{}, linear{0, 4}), softmax{});
  check(forward_process(absorbing<18>{}, log_linear{}), subs{17});
  check(forward_process(uniform<>{200}, log_linear{}), softmax{});
  check(forward_process(mask_and_replace<9>{0.6}, log_linear{}), values_only{8});
  const mixed two_kinds(alternating{}, absorbing<18>{}, uniform<5>{});
  check(forward_process(two_kinds, log_linear{}), default_head(two_kinds));
}
