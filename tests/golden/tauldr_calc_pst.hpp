// tauldr losses.py DistilChain.calc_pst: rows p(x_s | x_t) and q(x_s | x_0, x_t) from recorded transition tables, with the guards of the released
// code, and gradients to the logits.
#pragma once

#include <dimix/head/stepped.hpp>
#include <dimix/parity/tauldr.hpp>

#include "golden/sdtt_samplers.hpp"

namespace golden {

inline void check_tauldr_calc_pst(const recorded_case& recorded, case_report& report) {
  const index_t B = recorded.config<index_t>("B"), D = recorded.config<index_t>("D"), S = recorded.config<index_t>("S");
  const double eps = recorded.config<double>("eps_ratio");
  const auto x_t = recorded.input<token>("x_t", B, D);                  // (B, D)
  const auto logits = recorded.input<double>("p0t_logits", B, D, S);    // (B, D, S)
  const auto cotangent = recorded.input<double>("cotangent", B, D, S);  // (B, D, S)
  using kernel = dimix::table_kernel<dimix::uniform<>, double>;

  /// The tables of every item, guarded as the two branches of the code do.
  struct tables {
    std::vector<dimix::table> to_s, to_t, step;  // (B)
    std::vector<kernel> kernels;                 // (B)
  };
  const auto make = [&](double on_marginals, double on_step) {
    tables made;
    const auto of = [&](const char* name, index_t b, double more) {
      const auto all = recorded.input<double>(name, B, S, S);  // (B, S, S)
      return dimix::tauldr::guarded(view<const double, 2>(all.data() + b * S * S, S, S), more);
    };
    for (index_t b = 0; b < B; ++b) {
      made.to_s.push_back(of("transition_s", b, eps));
      made.to_t.push_back(of("transition_t", b, on_marginals));
      made.step.push_back(of("transition_t_s", b, on_step));
    }
    for (std::size_t b = 0; b < made.to_s.size(); ++b) made.kernels.push_back({{S}, made.to_s[b], made.to_t[b], made.step[b]});
    return made;
  };
  const tables once = make(eps, eps), twice = make(2 * eps, 2 * eps);
  const dimix::stepped<dimix::softmax, kernel> rows{{}, {once.kernels.data(), B}};
  const dimix::tauldr::log_guarded<dimix::stepped<dimix::softmax, kernel>> guarded{{{}, {twice.kernels.data(), B}}, eps};

  /// slope (B, D, S) of the log-rows -> gradient of the logits.
  const auto back = [&](const auto& head, const auto& slope) {
    array<double, 3> gradient(B, D, S);  // (B, D, S)
    each_row(head, x_t, logits, [&](const dimix::place& at, const auto& row) {
      row.backward(
          dimix::serial_group{}, S, [&](index_t s) { return slope(at.item, at.dim, s); },
          [&](index_t s, double g) { gradient(at.item, at.dim, s) = g; });
    });
    return gradient;
  };

  // normalised over x_s, as there: a softmax over the log-rows
  const array<double, 3> raw = log_rows(rows, x_t, logits), normalised = log_rows(dimix::softmax{}, x_t, raw);  // (B, D, S)
  const std::vector<std::string> calls = {"dimix::stepped::row", "dimix::tauldr::guarded", "dimix::softmax::row"};
  report.check("p_s_given_t", calls, [&] {
    array<double, 3> p(B, D, S);  // (B, D, S)
    std::transform(normalised.begin(), normalised.end(), p.begin(), [](double x) { return std::exp(x); });
    return p;
  });
  report.check("grad_p_s_given_t_wrt_logits", {"dimix::stepped_row::backward", "dimix::softmax_row::backward"}, [&] {
    array<double, 3> of_rows(B, D, S);  // (B, D, S)
    each_row(dimix::softmax{}, x_t, raw, [&](const dimix::place& at, const auto& row) {
      row.backward(
          dimix::serial_group{}, S, [&](index_t s) { return cotangent(at.item, at.dim, s) * std::exp(row.log_prob(s)); },
          [&](index_t s, double g) { of_rows(at.item, at.dim, s) = g; });
    });
    return back(rows, of_rows);
  });
  report.check("log_p_s_given_t_unnormalised", {"dimix::tauldr::log_guarded::row", "dimix::stepped::row"},
               [&] { return log_rows(guarded, x_t, logits); });
  report.check("grad_log_p_s_given_t_wrt_logits", {"dimix::tauldr::log_guarded::row_type::backward"},
               [&] { return back(guarded, cotangent); });

  for (const auto& [output, input] : {std::pair("p_s_given_x0_and_t", "x_0"), {"p_s_given_drawn_x0_and_t", "x_0_draw"}})
    report.check(output, {"dimix::tauldr::posterior_row"}, [&, name = input] {
      const auto x_0 = recorded.input<token>(name, B, D);  // (B, D)
      std::vector<double> values;
      for (index_t b = 0; b < B; ++b)
        for (index_t d = 0; d < D; ++d) {
          const auto row =
              dimix::tauldr::posterior_row(once.kernels[static_cast<std::size_t>(b)], x_0(b, d), x_t(b, d), eps);  // (S)
          values.insert(values.end(), row.begin(), row.end());
        }
      return values;
    });
}

}  // namespace golden
