// One seed of the experiment: teacher, mixture student, factorized student, and samples of all of them.
#pragma once

#include "../support/table.hpp"
#include "../support/training.hpp"
#include "run.hpp"

#include <dimix/dimix.hpp>
#include <dimix/nn/mlp_denoiser.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

namespace digits {

template <class Process, class Head, class Latent>
class experiment {
 public:
  using teacher_net = dimix::with_head<dimix::nn::mlp_denoiser<float>, Head>;
  using student_net = dimix::with_head<dimix::nn::mlp_denoiser<float, Latent>, Head>;

  experiment(const run_input& in, const Process& process, const Head& head, Latent latent)
      : chosen_(in.chosen),
        process_(process),
        head_(head),
        latent_(latent),
        images_(in.images),
        meter_(in.meter),
        seed_(in.seed),
        run_on_(in.run_on) {
    if (!chosen_.classes) return;
    for (const image_set* part : {&images_.train, &images_.validation, &images_.held_out})
      for (token label : part->labels) classes_ = std::max(classes_, index_t{label} + 1);
    wanted_.resize(chosen_.samples);  // (samples)  as many of every class
    for (index_t i = 0; i < chosen_.samples; ++i) wanted_(i) = static_cast<token>(i % classes_);
  }

  outcome run() {
    teacher_net teacher(head_, shape(0.1), dimix::nn::no_latent{}, run_on_);
    const auto taught = support::trained(teacher, files(), teacher_training(), [&](const auto&) {
      return support::pretraining(process_, teacher, data(), 256, {.shortest_time = 0.01, .seed = seed64()}, run_on_);
    });

    student_net mixture(head_, shape(0), latent_, run_on_);
    mixture.adopt(*taught);
    const auto student = support::trained(mixture, files(), student_training("student"), [&](const auto& average) {
      return distilling(*taught, mixture, average, chosen_.components);
    });

    teacher_net factorized(head_, shape(0), dimix::nn::no_latent{}, run_on_);
    factorized.adopt(*taught);
    const auto control = support::trained(factorized, files(), student_training("factorized"),
                                          [&](const auto& average) { return distilling(*taught, factorized, average, 1); });

    outcome seen;
    using dimix::latent_scope;
    const auto each = [&](const auto& one) {
      for (double w : chosen_.guidance)
        for (index_t calls : chosen_.steps) one(calls, w);
    };
    each([&](index_t calls, double w) { measure(seen, "teacher", *taught, calls, w); });
    if constexpr (dimix::revealing_space<typename Process::space_type>)
      if (chosen_.planned) measure_planned(seen, *taught);
    each([&](index_t calls, double w) { measure(seen, "student", *student, calls, w); });
    each([&](index_t calls, double w) { measure(seen, "student, fresh λ", *student, calls, w, latent_scope::per_step); });
    each([&](index_t calls, double w) {
      if (calls > 1) measure(seen, "hybrid", dimix::hybrid(*student, *taught, calls / 2), calls, w);
    });
    each([&](index_t calls, double w) { measure(seen, "factorized", *control, calls, w); });
    return seen;
  }

 private:
  using token_batch = array<token, 2>;

  support::training_data data() const {
    return {images_.train.tokens, chosen_.classes ? view<const token, 1>(images_.train.labels) : view<const token, 1>{}};
  }

  dimix::nn::mlp_options shape(double dropout) const {
    dimix::nn::mlp_options how{.dims = images_.train.dims(),
                               .states = process_.max_states(),
                               .outputs = head_.outputs(process_.max_states()),
                               .dropout = dropout,
                               .classes = classes_,
                               .seed = seed64()};
    if constexpr (dimix::masked_space<typename Process::space_type>) how.mask = process_.space().mask();
    return how;
  }

  support::checkpoints files() const {
    return {.save = chosen_.save, .load = chosen_.load, .seed = seed_, .fresh = chosen_.fresh, .run_on = run_on_};
  }
  dimix::checkpoint_metadata words(bool student) const {
    auto all = words_of(chosen_, seed_, student);
    all["train_images"] = std::to_string(images_.train.size());
    return all;
  }
  support::learner_options teacher_training() const {
    return {.name = "teacher",
            .words = words(false),
            .steps = chosen_.teacher_steps,
            .peak = 2e-3,
            .warmup = 100,
            .optimiser = {.beta2 = 0.99, .weight_decay = 0.01, .clip = 1},
            .average_decay = 0.998};
  }
  support::learner_options student_training(const char* name) const {
    return {.name = name,
            .words = words(true),
            .steps = chosen_.student_steps,
            .peak = 1e-3,
            .warmup = 50,
            .optimiser = {.beta2 = 0.999, .clip = 1},
            .average_decay = 0.99,
            .save_every = 100};
  }

  /// The four terms of Di4C for a student of any kind.
  template <class Net>
  auto distilling(const teacher_net& teacher, Net& student, const Net& average, index_t components) const {
    return support::distilling(process_, teacher, student, average, data(), chosen_.batch,
                               {.components = components, .targets = chosen_.components, .seed = seed64()}, run_on_);
  }

