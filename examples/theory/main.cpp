// theory: the claims about few steps, computed exactly on small spaces. Read in this order: toys, errors, one_step, matrices, students, bound,
// estimates, rounds, draws.
#include "bound.hpp"
#include "draws.hpp"
#include "errors.hpp"
#include "estimates.hpp"
#include "one_step.hpp"
#include "rounds.hpp"

#include "../support/command_line.hpp"
#include "../support/table.hpp"

#include <dimix/io/plot.hpp>

#include <cstdio>
#include <exception>
#include <filesystem>

namespace theory {

/// Rounding does not decide what becomes of a 5 in the seventh place.
std::string fixed(double value, int digits) { return support::fixed(value + 1e-12, digits); }
std::string scientific(double value) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3e", value);
  return text;
}

struct settings {
  bool train = false;
  std::string out = "theory";
  std::string laws = DIMIX_EXAMPLE_DATA "/../theory/data";
  index_t students = 1000;
  index_t iterations = 600;
};

void print(const char* title, const support::table& rows) { std::printf("%s\n\n%s\n", title, rows.text().c_str()); }

std::vector<double> as_numbers(const std::vector<index_t>& steps) { return {steps.begin(), steps.end()}; }

void print_errors(const settings& chosen) {
  const auto rows = error_table(chosen.laws);
  support::table table({"noise, law", "1", "2", "4", "8", "16", "32", "64", "slope"});
  dimix::line_plot plot{.title = "Error of a product model by steps",
                        .x_title = "steps N",
                        .y_title = "total variation to the data",
                        .log_x = true,
                        .log_y = true,
                        .x_ticks = as_numbers(doubled_steps())};
  for (const error_row& row : rows) {
    std::vector<std::string> cells{row.name};
    for (double e : row.errors) cells.push_back(fixed(e, 6));
    cells.push_back(fixed(last_slope(row.errors), 3));
    table.add(cells);
    for (const char* shown :
         {"hidden, 1 - t, eq2", "hidden, 1 - t, par3", "redrawn, 1 - t, eq2", "redrawn, 1 - t, eq3", "redrawn, cos, eq2"})
      if (row.name == shown) plot.series.push_back({row.name, as_numbers(doubled_steps()), row.errors});
  }
  print("Total variation to the data after N steps of the exact product model", table);
  dimix::write_svg((std::filesystem::path(chosen.out) / "errors.svg").string(), plot);

  support::table late({"noise, law", "64", "128", "256", "slope"});
  for (const error_row& row : late_errors(chosen.laws))
    late.add({row.name, scientific(row.errors[0]), scientific(row.errors[1]), scientific(row.errors[2]),
              fixed(last_slope(row.errors), 3)});
  print("The same, further out", late);

  support::table bounds({"noise, law", "N", "error", "sum of the steps' gaps", "union bound"});
  const auto add = [&](const std::string& name, const auto& process, const toy& data, index_t N, bool hidden) {
    bounds.add({name, std::to_string(N), fixed(error_after(process, data, dimix::uniform_grid(N)), 6),
                fixed(telescoping_bound(process, data, N), 6),
                hidden ? fixed(static_cast<double>(data.D * (data.D - 1)) / static_cast<double>(2 * N), 6) : "-"});
  };
  for (const toy& data : {eq2(), cor2(), eq3(), par3(), from_file(chosen.laws, "dir33", 3, 3)})
    add("hidden, 1 - t, " + data.name, hides(data), data, 16, true);
  for (index_t N : {16, 64}) add("redrawn, 1 - t, eq2", redraws(eq2()), eq2(), N, false);
  print("Bounds: the gaps of the steps add up to the error or more", bounds);
}

void print_one_step() {
  support::table table({"one step on eq2", "error"});
  const hiding hidden = hides(eq2());
  table.add({"product, hidden: the exact marginals",
             fixed(error_of(hidden, dimix::tabular<hiding>(hidden, eq2().sequences, eq2().law), eq2(), 1), 6)});
  table.add({"product, hidden: the best of all", fixed(best_product_error(eq2()), 6)});
  table.add({"mixture of 2, hidden", fixed(error_of(hidden, sequences_as_components(eq2()), eq2(), 1), 6)});
  table.add(
      {"product, redrawn: repeats the first token of x_1", fixed(error_of(redraws(eq2()), repeats_the_first{}, eq2(), 1), 6)});
  print("One step: why a product fails where noise only hides", table);

  support::table mixtures({"mixture of the law's sequences", "1 step", "2 steps, λ per path", "2 steps, λ per step"});
  for (const toy& data : {eq2(), cor2(), eq3(), par3()}) {
    const hiding process = hides(data);
    const sequences_as_components net(data);
    mixtures.add({data.name, fixed(error_of(process, net, data, 1), 6),
                  fixed(error_of(process, net, data, 2, dimix::latent_scope::per_path), 6),
                  fixed(error_of(process, net, data, 2), 6)});
  }
  print("Any law is a mixture of products; λ drawn anew loses what the first step did not reveal", mixtures);
}

void print_bound(const settings& chosen) {
  const auto report = bound_on_random_students({cor2(), par3(), from_file(chosen.laws, "dirD2S3", 2, 3)}, chosen.students);
  std::printf("Theorem 2 on %td random students: violated %td times, smallest bound / distance %.6f (%s)\n\n", report.students,
              report.violations, report.smallest_ratio, report.where.c_str());
}

