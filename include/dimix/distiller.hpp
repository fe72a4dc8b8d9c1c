// The distiller: one training step of Di4C for any process and any pair of denoisers.
//
//   t in [δ, 1], u = t - δ      per item; a share of the items starts at t = 1, where few-step sampling starts
//   x_t ~ q(x_t | x_0)
//   teacher at (x_t, t)         T_d, and x_u^(k) ~ p_teacher(x_u | x_t), k = 1..K
//   network at (x_u^(k), u, λ'_k)   x_s^(k) and the marginals P^_d = mean_k p_d(. | x_u^(k); λ'_k): constants for the gradient
//   student at (x_t, t, λ_m)    consistency against them, datapoint against x_0, marginal against T; gradient to its raw outputs
//   student at (x_τ, τ, λ)      distillation against the teacher at small times τ, each row with its own x_τ, τ and λ
//
// A teacher that is a mixture itself (a second round) is asked with K draws of λ: x_u^(k) comes from component k, T is the mean of the
// components' rows. At τ it gives x_0^(k) from component k, and the student, with M draws of λ, has the consistency loss against them
// and T: the teacher's correlations are learned, not its rows into every component. R = distillation_rows then cost M evaluations
// each: 1 does.
//
// Loss = w_c consistency + α(t) datapoint + w_m marginal + w_d distillation, each a mean over items; see objective/terms.hpp.
// Sources: paper, section 3; tauldr losses.py DistilChain.calc_loss; maskgit vit.py train_di4c; sdtt multi_round_sdtt.py di4c_loss.
// Terms of the user's own (Extra) join the student's site at (x_t, t, λ).
// A student with weights of its own (weighted_denoiser) is asked for all components at once, draws = enumerated, also where it is
// distilled; its losses have the weights π, and their gradient goes to backward_log_weights. λ' at u is drawn from π.
// A class of the item goes to every network, with all draws of the item (classes of step()).
// step() leaves gradients in the student (backward adds to them); the optimiser is the caller's.
// Sweeps of a step (tests/spy): corrupt, x_u, and x_s with P^ one each, T those of marginals, and those of the objectives (objective.hpp).
#pragma once

#include <dimix/core/memory.hpp>
#include <dimix/distiller/options.hpp>
#include <dimix/distiller/pretrainer.hpp>
#include <dimix/distiller/time_law.hpp>
#include <dimix/forward_process/corrupt.hpp>
#include <dimix/head/stepped.hpp>
#include <dimix/latent.hpp>
#include <dimix/objective.hpp>
#include <dimix/sampler/ancestral.hpp>

#include <memory>
#include <tuple>

namespace dimix {

template <class Real, class Process, class Teacher, class Student, class AtU = detached, backend Backend = cpu,
          loss_term<Real>... Extra>
class distiller {
  static_assert(
      factorized_denoiser<Teacher, Real>,
      "distiller: Teacher must provide outputs() and operator()(request<Real>, view<Real, 4>) const; see dimix/denoiser.hpp");
  static_assert(trainable_denoiser<Student, Real>,
                "distiller: Student must provide outputs(), operator(), forward(request, raw) and backward(gradient); see "
                "dimix/denoiser.hpp");

 public:
  distiller(const Process& forward, const Teacher& teacher, Student& student, AtU at_u = {}, distiller_options options = {},
            Backend run_on = Backend{}, Extra... extra)
      : process_(forward),
        teacher_(teacher),
        student_(student),
        at_u_(at_u),
        options_(options),
        run_on_(run_on),
        extra_(extra...),
        random_{options.seed} {
    const auto& o = options_;
    expects(o.components >= 1, "distiller: components M = ", o.components, "; at least one is needed");
    expects(o.targets >= 0, "distiller: targets K = ", o.targets, " is negative");
    expects(0 < o.shortest_gap && o.shortest_gap <= o.longest_gap && o.longest_gap <= 1, "distiller: gaps [", o.shortest_gap,
            ", ", o.longest_gap, "] must lie in (0, 1]");
    expects(o.start_share >= 0 && o.start_share <= 1, "distiller: start_share = ", o.start_share, " lies outside [0, 1]");
    expects(o.target_fraction >= 0 && o.target_fraction < 1, "distiller: target_fraction = ", o.target_fraction,
            " lies outside [0, 1)");
    expects(0 < o.distillation_time && o.distillation_time <= 1, "distiller: distillation_time = ", o.distillation_time,
            " lies outside (0, 1]");
    if (!mixture_denoiser<Student, Real>)
      expects(o.components == 1, "distiller: a factorized student has components = 1, not ", o.components);
    if constexpr (weighted_denoiser<Student, Real>)
      expects(o.draws == latent_draws::enumerated && o.components == student.latent().components(),
              "distiller: a student with weights of its own is asked for all of them, draws = latent_draws::enumerated and "
              "components = ",
              student.latent().components(), ", not ", o.components);
  }

