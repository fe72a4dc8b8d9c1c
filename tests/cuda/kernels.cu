// The formulas of the library on the device: a schedule, a Philox block, a row of the reverse kernel, a categorical draw, and rows of
// the marginalisation and of an objective's gradient with one thread as the group. Each is a functor that also runs on the host, from
// the same source: integers must agree bit by bit, numbers within the rounding of the two math libraries.
#include <dimix/core/array.hpp>
#include <dimix/core/categorical.hpp>
#include <dimix/forward_process.hpp>
#include <dimix/guidance/logits.hpp>
#include <dimix/head.hpp>
#include <dimix/head/reshaped.hpp>
#include <dimix/head/stepped.hpp>
#include <dimix/marginal/rows.hpp>
#include <dimix/objective/ct_elbo.hpp>
#include <dimix/objective/gradient_row.hpp>
#include <dimix/objective/nelbo.hpp>
#include <dimix/objective/score_entropy.hpp>
#include <dimix/sampler/analytic.hpp>
#include <dimix/sampler/ancestral.hpp>
#include <dimix/sampler/remasking.hpp>
#include <dimix/sampler/reveal.hpp>
#include <dimix/sampler/tau_leaping.hpp>

#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

using namespace dimix;

namespace {

bool has_device() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

void must(cudaError_t status) { REQUIRE_MESSAGE(status == cudaSuccess, std::string(cudaGetErrorString(status))); }

template <class Body>
__global__ void each(Body body, index_t n) {
  const index_t i = static_cast<index_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < n) body(i);
}

/// Memory that both sides can write, so that one functor serves both.
template <class T>
class shared_memory {
 public:
  explicit shared_memory(index_t n) : size_(n) {
    must(cudaMallocManaged(&data_, static_cast<std::size_t>(n) * sizeof(T)));
    for (index_t i = 0; i < n; ++i) data_[i] = T{};
  }
  ~shared_memory() { cudaFree(data_); }
  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;
  T* data() const { return data_; }
  T& operator[](index_t i) const { return data_[i]; }
  index_t size() const { return size_; }
  std::vector<T> copy() const { return {data_, data_ + size_}; }

 private:
  T* data_ = nullptr;
  index_t size_;
};

/// Runs body(i) for i in [0, n) on the device, takes the result, and does the same on the host: {device, host}.
template <class T, class Body>
std::pair<std::vector<T>, std::vector<T>> on_both(const shared_memory<T>& out, const Body& body, index_t n) {
  each<<<static_cast<unsigned>((n + 127) / 128), 128>>>(body, n);
  must(cudaGetLastError());
  must(cudaDeviceSynchronize());
  std::vector<T> device = out.copy();
  for (index_t i = 0; i < out.size(); ++i) out[i] = T{};
  for (index_t i = 0; i < n; ++i) body(i);
  return {std::move(device), out.copy()};
}

template <class T>
void check_close(const std::pair<std::vector<T>, std::vector<T>>& results, double tolerance) {
  double worst = 0;
  bool written = false;
  for (std::size_t i = 0; i < results.first.size(); ++i) {
    const double a = static_cast<double>(results.first[i]), b = static_cast<double>(results.second[i]);
    written = written || b != 0;
    if (a == b) continue;  // infinities too
    const double error = std::abs(a - b) / (1 + std::abs(b));
    if (!(error <= worst)) worst = error;
  }
  CHECK(worst <= tolerance);
  CHECK(written);
}

#define SKIP_WITHOUT_DEVICE()      \
  if (!has_device()) {             \
    MESSAGE("skipped: no device"); \
    return;                        \
  }

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
    const auto denoised = head.template row<float>(raw, at, head.template observe<float>(serial_group{}, raw, at));
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
    const auto row = head.template row<float>(raw, at, head.template observe<float>(serial_group{}, raw, at));
    const auto item = static_cast<std::uint64_t>(i);
    out(i, 0) = ancestral{}.draw(
        kernel, at, S, [&] { return row; }, [&](purpose what) { return random(what, item, 0, 0, 0); });
    out(i, 1) = draw_categorical(
        S, [&](index_t s) { return row.log_prob(s); }, random(purpose::denoise, item, 1, 0, 0));
    out(i, 2) = draw_prior(kernel.space, 0, random(purpose::initial, item, 0, 0, 0).first());
    out(i, 3) = kernel.corrupt(0, static_cast<token>(i % (S - 1)), random(purpose::corrupt, item, 0, 0, 0));
  }
};

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
    const auto law =
        method.row(kernel, at, head.template row<float>(raw, at, head.template observe<float>(serial_group{}, raw, at)));
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
    const auto row = head.template row<float>(raw, at, head.template observe<float>(serial_group{}, raw, at));
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

