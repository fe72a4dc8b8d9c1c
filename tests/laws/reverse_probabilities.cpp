// The row p(x_s | x_t) as probabilities, a number or lanes at a time: it is the row in logarithms.
#include <dimix/forward_process.hpp>
#include <dimix/head.hpp>

#include "laws/support.hpp"

using namespace dimix;

namespace {

/// π(s) ∝ s + 1.
struct rising {
  index_t states(index_t) const { return 37; }
  index_t max_states() const { return 37; }
  double prior(index_t, token s) const { return static_cast<double>(s + 1) / (37.0 * 38 / 2); }
};

template <class Real, class Space, class Head>
void check_probabilities(const Space& space, const Head& head, double bound) {
  const forward_process<Space, log_linear> process{space};
  const index_t S = space.max_states();
  std::vector<Real> raw;
  for (index_t s = 0; s < S; ++s) raw.push_back(static_cast<Real>(8 * laws::uniform_number(3, s)));
  laws::worst error;
  for (auto [from, to] : {std::pair{0.3, 0.7}, {0.0, 0.7}, {0.5, 1.0}, {0.6, 0.6}})
    for (token y : {token{0}, token{5}, static_cast<token>(S - 1)}) {
      const auto kernel = process.template between<Real>(from, to);
      const auto denoised = make_row<Real>(serial_group{}, head, view<const Real, 1>(raw.data(), S), place{0, 0, y});
      const auto row = kernel.reverse(0, y, denoised);
      if (row.step.frozen) continue;
      const auto made = reverse_probabilities<std::decay_t<decltype(denoised)>, Space, Real>::make(denoised, row.step);
      std::vector<Real> in_lanes(static_cast<std::size_t>(S));
      const view<Real, 1> out(in_lanes.data(), S);
      vector_group<Real>{}.for_each(S, [&](auto a) { write(out, a, made(a)); });
      for (index_t a = 0; a < S; ++a) {
        const double wanted = std::exp(static_cast<double>(row.log_prob(a)));
        error.see(std::abs(static_cast<double>(made(a)) - wanted) / (wanted + 1e-12), "one by one, state", a, "from", y);
        error.see(std::abs(static_cast<double>(out[a]) - wanted) / (wanted + 1e-12), "in lanes, state", a, "from", y);
      }
    }
  error.check("relative error of a probability", bound);
}

template <class Real>
void check_spaces(double bound) {
  check_probabilities<Real>(uniform<37>{}, softmax{}, bound);
  check_probabilities<Real>(rising{}, softmax{}, bound);
  check_probabilities<Real>(absorbing<37>{}, subs{36}, bound);
}

}  // namespace

TEST_CASE("reverse probabilities: they are the row in logarithms") {
  check_spaces<double>(1e-12);
  check_spaces<float>(1e-5);
}