  /// x_0 (B, D) tokens. first_item: id of the first item; give every item of a training its own. classes (B), -1: none; may be empty.
  distiller_losses step(view<const token, 2> x_0, std::uint64_t first_item, view<const token, 1> classes = {}) {
    expects_data("distiller: x_0", x_0, process_.space());
    if (!classes.empty()) expects_shape("distiller: classes", classes, x_0.extent(0));
    classes_ = classes;
    distiller_losses losses;
    chain_site(x_0, first_item, losses);
    if (options_.distillation_rows > 0 && options_.distillation_weight > 0) distillation_site(x_0, first_item, losses);
    expects<numeric_error>(std::isfinite(losses.total), "distiller: the loss of the batch with first item ", first_item, " is ",
                           losses.total);
    return losses;
  }

 private:
  using kernel = typename Process::template kernel<Real>;
  static constexpr bool mixture_teacher = mixture_denoiser<Teacher, Real>;

  index_t targets() const { return options_.targets == 0 ? options_.components : options_.targets; }

  // ---- the site of consistency, datapoint and marginal ----

  void chain_site(view<const token, 2> x_0, std::uint64_t first_item, distiller_losses& losses) {
    const index_t B = x_0.extent(0), D = x_0.extent(1), S = process_.max_states(), M = options_.components, K = targets();
    const auto items = ids(B, first_item);  // (B)
    draw_times(B, items);
    x_t_.resize(B, D);  // (B, D)
    corrupt(process_, x_0, t_, random_, items, x_t_.whole(), run_on_);

    // teacher at (x_t, t): T, and K draws of x_u
    const index_t teacher_components = mixture_teacher ? K : 1;
    const auto teacher_raw = ask(teacher_, x_t_, t_, items, teacher_components, 3, teacher_raw_);  // (B, 1 or K, D, outputs)
    const array<Real, 3> T = marginals<Real>(head_of(teacher_, process_.space()), x_t_, teacher_raw, S, run_on_);
    const auto x_u = draw_x_u(items, teacher_raw, K);  // (B K, D)

    // the network at u
    const auto items_u = ids(B * K, first_item * static_cast<std::uint64_t>(K));  // (B K)
    u_of_draws_.resize(B * K);                                                    // (B K)
    for (index_t i = 0; i < B * K; ++i) u_of_draws_(i) = u_(i / K);
    const auto raw_u = ask(network_at_u(), x_u, u_of_draws_, items_u, 1, 1, raw_u_);  // (B K, 1, D, outputs)
    const auto head = head_of(student_, process_.space());
    array<token, 3> x_s(B * K, 1, D);  // (B K, 1, D)  = (B, K, D)
    array<Real, 3> P;                  // (B, D, S)
    if (options_.target_fraction == 0) {
      targets_at_u(head, x_u, raw_u, items_u, x_s, P, K);
    } else {
      const auto to_s = kernels(u_of_draws_, u_of_draws_, options_.target_fraction);  // (B K)  between(s, u)
      targets_at_u(stepped<std::remove_const_t<decltype(head)>, kernel>{head, {to_s.data(), B * K}}, x_u, raw_u, items_u, x_s,
                   P, K);
    }

    // the student at (x_t, t, λ)
    const auto asked = request_of(student_, x_t_, t_, items, M, 0);
    raw_.resize(B, M, D, student_.outputs());       // (B, M, D, outputs)
    gradient_.resize(B, M, D, student_.outputs());  // (B, M, D, outputs)
    student_.forward(asked, raw_.whole());
    const view<const token, 3> draws(x_s.data(), B, K, D);  // (B, K, D)
    const view<const token, 3> data(x_0.data(), B, 1, D);   // (B, 1, D)
    chain_objectives(head, draws, data, P, T, losses);
    student_.backward(view<const Real, 4>(gradient_));
  }

