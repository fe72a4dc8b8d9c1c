// Samplers: from x_t to x_s with one network call, again and again from t = 1 to t = 0. (Only where λ has to be chosen among many, by
// hidden evidence or for the likeliest x_0 of the last step, one more call with all of them comes before it.) The loop belongs to the caller:
//
//   sampler.rows(x_t, s, t, latents)            the rows p(x_s^d | x_t; λ) that a step draws from, (B, D, S)
//   sampler.step(state, tokens, s, t, items)    one step in place: times per item, ids that fix the random bits
//   sample(process, net, options)               twenty lines over them (sampler/sample.hpp)
//
// A step can be given a class per item, known tokens of x_0 that noise hides, and λ itself (sampler/conditions.hpp).
//
// A method says what a row is and how it is drawn; it is elementwise over the head's row:
//   method.row(kernel, at, row)        -> log_prob(a) of p(x_s = a | x_t; λ)
//   method.draw(kernel, at, S, denoised, bits_of)   a state with that law; denoised() makes the head's row, for a method that can
//                                      do without it; bits_of(purpose, draw = 0) gives the position's random bits. draw_denoised(denoised,
//                                      S, bits) draws x_0 without making the row's normaliser, group_of(denoised) works on a row
// and, optional, made on the host once per item:
//   method.between(process, s, t)      the method of one step, with the numbers of the step in it: row and draw are asked of it
//   method.correction(process, t, noise)   the same for a corrector step, which leaves the law of x_t as it is (predictor_corrector.hpp)
//   Method::rows_are_reverse, Method::draws_rows    its rows are kernel.reverse's, and it draws from them: where these come from tables
//                                      they are made in tiles of positions, by products (forward_process/table_rows.hpp)
// Laws (tests/laws/sampler.hpp): rows sum to 1; draws follow rows (chi-square); ancestral and analytic have the same rows; the same
// seed gives the same tokens for any batch, split or number of threads. With evidence (tests/laws/evidence.cpp): one step follows the law
// of the mixture conditioned on it.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/core/array.hpp>
#include <dimix/forward_process.hpp>
#include <dimix/forward_process/table_rows.hpp>
#include <dimix/head.hpp>
#include <dimix/head/stepped.hpp>
#include <dimix/latent.hpp>
#include <dimix/sampler/analytic.hpp>
#include <dimix/sampler/ancestral.hpp>
#include <dimix/sampler/candidates.hpp>
#include <dimix/sampler/conditions.hpp>
#include <dimix/sampler/denoiser_call.hpp>
#include <dimix/sampler/euler.hpp>
#include <dimix/sampler/tau_leaping.hpp>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

namespace dimix {

/// What a path remembers between steps: two numbers that can be written down and taken up again.
struct sampler_state {
  std::uint64_t seed = 0;
  index_t step = 0;  // steps made so far
};

struct sampler_options {
  latent_scope scope = latent_scope::per_path;  // λ once per path or for every call
  bool argmax_tail = false;                     // a step to s = 0 takes the most probable state instead of a draw
  index_t last_candidates = 0;       // M: a step to s = 0 takes the likeliest of the most probable x_0 of M λ; 0: off
  index_t evidence_candidates = 64;  // λ that are weighed by evidence; of a finite law always all
};

/// The method of one step.
template <class Method, class Process>
auto method_between(const Method& method, const Process& process, double s, double t) {
  if constexpr (requires { method.between(process, s, t); })
    return method.between(process, s, t);
  else
    return method;
}

/// Methods whose rows are those of kernel.reverse say so, Method::rows_are_reverse = true, and those that draw from these rows,
/// Method::draws_rows = true: where they come from tables, many are made at once.
template <class Method>
inline constexpr bool rows_are_reverse = requires {
  requires Method::rows_are_reverse;
};
template <class Method>
inline constexpr bool draws_rows = requires {
  requires Method::draws_rows;
};

/// A method may have none: Method::has_rows = false. One that guides the network's rows says so: Method::guides = true.
template <class Method>
inline constexpr bool has_rows = !requires {
  requires !Method::has_rows;
};

/// What a method is given at a position: denoised() makes the head's row, draw(S, bits) draws x_0 from it.
template <class Rows>
struct denoised_at {
  const Rows& rows_of;
  const place& at;

