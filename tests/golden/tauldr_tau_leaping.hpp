// tauldr sampling.py: TauLeaping and PCTauLeaping, whole paths with the recorded logits and Poisson draws.
#pragma once

#include <dimix/parity/tauldr_sampling.hpp>
#include <dimix/sampler/predictor_corrector.hpp>

#include "golden/sdtt_samplers.hpp"
#include "golden/tauldr_rate.hpp"

namespace golden {

/// One network call of a path, and the jumps after it.
struct recorded_call {
  double t, h;
  bool corrector;
  dimix::step_noise reverse, step, jumps;  // noise of the reverse rates alone, of the rates, and of the rates over h
};

/// The calls of TauLeaping: predictors only.
template <class Process>
std::vector<recorded_call> tau_leaping_calls(const recorded_case& recorded, const Process& process) {
  const auto grid = dimix::tauldr::tau_leaping_grid(recorded.config<index_t>("num_steps"), recorded.config<double>("min_t"));
  std::vector<recorded_call> calls;
  for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
    const dimix::step_noise rate{dimix::rate(process.schedule(), grid[n]), 0};
    calls.push_back({grid[n], grid[n] - grid[n + 1], false, rate, rate,
                     dimix::noise_between(process, grid[n + 1], grid[n], dimix::jump_clock::frozen_rate)});
  }
  return calls;
}

/// Those of PCTauLeaping.
template <class Process>
std::vector<recorded_call> predictor_corrector_calls(const recorded_case& recorded, const Process& process) {
  const auto grid =
      dimix::tauldr::predictor_corrector_grid(recorded.config<index_t>("num_steps"), recorded.config<double>("min_t"));
  const dimix::corrector_options options{recorded.config<index_t>("num_corrector_steps"),
                                         recorded.config<double>("corrector_step_size_multiplier"),
                                         recorded.config<double>("corrector_entry_time")};
  std::vector<recorded_call> calls;
  for (std::size_t n = 0; n + 1 < grid.size(); ++n) {
    const double t = grid[n], s = grid[n + 1], rate = dimix::rate(process.schedule(), t),
                 there = dimix::rate(process.schedule(), s);
    calls.push_back(
        {t, t - s, false, {rate, 0}, {rate, 0}, dimix::noise_between(process, s, t, dimix::jump_clock::frozen_rate)});
    for (index_t c = 0; c < options.steps && options.follow(t); ++c)
      calls.push_back({s,
                       options.size * (t - s),
                       true,
                       {there, 0},
                       dimix::noise_of_correction(process, s, there),
                       dimix::noise_of_correction(process, s, options.noise(process, s, t))});
  }
  return calls;
}

