// One program for every processor; the mains beside it (cpu.cpp, thrust.cpp, cuda.cu) choose the backend and do nothing else.
//
// Sequences of D letters that are all the same cannot be said by a product over positions. A mixture of M products can: its logits are learned
// here by descent on log p(x) = log sum_m π_m prod_d p_md(x_d), the loss falls from near D log S to near log S, and draws have one letter each.
// Descent and draws are rows of this program's own: functors over a group, as those of the library.
#pragma once

#include <dimix/objective.hpp>

#include <cmath>
#include <cstdio>
#include <memory_resource>

namespace same_program {

using dimix::array;
using dimix::index_t;
using dimix::token;
using dimix::view;

/// Row r: logits go down the gradient.
struct descend {
  view<float, 4> raw;             // (1, M, D, S)
  view<const float, 4> gradient;  // (1, M, D, S)
  float rate;

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<float, 1>, index_t row) const {
    const index_t S = raw.extent(3);
    group.for_each(S, [&](index_t s) { raw.data()[row * S + s] -= rate * gradient.data()[row * S + s]; });
  }
};

/// Row i: a sequence from the mixture, a component first, then a letter at every position.
struct draw {
  view<const token, 2> x_t;  // (1, D)
  view<const float, 4> raw;  // (1, M, D, S)
  view<token, 2> sequences;  // (N, D)
  dimix::rng random;

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<float, 1>, index_t i) const {
    const index_t M = raw.extent(1), D = raw.extent(2), S = raw.extent(3);
    const auto item = static_cast<std::uint64_t>(i);
    const double u = dimix::unit(random(dimix::purpose::component, item, 0, 0, 0).first());
    const auto m = static_cast<index_t>(u * static_cast<double>(M));
    for (index_t d = 0; d < D; ++d) {
      const auto row = dimix::make_row<float>(group, dimix::softmax{}, raw.row(0, m, d), dimix::place{0, d, x_t(0, d)});
      const token letter = dimix::draw_row(row, S, random(dimix::purpose::user, item, 0, 0, d));
      if (group.leader()) sequences(i, d) = letter;
    }
  }
};

/// A backend may queue its sweeps: then the host waits before it looks.
template <class Backend>
void wait_for(const Backend& run_on) {
  if constexpr (requires { run_on.wait(); }) run_on.wait();
}

/// Memory: for arrays that both the host and the rows of the backend reach.
template <dimix::backend Backend>
int run(const Backend& run_on, std::pmr::memory_resource* memory = std::pmr::get_default_resource()) {
  using there = typename Backend::space;
  const index_t M = 8, D = 6, S = 4, N = 5, steps = 400;
  array<float, 4> raw(memory), gradient(memory);   // (1, M, D, S)
  array<token, 2> x_t(memory), sequences(memory);  // (1, D), (N, D)
  array<token, 3> data(memory);                    // (1, S, D)  every sequence of one letter
  raw.resize(1, M, D, S), gradient.resize(1, M, D, S);
  x_t.resize(1, D), sequences.resize(N, D), data.resize(1, S, D);
  for (index_t i = 0; i < raw.size(); ++i) raw.data()[i] = static_cast<float>(std::sin(1.7 * static_cast<double>(i)));
  for (index_t s = 0; s < S; ++s)
    for (index_t d = 0; d < D; ++d) data(0, s, d) = static_cast<token>(s);
  x_t.fill(0);

  const view<const float, 4, there> outputs(raw.data(), 1, M, D, S);
  const view<float, 4, there> slopes(gradient.data(), 1, M, D, S);
  auto loss =
      dimix::make_objective<float>(dimix::softmax{}, x_t.whole(), M, S, dimix::objective_options<float>{.memory = memory},
                                   dimix::joint_negative_log_likelihood<float>{data});
  for (index_t n = 0; n <= steps; ++n) {
    const float value = dimix::value_and_gradient(loss, outputs, slopes, run_on);
    wait_for(run_on);
    double square = 0;
    for (float g : gradient) square += static_cast<double>(g) * static_cast<double>(g);
    if (n % 100 == 0)
      std::printf("step %3d   loss %.4f   length of the gradient %.4f\n", static_cast<int>(n), static_cast<double>(value),
                  std::sqrt(square));
    run_on.template sweep<float>(M * D, 0, descend{raw, gradient, 4.0f});
  }
  run_on.template sweep<float>(N, 0, draw{x_t, raw, sequences, dimix::rng{1}});
  wait_for(run_on);
  for (index_t i = 0; i < N; ++i) {
    std::printf("draw %d     ", static_cast<int>(i));
    for (index_t d = 0; d < D; ++d) std::putchar('a' + sequences(i, d));
    std::putchar('\n');
  }
  return 0;
}

}  // namespace same_program