  DIMIX_HD auto operator()() const { return rows_of(at); }
  DIMIX_HD token draw(index_t S, random_block bits) const { return rows_of.draw(at, S, bits); }
  DIMIX_HD const auto& group() const { return rows_of.group; }
};
/// The same where p(x_s | x_t) has been made already, with others between the same times: reversed().
template <class Rows, class Row>
struct reversed_at : denoised_at<Rows> {
  const Row& row;

  const Row& reversed() const { return row; }
};

/// Whether a kernel has tables, so that rows p(x_s | x_t) are cheaper made together (forward_process/table_rows.hpp).
template <class Kernel>
inline constexpr bool has_tables = requires(const Kernel kernel) {
  kernel.held_back;
};

template <class Real, class Process, class Net, class Method = ancestral, backend Backend = cpu>
class sampler {
  static_assert(forward_process_like<Process>,
                "sampler: Process must be a forward_process<Space, Schedule>; see dimix/forward_process.hpp");
  static_assert(
      factorized_denoiser<Net, Real>,
      "sampler: Net must provide outputs() and operator()(request<Real>, view<Real, 4>) const; see dimix/denoiser.hpp");

 public:
  using state_type = sampler_state;
  using conditions_type = conditions<Real>;

  sampler(const Process& forward, const Net& net, sampler_options options = {}, Method method = {}, Backend run_on = Backend{})
      : process_(forward), net_(net), options_(options), method_(method), run_on_(run_on), call_(forward, net, run_on) {
    expects(options.last_candidates >= 0, "sampler: last_candidates = ", options.last_candidates, " is negative");
    expects(options.evidence_candidates >= 1, "sampler: evidence_candidates = ", options.evidence_candidates,
            "; at least one is needed");
    if constexpr (mixture_denoiser<Net, Real> && requires { requires Method::guides; })
      expects(options.last_candidates <= 1, "sampler: last_candidates = ", options.last_candidates,
              " would choose by the network's rows, which this method guides: its x_0 would not be guided; take 1");
  }

  /// p(x_s^d = a | x_t; λ): (B, D, S). x_t (B, D); s, t (B) with 0 <= s <= t <= 1; latents (B, 1, L), L = 0 for a factorized denoiser.
  array<Real, 3> rows(view<const token, 2> x_t, view<const double, 1> s, view<const double, 1> t, view<const Real, 3> latents,
                      index_t step = 0, view<const token, 1> classes = {}) {
    expects_shape("sampler: latents", latents, x_t.extent(0), 1, latent_dims_of<Real>(net_));
    ask(x_t, s, t, {}, latents, step, classes, [&](index_t b) { return method_between(method_, process_, s(b), t(b)); });
    const index_t D = x_t.extent(1), S = process_.max_states();
    array<Real, 3> result(x_t.extent(0), D, S);  // (B, D, S)
    each_position<rows_are_reverse<Method>>(
        x_t, [&](const auto& kernel, const auto& method, const place& at, const auto& denoised) {
          const view<Real, 1> to = result.whole().row(at.item, at.dim);
          if constexpr (requires { denoised.reversed(); })
            denoised.group().for_each(S, [&](auto a) { write(to, a, denoised.reversed().prob(a)); });
          else
            write_row(denoised.group(), method.row(kernel, at, denoised()), to);
        });
    return result;
  }

  /// One step for every item: tokens (B, D) go from t to s in place; items (B) are ids. Advances state.step.
  /// Where evidence is given, those positions go by q(x_s | y, x_t), and λ is drawn from its law given them, w (latents_given).
  /// One network call and one sweep of B D rows (analytic steps over tables: of tiles of 96 positions), which after the first step of this size
  /// ask for no memory where the process's kernels do not;
  /// candidates for λ cost another call and the sweeps of their marginalisation.
  void step(sampler_state& state, view<token, 2> tokens, view<const double, 1> s, view<const double, 1> t,
            view<const std::uint64_t, 1> items, const conditions<Real>& given = {}) {
    advance(state, tokens, s, t, items, given, [&](index_t b) { return method_between(method_, process_, s(b), t(b)); });
  }

