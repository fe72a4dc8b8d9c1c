// Rows and draws of samplers on the device, with one thread as the group: steps that jump, reshaped heads, remasking, scores of reveals.
#include <dimix/guidance/logits.hpp>
#include <dimix/head/reshaped.hpp>
#include <dimix/sampler/remasking.hpp>
#include <dimix/sampler/reveal.hpp>
#include <dimix/sampler/tau_leaping.hpp>

#include "cuda/on_device.cuh"

using namespace dimix;
using namespace on_device;

namespace {

/// The row of a step that jumps at most once from x_t = i mod S.
template <class Kernel, class Head>
struct jump_body {
  Kernel kernel;
  Head head;
  one_jump_step method;
  view<const float, 1> raw;  // (outputs)
  view<float, 2> out;        // (S, S)

  DIMIX_HD void operator()(index_t i) const {
    const place at{0, 0, static_cast<token>(i)};
    const auto law = method.row(kernel, at, make_row<float>(serial_group{}, head, raw, at));
    for (index_t a = 0; a < out.extent(1); ++a) {
      using std::exp;
      out(i, a) = exp(law.log_prob(a));
    }
  }
};

/// A number of jumps with mean 1.01^i / 1000, and where tau-leaping lands item i.
template <class Kernel, class Head>
struct leap_body {
  Kernel kernel;
  Head head;
  step_noise noise;
  view<const float, 1> raw;  // (outputs)
  rng random;
  view<token, 2> out;  // (n, 2)

  DIMIX_HD void operator()(index_t i) const {
    using std::exp;
    const index_t S = kernel.space.max_states();
    const auto item = static_cast<std::uint64_t>(i);
    const place at{0, 0, static_cast<token>(i % S)};
    const auto row = make_row<float>(serial_group{}, head, raw, at);
    out(i, 0) = static_cast<token>(
        draw_poisson(1e-3 * exp(0.01 * static_cast<double>(i % 1400)), random(purpose::jump, item, 1, 0, 0).first()));
    out(i, 1) = summed_jumps_step{noise}.draw(
        kernel, at, S, [&] { return row; }, [&](purpose what, index_t draw = 0) { return random(what, item, 0, draw, 0); });
  }
};

/// Masked position i: a reshaped row, the row of a remasking step from it, and the scores of every ordering of its best state.
template <class Kernel, class Head>
struct reveal_body {
  Kernel kernel;
  Head head;
  view<const float, 2> raw;  // (n, S)
  remasking<remask_switch<remask_rescale>> method;
  noisy_order<random_order, linear_decay> noisy;
  rng random;
  view<float, 2> out;  // (n, 2 S + 5)

  DIMIX_HD void operator()(index_t i) const {
    using std::exp;
    const index_t S = raw.extent(1);
    const place at{0, 0, kernel.space.mask()};
    const auto row = make_row<float>(serial_group{}, head, raw[i], at);
    const auto next = method.row(kernel, at, row);
    for (index_t s = 0; s < S; ++s) out(i, s) = exp(row.log_prob(s)), out(i, S + s) = exp(next.log_prob(s));
    const random_block bits = random(purpose::order, static_cast<std::uint64_t>(i), 0, 0, 0);
    const token best = most_probable{}.propose(row, S, bits);
    const auto score = [&](const auto& order) { return static_cast<float>(order.score(row, S, best, bits, 0.25)); };
    out(i, 2 * S) = score(confidence_order{});
    out(i, 2 * S + 1) = score(margin_order{});
    out(i, 2 * S + 2) = score(entropy_order{});
    out(i, 2 * S + 3) = score(noisy);
    out(i, 2 * S + 4) = guided_logit(1.5f, raw(i, 0), raw(i, 1));
  }
};

}  // namespace

TEST_CASE("cuda: rows and draws of samplers that jump") {
  SKIP_WITHOUT_DEVICE();
  const auto check = [](const auto& process, const auto& head) {
    const index_t S = process.max_states(), n = 20000;
    shared_memory<float> raw(S), out(S * S);
    shared_memory<token> drawn(2 * n);
    fill(raw, 3, 1);
    const step_noise noise = noise_between(process, 0.3, 0.7, jump_clock::noise);
    for_the_device(process.template between<float>(0.3, 0.7), [&](const auto& kernel) {
      using Kernel = std::decay_t<decltype(kernel)>;
      using Head = std::decay_t<decltype(head)>;
      for (jump_form form : {jump_form::exponential, jump_form::linear, jump_form::single})
        check_close(on_both(out, jump_body<Kernel, Head>{kernel, head, {noise, form}, {raw.data(), S}, {out.data(), S, S}}, S),
                    1e-5);
      const auto [device, host] =
          on_both(drawn, leap_body<Kernel, Head>{kernel, head, noise, {raw.data(), S}, rng{9}, {drawn.data(), n, 2}}, n);
      check_tokens(device, host, 2);  // of 40,000
    });
  };
  check(forward_process(birth_death<9>{}, linear{0, 4}), softmax{});
  check(forward_process(absorbing<18>{}, log_linear{}), subs{17});
  check(forward_process(uniform<17>{}, cosine{}), softmax{});
}

TEST_CASE("cuda: reshaped rows, remasking and the scores of reveals") {
  SKIP_WITHOUT_DEVICE();
  const forward_process process(absorbing<17>{}, log_linear{});
  const index_t n = 200, S = 17;
  shared_memory<float> raw(n * S), out(n * (2 * S + 5));
  fill(raw, 5, 3);
  const auto kernel = process.between<float>(0.3, 0.7);
  const remasking method{remask_between(process, 0.8, 0.2, remask_rescale(0.5))};
  const auto check = [&](const auto& head) {
    const reveal_body<std::decay_t<decltype(kernel)>, std::decay_t<decltype(head)>> body{
        kernel, head, {raw.data(), n, S}, method, {random_order{}, linear_decay(2)}, rng{3}, {out.data(), n, 2 * S + 5}};
    check_close(on_both(out, body, n), 2e-5);
  };
  check(tempered{subs{16}, 0.7, S});
  check(top_k{subs{16}, 4, S});
  check(nucleus{tempered{subs{16}, 1.3, S}, 0.8, S});
}
