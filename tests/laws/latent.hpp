// The laws of latent.hpp, for any law of λ:  laws::check_latent(my_law{}, M);
#pragma once

#include <dimix/latent.hpp>

#include "laws/support.hpp"

namespace laws {

inline array<std::uint64_t, 1> item_ids(index_t count, std::uint64_t first = 0) {
  array<std::uint64_t, 1> ids(count);  // (count)
  for (index_t i = 0; i < count; ++i) ids(i) = first + static_cast<std::uint64_t>(i);
  return ids;
}

template <class Law>
void check_latent(const Law& law, index_t M) {
  const index_t L = law.dims(), B = 50;
  CHECK(L >= 1);
  for (index_t axis = 0; axis < L; ++axis)
    for (int i = 1; i < 200; ++i) CHECK(law.quantile(axis, i / 200.0) <= law.quantile(axis, (i + 1) / 201.0 + 1e-9));
  if constexpr (requires { law.components(); }) {
    // every value of a finite law is equally likely: cell i of the unit interval is component i
    for (index_t i = 0; i < law.components(); ++i)
      for (double inside : {0.01, 0.5, 0.99})
        CHECK(law.quantile(0, (static_cast<double>(i) + inside) / static_cast<double>(law.components())) ==
              static_cast<double>(i));
  }

  const dimix::rng random{11};
  for (auto how : {dimix::latent_draws::iid, dimix::latent_draws::stratified}) {
    const auto items = item_ids(B);
    array<double, 3> out(B, M, L), later(B, M, L), one(1, M, L);  // (B, M, L)
    dimix::draw_latents(law, how, random, items, 3, out.whole());
    dimix::draw_latents(law, how, random, items, 4, later.whole());
    if constexpr (!requires { law.components(); }) CHECK(out != later);  // a finite law may be enumerated in both
    // an item does not see the batch around it
    dimix::draw_latents(law, how, random, item_ids(1, 17), 3, one.whole());
    CHECK(std::equal(one.begin(), one.end(), out.begin() + 17 * M * L));
    if (how == dimix::latent_draws::stratified)
      for (index_t b = 0; b < B; ++b)
        for (index_t axis = 0; axis < L; ++axis) {
          // sorted, the m-th lies between the m-th and the next (1/M)-quantile: every stratum once
          std::vector<double> sorted;
          for (index_t m = 0; m < M; ++m) sorted.push_back(out(b, m, axis));
          std::sort(sorted.begin(), sorted.end());
          bool inside = true;
          for (index_t m = 0; m < M; ++m) {
            const double low = (static_cast<double>(m) + 1e-12) / static_cast<double>(M),
                         high = (static_cast<double>(m) + 1 - 1e-12) / static_cast<double>(M);
            inside = inside && sorted[static_cast<std::size_t>(m)] >= law.quantile(axis, low) &&
                     sorted[static_cast<std::size_t>(m)] <= law.quantile(axis, high);
          }
          CHECK(inside);
        }
  }
}

}  // namespace laws
