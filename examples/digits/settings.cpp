// The command line of digits.
#include "settings.hpp"

#include "../support/command_line.hpp"

#include <algorithm>
#include <thread>

namespace digits {

std::optional<settings> parse(int argc, char** argv) {
  using support::at_least, support::one_of;
  settings chosen;
  std::string steps = "1,2,3,4,8,16,32", guidance = "0", data, labels;
  support::command_line line(
      "digits", "Trains a factorized teacher, distils it into a mixture student, and compares few-step samples of both.");
  line.add("data", "images: IDX (.gz as well) or .npy, (n, H, W) or (n, D); default: the 8x8 digits", data);
  line.add("labels", "classes of the images, .npy or IDX: (n); default: those of the 8x8 digits", labels);
  line.add("levels", "grey levels to quantise to; 0: as many as the data has", chosen.levels);
  line.add("pool", "side of the squares that are averaged into one pixel", chosen.pool);
  line.add("process", "absorbing | uniform | ordinal", chosen.process);
  line.add("head", "subs (absorbing) | softmax | truncated_logistic (ordinal); default: the first that fits", chosen.head);
  line.add("schedule",
           "log_linear | cosine | cosine_squared | linear | geometric (σ from 0.001 to 20) | exponential (σ to 9.8)",
           chosen.schedule);
  line.add("latent", "law of λ: categorical | uniform", chosen.latent);
  line.add("components", "M, draws of λ per item in training", chosen.components);
  line.add("classes", "networks are trained with the labels, 10 % of them dropped, and asked for a class", chosen.classes);
  line.add("guidance",
           "with --classes: weights w of classifier-free guidance to sample with; w grows along a path, from 0 at its first "
           "call; with one call it is w",
           guidance);
  line.add("sampler", "ancestral | confidence (absorbing): MaskGIT's, the likeliest tokens first, with noise", chosen.sampler);
  line.add("planned", "absorbing: the teacher at planned times too (dimix/diagnostics/planner.hpp)", chosen.planned);
  line.add("steps", "network calls to sample with", steps);
  line.add("samples", "images per row of the table", chosen.samples);
  line.add("seeds", "how many seeds: the table has their mean and spread", chosen.seeds);
  line.add("seed", "the first seed", chosen.seed);
  line.add("out", "folder for the table, the pictures and the networks", chosen.out);
  line.add("save", "folder for the networks and what resumes an interrupted run; default: --out", chosen.save);
  line.add("load", "folder of an earlier run: its networks are sampled, nothing is trained", chosen.load);
  line.add("fresh", "train anew even if --save holds networks", chosen.fresh);
  line.add("validation", "report on the validation images instead of the held-out ones", chosen.on_validation);
  line.add("teacher-steps", "optimiser steps of the teacher", chosen.teacher_steps);
  line.add("student-steps", "optimiser steps of each student", chosen.student_steps);
  line.add("batch", "items per step of a student", chosen.batch);
  line.add("threads", "0: one per processor", chosen.threads);
  if (!line.read(argc, argv)) return std::nullopt;

  dimix::expects(!chosen.classes || data.empty() == labels.empty(), "--classes needs the --labels of other --data");
  dimix::expects(chosen.classes || guidance == "0", "--guidance needs --classes");
  if (!data.empty()) chosen.data = data;
  if (!labels.empty()) chosen.labels = labels;
  chosen.steps = support::numbers_of_calls(steps);
  chosen.guidance = support::numbers_in("guidance", guidance, 0, 100);
  one_of("process", chosen.process, {"absorbing", "uniform", "ordinal"});
  if (chosen.head.empty()) chosen.head = chosen.process == "absorbing" ? "subs" : "softmax";
  if (chosen.process == "absorbing")
    one_of("head", chosen.head, {"subs"});
  else if (chosen.process == "uniform")
    one_of("head", chosen.head, {"softmax"});
  else
    one_of("head", chosen.head, {"softmax", "truncated_logistic"});
  one_of("schedule", chosen.schedule, schedule_names());
  one_of("sampler", chosen.sampler, {"ancestral", "confidence"});
  dimix::expects(chosen.sampler == "ancestral" || chosen.process == "absorbing",
                 "--sampler = 'confidence' reveals what is masked: it needs --process = 'absorbing'");
  dimix::expects(!chosen.planned || (chosen.process == "absorbing" && chosen.sampler == "ancestral" && !chosen.classes),
                 "--planned measures ancestral steps of --process = 'absorbing', without --classes");
  one_of("latent", chosen.latent, {"categorical", "uniform"});
  at_least("levels", chosen.levels, 0);
  at_least("pool", chosen.pool, 1);
  at_least("components", chosen.components, 1);
  at_least("samples", chosen.samples, 2);
  at_least("seeds", chosen.seeds, 1);
  at_least("seed", chosen.seed, 0);
  at_least("teacher-steps", chosen.teacher_steps, 1);
  at_least("student-steps", chosen.student_steps, 1);
  at_least("batch", chosen.batch, 1);
  at_least("threads", chosen.threads, 0);
  if (chosen.save.empty()) chosen.save = chosen.out;
  if (chosen.threads == 0) chosen.threads = std::max(1u, std::thread::hardware_concurrency());
  return chosen;
}

}  // namespace digits
