// One network call of a path, and the head's rows of its answer: what samplers that choose positions share.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/array.hpp>
#include <dimix/core/check.hpp>
#include <dimix/head.hpp>
#include <dimix/latent.hpp>

namespace dimix {

template <class Real, class Process, class Net, backend Backend>
class denoiser_call {
 public:
  denoiser_call(const Process& process, const Net& net, const Backend& run_on)
      : process_(process), net_(net), run_on_(run_on) {}

  /// The raw outputs at x_t (B, D), t (B), for items (B), with λ as a sampler draws it: once per path or for every call. `step` is
  /// the number of the call.
  void ask(const char* name, std::uint64_t seed, index_t step, latent_scope scope, view<const token, 2> x_t,
           view<const double, 1> t, view<const std::uint64_t, 1> items) {
    const index_t B = x_t.extent(0), D = x_t.extent(1);
    expects_draws(name, step, 0, D);
    expects(t.extent(0) == B && items.extent(0) == B, name, ": tokens have ", B, " items, but t ", t.extent(0), " and items ",
            items.extent(0));
    expects_tokens(name, x_t, process_.space());
    times_.resize(B);  // (B)
    for (index_t b = 0; b < B; ++b) times_(b) = static_cast<Real>(expects_time(name, b, t(b)));
    if constexpr (mixture_denoiser<Net, Real>) {
      latents_.resize(B, 1, net_.latent().dims());  // (B, 1, L)
      draw_latents(net_.latent(), latent_draws::iid, rng{seed}, items, scope == latent_scope::per_path ? 0 : step,
                   latents_.whole());
    } else {
      latents_.resize(B, 1, 0);  // (B, 1, 0)
    }
    raw_.resize(B, 1, D, net_.outputs());  // (B, 1, D, outputs)
    net_(request<Real>{x_t, times_, latents_, items, step}, raw_.whole());
  }

  /// f(at, row_of) for every position; row_of(place) makes the head's row there, which costs a sweep over its states.
  template <class F>
  void each_position(view<const token, 2> x_t, const F& f) const {
    const index_t D = x_t.extent(1);
    const auto head = head_of(net_, process_.space());
    const view<const Real, 4> raw = raw_;
    run_on_.template sweep<Real>(x_t.extent(0) * D, 0, [&](const auto& group, auto, index_t row_index) {
      const index_t b = row_index / D, d = row_index % D;
      f(place{b, d, x_t(b, d)},
        [&](const place& at) { return make_row<Real>(group, head, raw.row(at.item, index_t{0}, at.dim), at); });
    });
  }

 private:
  const Process process_;
  const Net& net_;
  Backend run_on_;
  array<Real, 1> times_;
  array<Real, 3> latents_;
  array<Real, 4> raw_;
};

}  // namespace dimix
