// Training that stops and goes on: a resumed run ends bit by bit where an uninterrupted one does, and one that diverges keeps its last
// good checkpoint.
#include <support/learner.hpp>

#include <dimix/dimix.hpp>
#include <dimix/nn/mlp_denoiser.hpp>

#include "io/files.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <limits>
#include <vector>

namespace {

using dimix::index_t;
using process_type = dimix::forward_process<dimix::absorbing<5>, dimix::log_linear>;
using net_type = dimix::nn::mlp_denoiser<float>;

struct training {
  dimix::cpu run_on{2};
  net_type net{
      {.dims = 4, .states = 5, .mask = 4, .width = 16, .blocks = 1, .features = 16, .dropout = 0.2, .seed = 3}, {}, run_on};
  dimix::pretrainer<float, process_type, net_type> step{process_type{}, net, {.seed = 4}, run_on};
  support::learner<net_type> learner;

  training(const std::string& file, index_t steps)
      : learner(net,
                {.name = "test",
                 .file = file,
                 .words = {{"kind", "test"}},
                 .steps = steps,
                 .peak = 1e-2,
                 .warmup = 2,
                 .optimiser = {.weight_decay = 0.01, .clip = 1},
                 .average_decay = 0.9,
                 .save_every = 5},
                run_on) {}

  double loss_of(index_t n) {
    dimix::array<dimix::token, 2> x_0(6, 4);  // (B, D)
    for (index_t i = 0; i < x_0.size(); ++i) x_0.data()[i] = static_cast<dimix::token>((i * 7 + n) % 4);
    return step.step(x_0, static_cast<std::uint64_t>(n) * 6);
  }
  std::vector<float> averaged() const {
    const auto values = learner.average().weights().values();
    return {values.begin(), values.end()};
  }
};

struct interruption {};

}  // namespace

TEST_CASE("a resumed training ends where an uninterrupted one does") {
  const test::temporary_folder folder;
  training whole(folder / "whole.safetensors", 20);
  whole.learner.run([&](index_t n) { return whole.loss_of(n); });

  const std::string file = folder / "part.safetensors";
  {
    training first(file, 20);
    CHECK_THROWS_AS(first.learner.run([&](index_t n) -> double {
      if (n == 13) throw interruption{};
      return first.loss_of(n);
    }),
                    interruption);
  }
  training second(file, 20);
  index_t started = -1;
  second.learner.run([&](index_t n) {
    if (started < 0) started = n;
    return second.loss_of(n);
  });
  CHECK(started == 10);  // the last checkpoint before step 13
  CHECK(second.averaged() == whole.averaged());

  training third(file, 20);  // nothing is left to do
  third.learner.run([](index_t) -> double { throw interruption{}; });
  CHECK(third.averaged() == whole.averaged());
}

TEST_CASE("a training that diverges stops with a sentence and keeps its last good checkpoint") {
  const test::temporary_folder folder;
  const std::string file = folder / "net.safetensors";
  training run(file, 20);
  CHECK_THROWS_WITH_AS(run.learner.run([&](index_t n) {
    const double loss = run.loss_of(n);
    if (n == 7) run.net.weights().gradients().data()[0] = std::numeric_limits<float>::quiet_NaN();
    return loss;
  }),
                       doctest::Contains("test stopped at step 8 of 20"), dimix::numeric_error);

  training again(file, 20);
  index_t started = -1;
  again.learner.run([&](index_t n) {
    if (started < 0) started = n;
    return again.loss_of(n);
  });
  CHECK(started == 5);
}

TEST_CASE("a checkpoint of another run, or a damaged one, is refused") {
  const test::temporary_folder folder;
  const std::string file = folder / "net.safetensors";
  training(file, 5).learner.run([](index_t) { return 0.0; });
  training longer(file, 20);  // more steps: goes on
  CHECK_NOTHROW(longer.learner.run([&](index_t n) { return longer.loss_of(n); }));

  net_type other({.dims = 4, .states = 5, .mask = 4, .width = 32, .blocks = 1, .features = 16}, {}, dimix::cpu(1));
  support::learner<net_type> wide(other, {.name = "wide", .file = file, .words = {{"kind", "test"}}}, dimix::cpu(1));
  CHECK_THROWS_WITH_AS(wide.run([](index_t) { return 0.0; }), doctest::Contains("--fresh trains anew"), dimix::file_error);

  std::filesystem::resize_file(file, std::filesystem::file_size(file) / 2);
  training damaged(file, 20);
  CHECK_THROWS_AS(damaged.learner.run([](index_t) { return 0.0; }), dimix::file_error);
}
