// How far a product model is from the data after N steps: the exact denoiser, the exact law, every N. Paper, Theorem 1: O(1/N), and no better
// where noise only hides.
#pragma once

#include "toys.hpp"

#include <dimix/dimix.hpp>

#include <cmath>

namespace theory {

/// alpha(t) = cos(pi t / 2), 0 at t = 1 exactly.
struct quarter_cosine {
  template <class Real>
  DIMIX_HD Real alpha(Real t) const {
    using std::sin;
    return sin(dimix::quarter_turn<Real>() * (Real(1) - t));
  }
  template <class Real>
  DIMIX_HD Real alpha_prime(Real t) const {
    using std::cos;
    return -dimix::quarter_turn<Real>() * cos(dimix::quarter_turn<Real>() * (Real(1) - t));
  }
};
static_assert(dimix::noise_schedule<quarter_cosine>);

using hiding = dimix::forward_process<dimix::absorbing<>, dimix::log_linear>;
using redrawing = dimix::forward_process<dimix::uniform<>, dimix::log_linear>;

/// alpha = 1 - t.
inline hiding hides(const toy& data) { return hiding({data.V + 1}, {0}); }
inline redrawing redraws(const toy& data) { return redrawing({data.V}, {0}); }

/// The law of x_0 after the steps of a grid by the exact denoiser, x_1 from q_1.
template <class Process>
dimix::exact::joint_law product_law_after(const Process& process, const toy& data, const dimix::time_grid& grid) {
  const dimix::tabular<Process> net(process, data.sequences, data.law);
  dimix::sampler<double, Process, dimix::tabular<Process>> steps(process, net, {}, {}, dimix::cpu{1});
  return dimix::exact::law_after(steps, dimix::exact::noised_law(process, data.over(process.space()), grid.front()), grid);
}

/// Its total variation to the data.
template <class Process>
double error_after(const Process& process, const toy& data, const dimix::time_grid& grid) {
  return dimix::exact::total_variation(product_law_after(process, data, grid), data.over(process.space()));
}

/// For every number of steps of a uniform grid.
template <class Process>
std::vector<double> errors(const Process& process, const toy& data, const std::vector<index_t>& steps) {
  std::vector<double> result;
  for (index_t n : steps) result.push_back(error_after(process, data, dimix::uniform_grid(n)));
  return result;
}

/// The sum over steps of the expected distance between a perfect step and the product of its marginals: at least the error (T1a).
template <class Process>
double telescoping_bound(const Process& process, const toy& data, index_t steps) {
  const auto law = data.over(process.space());
  const dimix::time_grid grid = dimix::uniform_grid(steps);
  double sum = 0;
  for (std::size_t n = 0; n + 1 < grid.size(); ++n)
    sum += dimix::exact::factorization_gap(process, law, grid[n], grid[n + 1]).variation;
  return sum;
}

/// The slope of log error over log N between the last two of steps that double.
inline double last_slope(const std::vector<double>& error) { return std::log2(error.back() / error[error.size() - 2]); }

struct error_row {
  std::string name;
  std::vector<double> errors;  // for N = 1, 2, 4, ..., 64
};

inline const std::vector<index_t>& doubled_steps() {
  static const std::vector<index_t> steps{1, 2, 4, 8, 16, 32, 64};
  return steps;
}

/// The table; `folder` holds the Dirichlet laws.
inline std::vector<error_row> error_table(const std::string& folder) {
  const auto& steps = doubled_steps();
  const toy dir33 = from_file(folder, "dir33", 3, 3);
  std::vector<error_row> rows;
  for (const toy& data : {eq2(), cor2(), eq3(), par3(), dir33})
    rows.push_back({"hidden, 1 - t, " + data.name, errors(hides(data), data, steps)});
  rows.push_back({"hidden, cos, eq2", errors(dimix::forward_process(dimix::absorbing<>{3}, quarter_cosine{}), eq2(), steps)});
  for (const toy& data : {eq2(), cor2(), par3(), dir33, eq3()})
    rows.push_back({"redrawn, 1 - t, " + data.name, errors(redraws(data), data, steps)});
  rows.push_back({"redrawn, cos, eq2", errors(dimix::forward_process(dimix::uniform<>{2}, quarter_cosine{}), eq2(), steps)});
  return rows;
}

/// Slopes between N = 128 and 256, where they have settled.
inline std::vector<error_row> late_errors(const std::string& folder) {
  const std::vector<index_t> steps{64, 128, 256};
  const toy dir33 = from_file(folder, "dir33", 3, 3);
  std::vector<error_row> rows;
  for (const toy& data : {eq2(), par3(), dir33})
    rows.push_back({"hidden, 1 - t, " + data.name, errors(hides(data), data, steps)});
  for (const toy& data : {eq2(), cor2(), par3(), dir33})
    rows.push_back({"redrawn, 1 - t, " + data.name, errors(redraws(data), data, steps)});
  for (const toy& data : {cor2(), dir33, eq2(), par3(), eq3()})
    rows.push_back({"redrawn, cos, " + data.name,
                    errors(dimix::forward_process(dimix::uniform<>{data.V}, quarter_cosine{}), data, steps)});
  rows.push_back(
      {"redrawn, exp(-5 t), eq2", errors(dimix::forward_process(dimix::uniform<>{2}, dimix::linear{0, 5}), eq2(), steps)});
  return rows;
}

}  // namespace theory
