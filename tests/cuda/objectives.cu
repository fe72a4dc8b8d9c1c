// Rows of the marginalisation and of every objective on the device, with one thread as the group.
#include <dimix/head/stepped.hpp>
#include <dimix/marginal/rows.hpp>
#include <dimix/objective/ct_elbo.hpp>
#include <dimix/objective/gradient_row.hpp>
#include <dimix/objective/nelbo.hpp>
#include <dimix/objective/score_entropy.hpp>

#include "cuda/on_device.cuh"

using namespace dimix;
using namespace on_device;

namespace {

/// A row body of the library over one thread; tile: its scratch of `tile_size` numbers per row.
template <class Body>
struct row_of_thread {
  Body body;
  view<float, 2> tiles;  // (rows, tile)

  DIMIX_HD void operator()(index_t i) const { body(serial_group{}, tiles[i], i); }
};

/// All inputs and outputs of an objective's rows in memory that both sides see.
template <class Head>
void check_objective_rows(const Head& head, token masked) {
  const index_t B = 3, M = 4, D = 5, S = 17, K = 2;
  shared_memory<float> raw(B * M * D * S), log_weights(B * M), top(B * D * S), spread(B * D * S), teacher(B * D * S);
  shared_memory<double> component(B * M * K);
  shared_memory<float> log_shares(B * M * K), joint(B * K), responsibility(B * M * K), out(B * M * D * S), tiles(B * D * 2 * S),
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
  const responsibility_row<float> share_of_each{
      weights, {component.data(), B, M, K}, {log_shares.data(), B, M, K}, {joint.data(), B, K}};
  const row_of_thread<decltype(share_of_each)> sharing{share_of_each, scratch};
  each<<<1, 128>>>(sharing, B * K);
  must(cudaDeviceSynchronize());
  const auto device_joint = joint.copy(), device_shares = log_shares.copy();
  for (index_t i = 0; i < B * K; ++i) sharing(i);
  check_close<float>({device_joint, joint.copy()}, 1e-5);
  check_close<float>({device_shares, log_shares.copy()}, 1e-5);

  // the marginals and one loss row: values and gradient of its terms
  const close_marginal_row<float> close{{top.data(), B, D, S}, {spread.data(), B, D, S}};
  for (index_t i = 0; i < B * D; ++i) close(serial_group{}, scratch[i], i);
  for (index_t i = 0; i < B * M * K; ++i) responsibility[i] = std::exp(log_shares[i]) / static_cast<float>(K);
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