void print_estimates() {
  support::table variates(
      {"noise of the student's logits", "variance without / with", "largest difference of means, standard errors"});
  for (double noise : {0.1, 0.5, 2.0}) {
    const auto report = control_variates(noise);
    variates.add({fixed(noise, 1), fixed(report.variance_ratio, 6), fixed(report.largest_gap, 6)});
  }
  print("Control variates of the consistency loss: the same mean gradient, less variance near a product", variates);
  support::table bias({"M", "bias", "M bias", "of the jackknife", "M^2 bias"});
  for (index_t M : {1, 2, 4, 8, 16, 32, 64}) {
    const auto row = likelihood_bias(M);
    const auto m = static_cast<double>(M);
    bias.add({std::to_string(M), fixed(row.plain, 6), fixed(m * row.plain, 6), M > 1 ? fixed(row.jackknife, 6) : "-",
              M > 1 ? fixed(m * m * row.jackknife, 6) : "-"});
  }
  print("Bias of the log-likelihood from M draws of λ (two values), exact", bias);
}

void print_trained(const settings& chosen) {
  struct task {
    toy data;
    index_t steps;
    std::vector<index_t> components;
  };
  const toy d2 = from_file(chosen.laws, "dirD2S3", 2, 3), d3 = from_file(chosen.laws, "dirD3S2", 3, 2);
  support::table table(
      {"law", "N", "teacher, data", "M", "1 step, data", "1 step, teacher", "2 steps, data", "sum of losses", "bound"});
  for (const task& each : {task{cor2(), 16, {1, 2}}, task{cor2(), 64, {2}}, task{eq2(), 64, {2}}, task{eq3(), 64, {2}},
                           task{par3(), 32, {1, 2, 4}}, task{d3, 32, {1, 2, 4, 8}}, task{d2, 32, {1, 2, 3, 8}}})
    for (index_t M : each.components) {
      std::fprintf(stderr, "%s, M = %td\n", each.data.name.c_str(), M);
      const auto row = measured(hides(each.data), each.data, {M, each.steps, chosen.iterations, 0.3});
      table.add({row.name, std::to_string(row.steps), fixed(row.teacher_to_data, 6), std::to_string(M),
                 fixed(row.one_step_to_data, 6), fixed(row.distance.to_teacher, 6), fixed(row.two_steps_to_data, 6),
                 scientific(row.distance.losses), fixed(row.distance.bound, 6)});
    }
  print("Students of M components, taught level after level: total variations, losses and Theorem 2's bound", table);

  support::table rounds({"par3", "1", "2", "4", "8"});
  dimix::line_plot plot{.title = "Two rounds on par3",
                        .x_title = "steps N",
                        .y_title = "total variation to the data",
                        .log_x = true,
                        .log_y = true,
                        .x_ticks = {1, 2, 4, 8}};
  for (const round_row& row : two_rounds(par3(), 8, chosen.iterations)) {
    rounds.add({row.name, fixed(row.errors[0], 6), fixed(row.errors[1], 6), fixed(row.errors[2], 6), fixed(row.errors[3], 6)});
    plot.series.push_back({row.name, {1, 2, 4, 8}, row.errors});
  }
  print("A second round, taught by 8 steps of the first round's mixture: steps shorten again", rounds);
  dimix::write_svg((std::filesystem::path(chosen.out) / "rounds.svg").string(), plot);

  support::table draws({"cor2, one step, by the distiller from draws", "seed 1", "seed 2", "seed 3"});
  const auto add = [&](const char* name, index_t M, double data_weight) {
    std::vector<std::string> cells{name};
    for (std::uint64_t seed : {1u, 2u, 3u}) cells.push_back(fixed(error_by_draws(cor2(), M, data_weight, 2500, seed), 6));
    draws.add(cells);
  };
  add("M = 1, data term", 1, 1);
  add("M = 2, from the teacher of 8 steps alone", 2, 0);
  add("M = 2, data term", 2, 1);
  print("The same losses from draws", draws);
}

int main(const settings& chosen) {
  std::error_code reason;
  std::filesystem::create_directories(chosen.out, reason);
  dimix::expects<dimix::file_error>(!reason && std::filesystem::is_directory(chosen.out), "--out: cannot make the folder '",
                                    chosen.out, "': ", reason ? reason.message() : "something else has this name");
  print_errors(chosen);
  print_one_step();
  print_bound(chosen);
  print_estimates();
  if (chosen.train) print_trained(chosen);
  std::printf("In %s: errors.svg%s\n", chosen.out.c_str(), chosen.train ? ", rounds.svg" : ". --train adds the students");
  return 0;
}

}  // namespace theory

int main(int argc, char** argv) {
  try {
    theory::settings chosen;
    support::command_line line("theory", "The claims about few steps, computed exactly on small spaces.");
    line.add("train", "the students that are trained too: about half a minute", chosen.train);
    line.add("students", "random students for Theorem 2", chosen.students);
    line.add("iterations", "of Adam for every level of a student", chosen.iterations);
    line.add("laws", "folder of the Dirichlet laws", chosen.laws);
    line.add("out", "folder for the plots", chosen.out);
    if (!line.read(argc, argv)) return 0;
    support::at_least("students", chosen.students, 1);
    support::at_least("iterations", chosen.iterations, 1);
    return theory::main(chosen);
  } catch (const std::exception& wrong) {
    std::fprintf(stderr, "theory: %s\n", wrong.what());
  }
  return 1;
}