  /// δ, t = v < start_share ? 1 : [δ, 1] from one even set v over the batch, u = t - δ; α(t).
  void draw_times(index_t B, view<const std::uint64_t, 1> items) {
    t_.resize(B);      // (B)
    u_.resize(B);      // (B)
    alpha_.resize(B);  // (B)
    const double start = unit(random_(purpose::time, items(0), 0, 0, 0).first());
    for (index_t b = 0; b < B; ++b) {
      const double gap =
          log_uniform(unit(random_(purpose::time, items(b), 0, 1, 0).first()), options_.shortest_gap, options_.longest_gap);
      const double v = antithetic(start, b, B), share = options_.start_share;
      t_(b) = v < share ? 1.0 : smaller(1.0, between((v - share) / (1 - share), gap, 1.0));
      u_(b) = larger(0.0, t_(b) - gap);
      alpha_(b) = static_cast<Real>(options_.datapoint_weight * weight_at(options_.datapoint_time, t_(b)));
    }
  }

  array<token, 2> draw_x_u(view<const std::uint64_t, 1> items, view<const Real, 4> teacher_raw, index_t K) {
    const index_t B = x_t_.extent(0), D = x_t_.extent(1), S = process_.max_states();
    array<token, 2> x_u(B * K, D);  // (B K, D)
    std::vector<kernel> step;       // (B)  between(u, t)
    for (index_t b = 0; b < B; ++b) step.push_back(process_.template between<Real>(u_(b), t_(b)));
    const auto head = head_of(teacher_, process_.space());
    run_on_.template sweep<Real>(B * K, 0, [&](const auto& group, auto, index_t row_index) {
      const index_t b = row_index / K, k = row_index % K;
      for (index_t d = 0; d < D; ++d) {
        const place at{b, d, x_t_(b, d)};
        const auto denoised = [&] {
          return make_row<Real>(group, head, teacher_raw.row(b, teacher_raw.extent(1) == 1 ? index_t{0} : k, d), at);
        };
        const auto bits_of = [&](purpose what) { return random_(what, items(b), 0, k, d); };
        x_u(row_index, d) = ancestral{}.draw(step[static_cast<std::size_t>(b)], at, S, denoised, bits_of);
      }
    });
    for (token x : x_u)
      expects<numeric_error>(x >= 0, "distiller: the teacher's row has no positive probability (non-finite logits?)");
    return x_u;
  }

  /// x_s^(k) and P^, from the raw outputs at u.
  template <class Head>
  void targets_at_u(const Head& head, view<const token, 2> x_u, view<const Real, 4> raw_u, view<const std::uint64_t, 1> items_u,
                    array<token, 3>& x_s, array<Real, 3>& P, index_t K) {
    const index_t S = process_.max_states();
    if (options_.control_variates)
      P = draw_with_mean_rows<Real>(head, x_u, raw_u, K, S, random_, purpose::target, items_u, 0,
                                    view<token, 2>(x_s.data(), x_u.extent(0), x_u.extent(1)), run_on_);
    else
      draw_tokens<Real>(head, x_u, raw_u, S, random_, purpose::target, items_u, 0, x_s.whole(), run_on_);
  }

  template <class Head>
  void chain_objectives(const Head& head, view<const token, 3> draws, view<const token, 3> data, view<const Real, 3> P,
                        view<const Real, 3> T, distiller_losses& losses) {
    const item_weights<Real> wc{{}, static_cast<Real>(options_.consistency_weight)},
        wm{{}, static_cast<Real>(options_.marginal_weight)}, alpha{alpha_};
    const auto places = [&](std::vector<double*> of_all) {  // the last place is that of the marginal term, which may be off
      if (!options_.control_variates) of_all.pop_back();
      return of_all;
    };
    const auto both = [&](const auto& consistent, const auto& datapoint, const auto&... marginal) {
      if (options_.target_fraction == 0) {
        with_extra(head, gradient_mode::overwrite, losses, places({&losses.consistency, &losses.datapoint, &losses.marginal}),
                   consistent, datapoint, marginal...);
      } else {
        const auto to_s = kernels(t_, u_, options_.target_fraction);  // (B)  between(s, t)
        run(stepped<Head, kernel>{head, {to_s.data(), x_t_.extent(0)}}, gradient_mode::overwrite, losses, {&losses.consistency},
            consistent);
        with_extra(head, gradient_mode::accumulate, losses, places({&losses.datapoint, &losses.marginal}), datapoint,
                   marginal...);
      }
    };
    if (options_.control_variates)
      both(consistency<Real>{{draws, wc}, {P, wc}}, correlation<Real>{data, alpha}, marginal_divergence<Real>{T, wm});
    else
      both(joint_negative_log_likelihood<Real>{draws, wc}, joint_negative_log_likelihood<Real>{data, alpha});
  }

  template <class Head, class... Terms>
  void with_extra(const Head& head, gradient_mode mode, distiller_losses& losses, const std::vector<double*>& places,
                  const Terms&... terms) {
    std::apply([&](const auto&... extra) { run(head, mode, losses, places, terms..., extra...); }, extra_);
  }

