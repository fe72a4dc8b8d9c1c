// One seed of the experiment: teacher, mixture student, factorized student, a second round if asked for, and samples of all of them.
#pragma once

#include "../support/training.hpp"
#include "run.hpp"

#include <dimix/dimix.hpp>
#include <dimix/nn/mlp_denoiser.hpp>

#include <chrono>
#include <cstdio>
#include <string>

namespace words {

template <class Latent>
class experiment {
 public:
  using process_type = dimix::forward_process<dimix::absorbing<symbols + 1>, dimix::log_linear>;
  using teacher_net = dimix::nn::mlp_denoiser<float>;
  using student_net = dimix::nn::mlp_denoiser<float, Latent>;

  experiment(const run_input& in, Latent latent)
      : chosen_(in.chosen), latent_(latent), train_(in.train), meter_(in.meter), seed_(in.seed), run_on_(in.run_on) {}

  outcome run() {
    teacher_net teacher(shape(), {}, run_on_);
    const auto taught = support::trained(teacher, files(), teacher_training(), [&](const auto&) {
      return support::pretraining(process_, teacher, {train_}, 256, {.shortest_time = 0.01, .seed = seed64()}, run_on_);
    });
    const auto student = distilled<student_net>(*taught, "student", latent_, chosen_.components);
    outcome seen;
    for (index_t calls : chosen_.steps) measure(seen, "teacher", *taught, calls);
    for (index_t calls : chosen_.steps) measure(seen, "student", *student, calls);
    for (index_t calls : chosen_.steps)
      if (calls > 1) measure(seen, "student, fresh λ", *student, calls, dimix::latent_scope::per_step);
    if (chosen_.rounds == 2) {
      const auto second = distilled<student_net>(*student, "student-2", latent_, chosen_.components);
      for (index_t calls : chosen_.steps) measure(seen, "student, round 2", *second, calls);
    }
    const auto control = distilled<teacher_net>(*taught, "factorized", dimix::nn::no_latent{}, 1);
    for (index_t calls : chosen_.steps) measure(seen, "factorized", *control, calls);
    return seen;
  }

 private:
  dimix::nn::mlp_options shape() const {
    return {.dims = longest,
            .states = process_.max_states(),
            .mask = process_.space().mask(),
            .encoding = dimix::nn::token_encoding::one_hot,
            .latent_frequency = 0,
            .seed = seed64()};
  }

  support::checkpoints files() const {
    return {.save = chosen_.save, .load = chosen_.load, .seed = seed_, .fresh = chosen_.fresh, .run_on = run_on_};
  }
  dimix::checkpoint_metadata words(bool student) const {
    auto all = words_of(chosen_, seed_, student);
    all["train_words"] = std::to_string(train_.extent(0));
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

  /// A student of any kind from a teacher of any kind, with the same losses.
  template <class Net, class Teacher, class Law>
  std::shared_ptr<const Net> distilled(const Teacher& teacher, const char* name, Law law, index_t components) const {
    Net student(shape(), law, run_on_);
    student.adopt(teacher);
    const support::learner_options how{.name = name,
                                       .words = words(true),
                                       .steps = chosen_.student_steps,
                                       .peak = 1e-3,
                                       .warmup = 50,
                                       .optimiser = {.beta2 = 0.999, .clip = 1},
                                       .average_decay = 0.99,
                                       .save_every = 100};
    return support::trained(student, files(), how, [&](const auto& average) {
      return support::distilling(process_, teacher, student, average, {train_}, chosen_.batch,
                                 {.components = components,
                                  .targets = chosen_.targets,
                                  .start_share = chosen_.start_share,
                                  .datapoint_weight = chosen_.datapoint,
                                  // a row of a mixture teacher is answered with all components
                                  .distillation_rows = dimix::mixture_denoiser<Teacher, float> ? 1 : 8,
                                  .seed = seed64()},
                                 run_on_);
    });
  }

  template <class Net>
  void measure(outcome& seen, const std::string& name, const Net& net, index_t calls,
               dimix::latent_scope scope = dimix::latent_scope::per_path) const {
    const auto start = std::chrono::steady_clock::now();
    const array<token, 2> samples = dimix::sample(
        process_, net, {.batch = chosen_.samples, .dims = longest, .steps = calls, .seed = seed64() + 2, .scope = scope},
        run_on_);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    const quality q = meter_(samples);
    seen.rows.push_back({name, calls, q, 1000 * seconds / static_cast<double>(chosen_.samples)});
    auto& texts = seen.texts[name + " " + std::to_string(calls)];
    for (index_t i = 0; i < std::min(shown, chosen_.samples); ++i) texts.push_back(text_of(samples.whole().row(i)));
    std::fprintf(stderr, "  %-18s %3td calls: trigrams %.3f, padding %.3f\n", name.c_str(), calls, q.trigrams, q.padding);
  }

  std::uint64_t seed64() const { return static_cast<std::uint64_t>(seed_) * 1000; }

  const settings& chosen_;
  process_type process_{};
  Latent latent_;
  const array<token, 2>& train_;
  const quality_meter& meter_;
  index_t seed_;
  dimix::cpu run_on_;
};

}  // namespace words
