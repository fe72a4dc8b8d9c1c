// What the trainings of the examples share: batches of data, the steps of a teacher and of a student, and checkpoints in a folder
// per seed.
//
//   checkpoints files{.save = "demo", .seed = 1, .run_on = run_on};
//   auto teacher = trained(net, files, {.name = "teacher", ...}, [&](const auto&) { return pretraining(...); });
//   auto student = trained(mixture, files, {.name = "student", ...}, [&](const auto& average) { return distilling(...); });
#pragma once

#include "learner.hpp"

#include <dimix/distiller.hpp>

#include <memory>

namespace support {

using dimix::array;
using dimix::token;
using dimix::view;

/// What is trained on, which must outlive the training.
struct training_data {
  view<const token, 2> tokens;        // (n, D)
  view<const token, 1> classes = {};  // (n)  or empty: nobody is asked for a class
};
struct training_batch {
  array<token, 2> tokens;   // (B, D)
  array<token, 1> classes;  // (B)  -1 where it was dropped; or empty
};

/// `size` rows of data with replacement, and their classes, of which one in ten is dropped. Batch `number` of a seed is the same whatever
/// came before.
inline training_batch draw_batch(const training_data& data, std::uint64_t seed, index_t number, index_t size) {
  const index_t D = data.tokens.extent(1);
  training_batch batch{array<token, 2>(size, D), array<token, 1>(data.classes.empty() ? index_t{0} : size)};
  for (index_t b = 0; b < size; ++b) {
    const auto bits = dimix::rng{seed}(dimix::purpose::data, static_cast<std::uint64_t>(number * size + b), 1, 0, 0);
    const index_t row = static_cast<index_t>(bits.first() % static_cast<std::uint64_t>(data.tokens.extent(0)));
    std::copy_n(data.tokens.row(row).data(), D, batch.tokens.whole().row(b).data());
    if (!data.classes.empty()) batch.classes(b) = dimix::bernoulli(0.1, bits.second()) ? token{-1} : data.classes[row];
  }
  return batch;
}

/// Step n of a teacher: the bound on batch n of the data.
template <class Process, class Net>
auto pretraining(const Process& process, Net& net, const training_data& data, index_t batch, dimix::pretrainer_options options,
                 dimix::cpu run_on) {
  auto step = std::make_shared<dimix::pretrainer<float, Process, Net>>(process, net, options, run_on);
  return [=](index_t n) {
    const training_batch drawn = draw_batch(data, options.seed, n, batch);
    return step->step(drawn.tokens, static_cast<std::uint64_t>(n * batch), drawn.classes);
  };
}

/// Step n of a student of any kind: the terms of Di4C on batch n of the data; the network at u is the moving average.
template <class Process, class Teacher, class Net>
auto distilling(const Process& process, const Teacher& teacher, Net& student, const Net& average, const training_data& data,
                index_t batch, dimix::distiller_options options, dimix::cpu run_on) {
  const std::uint64_t data_seed = options.seed++;
  using distiller = dimix::distiller<float, Process, Teacher, Net, dimix::ema<Net>>;
  auto step = std::make_shared<distiller>(process, teacher, student, dimix::ema<Net>{average}, options, run_on);
  return [=](index_t n) {
    const training_batch drawn = draw_batch(data, data_seed, n, batch);
    return step->step(drawn.tokens, static_cast<std::uint64_t>(n * batch), drawn.classes).total;
  };
}

/// Where the networks of one seed lie.
struct checkpoints {
  std::string save, load;  // folders; load: nothing is trained, and all networks must be there
  index_t seed = 1;
  bool fresh = false;  // train anew whatever `save` holds
  dimix::cpu run_on{1};
};

/// Trains, resumes or loads; returns the averaged network. make_loss(average) makes the step, which may look at the average so far.
template <class Net, class LossOf>
std::shared_ptr<const Net> trained(Net& net, const checkpoints& files, learner_options how, const LossOf& make_loss) {
  namespace fs = std::filesystem;
  how.only_load = !files.load.empty();
  const fs::path folder = fs::path(how.only_load ? files.load : files.save) / ("seed-" + std::to_string(files.seed));
  how.file = (folder / (how.name + ".safetensors")).string();
  if (how.only_load)
    dimix::expects<dimix::file_error>(fs::exists(how.file), "--load: there is no '", how.file, "'");
  else
    fs::create_directories(folder);
  if (files.fresh && !how.only_load) fs::remove(how.file);
  learner<Net> training(net, how, files.run_on);
  training.run(make_loss(training.average()));
  return std::make_shared<const Net>(training.average());
}

}  // namespace support