  template <class Net>
  void measure(outcome& seen, std::string name, const Net& net, index_t calls, double w,
               dimix::latent_scope scope = dimix::latent_scope::per_path, const dimix::time_grid& grid = {}) const {
    if (w > 0) name += ", w = " + support::fixed(w, w == std::floor(w) ? 0 : 2);
    const auto start = std::chrono::steady_clock::now();
    const token_batch images = make_images(net,
                                           {.batch = chosen_.samples,
                                            .dims = images_.train.dims(),
                                            .steps = calls,
                                            .seed = seed64() + 2,
                                            .scope = scope,
                                            .grid = grid},
                                           w);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    quality judged = meter_(images);
    if (chosen_.classes) judged.accuracy = meter_.accuracy(images, wanted_);
    seen.rows.push_back({name, calls, judged, 1000 * seconds / static_cast<double>(chosen_.samples)});
    array<token, 2> first(std::min(pictured, images.extent(0)), images.extent(1));  // (64, D)
    std::copy_n(images.data(), first.size(), first.data());
    seen.pictures[name + " " + std::to_string(calls)] = std::move(first);
    std::fprintf(stderr, "  %-18s %3td calls: features %.3f, pixels %.3f\n", name.c_str(), calls,
                 seen.rows.back().seen.frechet_features, seen.rows.back().seen.frechet_pixels);
  }

  /// The same teacher at the times that lose least by its own factorization gap, of 49 in equal distances.
  void measure_planned(outcome& seen, const teacher_net& teacher) const {
    array<token, 2> noise(256, images_.train.dims());  // (256, D)
    noise.fill(process_.space().mask());
    const dimix::time_grid candidates = dimix::uniform_grid(48);
    const auto costs =
        dimix::costs_of(dimix::factorization_gaps(process_, teacher, noise, candidates, {{.seed = seed64() + 3}}, run_on_));
    for (index_t calls : chosen_.steps) {
      if (calls > 48) continue;
      const auto plan = dimix::best_plan(candidates, costs, calls);
      std::fprintf(stderr, "  plan of %td calls, gap %.2f nats:", calls, plan.cost());
      for (double t : plan.times) std::fprintf(stderr, " %.3f", t);
      std::fprintf(stderr, "\n");
      measure(seen, "teacher, planned", teacher, calls, 0, dimix::latent_scope::per_path, plan);
    }
  }

  /// Images of the classes that are wanted, guided by w along the path: on logits, or on rows where the head reads none.
  template <class Net>
  token_batch make_images(const Net& net, const dimix::sample_options& options, double w) const {
    if (!chosen_.classes) return draw(net, options);
    const dimix::with_classes asked(net, wanted_);
    if (w == 0) return draw(asked, options);
    if constexpr (dimix::reads_logits<Head>)
      return draw(dimix::guided(asked, net, dimix::step_ramp{w, options.steps}), options);
    else
      return draw(dimix::paired(asked, net, head_), options, dimix::guided_rows<>{1 + w});
  }

  /// The one place where the kind of sampler is chosen: any that takes a denoiser fits, as classes and guidance are in the denoiser.
  /// Confidence steps have the choice temperature of the paper's ImageNet runs, 4.5 falling to 0.
  template <class Net, class Method = dimix::ancestral>
  token_batch draw(const Net& net, const dimix::sample_options& options, Method method = {}) const {
    if constexpr (dimix::masked_space<typename Process::space_type>)
      if (chosen_.sampler == "confidence")
        return dimix::sample_reveal<float>(process_, net,
                                           {.batch = options.batch,
                                            .dims = options.dims,
                                            .steps = options.steps,
                                            .seed = options.seed,
                                            .scope = options.scope},
                                           run_on_, dimix::noisy_order{dimix::confidence_order{}, dimix::linear_decay{4.5}});
    return dimix::sample<float>(process_, net, options, run_on_, method);
  }

  std::uint64_t seed64() const { return static_cast<std::uint64_t>(seed_) * 1000; }

  const settings& chosen_;
  Process process_;
  Head head_;
  Latent latent_;
  const image_split& images_;
  const quality_meter& meter_;
  index_t seed_, classes_ = 0;
  array<token, 1> wanted_;  // (samples)  the class of each image to make
  dimix::cpu run_on_;
};

/// One seed over a space with a head, with the schedule and the law of λ that were chosen. noise: how much of the schedule's noise the
/// space needs, 1 where a jump forgets everything.
template <class Space, class Head>
outcome run_with(const Space& space, const Head& head, const run_input& in, double noise = 1) {
  const auto& names = schedule_names();
  const chosen_schedule schedule{static_cast<int>(std::find(names.begin(), names.end(), in.chosen.schedule) - names.begin())};
  const dimix::forward_process process(space, dimix::scaled<chosen_schedule>{schedule, noise});
  const auto run = [&](auto latent) { return experiment(in, process, head, latent).run(); };
  return in.chosen.latent == "categorical" ? run(dimix::categorical_latent{in.chosen.components})
                                           : run(dimix::uniform_latent{});
}

}  // namespace digits
