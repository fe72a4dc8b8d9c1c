// tauldr losses.py DistilChain.calc_nll: the negative log-likelihood of a mixture and its gradient.
#pragma once

#include <dimix/distiller/time_law.hpp>

#include "golden/report.hpp"
#include "golden/site.hpp"

namespace golden {

inline void check_tauldr_calc_nll(const recorded_case& recorded, case_report& report) {
  const index_t B = recorded.config<index_t>("B"), M = recorded.config<index_t>("M"), D = recorded.config<index_t>("D"),
                S = recorded.config<index_t>("S");
  const auto x_0 = recorded.input<token>("x0_data", B, D);                  // (B, D)
  const auto x_t = recorded.input<token>("x_t", B, D);                      // (B, D)
  const auto raw = recorded.input<double>("student_logits_t", B, M, D, S);  // (B, M, D, S)
  const view<const token, 3> data(x_0.data(), B, 1, D);                     // (B, 1, D)
  const site student{dimix::softmax{}, x_t.whole(), raw.whole()};
  const joint_negative_log_likelihood likelihood{data};

  report.check("t", {"dimix::between"}, [&] {
    std::vector<double> t = recorded.input("uniform_t");
    for (double& u : t) u = dimix::between(u, recorded.config<double>("min_time"), 1.0);
    return t;
  });
  report.check("mixture_log_likelihood", {"dimix::log_likelihood"},
               [&] { return dimix::log_likelihood<double>(student.head, student.x_t, student.raw, data, S, run_on); });
  report.check("nll", {"dimix::objective::loss"}, [&] { return std::vector<double>{student.loss(likelihood)}; });
  report.check("grad_nll__wrt_student_logits_t", {"dimix::objective::gradient"}, [&] { return student.gradient(likelihood); });
}

}  // namespace golden