  /// One objective at the student's raw outputs: gradient into gradient_, its weighted loss into the total, the means of its terms
  /// into the places given.
  template <class Head, class... Terms>
  void run(const Head& head, gradient_mode mode, distiller_losses& losses, const std::vector<double*>& places,
           const Terms&... terms) {
    const view<const Real, 4> raw = raw_;
    objective_options<Real> options = weights_of_student();
    options.memory = memory_.get();
    auto loss = make_objective<Real>(head, x_t_, raw.extent(1), process_.max_states(), options, terms...);
    losses.total += static_cast<double>(value_and_gradient(loss, raw, gradient_.whole(), run_on_, mode));
    if constexpr (weighted_denoiser<Student, Real>) weights_backward(loss);
    for (index_t j = 0; j < static_cast<index_t>(places.size()); ++j) {
      const auto values = loss.value(j);  // (B)
      for (Real value : values)
        *places[static_cast<std::size_t>(j)] += static_cast<double>(value) / static_cast<double>(values.extent(0));
    }
  }

  /// π of the student, the same for every item; nothing where its components are equally likely.
  objective_options<Real> weights_of_student() {
    if constexpr (weighted_denoiser<Student, Real>) {
      const view<const Real, 1> of_net = student_.log_weights();  // (M)
      log_weights_.resize(x_t_.extent(0), of_net.extent(0));      // (B, M)
      for (index_t b = 0; b < x_t_.extent(0); ++b) std::copy(of_net.begin(), of_net.end(), log_weights_.whole().row(b).data());
      return {.log_weights = log_weights_, .log_weight_gradient = true};
    } else {
      return {};
    }
  }

  /// The gradient of the weights, summed over items, to the student.
  template <class Objective>
  void weights_backward(const Objective& loss) {
    array<Real, 2> slopes(log_weights_.extent(0), log_weights_.extent(1));  // (B, M)
    array<Real, 1> sum(log_weights_.extent(1));                             // (M)
    loss.log_weight_gradient(slopes.whole());
    for (index_t i = 0; i < slopes.size(); ++i) sum(i % sum.size()) += slopes.data()[i];
    student_.backward_log_weights(view<const Real, 1>(sum));
  }

  // ---- the site of distillation: B R rows; one component each, all of them where they are enumerated or the teacher is a mixture ----

  void distillation_site(view<const token, 2> x_0, std::uint64_t first_item, distiller_losses& losses) {
    const index_t B = x_0.extent(0), D = x_0.extent(1), R = options_.distillation_rows, S = process_.max_states();
    const auto items = ids(B * R, first_item * static_cast<std::uint64_t>(R));  // (B R)
    array<token, 2> clean(B * R, D);                                            // (B R, D)
    t_.resize(B * R);                                                           // (B R)
    for (index_t r = 0; r < B * R; ++r) {
      std::copy_n(x_0.row(r / R).data(), D, clean.whole().row(r).data());
      t_(r) = options_.distillation_time * unit(random_(purpose::time, items(r), 1, 0, 0).first());
    }
    x_t_.resize(B * R, D);  // (B R, D)
    corrupt(process_, clean, t_, random_, items, x_t_.whole(), run_on_, 1);
    const index_t K = mixture_teacher ? targets() : index_t{1};
    const auto teacher_raw = ask(teacher_, x_t_, t_, items, K, 4, teacher_raw_);  // (B R, 1 or K, D, outputs)
    const auto teacher_head = head_of(teacher_, process_.space());
    const array<Real, 3> T = marginals<Real>(teacher_head, x_t_, teacher_raw, S, run_on_);  // (B R, D, S)
    const bool all = mixture_teacher || options_.draws == latent_draws::enumerated;
    const index_t M = all ? options_.components : index_t{1};
    const auto asked = request_of(student_, x_t_, t_, items, M, 2);
    raw_.resize(B * R, M, D, student_.outputs());       // (B R, M, D, outputs)
    gradient_.resize(B * R, M, D, student_.outputs());  // (B R, M, D, outputs)
    student_.forward(asked, raw_.whole());
    const item_weights<Real> weight{{}, static_cast<Real>(options_.distillation_weight)};
    const auto head = head_of(student_, process_.space());
    const auto learn = [&](const auto& term) { run(head, gradient_mode::overwrite, losses, {&losses.distillation}, term); };
    if constexpr (mixture_teacher) {
      array<token, 3> draws(B * R, K, D);  // (B R, K, D)
      draw_tokens<Real>(teacher_head, x_t_, teacher_raw, S, random_, purpose::teacher, items, 0, draws.whole(), run_on_);
      if (options_.control_variates)
        learn(consistency<Real>{{draws, weight}, {T, weight}});
      else
        learn(joint_negative_log_likelihood<Real>{draws, weight});
    } else {
      learn(distillation_bound<Real>{T, weight});
    }
    student_.backward(view<const Real, 4>(gradient_));
  }

