// selection: the positions with the largest scores. What a reveal sampler draws from; its law is public, so that it can be enumerated:
// with scores log w + τ G, G standard Gumbel, the set of the best `count` follows the Plackett-Luce law with weights w^(1/τ).
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/error.hpp>
#include <dimix/core/math.hpp>

#include <algorithm>
#include <numeric>
#include <vector>

namespace dimix {

/// The `count` positions of largest score, the first of equals, best first. scores (D), -infinity where a position must not be taken;
/// fewer come back where fewer may. Errors: count < 0; a score that is NaN. O(D log D).
inline std::vector<index_t> selection(view<const double, 1> scores, index_t count) {
  expects(count >= 0, "selection: count = ", count, " is negative");
  std::vector<index_t> order;
  for (index_t d = 0; d < scores.extent(0); ++d) {
    expects<numeric_error>(scores[d] == scores[d], "selection: the score of position ", d, " is not a number");
    if (scores[d] > -infinity<double>()) order.push_back(d);
  }
  std::stable_sort(order.begin(), order.end(), [&](index_t a, index_t b) { return scores[a] > scores[b]; });
  order.resize(static_cast<std::size_t>(std::min(count, static_cast<index_t>(order.size()))));
  return order;
}

}  // namespace dimix
