// A training that can be stopped at any moment and taken up again: network, AdamW, moving average and the number of the step in one
// checkpoint. What happens in a step depends on its number alone, so that a resumed run ends where an uninterrupted one would.
#pragma once

#include "progress.hpp"

#include <dimix/io/checkpoint.hpp>
#include <dimix/nn/adamw.hpp>
#include <dimix/nn/ema.hpp>
#include <dimix/nn/learning_rate.hpp>

#include <filesystem>
#include <string>
#include <vector>

namespace support {

using dimix::index_t;

struct learner_options {
  std::string name{};                  // of the bar and of messages
  std::string file{};                  // the checkpoint; "": none
  dimix::checkpoint_metadata words{};  // what the run was asked for; a checkpoint of another run is refused
  index_t steps = 1000;
  double peak = 1e-3;  // learning rate
  index_t warmup = 100;
  dimix::nn::adamw_options optimiser{};
  double average_decay = 0.998;
  index_t save_every = 250;  // steps
  bool only_load = false;    // the checkpoint must hold a finished training
};

template <class Net>
class learner {
 public:
  learner(Net& net, learner_options how, dimix::cpu run_on)
      : net_(net),
        average_net_(net),
        how_(std::move(how)),
        optimiser_(net.weights(), how_.optimiser, run_on),
        average_(net.weights(), how_.average_decay, run_on) {}

  /// The network with averaged weights: what is used once training is over, and what a student may look at while it learns.
  const Net& average() const { return average_net_; }

  /// Runs what is left of the training: loss_of(step) leaves gradients in the network and returns the loss. Throws numeric_error, with the
  /// place of the last good checkpoint, when the training diverges.
  template <class LossOf>
  void run(const LossOf& loss_of) {
    index_t done = resume();
    dimix::expects<dimix::file_error>(!how_.only_load || done == how_.steps, "cannot use '", how_.file,
                                      "': its training stopped at step ", done, " of ", how_.steps);
    if (done == how_.steps)
      return static_cast<void>(std::fprintf(stderr, "%s: taken from %s\n", how_.name.c_str(), how_.file.c_str()));
    if (done > 0) std::fprintf(stderr, "%s: goes on at step %td of %s\n", how_.name.c_str(), done, how_.file.c_str());
    progress bar({.label = how_.name, .total = how_.steps, .first = done});
    const dimix::nn::warmup_cosine rate{.peak = how_.peak, .warmup = std::min(how_.warmup, how_.steps), .steps = how_.steps};
    double smooth = 0;
    for (; done < how_.steps; ++done) {
      try {
        const double loss = loss_of(done);
        optimiser_.step(net_.weights(), rate(done));
        smooth = smooth == 0 ? loss : smooth + 0.02 * (loss - smooth);
      } catch (const dimix::numeric_error& reason) {
        dimix::fail<dimix::numeric_error>(how_.name, " stopped at step ", done + 1, " of ", how_.steps, ": ", reason.what(),
                                          how_.file.empty() ? "" : ". The last good checkpoint is ", how_.file);
      }
      average_.update(net_.weights());
      average_.copy_to(average_net_.weights());
      bar.update(done + 1, smooth);
      if ((done + 1) % how_.save_every == 0 || done + 1 == how_.steps) save(done + 1);
    }
  }

 private:
  /// The number of steps that a checkpoint says are done; 0 without one.
  index_t resume() {
    if (how_.file.empty() || !std::filesystem::exists(how_.file)) return 0;
    std::vector<dimix::checkpoint_block> blocks;
    collect_into(blocks);
    const auto words = [&] {
      try {
        return dimix::load_checkpoint(how_.file, blocks, how_.words);
      } catch (const dimix::file_error& wrong) {
        dimix::fail<dimix::file_error>(wrong.what(), how_.only_load ? "" : ". --fresh trains anew, --out names another folder");
      }
    }();
    average_.copy_to(average_net_.weights());
    const index_t done = number(words, "done");
    optimiser_.set_steps(static_cast<std::uint64_t>(done));
    net_.set_passes(static_cast<std::uint64_t>(number(words, "passes")));
    return done;
  }

  void save(index_t done) {
    if (how_.file.empty()) return;
    std::vector<dimix::tensor_source> blocks;
    collect_into(blocks);
    auto words = how_.words;
    words["done"] = std::to_string(done);
    words["passes"] = std::to_string(net_.passes());
    dimix::save_checkpoint(how_.file, blocks, words);
  }

  template <class Block>
  void collect_into(std::vector<Block>& blocks) {
    net_.weights().for_each_block(dimix::collect(blocks));
    optimiser_.for_each_block(dimix::collect(blocks));
    average_.for_each_block(dimix::collect(blocks));
  }

  index_t number(const dimix::checkpoint_metadata& words, const char* key) const {
    const auto found = words.find(key);
    try {
      if (found != words.end()) return std::stoll(found->second);
    } catch (const std::exception&) {
    }
    dimix::fail<dimix::file_error>("cannot resume from '", how_.file, "': its entry '", key, "' is no number");
  }

  Net& net_;
  Net average_net_;
  learner_options how_;
  dimix::nn::adamw<typename Net::scalar> optimiser_;
  dimix::nn::ema<typename Net::scalar> average_;
};

}  // namespace support
