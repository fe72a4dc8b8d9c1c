// The laws of state_space.hpp, for any space:  laws::check_state_space(my_space{}, D);
#pragma once

#include <dimix/state_space.hpp>

#include "laws/support.hpp"

namespace laws {

template <class Space>
void check_state_space(const Space& space, index_t D) {
  worst total, negative;
  for (index_t d = 0; d < D; ++d) {
    const index_t S = space.states(d);
    CHECK((S >= 2 && S <= space.max_states()));
    double sum = 0;
    std::vector<double> prior, counts(static_cast<std::size_t>(S));
    for (token s = 0; s < S; ++s) {
      prior.push_back(space.prior(d, s));
      sum += prior.back();
      negative.see(-prior.back(), "d =", d, "s =", s);
    }
    total.see(std::abs(sum - 1), "d =", d);
    for (index_t i = 0; i < draws(20000); ++i)
      ++counts.at(
          static_cast<std::size_t>(dimix::draw_prior(space, d, dimix::rng{7}(dimix::purpose::initial, 0, 0, d, i).first())));
    check_frequencies("draw_prior follows prior", counts, prior);
    for (std::uint64_t end : {std::uint64_t{0}, ~std::uint64_t{0}}) {
      const token s = dimix::draw_prior(space, d, end);
      CHECK((s >= 0 && s < S && space.prior(d, s) > 0));
    }
  }
  total.check("the prior sums to 1", 1e-14);
  negative.check("the prior is not negative", 0);
  for (index_t d = 0; d < D; ++d)
    for (token s = 0; s < space.states(d); ++s)
      if (dimix::is_mask(space, d, s)) CHECK(space.prior(d, s) == 1);
}

}  // namespace laws
