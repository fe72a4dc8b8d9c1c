// tauldr losses.py GenericAux.calc_loss: the terms of the continuous-time bound at recorded x_t and jumps, with one forward pass and with two.
// Tables are the recorded ones: small entries of their eigendecomposition carry more than the tolerance of the gradients.
#pragma once

#include <dimix/distiller/time_law.hpp>
#include <dimix/parity/tauldr_elbo.hpp>
#include <dimix/sampler/tau_leaping.hpp>

#include "golden/site.hpp"
#include "golden/tauldr_rate.hpp"

namespace golden {

template <class Process>
void check_tauldr_bound(const recorded_case& recorded, case_report& report, const Process& process) {
  using space = typename Process::space_type;
  using kernel = dimix::tauldr::guarded_kernel<space, double>;
  const index_t B = recorded.config<index_t>("B"), D = recorded.config<index_t>("D"), S = recorded.config<index_t>("S");
  const double eps = recorded.config<double>("eps_ratio");
  const auto x_0 = recorded.input<token>("x0_data", B, D);                      // (B, D)
  const auto x_t = recorded.input<token>("x_t", B, D);                          // (B, D)
  const auto raw_t = recorded.input<double>("logits_x_t", B, 1, D, S);          // (B, 1, D, S)
  const auto raw_tilde = recorded.input<double>("logits_x_tilde", B, 1, D, S);  // (B, 1, D, S)
  const auto jump_dim = recorded.input<token>("jump_dim", B);                   // (B)
  const auto jump_value = recorded.input<token>("jump_value", B);               // (B)

  const auto transition = recorded.input<double>("transition_t", B, S, S);  // (B, S, S)
  array<double, 1> t(B), beta(B);                                           // (B)
  array<token, 2> x_tilde(B, D);                                            // (B, D)
  std::vector<dimix::table> guarded;                                        // (B)
  std::vector<kernel> kernels;                                              // (B)
  for (index_t b = 0; b < B; ++b) {
    t(b) = dimix::between(recorded.input("uniform_t")[static_cast<std::size_t>(b)], recorded.config<double>("min_time"), 1.0);
    beta(b) = dimix::rate(process.schedule(), t(b));
    guarded.push_back(dimix::tauldr::guarded(transition.whole()[b], eps));
    for (index_t d = 0; d < D; ++d)
      x_tilde(b, d) =
          dimix::landing(x_t(b, d), S, [&](index_t s) { return d == jump_dim(b) && s == jump_value(b) ? 1.0 : 0.0; });
  }
  for (index_t b = 0; b < B; ++b)
    kernels.emplace_back(process.space(), transition.whole()[b], guarded[static_cast<std::size_t>(b)], eps);

  report.check("t", {"dimix::between"}, [&] { return t; });
  report.check("x_tilde", {"dimix::landing"}, [&] { return x_tilde; });
  const std::vector<std::string> calls = {"dimix::ct_elbo", "dimix::tauldr::guarded_kernel", "dimix::tauldr::guarded",
                                          "dimix::rate"};
  const dimix::ct_elbo_weights whole{1, 1, recorded.config<double>("nll_weight")};
  for (const char* passes : {"one_pass", "two_pass"}) {
    const bool one = passes == std::string("one_pass");
    struct result {
      dimix::ct_elbo_terms<double> terms;
      array<double, 4> at_x_t, at_x_tilde;  // (B, 1, D, S)  the gradient
    };
    const auto run = [&](const dimix::ct_elbo_weights& weights) {
      result made{{}, array<double, 4>(B, 1, D, S), array<double, 4>(B, 1, D, S)};
      dimix::asked_at<double> before{x_t, {}};
      if (!one) before = {x_t, raw_t, made.at_x_t};
      made.terms = dimix::ct_elbo<double, kernel>({kernels.data(), B}, beta, dimix::softmax{}, x_0, before,
                                                  {x_tilde, raw_tilde, made.at_x_tilde}, run_on, weights);
      return made;
    };
    const std::string of = std::string("__") + passes, by = of + "__wrt_logits_";
    const dimix::ct_elbo_terms<double> terms = run(whole).terms;
    report.check("reg_term" + of, calls, [&] { return terms.regularisation; });
    report.check("sig_norm" + of, calls, [&] { return terms.signal_norm; });
    report.check("sig_term" + of, calls, [&] { return terms.signal; });
    const std::vector<std::string> losses = {"dimix::ct_elbo_terms::loss"};
    const auto loss = [&](const dimix::ct_elbo_weights& weights) { return std::vector<double>{terms.loss(weights)}; };
    report.check("neg_elbo" + of, losses, [&] { return loss({}); });
    report.check("nll" + of, losses, [&] { return loss({0, 0, 1}); });
    report.check("loss" + of, losses, [&] { return loss(whole); });
    report.check("grad_loss" + by + "x_t", calls, [&] { return run(whole).at_x_t; });
    report.check("grad_loss" + by + "x_tilde", calls, [&] { return run(whole).at_x_tilde; });
    report.check("grad_reg_mean" + by + "x_t", calls, [&] { return run({1, 0}).at_x_t; });
    report.check("grad_reg_mean" + by + "x_tilde", calls, [&] { return run({1, 0}).at_x_tilde; });
    report.check("grad_sig_mean" + by + "x_tilde", calls, [&] { return run({0, 1}).at_x_tilde; });
  }
}

inline void check_tauldr_ct_elbo(const recorded_case& recorded, case_report& report) {
  with_tauldr_process(
      recorded, [&](const auto& process) { check_tauldr_bound(recorded, report, process); },
      recorded.config<std::string>("rate"));
}

}  // namespace golden
