// One network call of a path, and the head's rows of its answer: what samplers share.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/array.hpp>
#include <dimix/core/check.hpp>
#include <dimix/head.hpp>
#include <dimix/latent.hpp>

namespace dimix {

/// L, the coordinates of λ; 0 for a factorized denoiser.
template <class Real, class Net>
index_t latent_dims_of(const Net& net) {
  if constexpr (mixture_denoiser<Net, Real>)
    return net.latent().dims();
  else
    return 0;
}

/// One λ per item as a path draws it, into latents (B, 1, L). step: 0 with λ once per path, else the number of the call.
template <class Real, class Net>
void draw_path_latents(const Net& net, rng random, view<const std::uint64_t, 1> items, index_t step, array<Real, 3>& latents) {
  latents.resize(items.extent(0), 1, latent_dims_of<Real>(net));  // (B, 1, L)
  if constexpr (mixture_denoiser<Net, Real>)
    draw_latents(net.latent(), latent_draws::iid, random, items, step, latents.whole());
}

/// The head's rows of a call where a group works: rows_of(place) is the row there with the first λ, rows_of.draw(place, S, bits) a state of
/// it, which needs no normaliser.
template <class Real, class Group, class Head>
struct rows_of_call {
  const Group& group;
  const Head& head;
  view<const Real, 4> raw;  // (B, M, D, outputs)

  DIMIX_HD auto operator()(const place& at) const { return make_row<Real>(group, head, raw.row(at.item, index_t{0}, at.dim), at); }
  DIMIX_HD auto unnormalised(const place& at) const {
    return make_unnormalised_row<Real>(group, head, raw.row(at.item, index_t{0}, at.dim), at);
  }
  DIMIX_HD token draw(const place& at, index_t S, random_block bits) const { return draw_row(group, unnormalised(at), S, bits); }
};

template <class Real, class Process, class Net, backend Backend>
class denoiser_call {
 public:
  denoiser_call(const Process& forward, const Net& net, const Backend& run_on)
      : process_(forward), net_(net), run_on_(run_on) {}

  /// Asks at x_t (B, D) and t (B) with λ (B, M, L). items (B) are ids, which may be missing; classes (B) or none; `step` is the number of
  /// the call. `name` begins the sentences of errors.
  void ask(const char* name, index_t step, view<const token, 2> x_t, view<const double, 1> t,
           view<const std::uint64_t, 1> items, view<const Real, 3> latents, view<const token, 1> classes = {}) {
    const index_t B = x_t.extent(0), D = x_t.extent(1), M = latents.extent(1);
    expects_shape(argument{name, "t"}, t, B);
    expects_shape(argument{name, "latents"}, latents, B, M, latent_dims_of<Real>(net_));
    if (!classes.empty()) expects_shape(argument{name, "classes"}, classes, B);
    expects_tokens(argument{name, "x_t"}, x_t, process_.space());
    times_.resize(B);  // (B)
    for (index_t b = 0; b < B; ++b) times_(b) = static_cast<Real>(expects_time(argument{name, "t"}, b, t(b)));
    raw_.resize(B, M, D, net_.outputs());  // (B, M, D, outputs)
    net_(request<Real>{x_t, times_, latents, items, step, classes}, raw_.whole());
  }

  /// The same with λ as a sampler draws it: once per path or for every call.
  void ask(const char* name, std::uint64_t seed, index_t step, latent_scope scope, view<const token, 2> x_t,
           view<const double, 1> t, view<const std::uint64_t, 1> items) {
    expects_draws(name, step, 0, x_t.extent(1));
    expects_shape(argument{name, "items"}, items, x_t.extent(0));
    draw_path_latents(net_, rng{seed}, items, scope == latent_scope::per_path ? 0 : step, latents_);
    ask(name, step, x_t, t, items, latents_);
  }

  /// The answer, (B, M, D, outputs).
  view<const Real, 4> raw() const { return raw_; }

  /// f(at, rows_of) for every position, rows_of as rows_of_call: a row or a draw costs a sweep over its states.
  template <class F>
  void each_position(view<const token, 2> x_t, const F& f) const {
    const index_t D = x_t.extent(1);
    const auto head = head_of(net_, process_.space());
    run_on_.template sweep<Real>(x_t.extent(0) * D, 0, [&](const auto& group, auto, index_t row_index) {
      const index_t b = row_index / D, d = row_index % D;
      f(place{b, d, x_t(b, d)},
        rows_of_call<Real, std::decay_t<decltype(group)>, std::decay_t<decltype(head)>>{group, head, raw()});
    });
  }

  /// f(rows_of, tile, b, first, count) for tiles of at most `most` positions of one item, with `scratch` Reals.
  template <class F>
  void each_tile(view<const token, 2> x_t, index_t most, index_t scratch, const F& f) const {
    const index_t D = x_t.extent(1), tiles = (D + most - 1) / most;
    const auto head = head_of(net_, process_.space());
    run_on_.template sweep<Real>(x_t.extent(0) * tiles, scratch, [&](const auto& group, view<Real, 1> tile, index_t i) {
      const index_t first = i % tiles * most;
      const rows_of_call<Real, std::decay_t<decltype(group)>, std::decay_t<decltype(head)>> rows_of{group, head, raw()};
      f(rows_of, tile, i / tiles, first, smaller(most, D - first));
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