template <class Process>
void check_tauldr_path(const recorded_case& recorded, case_report& report, const Process& process) {
  const bool corrects = recorded.source().find("PCTauLeaping") != std::string::npos;
  const index_t B = recorded.config<index_t>("N"), D = recorded.config<index_t>("D"), S = recorded.config<index_t>("S");
  const double eps = recorded.config<double>("eps_ratio"), min_t = recorded.config<double>("min_t");
  const auto calls = corrects ? predictor_corrector_calls(recorded, process) : tau_leaping_calls(recorded, process);
  const auto K = static_cast<index_t>(calls.size());
  const auto logits = recorded.input<double>("logits", K + 1, B, D, S);    // (K + 1, B, D, S)
  const auto jumps = recorded.input<double>("poisson_jumps", K, B, D, S);  // (K, B, D, S)
  auto x = recorded.input<token>("x_initial_draw", B, D);                  // (B, D)

  array<token, 3> before(K, B, D), after(K, B, D), likely(K + 1, B, D);                            // (K, B, D)
  array<double, 4> reverse(K, B, D, S), forward(K, B, D, S), step(K, B, D, S), means(K, B, D, S);  // (K, B, D, S)
  for (index_t k = 0; k < K; ++k) {
    const recorded_call& call = calls[static_cast<std::size_t>(k)];
    const dimix::table transition = clamped_transition(process, 0, call.t);  // (S, S)
    const dimix::table_kernel<typename Process::space_type, double> kernel{process.space(), transition, transition, transition};
    array<token, 2> next = x;  // (B, D)
    each_row(dimix::softmax{}, x, logits.whole()[k], [&](const dimix::place& at, const auto& row) {
      const dimix::tauldr::guarded_rates rates{kernel, at, row, eps};
      const index_t b = at.item, d = at.dim;
      for (token s = 0; s < S; ++s) {
        reverse(k, b, d, s) = rates.expected(s, call.reverse);
        forward(k, b, d, s) = process.jump_rate(d, at.now, s, call.t);
        step(k, b, d, s) = rates.expected(s, call.step);
        means(k, b, d, s) = rates.expected(s, call.jumps);
      }
      before(k, b, d) = at.now;
      next(b, d) = after(k, b, d) = dimix::landing(at.now, S, [&](index_t s) { return jumps(k, b, d, s); });
    });
    x = next;
  }

  for (index_t k = 0; k <= K; ++k)  // the head does not look at x
    each_row(dimix::softmax{}, x, logits.whole()[k], [&](const dimix::place& at, const auto& row) {
      likely(k, at.item, at.dim) = dimix::argmax(S, [&](index_t s) { return row.log_prob(s); });
    });

  const auto of_calls = [&](const auto& f) {
    std::vector<double> values;
    for (const recorded_call& call : calls) values.push_back(f(call));
    return values;
  };
  const std::vector<std::string> grids = {corrects ? "dimix::tauldr::predictor_corrector_grid"
                                                   : "dimix::tauldr::tau_leaping_grid"};
  const std::vector<std::string> rates = {"dimix::tauldr::guarded_rates", "dimix::tauldr::clamped",
                                          "dimix::forward_process::between", "dimix::rate"};
  report.check("call_t", grids, [&] { return of_calls([](const recorded_call& call) { return call.t; }); });
  report.check("step_t", grids, [&] {
    auto times = of_calls([](const recorded_call& call) { return call.t; });
    times.push_back(min_t);
    return times;
  });
  report.check("step_h", grids, [&] { return of_calls([](const recorded_call& call) { return call.h; }); });
  report.check("is_corrector", {"dimix::corrector_options::follow"},
               [&] { return of_calls([](const recorded_call& call) { return call.corrector ? 1.0 : 0.0; }); });
  for (const char* output : {"call_x", "x_before"}) report.check(output, {"dimix::landing"}, [&] { return before; });
  report.check("x_after", {"dimix::landing"}, [&] { return after; });
  report.check("reverse_rates", rates, [&] { return reverse; });
  report.check("transpose_forward_rates", {"dimix::forward_process::jump_rate"}, [&] { return forward; });
  report.check("step_rates", {"dimix::noise_of_correction"}, [&] { return step; });
  std::vector<std::string> noises = {"dimix::noise_between"};
  if (corrects) noises.insert(noises.end(), {"dimix::noise_of_correction", "dimix::corrector_options::noise"});
  report.check("poisson_rates", noises, [&] { return means; });
  report.check("x0_argmax", {"dimix::argmax", "dimix::softmax::row"}, [&] { return likely.whole().slice(0, K); });
  report.check("x0_final", {"dimix::argmax", "dimix::softmax::row"}, [&] { return likely.whole()[K]; });
  report.check("initial_distribution", {"dimix::tauldr::initial_law"},
               [&] { return dimix::tauldr::initial_law(S, recorded.config<double>("Q_sigma")); });
}

inline void check_tauldr_tau_leaping(const recorded_case& recorded, case_report& report) {
  if (recorded.config<std::string>("rate") == "UniformRate") {
    const auto S = recorded.config<index_t>("S");
    check_tauldr_path(recorded, report,
                      forward_process(dimix::tauldr::as_ordered<dimix::uniform<>>{{{S}}},
                                      dimix::linear{0, recorded.config<double>("rate_const") * static_cast<double>(S)}));
  } else {
    check_tauldr_path(
        recorded, report,
        forward_process(dimix::ordinal(recorded.config<index_t>("S"),
                                       {recorded.config<double>("rate_sigma"), recorded.config<double>("Q_sigma")}),
                        dimix::exponential{recorded.config<double>("time_base"), recorded.config<double>("time_exponential")}));
  }
}

}  // namespace golden
