// One seed of the experiment: teacher, mixture student, factorized student, and samples of all of them.
#pragma once

#include "../support/table.hpp"
#include "learner.hpp"
#include "run.hpp"

#include <dimix/dimix.hpp>
#include <dimix/nn/mlp_denoiser.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
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
    const auto taught = train(teacher, "teacher", teacher_training(), [&] { return pretraining(teacher); });

    student_net mixture(head_, shape(0), latent_, run_on_);
    mixture.adopt(*taught);
    const auto student = train(mixture, "student", student_training(),
                               [&](const auto& average) { return distilling(*taught, mixture, average, chosen_.components); });

    teacher_net factorized(head_, shape(0), dimix::nn::no_latent{}, run_on_);
    factorized.adopt(*taught);
    const auto control = train(factorized, "factorized", student_training(),
                               [&](const auto& average) { return distilling(*taught, factorized, average, 1); });

    outcome seen;
    using dimix::latent_scope;
    const auto each = [&](const auto& one) {
      for (double w : chosen_.guidance)
        for (index_t calls : chosen_.steps) one(calls, w);
    };
    each([&](index_t calls, double w) { measure(seen, "teacher", *taught, calls, w); });
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
  struct training_batch {
    token_batch tokens;       // (B, D)
    array<token, 1> classes;  // (B), or empty: nobody is asked for one
  };

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

  learner_options teacher_training() const {
    return {.words = words_of(chosen_, seed_, false),
            .steps = chosen_.teacher_steps,
            .peak = 2e-3,
            .warmup = 100,
            .optimiser = {.beta2 = 0.99, .weight_decay = 0.01, .clip = 1},
            .average_decay = 0.998};
  }
  learner_options student_training() const {
    return {.words = words_of(chosen_, seed_, true),
            .steps = chosen_.student_steps,
            .peak = 1e-3,
            .warmup = 50,
            .optimiser = {.beta2 = 0.999, .clip = 1},
            .average_decay = 0.99,
            .save_every = 100};
  }

  /// Trains, resumes or loads; returns the averaged network.
  template <class Net, class LossOf>
  std::shared_ptr<const Net> train(Net& net, const std::string& name, learner_options how, const LossOf& make_loss) {
    namespace fs = std::filesystem;
    const fs::path folder = fs::path(chosen_.load.empty() ? chosen_.save : chosen_.load) / ("seed-" + std::to_string(seed_));
    how.name = name;
    how.file = (folder / (name + ".safetensors")).string();
    how.only_load = !chosen_.load.empty();
    how.words["train_images"] = std::to_string(images_.train.size());
    if (how.only_load)
      dimix::expects<dimix::file_error>(fs::exists(how.file), "--load: there is no '", how.file, "'");
    else
      fs::create_directories(folder);
    if (chosen_.fresh && !how.only_load) fs::remove(how.file);
    learner<Net> training(net, how, run_on_);
    if constexpr (std::is_invocable_v<LossOf>)
      training.run(make_loss());
    else
      training.run(make_loss(training.average()));
    return std::make_shared<const Net>(training.average());
  }

  auto pretraining(teacher_net& teacher) {
    auto step = std::make_shared<dimix::pretrainer<float, Process, teacher_net>>(
        process_, teacher, dimix::pretrainer_options{.shortest_time = 0.01, .seed = seed64()}, run_on_);
    return [this, step](index_t n) {
      constexpr index_t batch = 256;
      const training_batch drawn = draw_batch(n, batch);
      return step->step(drawn.tokens, static_cast<std::uint64_t>(n * batch), drawn.classes);
    };
  }

  /// The four terms of Di4C for a student of any kind; the network at u is the moving average.
  template <class Net>
  auto distilling(const teacher_net& teacher, Net& student, const Net& average, index_t components) {
    using distiller = dimix::distiller<float, Process, teacher_net, Net, dimix::ema<Net>>;
    auto step = std::make_shared<distiller>(
        process_, teacher, student, dimix::ema<Net>{average},
        dimix::distiller_options{.components = components, .targets = chosen_.components, .seed = seed64() + 1}, run_on_);
    return [this, step](index_t n) {
      const training_batch drawn = draw_batch(n, chosen_.batch);
      return step->step(drawn.tokens, static_cast<std::uint64_t>(n * chosen_.batch), drawn.classes).total;
    };
  }

  /// Training images with replacement, and their classes, of which one in ten is dropped; batch n of a seed is the same whatever came
  /// before.
  training_batch draw_batch(index_t n, index_t size) const {
    const auto& data = images_.train.tokens;
    training_batch batch{token_batch(size, data.extent(1)), array<token, 1>(chosen_.classes ? size : index_t{0})};
    for (index_t b = 0; b < size; ++b) {
      const auto bits = dimix::rng{seed64()}(dimix::purpose::data, static_cast<std::uint64_t>(n * size + b), 1, 0, 0);
      const index_t image = static_cast<index_t>(bits.first() % static_cast<std::uint64_t>(data.extent(0)));
      std::copy_n(data.whole().row(image).data(), data.extent(1), batch.tokens.whole().row(b).data());
      if (chosen_.classes) batch.classes(b) = dimix::bernoulli(0.1, bits.second()) ? token{-1} : images_.train.labels(image);
    }
    return batch;
  }

  template <class Net>
  void measure(outcome& seen, std::string name, const Net& net, index_t calls, double w,
               dimix::latent_scope scope = dimix::latent_scope::per_path) const {
    if (w > 0) name += ", w = " + support::fixed(w, w == std::floor(w) ? 0 : 2);
    const auto start = std::chrono::steady_clock::now();
    const token_batch images = make_images(
        net, {.batch = chosen_.samples, .dims = images_.train.dims(), .steps = calls, .seed = seed64() + 2, .scope = scope}, w);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const double accuracy = chosen_.classes ? meter_.accuracy(images, wanted_) : std::nan("");
    seen.rows.push_back({name, calls, meter_(images), 1000 * seconds / static_cast<double>(chosen_.samples), accuracy});
    array<token, 2> first(std::min(pictured, images.extent(0)), images.extent(1));  // (64, D)
    std::copy_n(images.data(), first.size(), first.data());
    seen.pictures[name + " " + std::to_string(calls)] = std::move(first);
    std::fprintf(stderr, "  %-18s %3td calls: features %.3f, pixels %.3f\n", name.c_str(), calls,
                 seen.rows.back().seen.frechet_features, seen.rows.back().seen.frechet_pixels);
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