  // ---- requests ----

  const auto& network_at_u() const {
    if constexpr (std::is_same_v<AtU, detached>)
      return student_;
    else
      return at_u_.average;
  }

  /// A request with M draws of λ for every row; `use` (0..4) keeps the draws of the sites apart. Rows of one item stand side by side and
  /// have its class.
  template <class Net>
  request<Real> request_of(const Net& net, view<const token, 2> tokens, const array<double, 1>& times,
                           view<const std::uint64_t, 1> items, index_t M, index_t use) {
    index_t L = 0;
    if constexpr (mixture_denoiser<Net, Real>) L = net.latent().dims();
    latents_.resize(tokens.extent(0), M, L);  // (B, M, L)
    if constexpr (mixture_denoiser<Net, Real>) draw_latents(net.latent(), draws_of(use), random_, items, use, latents_.whole());
    real_times_.resize(times.size());  // (B)
    std::transform(times.begin(), times.end(), real_times_.begin(), [](double t) { return static_cast<Real>(t); });
    if (classes_.empty()) return {tokens, real_times_, latents_, items, 0};
    classes_of_rows_.resize(tokens.extent(0));  // (B)
    for (index_t i = 0; i < tokens.extent(0); ++i) classes_of_rows_(i) = classes_(i * classes_.extent(0) / tokens.extent(0));
    return {tokens, real_times_, latents_, items, 0, classes_of_rows_};
  }

  /// Only the student's own sites are enumerated: elsewhere a λ goes with every draw of tokens.
  latent_draws draws_of(index_t use) const {
    const bool own = use == 0 || use == 2;
    return options_.draws == latent_draws::enumerated && !own ? latent_draws::iid : options_.draws;
  }

  /// One evaluation without gradient into `raw`.
  template <class Net>
  view<const Real, 4> ask(const Net& net, view<const token, 2> tokens, const array<double, 1>& times,
                          view<const std::uint64_t, 1> items, index_t M, index_t use, array<Real, 4>& raw) {
    const auto asked = request_of(net, tokens, times, items, M, use);
    raw.resize(tokens.extent(0), M, tokens.extent(1), net.outputs());
    net(asked, raw.whole());
    return raw;
  }

  static array<std::uint64_t, 1> ids(index_t count, std::uint64_t first) {
    array<std::uint64_t, 1> result(count);
    for (index_t i = 0; i < count; ++i) result(i) = first + static_cast<std::uint64_t>(i);
    return result;
  }

  /// Kernels between fraction * u and t.
  std::vector<kernel> kernels(const array<double, 1>& t, const array<double, 1>& u, double fraction) const {
    std::vector<kernel> result;
    for (index_t i = 0; i < t.size(); ++i) result.push_back(process_.template between<Real>(fraction * u(i), t(i)));
    return result;
  }

  Process process_;
  const Teacher& teacher_;
  Student& student_;
  AtU at_u_;
  distiller_options options_;
  Backend run_on_;
  std::tuple<Extra...> extra_;
  rng random_;
  array<double, 1> t_, u_, u_of_draws_;                  // (B), (B), (B K)
  array<Real, 1> alpha_, real_times_;                    // (B)
  array<token, 2> x_t_;                                  // (B, D)
  array<Real, 3> latents_;                               // (B, M, L)
  array<Real, 2> log_weights_;                           // (B, M)
  view<const token, 1> classes_;                         // (B) of the step that runs
  array<token, 1> classes_of_rows_;                      // (B)
  array<Real, 4> teacher_raw_, raw_u_, raw_, gradient_;  // raw outputs and the student's gradient
  std::unique_ptr<recycled_memory> memory_ =
      std::make_unique<recycled_memory>();  // of objectives, the same sizes in every step
};

template <class Real, class Process, class Teacher, class Student, class AtU, backend Backend, class... Extra>
distiller<Real, Process, Teacher, Student, AtU, Backend, Extra...> make_distiller(const Process& process,
                                                                                  const Teacher& teacher, Student& student,
                                                                                  AtU at_u, distiller_options options,
                                                                                  Backend run_on, Extra... extra) {
  return {process, teacher, student, at_u, options, run_on, extra...};
}

}  // namespace dimix
