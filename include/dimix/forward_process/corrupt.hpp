// corrupt: x_t ~ q(x_t | x_0) for a batch, and x_1 from the prior.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/check.hpp>
#include <dimix/forward_process.hpp>

namespace dimix {

/// x_t[b, d] ~ q(x_t | x_0[b, d]) at time t[b].
/// x_0 (B, D) tokens in [0, S_d); t (B) in [0, 1]; items (B) ids; x_t (B, D), may be x_0 itself.
/// draw tells several corruptions of one item apart (M of them at one site, say). O(B D).
template <forward_process_like Process, backend Backend>
void corrupt(const Process& process, view<const token, 2> x_0, view<const double, 1> t, rng random,
             view<const std::uint64_t, 1> items, view<token, 2> x_t, const Backend& run_on, index_t draw = 0) {
  const index_t B = x_0.extent(0), D = x_0.extent(1);
  expects(t.extent(0) == B && items.extent(0) == B, "corrupt: x_0 has ", B, " items, but t ", t.extent(0), " and items ",
          items.extent(0));
  expects(x_t.extent(0) == B && x_t.extent(1) == D, "corrupt: x_t is ", shape_of(x_t), ", but x_0 is ", shape_of(x_0));
  expects_tokens("corrupt: x_0", x_0, process.space());
  expects_draws("corrupt", 0, draw, D);
  std::vector<typename Process::template kernel<double>> kernels;
  for (index_t b = 0; b < B; ++b) kernels.push_back(process.between(0, expects_time("corrupt: t", b, t(b))));  // (B)
  run_on.template sweep<double>(B, 0, [&](const auto& group, auto, index_t b) {
    group.for_each(D, [&, b](index_t d) {
      x_t(b, d) = kernels[static_cast<std::size_t>(b)].corrupt(d, x_0(b, d), random(purpose::corrupt, items(b), 0, draw, d));
    });
  });
}

/// x_1[b, d] from the prior. items (B) ids; x_1 (B, D).
template <forward_process_like Process>
void draw_initial(const Process& process, rng random, view<const std::uint64_t, 1> items, view<token, 2> x_1) {
  expects(items.extent(0) == x_1.extent(0), "draw_initial: x_1 has ", x_1.extent(0), " items, but items ", items.extent(0));
  expects_draws("draw_initial", 0, 0, x_1.extent(1));
  expects_positions(process.space(), x_1.extent(1));
  for (index_t b = 0; b < x_1.extent(0); ++b)
    for (index_t d = 0; d < x_1.extent(1); ++d)
      x_1(b, d) = draw_prior(process.space(), d, random(purpose::initial, items(b), 0, 0, d).first());
}

}  // namespace dimix
