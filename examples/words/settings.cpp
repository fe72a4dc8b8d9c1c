// The command line of words.
#include "settings.hpp"

#include "../support/command_line.hpp"

#include <algorithm>
#include <thread>

namespace words {

std::optional<settings> parse(int argc, char** argv) {
  using support::at_least;
  settings chosen;
  std::string steps = "1,2,3,4,8", data;
  support::command_line line(
      "words",
      "Trains a factorized teacher on the letters of English words, distils it into a mixture student, and "
      "compares few-step samples of both.");
  line.add("data", "a list of words of 1 to 8 letters a to z, sorted; default: 35,577 English words", data);
  line.add("latent", "law of λ: categorical | uniform | gaussian", chosen.latent);
  line.add("components", "M, draws of λ per item in training; a categorical λ has as many values", chosen.components);
  line.add("targets", "K, draws of the teacher per item; 0: as many as components", chosen.targets);
  line.add("axes", "coordinates of a uniform or gaussian λ", chosen.axes);
  line.add("steps", "network calls to sample with", steps);
  line.add("samples", "words per row of the table", chosen.samples);
  line.add("seeds", "how many seeds: the table has their mean and spread", chosen.seeds);
  line.add("seed", "the first seed", chosen.seed);
  line.add("out", "folder for the table, the plots, the samples and the networks", chosen.out);
  line.add("save", "folder for the networks and what resumes an interrupted run; default: --out", chosen.save);
  line.add("load", "folder of an earlier run: its networks are sampled, nothing is trained", chosen.load);
  line.add("fresh", "train anew even if --save holds networks", chosen.fresh);
  line.add("validation", "train on nine tenths of the training words, for choosing settings without the held-out ones",
           chosen.on_validation);
  line.add("teacher-steps", "optimiser steps of the teacher", chosen.teacher_steps);
  line.add("student-steps", "optimiser steps of each student", chosen.student_steps);
  line.add("batch", "items per step of a student", chosen.batch);
  line.add("datapoint", "weight of the datapoint term", chosen.datapoint);
  line.add("start-share", "share of a student's items at t = 1", chosen.start_share);
  line.add("rounds", "1, or 2: the mixture student is the teacher of a second one", chosen.rounds);
  line.add("threads", "0: one per processor", chosen.threads);
  if (!line.read(argc, argv)) return std::nullopt;

  if (!data.empty()) chosen.data = data;
  chosen.steps = support::numbers_of_calls(steps);
  support::one_of("latent", chosen.latent, {"categorical", "uniform", "gaussian"});
  at_least("components", chosen.components, 1);
  at_least("targets", chosen.targets, 0);
  at_least("axes", chosen.axes, 1);
  at_least("samples", chosen.samples, 1);
  at_least("seeds", chosen.seeds, 1);
  at_least("seed", chosen.seed, 0);
  at_least("teacher-steps", chosen.teacher_steps, 1);
  at_least("student-steps", chosen.student_steps, 1);
  at_least("batch", chosen.batch, 1);
  at_least("threads", chosen.threads, 0);
  dimix::expects(chosen.datapoint >= 0 && chosen.datapoint <= 1e6, "--datapoint = ", chosen.datapoint,
                 " lies outside [0, 1e6]");
  dimix::expects(chosen.start_share >= 0 && chosen.start_share <= 1, "--start-share = ", chosen.start_share,
                 " lies outside [0, 1]");
  dimix::expects(chosen.rounds == 1 || chosen.rounds == 2, "--rounds = ", chosen.rounds, " is neither 1 nor 2");
  if (chosen.targets == 0) chosen.targets = chosen.components;
  if (chosen.save.empty()) chosen.save = chosen.out;
  if (chosen.threads == 0) chosen.threads = std::max(1u, std::thread::hardware_concurrency());
  return chosen;
}

std::map<std::string, std::string> words_of(const settings& chosen, index_t seed, bool student) {
  std::map<std::string, std::string> words = {{"data", chosen.data.substr(chosen.data.find_last_of('/') + 1)},
                                              {"seed", std::to_string(seed)},
                                              {"teacher_steps", std::to_string(chosen.teacher_steps)}};
  if (student) {
    words["latent"] = chosen.latent;
    if (chosen.latent != "categorical") words["axes"] = std::to_string(chosen.axes);
    words["components"] = std::to_string(chosen.components);
    words["targets"] = std::to_string(chosen.targets);
    words["student_steps"] = std::to_string(chosen.student_steps);
    words["batch"] = std::to_string(chosen.batch);
    words["datapoint"] = std::to_string(chosen.datapoint);
    words["start_share"] = std::to_string(chosen.start_share);
  }
  return words;
}

}  // namespace words
