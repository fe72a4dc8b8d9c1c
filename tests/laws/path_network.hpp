// A mixture network that is a sweep, for any backend: each position leans to a state that depends on λ, on its neighbour and on t.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/latent.hpp>

namespace laws {

using dimix::index_t;
using dimix::token;
using dimix::view;

struct path_network_row {
  view<const token, 2> x;        // (B, D)
  view<const float, 1> times;    // (B)
  view<const float, 3> latents;  // (B, M, 1)
  view<float, 4> raw;            // (B, M, D, S)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<float, 1>, index_t row_index) const {
    const index_t D = x.extent(1), M = latents.extent(1), b = row_index / (M * D), m = row_index / D % M, d = row_index % D;
    const auto lean = static_cast<index_t>(latents(b, m, 0)) + x(b, (d + 1) % D);
    group.for_each(raw.extent(3),
                   [&](index_t s) { raw(b, m, d, s) = (s + lean) % 3 == 0 ? 2.0f - times(b) : 0.1f * static_cast<float>(s); });
  }
};

template <class Backend>
struct path_network {
  using space = typename Backend::space;
  Backend run_on;
  index_t states;

  dimix::categorical_latent latent() const { return {3}; }
  index_t outputs() const { return states; }
  void operator()(const dimix::request<float, space>& asked, view<float, 4, space> raw) const {
    const index_t rows = raw.extent(0) * raw.extent(1) * raw.extent(2);
    dimix::sweep<float>(run_on, rows, 0, states,
                        path_network_row{dimix::local(asked.tokens), dimix::local(asked.times), dimix::local(asked.latents),
                                         dimix::local(raw)});
  }
};

}  // namespace laws
