// A residual MLP that denoises: the network of the examples, on Eigen, with its own backward. A model of trainable_denoiser;
// with a law of λ also of mixture_denoiser.
//
//   mlp_denoiser<float>                       p^d(x_0^d | x_t), the teacher      raw (B, 1, D, outputs)
//   mlp_denoiser<float, categorical_latent>   p^d(x_0^d | x_t; λ), the student   raw (B, M, D, outputs)
//   mlp_denoiser<float, learned_latent>       the same, with log-weights of its components among the parameters
//
// Parts: token_input (x_t, once per item), conditioning (t, class and λ, once per distinct value), residual_trunk (every row (b, m)).
// Laws:
//   equal rows of a request get equal answers bit by bit, whatever the batch, its split, M, or the number of threads
//   gradients are the same bit by bit for any number of threads
//   operator() has no dropout and leaves what forward remembered alone; backward belongs to the last forward
//   adopt(teacher) followed by zero_latent gives the teacher's answers for every λ, and for every class
//   a network that has learned nothing of classes answers as one without
// Cost of a row: 2 FLOP per weight of the trunk forward, 4 backward; width 384, 3 blocks, 64 x 17 outputs: 2.6 and 5.2 MFLOP.
#pragma once

#include <dimix/backend/cpu.hpp>
#include <dimix/denoiser.hpp>
#include <dimix/latent.hpp>
#include <dimix/nn/conditioning.hpp>
#include <dimix/nn/learned_latent.hpp>
#include <dimix/nn/residual_trunk.hpp>
#include <dimix/nn/token_input.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace dimix::nn {

struct mlp_options {
  index_t dims = 0;                                   // D
  index_t states = 0;                                 // S, the mask included
  index_t outputs = 0;                                // numbers per position for the head; 0: S
  token mask = -1;                                    // the state that is the mask; -1: none
  token_encoding encoding = token_encoding::scalar;   // how x_t goes in
  double centre = 0;                                  // of the scalar encoding; 0: half of the largest state that is no mask
  index_t width = 384, blocks = 3, features = 128;    // multiples of 16; features: of the codes of t and λ
  index_t time_features = 32, latent_features = 128;  // even
  double latent_frequency = 1000;                     // the largest of a continuous λ's sinusoids; 0: λ itself goes in
  double dropout = 0;                                 // in [0, 1), in forward only
  bool zero_latent = false;                           // λ has no influence at first
  index_t classes = 0;                                // classes that can be asked for; 0: none
  std::uint64_t seed = 0;                             // of the weights and of dropout
};

template <class Real, class Latent = no_latent>
class mlp_denoiser {
 public:
  using scalar = Real;
  static constexpr bool is_mixture = conditioning<Real, Latent>::has_latent;
  static constexpr bool learns_weights = std::is_same_v<Latent, learned_latent>;

  explicit mlp_denoiser(mlp_options how, Latent law = {}, cpu backend = cpu(1)) : how_(how), law_(law), backend_(backend) {
    for (index_t extent : {how.width, how.features, how.blocks * how.width})
      expects(extent >= 16 && extent % 16 == 0, "mlp_denoiser: width = ", how.width, ", features = ", how.features,
              ", blocks = ", how.blocks, "; the first two are multiples of 16 and there is at least one block");
    if constexpr (is_mixture) expects(law.dims() >= 1, "mlp_denoiser: the law of the latent has no coordinates; use no_latent");
    expects(how.classes >= 0, "mlp_denoiser: classes = ", how.classes, " is negative");
    if (how_.outputs == 0) how_.outputs = how.states;
    const rng source{how.seed};
    const token_input_options tokens{how.dims, how.states, how.mask, how.centre, how.encoding};
    input_ = token_input<Real>(store_, how.width, tokens, source);
    conditioning_ = conditioning<Real, Latent>(store_, law,
                                               {.width = how.width,
                                                .blocks = how.blocks,
                                                .features = how.features,
                                                .time_features = how.time_features,
                                                .latent_features = how.latent_features,
                                                .latent_frequency = how.latent_frequency,
                                                .zero_latent = how.zero_latent,
                                                .classes = how.classes},
                                               source);
    trunk_ = residual_trunk<Real>(store_, how.width, how.blocks, how.dims * how_.outputs, how.dropout, source);
    if constexpr (learns_weights) log_weights_ = store_.add("latent.log_weights", {law.components()});
  }

