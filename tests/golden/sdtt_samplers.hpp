// sdtt absorbing.py (q_xt, _sample_t), multi_round_sdtt.py (_subs_parameterization, _sample_t_like), sampling/ancestral.py and
// sampling/analytic.py, from the recorded uniforms.
#pragma once

#include <dimix/distiller/time_law.hpp>
#include <dimix/forward_process.hpp>
#include <dimix/sampler/analytic.hpp>
#include <dimix/sampler/ancestral.hpp>

#include "golden/sdtt_schedules.hpp"

namespace golden {

using absorbing_kernel = dimix::two_time_kernel<dimix::absorbing<>, double>;
using absorbing_process = dimix::forward_process<dimix::absorbing<>, recorded_schedule>;

/// The process of a case of sdtt: V states, the last of them the mask.
inline absorbing_process sdtt_process(const recorded_case& recorded) {
  const dimix::absorbing<> space{recorded.config<index_t>("V")};
  expects<file_error>(space.mask() == recorded.config<token>("mask_index"), "case ", recorded.name(),
                      ": the mask is not the last state");
  return absorbing_process(space, recorded_schedule(recorded.config<std::string>("noise")));
}

/// The head of sdtt, with its number for the logarithm of zero.
inline dimix::subs sdtt_head(const recorded_case& recorded, const absorbing_process& process) {
  return {.mask = process.space().mask(), .excluded = recorded.config<double>("neg_infinity")};
}

/// The random bits with which two_time_kernel::corrupt draws what a recorded uniform drew: hit where u < 1 - alpha, that is
/// kept where the complement of u falls below alpha.
inline dimix::random_block replayed(double u) {
  const std::uint64_t bits = ~dimix::share(u);
  return {{static_cast<std::uint32_t>(bits), static_cast<std::uint32_t>(bits >> 32), 0, 0}};
}

/// q_xt: x_t (B, D) from x_0 (B, D), recorded uniforms (B, D) and times (B). The time is that of the model's grid of T steps,
/// which can lie one step beyond 1; forward_process::between would refuse it.
inline array<token, 2> sdtt_corrupt(const absorbing_process& process, view<const token, 2> x_0, view<const double, 1> t,
                                    index_t steps, view<const double, 2> uniform) {
  array<token, 2> x_t(x_0.extent(0), x_0.extent(1));  // (B, D)
  for (index_t b = 0; b < x_0.extent(0); ++b) {
    const auto kernel =
        absorbing_kernel::make(process.space(), 0.0, dimix::total_noise(process.schedule(), dimix::discrete_time(t(b), steps)));
    for (index_t d = 0; d < x_0.extent(1); ++d) x_t(b, d) = kernel.corrupt(d, x_0(b, d), replayed(uniform(b, d)));
  }
  return x_t;
}

/// f(at, row) for the head's row of every position; raw (B, D, S).
template <class Head, class F>
void each_row(const Head& head, view<const token, 2> x_t, view<const double, 3> raw, const F& f) {
  for (index_t b = 0; b < x_t.extent(0); ++b)
    for (index_t d = 0; d < x_t.extent(1); ++d) {
      const dimix::place at{b, d, x_t(b, d)};
      const auto outputs = raw.row(b, d);
      f(at, head.template row<double>(outputs, at, head.template observe<double>(dimix::serial_group{}, outputs, at)));
    }
}

/// The log-rows of a head: (B, D, S).
template <class Head>
array<double, 3> log_rows(const Head& head, view<const token, 2> x_t, view<const double, 3> raw) {
  array<double, 3> result(raw.extent(0), raw.extent(1), raw.extent(2));  // (B, D, S)
  each_row(head, x_t, raw, [&](const dimix::place& at, const auto& row) {
    for (index_t s = 0; s < raw.extent(2); ++s) result(at.item, at.dim, s) = row.log_prob(s);
  });
  return result;
}

/// _ddpm_update from t to t - dt: masked positions race with the recorded uniforms (B, D, S), the others keep their token:
/// (B, D).
inline array<token, 2> sdtt_ancestral_step(const absorbing_process& process, const dimix::subs& head, view<const token, 2> x_t,
                                           view<const double, 3> raw, view<const double, 1> t, view<const double, 1> dt,
                                           view<const double, 3> uniform) {
  array<token, 2> x_s(x_t.extent(0), x_t.extent(1));  // (B, D)
  each_row(head, x_t, raw, [&](const dimix::place& at, const auto& row) {
    const auto kernel = process.between(t(at.item) - dt(at.item), t(at.item));
    const auto weight = [&](index_t s) { return dimix::masked_update_weight(kernel, static_cast<token>(s), row.log_prob(s)); };
    const token drawn = dimix::draw_race(raw.extent(2), weight, [&](index_t s) { return uniform(at.item, at.dim, s); });
    x_s(at.item, at.dim) = at.now == head.mask ? drawn : at.now;
  });
  return x_s;
}

inline void check_sdtt_samplers(const recorded_case& recorded, case_report& report) {
  const index_t B = recorded.input_extent("x0_data", 0), D = recorded.input_extent("x0_data", 1),
                V = recorded.config<index_t>("V"), T = recorded.config<index_t>("T");
  const absorbing_process process = sdtt_process(recorded);
  const dimix::subs head = sdtt_head(recorded, process);
  const auto x_0 = recorded.input<token>("x0_data", B, D);                     // (B, D)
  const auto t = recorded.input<double>("t", B);                               // (B)
  const auto dt = recorded.input<double>("dt", B);                             // (B)
  const auto raw = recorded.input<double>("raw_logits", B, D, V);              // (B, D, V)
  const auto uniform_mask = recorded.input<double>("uniform_mask", B, D);      // (B, D)
  const array<token, 2> x_t = sdtt_corrupt(process, x_0, t, T, uniform_mask);  // (B, D)

  const auto for_items = [&](const auto& f) {
    std::vector<double> values;
    for (index_t b = 0; b < B; ++b) values.push_back(f(b));
    return values;
  };
  /// f(kernel, at, row, s) for every state: (B, D, V)
  const auto for_states = [&](const auto& f) {
    array<double, 3> values(B, D, V);  // (B, D, V)
    each_row(head, x_t, raw, [&](const dimix::place& at, const auto& row) {
      const auto kernel = process.between(t(at.item) - dt(at.item), t(at.item));
      for (index_t s = 0; s < V; ++s) values(at.item, at.dim, s) = f(kernel, at, row, s);
    });
    return values;
  };

  report.check("move_chance_q_xt", {"dimix::move_chance", "dimix::discrete_time"}, [&] {
    return for_items([&](index_t b) { return dimix::move_chance(process.schedule(), dimix::discrete_time(t(b), T)); });
  });
  report.check("x_t", {"dimix::two_time_kernel::corrupt"}, [&] { return x_t; });
  report.check("log_p_x0", {"dimix::subs::row"}, [&] { return log_rows(head, x_t, raw); });
  report.check("grad_log_p_x0_wrt_raw_logits", {"dimix::subs_row::backward"}, [&] {
    const auto cotangent = recorded.input<double>("cotangent", B, D, V);  // (B, D, V)
    array<double, 3> gradient(B, D, V);                                   // (B, D, V)
    each_row(head, x_t, raw, [&](const dimix::place& at, const auto& row) {
      row.backward(
          dimix::serial_group{}, V, [&](index_t s) { return cotangent(at.item, at.dim, s); },
          [&](index_t s, double g) { gradient(at.item, at.dim, s) = g; });
    });
    return gradient;
  });

  report.check("ancestral_q_xs", {"dimix::masked_update_weight", "dimix::forward_process::between"}, [&] {
    return for_states([](const auto& kernel, const auto&, const auto& row, index_t s) {
      return dimix::masked_update_weight(kernel, static_cast<token>(s), row.log_prob(s));
    });
  });
  report.check("ancestral_x_s", {"dimix::draw_race", "dimix::masked_update_weight", "dimix::forward_process::between"}, [&] {
    return sdtt_ancestral_step(process, head, x_t, raw, t, dt, recorded.input<double>("uniform_ancestral", B, D, V));
  });
  report.check("ancestral_denoised", {"dimix::argmax", "dimix::subs::row"}, [&] {
    array<token, 2> x(B, D);  // (B, D)
    each_row(head, x_t, raw, [&](const dimix::place& at, const auto& row) {
      x(at.item, at.dim) = dimix::argmax(V, [&](index_t s) { return row.log_prob(s); });
    });
    return x;
  });

  const dimix::analytic analytic;
  report.check("analytic_curr_sigma", {"dimix::total_noise"},
               [&] { return for_items([&](index_t b) { return dimix::total_noise(process.schedule(), t(b)); }); });
  report.check("analytic_next_sigma", {"dimix::total_noise"},
               [&] { return for_items([&](index_t b) { return dimix::total_noise(process.schedule(), t(b) - dt(b)); }); });
  report.check("analytic_score", {"dimix::analytic_row::score", "dimix::analytic::row"}, [&] {
    return for_states(
        [&](const auto& kernel, const auto& at, const auto& row, index_t s) { return analytic.row(kernel, at, row).score(s); });
  });
  report.check("analytic_staggered_score", {"dimix::analytic_row::staggered", "dimix::analytic::row"}, [&] {
    return for_states([&](const auto& kernel, const auto& at, const auto& row, index_t s) {
      return analytic.row(kernel, at, row).staggered(s);
    });
  });
  report.check("analytic_transp_transition", {"dimix::analytic_row::transposed_transition", "dimix::analytic::row"}, [&] {
    return for_states([&](const auto& kernel, const auto& at, const auto& row, index_t s) {
      return analytic.row(kernel, at, row).transposed_transition(s);
    });
  });
  report.check("analytic_probs", {"dimix::analytic_row::log_prob", "dimix::analytic::row"}, [&] {
    return for_states([&](const auto& kernel, const auto& at, const auto& row, index_t s) {
      return std::exp(analytic.row(kernel, at, row).log_prob(s));
    });
  });
  report.check("analytic_x_s", {"dimix::draw_race", "dimix::analytic_row::log_prob", "dimix::analytic::row"}, [&] {
    const auto uniform = recorded.input<double>("uniform_analytic", B, D, V);  // (B, D, V)
    array<token, 2> x_s(B, D);                                                 // (B, D)
    each_row(head, x_t, raw, [&](const dimix::place& at, const auto& row) {
      const auto law = analytic.row(process.between(t(at.item) - dt(at.item), t(at.item)), at, row);
      x_s(at.item, at.dim) = dimix::draw_race(
          V, [&](index_t a) { return std::exp(law.log_prob(a)); }, [&](index_t a) { return uniform(at.item, at.dim, a); });
    });
    return x_s;
  });

  // _sample_t keeps its times continuous, _sample_t_like puts them on the model's grid
  report.check("sampled_t_antithetic", {"dimix::antithetic", "dimix::between"}, [&] {
    const index_t n = recorded.output_extent("sampled_t_antithetic", 0);
    std::vector<double> times;
    for (index_t i = 0; i < n; ++i)
      times.push_back(dimix::between(dimix::antithetic(recorded.input("uniform_t_antithetic").at(0), i, n),
                                     recorded.config<double>("sampling_eps"), 1.0));
    return times;
  });
  report.check("sampled_t_like", {"dimix::two_intervals", "dimix::discrete_time"}, [&] {
    const double branch = recorded.input("uniform_t_like_branch").at(0), split = recorded.config<double>("distil_delta");
    std::vector<double> times;
    for (double u : recorded.input("uniform_t_like"))
      times.push_back(dimix::discrete_time(dimix::two_intervals(u, branch, split, 0.3), T));
    return times;
  });
  report.check("sampled_t_like_log_uniform", {"dimix::log_uniform", "dimix::discrete_time"}, [&] {
    std::vector<double> times;
    for (double u : recorded.input("uniform_t_like_log"))
      times.push_back(dimix::discrete_time(dimix::log_uniform(u, 1e-5, 1 - 1e-5), T));
    return times;
  });
}

}  // namespace golden