  /// A corrector step for every item: tokens (B, D) stay at t, and their law at q_t if it is q_t and the denoiser exact, to first order in
  /// noise (B) >= 0: how much passes forth and back. t (B) in (0, 1]. Advances state.step.
  void correct(sampler_state& state, view<token, 2> tokens, view<const double, 1> t, view<const double, 1> noise,
               view<const std::uint64_t, 1> items, const conditions<Real>& given = {}) {
    static_assert(
        requires { method_.correction(process_, 0.5, 0.5); },
        "sampler::correct: Method must provide correction(process, t, noise), as euler and tau_leaping do; see "
        "dimix/sampler/predictor_corrector.hpp");
    expects_shape("sampler::correct: t", t, tokens.extent(0));
    expects_shape("sampler::correct: noise", noise, tokens.extent(0));
    advance(state, tokens, t, t, items, given, [&](index_t b) {
      expects(t(b) > 0, "sampler::correct: t[", b, "] = ", t(b), "; rates are not bounded at the data");
      expects(noise(b) >= 0 && std::isfinite(noise(b)), "sampler::correct: noise[", b, "] = ", noise(b),
              " is not a finite number >= 0");
      return method_.correction(process_, t(b), noise(b));
    });
  }

  /// λ given the evidence at x_t: (B, 1, L), one draw per item from
  ///   w_m ∝ π_m prod_{d known} p_d(y_d | x_t; λ_m),   m = 1..M
  /// with all components of a finite law, or M = evidence_candidates even draws of another. Where the known tokens are visible and the
  /// head certain of them, w = π. Costs a network call with M components. A step with scope per_step does this by itself; with λ kept
  /// along the path, call it at the first x_t and give the answer to every step: p(y | x_t; λ) is the weight of a path with λ, and once
  /// λ is drawn with it the rest of the path goes by that λ.
  array<Real, 3> latents_given(const sampler_state& state, view<const token, 2> x_t, view<const double, 1> t,
                               view<const std::uint64_t, 1> items, const conditions<Real>& given) {
    const index_t B = x_t.extent(0), L = latent_dims_of<Real>(net_);
    array<Real, 3> chosen(B, 1, L);  // (B, 1, L)
    if constexpr (mixture_denoiser<Net, Real>) {
      given.check(process_.space(), B, x_t.extent(1));
      expects(!given.evidence.empty(), "sampler::latents_given: no evidence is given");
      const candidates<Real> among(net_.latent(), options_.evidence_candidates, true, rng{state.seed}, items,
                                   latent_step(state));
      ask(x_t, t, t, items, among.latents, state.step, given.classes, at_rest(t));
      const view<const token, 3> known(given.evidence.data(), B, 1, x_t.extent(1));  // (B, 1, D)
      const array<Real, 3> w = responsibilities<Real>(head_of(net_, process_.space()), x_t, call_.raw(), known,
                                                      process_.max_states(), run_on_, among.log_weights);  // (B, M, 1)
      for (index_t b = 0; b < B; ++b) {
        const index_t m = draw_categorical(
            among.count(), [&](index_t i) { return std::log(w(b, i, 0)); },
            rng{state.seed}(purpose::component, items(b), state.step, 0, 0));
        std::copy_n(among.latents.whole().row(b, m).data(), L, chosen.whole().row(b, 0).data());
      }
    }
    return chosen;
  }

  const Process& process() const { return process_; }
  const Net& net() const { return net_; }
  const sampler_options& options() const { return options_; }
  /// For methods with a memory of the path, which is brought up to date between steps.
  Method& method() { return method_; }

 private:
  using kernel_type = typename Process::template kernel<Real>;
  using method_type = decltype(method_between(std::declval<Method>(), std::declval<Process>(), 0.0, 0.0));

  /// The counter of λ's random bits.
  index_t latent_step(const sampler_state& state) const { return options_.scope == latent_scope::per_path ? 0 : state.step; }

  /// λ of this call: given, drawn given evidence, or drawn.
  view<const Real, 3> choose_latents(const sampler_state& state, view<const token, 2> x_t, view<const double, 1> t,
                                     view<const std::uint64_t, 1> items, const conditions<Real>& given) {
    if (!given.latents.empty()) {
      expects_shape("sampler: latents", given.latents, x_t.extent(0), 1, latent_dims_of<Real>(net_));
      return given.latents;
    }
    if (mixture_denoiser<Net, Real> && !given.evidence.empty()) {
      expects(options_.scope == latent_scope::per_step,
              "sampler::step: evidence with λ once per path needs given.latents: draw them with latents_given() at the first "
              "step");
      latents_ = latents_given(state, x_t, t, items, given);
    } else {
      draw_path_latents(net_, rng{state.seed}, items, latent_step(state), latents_);
    }
    return latents_;
  }