  const mlp_options& options() const { return how_; }
  index_t outputs() const { return how_.outputs; }
  decltype(auto) latent() const requires is_mixture {
    if constexpr (learns_weights)
      return weighted_latent<Real>{log_weights()};
    else
      return static_cast<const Latent&>(law_);
  }

  /// log π (M) up to a constant, and where its gradient (M) goes.
  view<const Real, 1> log_weights() const requires learns_weights { return store_.values(log_weights_); }
  void backward_log_weights(view<const Real, 1> gradient) requires learns_weights {
    expects(gradient.extent(0) == law_.components(), "mlp_denoiser: a gradient of ", gradient.extent(0),
            " log-weights, but there are ", law_.components());
    array_of(store_.gradients(log_weights_)) += array_of(gradient);
  }

  parameters<Real>& weights() { return store_; }
  const parameters<Real>& weights() const { return store_; }

  /// Copies every block of the same name and shape from a teacher of any law, leaves the rest, and says which.
  template <class Other>
  adoption adopt(const mlp_denoiser<Real, Other>& teacher) {
    return store_.adopt(teacher.weights());
  }

  /// Which training pass comes next: dropout is a function of it. A run that resumes sets it back.
  std::uint64_t passes() const { return passes_; }
  void set_passes(std::uint64_t passes) { passes_ = passes; }

  /// Answers without dropout. raw (B, M, D, outputs), M = 1 without a law of λ.
  void operator()(const request<Real>& asked, view<Real, 4> raw) const { run(evaluation_, asked, raw, false, nullptr); }

  /// Answers with dropout, and remembers what backward needs.
  void forward(const request<Real>& asked, view<Real, 4> raw) {
    const typename residual_trunk<Real>::noise drop{rng{how_.seed}, passes_++};
    remembered_ = false;
    run(training_, asked, raw, true, &drop);
    remembered_ = true;
  }

  /// gradient: d loss / d raw of the last forward, once. Adds to weights().gradients().
  void backward(view<const Real, 4> gradient) {
    pass& p = training_.now;
    expects(remembered_, "mlp_denoiser: backward without a forward before it; each forward serves one backward");
    expects(gradient.size() == p.rows * trunk_.outputs() && gradient.extent(0) == p.items, "mlp_denoiser: gradient (",
            gradient.extent(0), ", ", gradient.extent(1), ", ", gradient.extent(2), ", ", gradient.extent(3),
            ") has not the shape of the last forward's ", p.items, " items of ", p.components, " components");
    remembered_ = false;  // the tape is overwritten with gradients
    const view<const Real, 2> of_raw(gradient.data(), p.rows, trunk_.outputs());
    backend_.for_each(tiles_of(p.rows), [&](int worker, index_t tile) { backward_tile(worker, tile * tile_rows, of_raw); });

    const auto start = trunk_.start_gradient(p.trunk, 0, p.rows);
    const auto shift = [&](index_t layer) { return trunk_.shift_gradient(p.trunk, layer, 0, p.rows); };
    const index_t item_tiles = tiles_of(p.items);
    backend_.for_each(item_tiles + p.conditions.tiles(), [&](int, index_t tile) {
      if (tile < item_tiles)
        sum_components(start, tile * tile_rows);
      else
        conditioning_.backward(store_, p.conditions, p.components, start, shift, tile - item_tiles);
    });

    jobs_.clear();
    trunk_.weight_gradients(p.trunk, p.rows, of_raw, jobs_);
    input_.weight_gradients(p.input, p.items, jobs_);
    conditioning_.weight_gradients(p.conditions, jobs_);
    const index_t products = jobs_.size(), scatters = input_.scatter_jobs();
    backend_.for_each(products + scatters + 1, [&](int, index_t job) {
      if (job < products)
        jobs_.run(store_, job);
      else if (job < products + scatters)
        input_.scatter(store_, p.input, p.items, job - products);
      else
        trunk_.norm_gradients(store_, p.trunk);
    });
    conditioning_.class_gradients(store_, p.conditions);
  }

