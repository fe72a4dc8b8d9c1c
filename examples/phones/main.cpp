// phones: diagnostics and plans on a model whose exact values are known, a trigram model of English phones (trigram.hpp). It says what its own
// sequences are worth under it, where samplers of few steps lose, and what planning the steps buys; beside every estimate stands the truth.
#include <dimix/diagnostics.hpp>
#include <dimix/sampler.hpp>

#include <cstdio>
#include <exception>

#include "support/command_line.hpp"
#include "support/table.hpp"
#include "trigram.hpp"

namespace phones {

struct settings {
  std::string data = DIMIX_EXAMPLE_DATA "/phones";
  index_t length = 24, sequences = 64, samples = 300, candidates = 24, seed = 1, threads = 0;
};

std::string with_error(const dimix::measured& value) {
  return support::fixed(value.mean, 3) + " ± " + support::fixed(value.standard_error, 3);
}

/// Of samples along a grid: how many the model excludes, and the mean -log p of the others, in nats a phone.
struct sample_quality {
  double impossible, cost;
};
template <class Process>
sample_quality quality_of(const settings& chosen, const trigram& model, const Process& process, const denoiser& net,
                          const dimix::time_grid& grid, const dimix::cpu& run_on) {
  const auto x = dimix::sample(
      process, net,
      {.batch = chosen.samples, .dims = chosen.length, .seed = static_cast<std::uint64_t>(chosen.seed), .grid = grid},
      run_on);  // (samples, D)
  double impossible = 0, cost = 0;
  for (index_t b = 0; b < chosen.samples; ++b) {
    const double log_p = model.log_likelihood(x.whole().row(b));
    (std::isinf(log_p) ? impossible : cost) += std::isinf(log_p) ? 1 : -log_p / static_cast<double>(chosen.length);
  }
  const double all = static_cast<double>(chosen.samples);
  return {impossible / all, cost / std::max(1.0, all - impossible)};
}

int main(const settings& chosen) {
  const dimix::cpu run_on(static_cast<int>(chosen.threads));
  const trigram model(chosen.data);
  const denoiser net(model, run_on);
  const dimix::forward_process process(dimix::absorbing<symbols + 1>{}, dimix::log_linear{0});
  const auto seed = static_cast<std::uint64_t>(chosen.seed);
  const index_t D = chosen.length;

  const auto x = model.sample(chosen.sequences, D, seed);  // (B, D)
  std::printf("A sequence of %td phones:", D);
  for (const token s : x.whole().row(0)) std::printf(" %s", model.name(s).c_str());
  const auto exact = model.entropy(D);
  dimix::running_mean truth;
  for (index_t b = 0; b < x.extent(0); ++b) truth.add(-model.log_likelihood(x.whole().row(b)));
  std::printf("\n\n%td sequences, nats each: entropy %.3f, of the phones alone %.3f\n", x.extent(0), exact.joint, exact.alone);
  support::table likelihoods({"-log p", "estimate", "exact"});
  likelihoods.add({"the model itself", with_error(truth.result()), support::fixed(exact.joint, 3)});
  likelihoods.add({"any-order bound", with_error(mean_of(dimix::any_order_bound(process, net, x, {{.seed = seed}, 4}, run_on))),
                   support::fixed(exact.joint, 3)});
  likelihoods.add({"bound of 8 equal steps",
                   with_error(mean_of(dimix::path_bound(process, net, x, dimix::uniform_grid(8), {{.seed = seed}}, run_on))),
                   ""});
  likelihoods.add({"bound of 1 step",
                   with_error(mean_of(dimix::path_bound(process, net, x, dimix::uniform_grid(1), {{.seed = seed}}, run_on))),
                   support::fixed(exact.alone, 3)});
  std::fputs(likelihoods.text().c_str(), stdout);

  dimix::array<token, 2> noise(chosen.sequences, D);  // (B, D)
  noise.fill(mask);
  const dimix::time_grid candidates = dimix::uniform_grid(chosen.candidates);
  const auto gaps = dimix::factorization_gaps(process, net, noise, candidates, {{.seed = seed}}, run_on);
  std::printf("\nFactorization gap of one step: %s nats, exact %.3f\n\n",
              with_error(gaps(0, chosen.candidates).divergence).c_str(), exact.alone - exact.joint);
  const auto costs = costs_of(gaps);
  support::table plans({"calls", "gaps, equal", "planned", "nats a phone, equal", "planned", "impossible, equal", "planned"});
  dimix::sampling_plan shown;
  for (index_t steps = 1; steps <= chosen.candidates; steps *= 2) {
    if (chosen.candidates % steps != 0) break;
    double equal = 0;
    for (index_t n = 0; n < steps; ++n) equal += costs(n * chosen.candidates / steps, (n + 1) * chosen.candidates / steps);
    const auto plan = best_plan(candidates, costs, steps);
    const auto by_equal = quality_of(chosen, model, process, net, dimix::uniform_grid(steps), run_on);
    const auto by_plan = quality_of(chosen, model, process, net, plan, run_on);
    plans.add({std::to_string(steps), support::fixed(equal, 3), support::fixed(plan.cost(), 3),
               support::fixed(by_equal.cost, 3), support::fixed(by_plan.cost, 3), support::fixed(by_equal.impossible, 3),
               support::fixed(by_plan.impossible, 3)});
    if (steps == 4) shown = plan;
  }
  plans.add({"exact", "0", "0", support::fixed(exact.joint / static_cast<double>(D), 3), "", "0", ""});
  std::fputs(plans.text().c_str(), stdout);
  if (!shown.times.empty()) {
    std::printf("\nThe plan of 4 calls:");
    for (double t : shown.times) std::printf(" %.3f", t);
    std::printf("\n%s\n", to_text(shown).c_str());
  }
  return 0;
}

}  // namespace phones

int main(int argc, char** argv) {
  try {
    phones::settings chosen;
    support::command_line line("phones", "Diagnostics and plans on a trigram model of English phones, beside exact values.");
    line.add("data", "the folder of trigram.npy and symbols.txt", chosen.data);
    line.add("length", "phones of a sequence", chosen.length);
    line.add("sequences", "that gaps and likelihoods are measured on", chosen.sequences);
    line.add("samples", "drawn along every grid", chosen.samples);
    line.add("candidates", "times that plans choose among: 1/n apart", chosen.candidates);
    line.add("seed", "of everything that is drawn", chosen.seed);
    line.add("threads", "0: all", chosen.threads);
    if (!line.read(argc, argv)) return 0;
    support::at_least("length", chosen.length, 1);
    support::at_least("sequences", chosen.sequences, 2);
    support::at_least("samples", chosen.samples, 1);
    support::at_least("candidates", chosen.candidates, 1);
    return phones::main(chosen);
  } catch (const std::exception& wrong) {
    std::fprintf(stderr, "phones: %s\n", wrong.what());
  }
  return 1;
}