  /// The most probable x_0 of each of last_candidates λ, and of these the one of the largest mixture log-likelihood: (B, D). Known
  /// tokens are what they are. One network call of M components.
  array<token, 2> likeliest_of(const sampler_state& state, view<const token, 2> x_t, view<const double, 1> t,
                               view<const std::uint64_t, 1> items, const conditions<Real>& given) {
    using head_type = std::remove_const_t<decltype(head_of(net_, process_.space()))>;
    const index_t B = x_t.extent(0);
    const array<double, 1> end(B);  // (B)  s = 0
    const candidates<Real> among(net_.latent(), options_.last_candidates, false, rng{state.seed}, items, latent_step(state));
    ask(x_t, end, t, items, among.latents, state.step, given.classes, at_rest(t));
    const stepped<head_type, kernel_type> at_end{head_of(net_, process_.space()), {kernels_.data(), B}};
    return most_likely<Real>(at_end, x_t, call_.raw(), given.evidence, process_.max_states(), run_on_,
                             view<const Real, 2>(among.log_weights));
  }

  /// One network call with one λ per item, after those with candidates, and a draw of every position by the method of its item.
  template <class MethodOf>
  void advance(sampler_state& state, view<token, 2> tokens, view<const double, 1> s, view<const double, 1> t,
               view<const std::uint64_t, 1> items, const conditions<Real>& given, const MethodOf& method_of) {
    const index_t B = tokens.extent(0), D = tokens.extent(1), S = process_.max_states();
    expects_draws("sampler::step", state.step, 0, D);
    expects_shape("sampler::step: items", items, B);
    expects_shape("sampler: s", s, B);
    given.check(process_.space(), B, D);
    const rng random{state.seed};
    array<token, 2> likeliest;  // (B, D) where it is asked for
    if constexpr (mixture_denoiser<Net, Real>)
      if (options_.last_candidates > 1 && std::find(s.begin(), s.end(), 0.0) != s.end())
        likeliest = likeliest_of(state, tokens, t, items, given);
    const auto latents = choose_latents(state, tokens, t, items, given);  // (B, 1, L)
    ask(tokens, s, t, items, latents, state.step, given.classes, method_of);
    const bool argmax_tail = options_.argmax_tail || options_.last_candidates > 0;
    each_position<draws_rows<Method>>(tokens,
                                      [&](const auto& kernel, const auto& method, const place& at, const auto& denoised) {
                                        const auto bits_of = [&](purpose what, index_t draw = 0) {
                                          return random(what, items(at.item), state.step, draw, at.dim);
                                        };
                                        const bool last = s(at.item) == 0;
                                        token& x = tokens(at.item, at.dim);
                                        if (const token known = given.known(at); known >= 0)
                                          x = kernel.draw_posterior(at.dim, known, at.now, bits_of(purpose::transition));
                                        else if (last && likeliest.size() > 0)
                                          x = likeliest(at.item, at.dim);
                                        else if (last && argmax_tail)
                                          x = most_probable_last(method, kernel, at, denoised, S);
                                        else
                                          x = method.draw(kernel, at, S, denoised, bits_of);
                                      });
    const index_t missing = first_missing(view<const token, 2>(tokens));
    if (missing < tokens.size())
      fail<numeric_error>("sampler::step: item ", missing / D, " position ", missing % D,
                          " has no state with a positive probability (non-finite logits?)");
    ++state.step;
  }

  /// The state that a step to s = 0 takes instead of a draw.
  template <class Step, class Kernel, class Denoised>
  static token most_probable_last(const Step& method, const Kernel& kernel, const place& at, const Denoised& denoised,
                                  index_t S) {
    if constexpr (requires { denoised.reversed(); })
      return most_probable_of(denoised.group(), denoised.reversed(), S);
    else
      return most_probable_of(denoised.group(), last_row(method, kernel, at, denoised()), S);
  }

