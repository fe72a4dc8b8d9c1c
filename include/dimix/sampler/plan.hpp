// sampling_plan: where a sampler of N network calls stops, as a value that can be written down. Every sampler that walks a grid takes it:
//   sample(process, net, {.batch = 64, .dims = 64, .grid = plan})
//   sample_reveal(process, net, {.batch = 64, .dims = 64, .grid = plan})     reveals as many tokens a step as the plan says: hidden_counts
// How to make a good one: diagnostics/planner.hpp. Law: parse_plan(to_text(plan)) == plan, bit by bit.
#pragma once

#include <dimix/noise_schedule.hpp>
#include <dimix/sampler/time_grid.hpp>

#include <locale>
#include <sstream>
#include <string>
#include <vector>

namespace dimix {

struct sampling_plan {
  time_grid times;            // N + 1 falling times, from <= 1 to 0
  std::vector<double> costs;  // (N)  what each step is expected to lose, in the units of what it was planned by; may be empty

  index_t steps() const { return static_cast<index_t>(times.size()) - 1; }
  double cost() const {
    double total = 0;
    for (double step : costs) total += step;
    return total;
  }
  operator const time_grid&() const { return times; }

  friend bool operator==(const sampling_plan&, const sampling_plan&) = default;
};

/// One line: "dimix-plan 1 N t_0 ... t_N C c_1 ... c_C", numbers in hexadecimal floating point, which loses nothing.
inline std::string to_text(const sampling_plan& plan) {
  expects_grid("to_text", plan.times);
  std::ostringstream out;
  out.imbue(std::locale::classic());
  out << std::hexfloat << "dimix-plan 1 " << plan.steps();
  for (double t : plan.times) out << ' ' << t;
  out << ' ' << plan.costs.size();
  for (double c : plan.costs) out << ' ' << c;
  return out.str();
}

/// Throws for anything but what to_text writes.
inline sampling_plan parse_plan(const std::string& text) {
  std::istringstream in(text);
  in.imbue(std::locale::classic());
  std::string name, word;
  index_t version = 0, steps = 0, costs = 0;
  in >> name >> version >> steps;
  expects(in && name == "dimix-plan" && version == 1 && steps >= 1,
          "parse_plan: the text does not begin with \"dimix-plan 1\" and a number of steps");
  const auto number = [&] {
    in >> word;  // operator>> does not read hexadecimal floating point
    char* end = nullptr;
    const double value = std::strtod(word.c_str(), &end);
    expects(in && *end == '\0', "parse_plan: a number is missing, or \"", word, "\" is none");
    return value;
  };
  sampling_plan plan;
  for (index_t n = 0; n <= steps; ++n) plan.times.push_back(number());
  in >> costs;
  expects(in && (costs == 0 || costs == steps), "parse_plan: ", costs, " costs do not belong to ", steps, " steps");
  for (index_t n = 0; n < costs; ++n) plan.costs.push_back(number());
  expects(!(in >> word), "parse_plan: \"", word, "\" follows the end of the plan");
  expects_grid("parse_plan", plan.times);
  return plan;
}

/// How many of D positions are still masked at each time of a grid: round(D (1 - alpha)), what by_schedule leaves of a walk along it. (N + 1)
template <class Schedule>
std::vector<index_t> hidden_counts(const Schedule& schedule, const time_grid& grid, index_t D) {
  std::vector<index_t> counts;
  for (double t : grid)
    counts.push_back(
        t == 0 ? 0 : static_cast<index_t>(std::floor(static_cast<double>(D) * move_chance(schedule, t) + (0.5 + 1e-9))));
  return counts;
}

/// The times at which D, D - 1, ..., 0 positions are masked: the candidates for plans of samplers that count, whose steps reveal whole numbers.
/// The first is 1.
template <class Schedule>
time_grid counting_grid(const Schedule& schedule, index_t D) {
  expects(D >= 1, "counting_grid: D = ", D, " positions; at least one is needed");
  time_grid grid{1};
  for (index_t hidden = D - 1; hidden > 0; --hidden)
    grid.push_back(inverse_alpha(schedule, 1 - static_cast<double>(hidden) / static_cast<double>(D)));
  grid.push_back(0);
  return grid;
}

}  // namespace dimix