/// A row body of the library over one thread; tile: its scratch of `tile_size` numbers per row.
template <class Body>
struct row_of_thread {
  Body body;
  view<float, 2> tiles;  // (rows, tile)

  DIMIX_HD void operator()(index_t i) const { body(serial_group{}, tiles[i], i); }
};

template <class T>
void fill(const shared_memory<T>& values, std::uint64_t seed, double spread) {
  for (index_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<T>(spread * (2 * unit(rng{seed}(purpose::user, 0, 0, 0, i).first()) - 1));
}

/// f(kernel) with a kernel that both sides can read: its tables, where it has some, in memory of both.
template <class Kernel, class F>
  requires std::is_trivially_copyable_v<Kernel>
void for_the_device(const Kernel& kernel, const F& f) {
  f(kernel);
}
template <class Space, class F>
void for_the_device(const table_kernel<Space, float>& kernel, const F& f) {
  const index_t S = kernel.space.max_states();
  shared_memory<float> to_s(S * S), to_t(S * S), step(S * S);
  std::copy(kernel.to_s.begin(), kernel.to_s.end(), to_s.data());
  std::copy(kernel.to_t.begin(), kernel.to_t.end(), to_t.data());
  std::copy(kernel.step.begin(), kernel.step.end(), step.data());
  f(table_kernel<Space, float>{kernel.space, {to_s.data(), S, S}, {to_t.data(), S, S}, {step.data(), S, S}});
}

/// All inputs and outputs of an objective's rows in memory that both sides see.
template <class Head>
void check_objective_rows(const Head& head, token masked) {
  const index_t B = 3, M = 4, D = 5, S = 17, K = 2;
  shared_memory<float> raw(B * M * D * S), log_weights(B * M), top(B * D * S), spread(B * D * S), teacher(B * D * S);
  shared_memory<float> component(B * M * K), joint(B * K), responsibility(B * M * K), out(B * M * D * S), tiles(B * D * 2 * S),
      values(4 * B * D);
  shared_memory<float> states(B * M * D);
  shared_memory<token> tokens(B * D), targets(B * K * D);
  shared_memory<unsigned char> damaged(B * D);
  fill(raw, 1, 2);
  for (index_t i = 0; i < B * M; ++i) log_weights[i] = -std::log(static_cast<float>(M));
  for (index_t i = 0; i < B * D; ++i) tokens[i] = masked;
  for (index_t i = 0; i < B * D * S; ++i) teacher[i] = i % S == masked ? 0.0f : 1.0f / static_cast<float>(S - 1);
  for (index_t i = 0; i < B * K * D; ++i) targets[i] = static_cast<token>((7 * i) % (S - 1));
  const view<const token, 2> x_t(tokens.data(), B, D);           // (B, D)
  const view<const float, 4> chunk(raw.data(), B, M, D, S);      // (B, M, D, S)
  const view<const float, 2> weights(log_weights.data(), B, M);  // (B, M)
  const view<const token, 3> x(targets.data(), B, K, D);         // (B, K, D)
  const view<float, 2> scratch(tiles.data(), B * D, 2 * S);      // (B D, 2 S)
  const auto reset = [&] { std::fill_n(top.data(), top.size(), -infinity<float>()); };

  // observe: normalisers and running marginals
  const observe_row<float, float, Head, no_visit> observe{head,
                                                          x_t,
                                                          chunk,
                                                          0,
                                                          weights,
                                                          {states.data(), B, M, D},
                                                          true,
                                                          {top.data(), B, D, S},
                                                          {spread.data(), B, D, S},
                                                          {damaged.data(), B, D},
                                                          {}};
  const row_of_thread<decltype(observe)> observing{observe, scratch};
  reset();
  each<<<1, 128>>>(observing, B * D);
  must(cudaDeviceSynchronize());
  const auto device_top = top.copy(), device_spread = spread.copy(), device_states = states.copy();
  reset();
  std::fill_n(spread.data(), spread.size(), 0.0f);
  for (index_t i = 0; i < B * D; ++i) observing(i);
  check_close<float>({device_top, top.copy()}, 1e-5);
  check_close<float>({device_spread, spread.copy()}, 1e-5);
  check_close<float>({device_states, states.copy()}, 1e-5);

  // likelihoods and responsibilities of the targets
  const likelihood_row<float, float, Head> likelihood{
      head, x_t, chunk, 0, x, {states.data(), B, M, D}, {component.data(), B, M, K}};
  check_close(on_both(component, row_of_thread<decltype(likelihood)>{likelihood, scratch}, B * M), 1e-5);
  const responsibility_row<float> share_of_each{weights, {component.data(), B, M, K}, {joint.data(), B, K}};
  const row_of_thread<decltype(share_of_each)> sharing{share_of_each, scratch};
  const auto before = component.copy();
  each<<<1, 128>>>(sharing, B * K);
  must(cudaDeviceSynchronize());
  const auto device_joint = joint.copy(), device_shares = component.copy();
  std::copy(before.begin(), before.end(), component.data());
  for (index_t i = 0; i < B * K; ++i) sharing(i);
  check_close<float>({device_joint, joint.copy()}, 1e-5);
  check_close<float>({device_shares, component.copy()}, 1e-5);

  // the marginals and one loss row: values and gradient of its terms
  const close_marginal_row<float> close{{top.data(), B, D, S}, {spread.data(), B, D, S}};
  for (index_t i = 0; i < B * D; ++i) close(serial_group{}, scratch[i], i);
  for (index_t i = 0; i < B * M * K; ++i) responsibility[i] = std::exp(component[i]) / static_cast<float>(K);
  const view<const float, 3> T(teacher.data(), B, D, S);  // (B, D, S)
  const objective_site<float> site{x_t, x, weights, {top.data(), B, D, S}};
  const auto check_terms = [&](const auto&... term) {
    const term_pack<std::decay_t<decltype(term)>...> terms{term...};
    const gradient_row<float, float, Head, std::decay_t<decltype(term)>...> gradient{
        head,  terms, site, {states.data(), B, M, D}, chunk, 0, {responsibility.data(), B, M, K}, {}, {out.data(), B, M, D, S},
        false, 0.5f};
    check_close(on_both(out, row_of_thread<std::decay_t<decltype(gradient)>>{gradient, scratch}, B * D), 1e-5);
    const index_t count = sizeof...(term);
    const value_row<float, std::decay_t<decltype(term)>...> value{
        terms, site, {spread.data(), count, B, D}, {values.data(), count, B, D}};
    check_close(on_both(values, row_of_thread<std::decay_t<decltype(value)>>{value, scratch}, B * D), 1e-5);
  };
  check_terms(distillation_bound<float>{T}, consistency<float>{{x}, {T}});
  using kernel = two_time_kernel<uniform<S>, float>;
  shared_memory<kernel> kernels(B);
  for (index_t b = 0; b < B; ++b) kernels[b] = kernel::make({}, 0.3, 0.9);
  const posterior_rows<float, kernel> posterior{{kernels.data(), B}, {targets.data(), B, D}, x_t};
  check_terms(squared_error<float>{T}, consistency<float, jackknife>{{x}, {T}}, cross_entropy<float>{{x_t}},
              row_loss<float, square, rows_of::marginals, posterior_rows<float, kernel>>{posterior});
}

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
      index_t different = 0;
      for (std::size_t i = 0; i < host.size(); ++i) different += device[i] != host[i];
      CHECK(different <= 2);  // of 80,000; a boundary moves by about 1e-7
    });
  };
  check(forward_process(birth_death<9>{}, linear{0, 4}), softmax{});
  check(forward_process(absorbing<18>{}, log_linear{}), subs{17});
  check(forward_process(uniform<>{200}, log_linear{}), softmax{});
  check(forward_process(mask_and_replace<9>{0.6}, log_linear{}), values_only{8});
  const mixed two_kinds(alternating{}, absorbing<18>{}, uniform<5>{});
  check(forward_process(two_kinds, log_linear{}), default_head(two_kinds));
}

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
      index_t different = 0;
      for (std::size_t i = 0; i < host.size(); ++i) different += device[i] != host[i];
      CHECK(different <= 2);  // of 40,000
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