 private:
  /// The buffers of one kind of pass.
  struct pass {
    index_t items = 0, components = 0, rows = 0;  // B, M, B M
    typename token_input<Real>::tape input;
    typename conditioning<Real, Latent>::tape conditions;
    trunk_tape<Real> trunk;  // of all rows; training only
  };
  struct worker_scratch {
    matrix<Real> hidden;     // (tile_rows, width)
    matrix<Real> raw;        // (tile_rows, D outputs): a tile that is not full
    trunk_tape<Real> trunk;  // of one tile; evaluation only
  };
  struct state {
    pass now;
    std::vector<worker_scratch> workers;
  };

  void check(const request<Real>& asked, const view<Real, 4>& raw) const {
    const index_t B = asked.batch(), M = raw.extent(1);
    expects(asked.dims() == how_.dims, "mlp_denoiser: tokens have ", asked.dims(), " positions, the network ", how_.dims);
    expects(asked.times.extent(0) == B, "mlp_denoiser: ", asked.times.extent(0), " times for ", B, " items");
    expects(raw.extent(0) == B && raw.extent(2) == how_.dims && raw.extent(3) == how_.outputs && M >= 1,
            "mlp_denoiser: raw is (", raw.extent(0), ", ", M, ", ", raw.extent(2), ", ", raw.extent(3), "), wanted (", B,
            ", M >= 1, ", how_.dims, ", ", how_.outputs, ")");
    for (index_t i = 0; i < asked.tokens.size(); ++i) {
      const token x = asked.tokens.data()[i];
      expects(x >= 0 && x < how_.states, "mlp_denoiser: tokens[", i / how_.dims, ", ", i % how_.dims, "] = ", x,
              " lies outside [0, ", how_.states, ")");
    }
    for (index_t b = 0; b < B; ++b)
      expects(asked.times(b) >= 0 && asked.times(b) <= 1, "mlp_denoiser: times[", b, "] = ", asked.times(b),
              " lies outside [0, 1]");
    expects(asked.classes.empty() || asked.classes.extent(0) == B, "mlp_denoiser: ", asked.classes.extent(0), " classes for ",
            B, " items");
    for (index_t b = 0; b < asked.classes.extent(0); ++b)
      expects(asked.classes(b) >= -1 && asked.classes(b) < how_.classes, "mlp_denoiser: classes[", b, "] = ", asked.classes(b),
              " is neither -1 nor one of the ", how_.classes, " classes of mlp_options");
    if constexpr (is_mixture) {
      check_latents(asked.latents, B, M);
    } else {
      expects(M == 1, "mlp_denoiser: raw has room for ", M, " components, but a factorized network has one");
    }
  }

  void check_latents(const view<const Real, 3>& latents, index_t B, index_t M) const {
    expects(latents.extent(0) == B && latents.extent(1) == M && latents.extent(2) == law_.dims(), "mlp_denoiser: latents are (",
            latents.extent(0), ", ", latents.extent(1), ", ", latents.extent(2), "), wanted (", B, ", ", M, ", ", law_.dims(),
            ")");
    for (index_t i = 0; i < latents.size(); ++i) {
      const Real value = latents.data()[i];
      if constexpr (finite_latent<Latent>)
        expects(value >= 0 && value < static_cast<Real>(law_.components()) && value == std::floor(value),
                "mlp_denoiser: latents[", i, "] = ", value, " is no component of ", law_.components());
      else
        expects(std::isfinite(value), "mlp_denoiser: latents[", i, "] = ", value, " is not finite");
    }
  }

  void run(state& s, const request<Real>& asked, view<Real, 4> raw, bool remember,
           const typename residual_trunk<Real>::noise* drop) const {
    check(asked, raw);
    pass& p = s.now;
    p.items = asked.batch();
    p.components = raw.extent(1);
    p.rows = p.items * p.components;
    input_.resize(p.input, asked.tokens, remember);
    conditioning_.prepare(p.conditions, asked.times, asked.classes, asked.latents, remember);
    if (remember) trunk_.resize(p.trunk, padded(p.rows), true);
    make_room(s, remember);

    const index_t item_tiles = tiles_of(p.items);
    backend_.for_each(item_tiles + p.conditions.tiles(), [&](int, index_t tile) {
      if (tile < item_tiles)
        input_.forward(store_, p.input, asked.tokens, tile * tile_rows);
      else
        conditioning_.forward(store_, p.conditions, asked.times, asked.latents, tile - item_tiles);
    });
    backend_.for_each(tiles_of(p.rows), [&](int worker, index_t tile) {
      forward_tile(s, s.workers[static_cast<std::size_t>(worker)], tile * tile_rows, raw.data(), remember, drop);
    });
  }