  /// The probabilities of a row.
  template <class Group, class Law>
  static void write_row(const Group& group, const Law& law, view<Real, 1> to) {
    group.for_each(to.extent(0), [&]<index_of<Law> At>(At a) {
      using std::exp;
      write(to, a, exp(law.log_prob(a)));
    });
  }

  /// The row of a step to s = 0. A method without rows steps there by those of p(x_0 | x_t).
  template <class Step, class Kernel, class Row>
  static auto last_row(const Step& method, const Kernel& kernel, const place& at, const Row& denoised) {
    if constexpr (has_rows<Step>)
      return method.row(kernel, at, denoised);
    else
      return kernel.reverse(at.dim, at.now, denoised);
  }

  /// The method where nothing is drawn by it.
  auto at_rest(view<const double, 1> t) const {
    return [this, t](index_t b) { return method_between(method_, process_, t(b), t(b)); };
  }

  /// One network call with λ (B, M, L), and the kernels and methods of the step.
  template <class MethodOf>
  void ask(view<const token, 2> x_t, view<const double, 1> s, view<const double, 1> t, view<const std::uint64_t, 1> items,
           view<const Real, 3> latents, index_t step, view<const token, 1> classes, const MethodOf& method_of) {
    const index_t B = x_t.extent(0);
    expects_shape("sampler: s", s, B);
    expects_shape("sampler: t", t, B);
    kernels_.clear();
    methods_.clear();
    for (index_t b = 0; b < B; ++b) {
      // items at the same times share what a kernel holds
      const bool same = b > 0 && s(b) == s(b - 1) && t(b) == t(b - 1);
      kernels_.push_back(same ? kernels_.back() : process_.template between<Real>(s(b), t(b)));
      methods_.push_back(method_of(b));
    }
    call_.ask("sampler", step, x_t, t, items, latents, classes);
  }

  /// f(kernel, method, at, denoised) for every position; denoised() makes the head's row, denoised.draw(S, bits) draws from it: each costs a
  /// sweep over its states. With InTiles, where there are tables, denoised.reversed() is the row p(x_s | x_t).
  template <bool InTiles, class F>
  void each_position(view<const token, 2> x_t, const F& f) const {
    if constexpr (InTiles && has_tables<kernel_type>) {
      const auto tables = make_tables();  // (B)
      call_.each_tile(x_t, table_rows<Real>::rows, tables.front()->scratch(),
                      [&](const auto& rows_of, view<Real, 1> tile, index_t b, index_t first, index_t count) {
                        const auto at = [&](index_t i) { return place{b, first + i, x_t(b, first + i)}; };
                        const auto item = static_cast<std::size_t>(b);
                        (*tables[item])(
                            rows_of.group, tile, count, [&](index_t i) { return at(i).now; },
                            [&](index_t i) { return rows_of.unnormalised(at(i)); },
                            [&](index_t i, const auto& row) {
                              const place here = at(i);
                              using rows_type = std::decay_t<decltype(rows_of)>;
                              f(kernels_[item], methods_[item], here,
                                reversed_at<rows_type, std::decay_t<decltype(row)>>{{rows_of, here}, row});
                            });
                      });
    } else {
      call_.each_position(x_t, [&](const place& at, const auto& rows_of) {
        const auto item = static_cast<std::size_t>(at.item);
        f(kernels_[item], methods_[item], at, denoised_at<std::decay_t<decltype(rows_of)>>{rows_of, at});
      });
    }
  }

  /// What makes the rows of each item: (B). Items at the same times share it.
  auto make_tables() const {
    std::vector<std::shared_ptr<const table_rows<Real>>> tables;
    for (std::size_t b = 0; b < kernels_.size(); ++b)
      tables.push_back(b > 0 && kernels_[b].held_back == kernels_[b - 1].held_back
                           ? tables.back()
                           : std::make_shared<const table_rows<Real>>(kernels_[b]));
    return tables;
  }

  const Process process_;
  const Net& net_;
  sampler_options options_;
  Method method_;
  Backend run_on_;
  denoiser_call<Real, Process, Net, Backend> call_;
  std::vector<kernel_type> kernels_;  // (B)
  std::vector<method_type> methods_;  // (B)
  array<Real, 3> latents_;
};

}  // namespace dimix

#include <dimix/sampler/sample.hpp>
