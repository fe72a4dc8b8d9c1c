// tauldr models.py: GaussianTargetRate, BirthDeathForwardBase and UniformRate, their base rates, rates and transitions at recorded times.
// The recorded transitions are clamped; ours are exact, and clamped by name.
#pragma once

#include <dimix/forward_process.hpp>
#include <dimix/forward_process/rate_matrix.hpp>
#include <dimix/parity/tauldr.hpp>

#include "golden/report.hpp"

namespace golden {

using dimix::forward_process;

/// f(process) for the process of a case, by a name that has that of its rates in it.
template <class F>
void with_tauldr_process(const recorded_case& recorded, const F& f, const std::string& name) {
  const auto S = recorded.config<index_t>("S");
  if (name.find("BirthDeath") != std::string::npos) {
    const double low = recorded.config<double>("sigma_min"), ratio = recorded.config<double>("sigma_max") / low;
    f(forward_process(dimix::birth_death<>{S}, dimix::exponential{low * low / 2, ratio * ratio}));
  } else if (name.find("UniformRate") != std::string::npos) {
    f(forward_process(dimix::uniform<>{S}, dimix::linear{0, recorded.config<double>("rate_const") * static_cast<double>(S)}));
  } else {
    f(forward_process(dimix::ordinal(S, {recorded.config<double>("rate_sigma"), recorded.config<double>("Q_sigma")}),
                      dimix::exponential{recorded.config<double>("time_base"), recorded.config<double>("time_exponential")}));
  }
}

/// By the function that was recorded.
template <class F>
void with_tauldr_process(const recorded_case& recorded, const F& f) {
  with_tauldr_process(recorded, f, recorded.source());
}

/// transition(t, s) as recorded: q(x_t | x_s) of every pair of states, clamped: (S, S).
template <class Process>
dimix::table clamped_transition(const Process& process, double s, double t) {
  const index_t S = process.max_states();
  const auto kernel = process.between(s, t);
  dimix::table exact(S, S);  // (S, S)
  for (index_t a = 0; a < S; ++a)
    for (index_t y = 0; y < S; ++y) exact(a, y) = kernel.transition(0, static_cast<token>(a), static_cast<token>(y));
  return dimix::tauldr::clamped(exact);
}

inline void check_tauldr_rate(const recorded_case& recorded, case_report& report) {
  with_tauldr_process(recorded, [&](const auto& process) {
    const auto& space = process.space();
    const index_t S = space.max_states();
    const std::vector<double> t = recorded.input("t");
    std::vector<index_t> rows;  // the recorded rows
    if (recorded.has_input("rows")) {
      for (double row : recorded.input("rows")) rows.push_back(static_cast<index_t>(row));
    } else {
      for (index_t row = 0; row < S; ++row) rows.push_back(row);
    }
    // a uniform rate per jump is the schedule's factor over S
    const double factor = dimix::rate_space<std::decay_t<decltype(space)>> ? 1.0 : dimix::rate(process.schedule(), 0.0);
    const dimix::table base = dimix::rate_matrix(space);  // (S, S)

    report.check("base_rate", {"dimix::rate_matrix"}, [&] {
      std::vector<double> values;
      for (index_t row : rows)
        for (index_t y = 0; y < S; ++y) values.push_back(factor * base(row, y));
      return values;
    });
    report.check("eigenvalues_sorted", {"dimix::spectrum", "dimix::rate_matrix"}, [&] {
      array<double, 1> prior(S);  // (S)
      for (index_t s = 0; s < S; ++s) prior(s) = space.prior(0, static_cast<token>(s));
      auto values = dimix::spectrum(base, prior);
      for (double& value : values) value *= factor;
      return values;
    });
    report.check("rate_t", {"dimix::forward_process::jump_rate"}, [&] {
      std::vector<double> values;
      for (double time : t)
        for (index_t row : rows)
          for (index_t y = 0; y < S; ++y)
            values.push_back(process.jump_rate(0, static_cast<token>(row), static_cast<token>(y), time));
      return values;
    });
    const std::vector<std::string> calls = {"dimix::forward_process::between", "dimix::tauldr::clamped"};
    const auto transitions = [&](const std::vector<double>& from, const std::vector<double>& to) {
      std::vector<double> values;
      for (std::size_t i = 0; i < to.size(); ++i) {
        const dimix::table clamped = clamped_transition(process, from[i], to[i]);  // (S, S)
        for (index_t row : rows)
          for (index_t y = 0; y < S; ++y) values.push_back(clamped(row, y));
      }
      return values;
    };
    report.check("transition_t", calls, [&] { return transitions(std::vector<double>(t.size(), 0.0), t); });
    report.check("transition_t_s", calls, [&] { return transitions(recorded.input("pair_s"), recorded.input("pair_t")); });
    const auto at_times = [&](const auto& f) {
      std::vector<double> values;
      for (double time : t) values.push_back(f(time));
      return values;
    };
    report.check("rate_scalar_t", {"dimix::rate"},
                 [&] { return at_times([&](double time) { return dimix::rate(process.schedule(), time); }); });
    report.check("integral_rate_scalar_t", {"dimix::total_noise"},
                 [&] { return at_times([&](double time) { return dimix::total_noise(process.schedule(), time); }); });
  });
}

}  // namespace golden
