// The row bodies of the bounds (nelbo, ct_elbo, score entropy) by the teams of a device, against one thread.
//   Device::memory<T>(n)                   n T, all zero, that both sides reach: data(), [], size()
//   Device::with(kernel, f)                f(kernel), its tables where both sides reach them
//   device.sweep<Real>(rows, tile, body, length), after which the host may look
#pragma once

#include <dimix/head.hpp>
#include <dimix/objective/ct_elbo.hpp>
#include <dimix/objective/nelbo.hpp>
#include <dimix/objective/score_entropy.hpp>

#include "laws/support.hpp"

namespace laws {

template <class Device, class Process, class Head>
void check_bound_rows(const Device& device, const Process& process, const Head& head, double bound) {
  using namespace dimix;
  const index_t B = 3, D = 4, S = process.max_states(), rows = B * D;
  Device::with(process.template between<float>(0, 0.4), [&](const auto& kernel) {
    using Kernel = std::decay_t<decltype(kernel)>;
    typename Device::template memory<Kernel> kernels(B);
    typename Device::template memory<float> raw(rows * S), beta(B), decay(B), norms(B);
    typename Device::template memory<double> total_rates(B);
    typename Device::template memory<token> x_0(rows), x(rows);
    typename Device::template memory<float> values(rows), signal(rows), cross_entropy(rows), out(rows * S);
    for (index_t i = 0; i < raw.size(); ++i) raw[i] = static_cast<float>(4 * uniform_number(2, i) - 2);
    for (index_t b = 0; b < B; ++b) {
      kernels[b] = kernel, beta[b] = 1.5f, decay[b] = 0.6f, norms[b] = 0.4f, total_rates[b] = 20;
      for (index_t d = 0; d < D; ++d) {
        x_0[b * D + d] = static_cast<token>((b + 3 * d) % (S - 1));
        x[b * D + d] = (b + d) % 2 == 0 ? static_cast<token>(S - 1) : x_0[b * D + d];
      }
    }
    const view<const Kernel, 1> k(kernels.data(), B);
    const view<const float, 1> rate(beta.data(), B);
    const view<const token, 2> clean(x_0.data(), B, D), now(x.data(), B, D);
    const view<const float, 4> given(raw.data(), B, 1, D, S);
    const view<float, 4> gradient(out.data(), B, 1, D, S);
    const auto of_rows = [&](const auto& memory) { return view<float, 2>(memory.data(), B, D); };
    const auto check = [&](const char* what, const auto& body, index_t tile) {
      const auto results = [&] {
        std::vector<float> all;
        for (const auto* part : {&values, &signal, &cross_entropy, &out})
          for (index_t i = 0; i < part->size(); ++i) all.push_back((*part)[i]), (*part)[i] = 0;
        return all;
      };
      device.template sweep<float>(rows, tile, body, S);
      const auto found = results();
      cpu(1).template sweep<float>(rows, tile, body);
      const auto expected = results();
      CHECK(std::any_of(expected.begin(), expected.end(), [](float y) { return y != 0; }));
      worst gaps;
      for (std::size_t i = 0; i < found.size(); ++i)
        if (found[i] != expected[i])  // infinities are the same
          gaps.see(std::abs(found[i] - expected[i]) / (1 + std::abs(expected[i])), "flat index", i);
      gaps.check(what, bound);
    };
    const index_t tile = score_tiles<Kernel> * S;
    check("nelbo",
          nelbo_row<float, Head, Kernel>{head, k, rate, {decay.data(), B}, clean, now, given, of_rows(values), gradient, 1.0f},
          tile);
    check("norm of the signal", signal_norm_row<float, Kernel>{k, {total_rates.data(), B}, clean, now, of_rows(values)}, 0);
    check("score entropy", score_entropy_row<float, Kernel>{k, rate, clean, now, given, of_rows(values), gradient, 1.0f}, tile);
    check("bound of one jump",
          ct_elbo_row<float, Head, Kernel>{head,
                                           k,
                                           rate,
                                           {norms.data(), B},
                                           clean,
                                           now,
                                           given,
                                           of_rows(values),
                                           of_rows(signal),
                                           of_rows(cross_entropy),
                                           gradient,
                                           1.0f,
                                           1.0f,
                                           0.1f},
          tile);
  });
}

/// A space with tables, one whose noise hides, and one with many states.
template <class Device>
void check_bounds(const Device& device, double bound) {
  using namespace dimix;
  check_bound_rows(device, forward_process(birth_death<9>{}, linear{0, 4}), softmax{}, bound);
  check_bound_rows(device, forward_process(absorbing<18>{}, log_linear{}), subs{17}, bound);
  check_bound_rows(device, forward_process(uniform<>{131}, cosine{}), softmax{}, bound);
}

}  // namespace laws