TEST_CASE("cuda: rows of the marginalisation and of an objective") {
  SKIP_WITHOUT_DEVICE();
  check_objective_rows(softmax{}, 0);
  check_objective_rows(subs{16}, 16);
}

TEST_CASE("cuda: a row of the continuous-time bound") {
  SKIP_WITHOUT_DEVICE();
  const forward_process process(uniform<17>{}, log_linear{});
  const index_t B = 4, D = 6, S = 17;
  shared_memory<float> raw(B * D * S), beta(B), decay(B), values(B * D), out(B * D * S), tiles(B * D * S);
  shared_memory<token> x_0(B * D), x_t(B * D);
  shared_memory<two_time_kernel<uniform<17>, float>> kernels(B);
  fill(raw, 2, 2);
  for (index_t b = 0; b < B; ++b) {
    const double t = static_cast<double>(b + 1) / 5;
    kernels[b] = process.between<float>(0, t);
    beta[b] = static_cast<float>(rate(process.schedule(), t));
    decay[b] = static_cast<float>(-alpha_prime(process.schedule(), t));
    for (index_t d = 0; d < D; ++d)
      x_0[b * D + d] = static_cast<token>((b + 3 * d) % S), x_t[b * D + d] = static_cast<token>((b * d) % S);
  }
  const nelbo_row<float, softmax, two_time_kernel<uniform<17>, float>> body{
      softmax{},          {kernels.data(), B},      {beta.data(), B},      {decay.data(), B},        {x_0.data(), B, D},
      {x_t.data(), B, D}, {raw.data(), B, 1, D, S}, {values.data(), B, D}, {out.data(), B, 1, D, S}, 1.0f};
  const row_of_thread<decltype(body)> row{body, {tiles.data(), B * D, S}};
  check_close(on_both(out, row, B * D), 2e-5);
  check_close(on_both(values, row, B * D), 2e-5);
}

