// What the laws of samplers that choose positions share.
#pragma once

#include <dimix/sampler/reveal.hpp>

#include "laws/sampler.hpp"

#include <numeric>

namespace laws {

/// The same rows whatever x_t is: log p(s) of position d, up to a constant; the last state is the mask.
struct fixed_rows {
  std::vector<std::vector<double>> log_p;  // (D, S)

  index_t outputs() const { return static_cast<index_t>(log_p[0].size()); }
  template <class Real>
  void operator()(const dimix::request<Real>& asked, view<Real, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t d = 0; d < asked.dims(); ++d)
        for (index_t s = 0; s < outputs(); ++s)
          raw(b, 0, d, s) = static_cast<Real>(log_p[static_cast<std::size_t>(d)][static_cast<std::size_t>(s)]);
  }
};

/// Another denoiser that counts its calls and the items in them, and notes the times.
template <class Net>
struct counted {
  const Net& net;
  std::shared_ptr<std::vector<double>> times = std::make_shared<std::vector<double>>();
  std::shared_ptr<index_t> calls = std::make_shared<index_t>(0);

  index_t outputs() const { return net.outputs(); }
  template <class Real>
  void operator()(const dimix::request<Real>& asked, view<Real, 4> raw) const {
    for (Real t : asked.times) times->push_back(static_cast<double>(t));
    ++*calls;
    net(asked, raw);
  }
};

inline index_t masked_in(view<const token, 1> x, token mask) { return std::count(x.begin(), x.end(), mask); }

template <class Sampler, class State>
void step_all(Sampler& steps, State& state, array<token, 2>& x, double s, double t) {
  array<double, 1> to(x.extent(0)), from(x.extent(0));  // (B)
  to.fill(s), from.fill(t);
  steps.step(state, x.whole(), to, from, ids(x.extent(0)));
}

/// The exact law after k reveals, one position after another in random order, of a network that does not look at the time. That of paths
/// without a grid, too, whose times say nothing of where and what they reveal.
template <class Process, class Net>
dimix::exact::joint_law law_after_reveals(const Process& process, const Net& net, const dimix::exact::joint_law& start,
                                          index_t k, dimix::latent_scope scope = dimix::latent_scope::per_path) {
  if (k == 0) return start;
  auto steps = dimix::make_reveal_sampler<double>(process, net, dimix::random_order{}, dimix::by_count{1}, dimix::drawn{},
                                                  {scope}, on(1));
  dimix::time_grid grid = dimix::uniform_grid(start.states.dims() + 1);
  grid.resize(static_cast<std::size_t>(k) + 1);
  return dimix::exact::law_after(steps, start, grid);
}

/// How often every pair of bits came out, in the order of bit_pairs.
inline std::vector<double> count_pairs(const array<token, 2>& x) {
  std::vector<double> counts(4);
  for (index_t b = 0; b < x.extent(0); ++b) ++counts.at(static_cast<std::size_t>(2 * x(b, 0) + x(b, 1)));
  return counts;
}

}  // namespace laws