  void make_room(state& s, bool remember) const {
    s.workers.resize(static_cast<std::size_t>(backend_.threads()));
    for (worker_scratch& mine : s.workers) {
      mine.hidden.resize(tile_rows, how_.width);
      mine.raw.resize(tile_rows, trunk_.outputs());
      if (!remember) trunk_.resize(mine.trunk, tile_rows, false);
    }
  }

  /// Rows [first, first + tile_rows) of the batch; what lies behind its end is computed from zeros and thrown away.
  void forward_tile(state& s, worker_scratch& mine, index_t first, Real* raw, bool remember,
                    const typename residual_trunk<Real>::noise* drop) const {
    const index_t count = smaller(tile_rows, s.now.rows - first), outputs = trunk_.outputs();
    tile_terms<Real> terms{};
    for (index_t r = 0; r < count; ++r) terms[static_cast<std::size_t>(r)] = terms_of(s.now, first + r);
    trunk_tape<Real>& tape = remember ? s.now.trunk : mine.trunk;
    const bool whole = count == tile_rows;
    const view<Real, 2> out = whole ? view<Real, 2>(raw + first * outputs, tile_rows, outputs) : mine.raw.whole();
    trunk_.forward(store_, terms, tape, remember ? first : 0, mine.hidden.whole(), out, drop);
    if (!whole) std::copy_n(out.data(), count * outputs, raw + first * outputs);
  }

  row_terms<Real> terms_of(const pass& p, index_t row) const {
    const auto& c = p.conditions;
    const index_t item = row / p.components;
    row_terms<Real> terms{.start = p.input.hidden.row(item), .shift = c.shift.row(c.time_of[static_cast<std::size_t>(item)])};
    if constexpr (is_mixture) {
      const index_t latent = c.latent_of[static_cast<std::size_t>(row)];
      terms.latent_start = c.start.row(latent);
      terms.latent_shift = c.shift.row(c.latent_row(latent));
    }
    return terms;
  }

  void backward_tile(int worker, index_t first, view<const Real, 2> gradient) {
    worker_scratch& mine = training_.workers[static_cast<std::size_t>(worker)];
    const index_t count = smaller(tile_rows, training_.now.rows - first);
    view<const Real, 2> here(gradient.data() + first * gradient.extent(1), tile_rows, gradient.extent(1));
    if (count < tile_rows) {
      std::copy_n(here.data(), count * here.extent(1), mine.raw.row(0));
      std::fill(mine.raw.row(count), mine.raw.row(tile_rows), Real(0));
      here = mine.raw.whole();
    }
    trunk_.backward(store_, training_.now.trunk, first, here, mine.hidden.whole());
  }

  /// The gradient of an item's hidden row: the sum over its components, in their order.
  void sum_components(view<const Real, 2> start, index_t first) {
    pass& p = training_.now;
    for (index_t b = first; b < smaller(p.items, first + tile_rows); ++b) {
      auto sum = array_of(p.input.hidden_gradient.row(b), how_.width);
      sum = array_of(start.row(b * p.components));
      for (index_t m = 1; m < p.components; ++m) sum += array_of(start.row(b * p.components + m));
    }
  }

  mlp_options how_;
  Latent law_;
  cpu backend_;
  parameters<Real> store_;
  token_input<Real> input_;
  conditioning<Real, Latent> conditioning_;
  residual_trunk<Real> trunk_;
  index_t log_weights_ = -1;  // number of the block
  std::uint64_t passes_ = 0;
  bool remembered_ = false;
  state training_;
  mutable state evaluation_;  // one thread at a time may call a network
  weight_jobs<Real> jobs_;
};

static_assert(trainable_denoiser<mlp_denoiser<float>, float> && !mixture_denoiser<mlp_denoiser<float>, float>);

}  // namespace dimix::nn