TEST_CASE("cuda: rows of the bound from one jump and of score entropy") {
  SKIP_WITHOUT_DEVICE();
  const auto check = [](const auto& process, const auto& head) {
    using Head = std::decay_t<decltype(head)>;
    const index_t B = 3, D = 4, S = process.max_states(), rows = B * D;
    for_the_device(process.template between<float>(0, 0.4), [&](const auto& kernel) {
      using Kernel = std::decay_t<decltype(kernel)>;
      const index_t tile = score_tiles<Kernel> * S;
      shared_memory<float> raw(rows * S), beta(B), norms(B), of_rows(rows), regularisation(rows), signal(rows),
          cross_entropy(rows), out(rows * S), tiles(rows * tile);
      shared_memory<double> total_rates(B);
      shared_memory<token> x_0(rows), x(rows);
      shared_memory<Kernel> kernels(B);
      fill(raw, 2, 2);
      for (index_t b = 0; b < B; ++b) {
        kernels[b] = kernel, beta[b] = 1.5f, norms[b] = 0.4f, total_rates[b] = 20;
        for (index_t d = 0; d < D; ++d) {
          x_0[b * D + d] = static_cast<token>((b + 3 * d) % (S - 1));
          x[b * D + d] = (b + d) % 2 == 0 ? static_cast<token>(S - 1) : x_0[b * D + d];
        }
      }
      const view<const token, 2> clean(x_0.data(), B, D), now(x.data(), B, D);
      const view<const float, 4> given(raw.data(), B, 1, D, S);
      const signal_norm_row<float, Kernel> norm{
          {kernels.data(), B}, {total_rates.data(), B}, clean, now, {of_rows.data(), B, D}};
      check_close(on_both(of_rows, row_of_thread<decltype(norm)>{norm, {tiles.data(), rows, tile}}, rows), 2e-5);
      const score_entropy_row<float, Kernel> entropy{{kernels.data(), B},    {beta.data(), B},         clean, now, given,
                                                     {of_rows.data(), B, D}, {out.data(), B, 1, D, S}, 1.0f};
      const row_of_thread<decltype(entropy)> entropies{entropy, {tiles.data(), rows, tile}};
      check_close(on_both(of_rows, entropies, rows), 2e-5);
      check_close(on_both(out, entropies, rows), 2e-5);
      const ct_elbo_row<float, Head, Kernel> bound{head,
                                                   {kernels.data(), B},
                                                   {beta.data(), B},
                                                   {norms.data(), B},
                                                   clean,
                                                   now,
                                                   given,
                                                   {regularisation.data(), B, D},
                                                   {signal.data(), B, D},
                                                   {cross_entropy.data(), B, D},
                                                   {out.data(), B, 1, D, S},
                                                   1.0f,
                                                   1.0f,
                                                   0.1f};
      const row_of_thread<decltype(bound)> bounds{bound, {tiles.data(), rows, tile}};
      for (const auto* values : {&regularisation, &signal, &cross_entropy, &out})
        check_close(on_both(*values, bounds, rows), 2e-5);
    });
  };
  check(forward_process(birth_death<9>{}, linear{0, 4}), softmax{});
  check(forward_process(absorbing<18>{}, log_linear{}), subs{17});
  check(forward_process(uniform<17>{}, cosine{}), softmax{});
}
