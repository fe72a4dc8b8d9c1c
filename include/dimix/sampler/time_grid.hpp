// The times of a path: N + 1 numbers from t_0 = 1 down to t_N = 0, one step between neighbours. A grid is chosen apart from the
// schedule: the schedule says how much noise a time means, the grid where to stop.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/view.hpp>

#include <cmath>
#include <numbers>
#include <vector>

namespace dimix {

using time_grid = std::vector<double>;

/// 1, 1 - 1/N, ..., 0.
inline time_grid uniform_grid(index_t steps) {
  expects(steps >= 1, "uniform_grid: steps = ", steps, "; at least one is needed");
  time_grid grid;
  for (index_t n = 0; n <= steps; ++n) grid.push_back(static_cast<double>(steps - n) / static_cast<double>(steps));
  return grid;
}

/// (1 - n/N)^power: power > 1 takes short steps near the data, power < 1 near the noise; 1 is the uniform grid.
inline time_grid power_grid(index_t steps, double power) {
  expects(power > 0 && std::isfinite(power), "power_grid: power = ", power, " is not a positive number");
  time_grid grid = uniform_grid(steps);
  for (double& t : grid) t = std::pow(t, power);
  return grid;
}

/// cos(π/2 n/N): short steps near the noise, where correlations are made. Source: MD4 (Shi et al. 2024), the cosine grid of its samplers.
inline time_grid cosine_grid(index_t steps) {
  time_grid grid = uniform_grid(steps);
  for (double& t : grid) t = std::sin(std::numbers::pi / 2 * t);
  grid.front() = 1;
  return grid;
}

/// N times that fall from 1 to `last` by equal factors, then 0: equal steps in log t.
inline time_grid logarithmic_grid(index_t steps, double last) {
  expects(last > 0 && last < 1, "logarithmic_grid: last = ", last, " lies outside (0, 1)");
  time_grid grid = uniform_grid(steps);
  for (index_t n = 1; n < steps; ++n)
    grid[static_cast<std::size_t>(n)] = std::pow(last, static_cast<double>(n) / static_cast<double>(steps - 1));
  return grid;
}

/// Throws unless the grid falls strictly from a first time <= 1 to 0; may_stay: equal neighbours are allowed.
inline void expects_grid(const char* name, const time_grid& grid, bool may_stay = false) {
  expects(grid.size() >= 2, name, ": a grid needs at least 2 times, but has ", grid.size());
  expects(grid.front() <= 1 && grid.back() == 0, name, ": a grid runs from a time <= 1 down to 0, but this one from ",
          grid.front(), " to ", grid.back());
  for (std::size_t n = 1; n < grid.size(); ++n)
    expects(grid[n] < grid[n - 1] || (may_stay && grid[n] == grid[n - 1]), name, ": times must fall, but grid[", n,
            "] = ", grid[n], " after ", grid[n - 1]);
}

}  // namespace dimix
