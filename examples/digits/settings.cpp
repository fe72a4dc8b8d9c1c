// The command line of digits.
#include "settings.hpp"

#include <cxxopts.hpp>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <thread>

namespace digits {

/// "1,2,3" -> "1", "2", "3"
static std::vector<std::string> words_in(const std::string& list) {
  std::vector<std::string> words;
  std::istringstream text(list);
  for (std::string word; std::getline(text, word, ',');) words.push_back(word);
  return words;
}

std::optional<settings> parse(int argc, char** argv) {
  settings chosen;
  cxxopts::Options options(
      "digits", "Trains a factorized teacher, distils it into a mixture student, and compares few-step samples of both.\n");
  std::string steps = "1,2,3,4,8,16,32", guidance = "0";
  const auto add = [&](const char* name, const char* help, std::shared_ptr<cxxopts::Value> value = cxxopts::value<bool>()) {
    options.add_option("", cxxopts::Option(name, help, std::move(value)));
  };
  add("data", "images: IDX (.gz as well) or .npy, (n, H, W) or (n, D)",
      cxxopts::value(chosen.data)->default_value("the 8x8 digits"));
  add("labels", "classes of the images, .npy or IDX: (n)",
      cxxopts::value(chosen.labels)->default_value("those of the 8x8 digits"));
  add("levels", "grey levels to quantise to; 0: as many as the data has",
      cxxopts::value(chosen.levels)->default_value(std::to_string(chosen.levels)));
  add("pool", "side of the squares that are averaged into one pixel",
      cxxopts::value(chosen.pool)->default_value(std::to_string(chosen.pool)));
  add("process", "absorbing | uniform | ordinal", cxxopts::value(chosen.process)->default_value(chosen.process));
  add("head", "subs (absorbing) | softmax | truncated_logistic (ordinal); default: the first that fits",
      cxxopts::value(chosen.head));
  add("schedule", "log_linear | cosine | cosine_squared | linear | geometric (σ from 0.001 to 20) | exponential (σ to 9.8)",
      cxxopts::value(chosen.schedule)->default_value(chosen.schedule));
  add("latent", "law of λ: categorical | uniform", cxxopts::value(chosen.latent)->default_value(chosen.latent));
  add("components", "M, draws of λ per item in training",
      cxxopts::value(chosen.components)->default_value(std::to_string(chosen.components)));
  add("classes", "networks are trained with the labels, 10 % of them dropped, and asked for a class",
      cxxopts::value(chosen.classes));
  add("guidance",
      "with --classes: weights w of classifier-free guidance to sample with; w grows along a path, 0 at its first call",
      cxxopts::value(guidance)->default_value(guidance));
  add("sampler", "ancestral | confidence (absorbing): MaskGIT's, the likeliest tokens first, with noise",
      cxxopts::value(chosen.sampler)->default_value(chosen.sampler));
  add("steps", "network calls to sample with", cxxopts::value(steps)->default_value(steps));
  add("samples", "images per row of the table", cxxopts::value(chosen.samples)->default_value(std::to_string(chosen.samples)));
  add("seeds", "how many seeds: the table has their mean and spread",
      cxxopts::value(chosen.seeds)->default_value(std::to_string(chosen.seeds)));
  add("seed", "the first seed", cxxopts::value(chosen.seed)->default_value(std::to_string(chosen.seed)));
  add("out", "folder for the table, the pictures and the networks", cxxopts::value(chosen.out)->default_value(chosen.out));
  add("save", "folder for the networks and what resumes an interrupted run; default: --out", cxxopts::value(chosen.save));
  add("load", "folder of an earlier run: its networks are sampled, nothing is trained", cxxopts::value(chosen.load));
  add("fresh", "train anew even if --save holds networks", cxxopts::value(chosen.fresh));
  add("validation", "report on the validation images instead of the held-out ones", cxxopts::value(chosen.on_validation));
  add("teacher-steps", "optimiser steps of the teacher",
      cxxopts::value(chosen.teacher_steps)->default_value(std::to_string(chosen.teacher_steps)));
  add("student-steps", "optimiser steps of each student",
      cxxopts::value(chosen.student_steps)->default_value(std::to_string(chosen.student_steps)));
  add("batch", "items per step of a student", cxxopts::value(chosen.batch)->default_value(std::to_string(chosen.batch)));
  add("threads", "0: one per processor", cxxopts::value(chosen.threads)->default_value(std::to_string(chosen.threads)));
  add("h,help", "this text");

  try {
    const auto given = options.parse(argc, argv);
    if (given.count("help") > 0) {
      std::fputs(options.help().c_str(), stdout);
      return std::nullopt;
    }
    dimix::expects(given.unmatched().empty(), "unexpected argument '",
                   given.unmatched().empty() ? "" : given.unmatched().front(), "'");
    if (given.count("data") == 0) chosen.data = settings{}.data;
    dimix::expects(!chosen.classes || given.count("data") == given.count("labels"),
                   "--classes needs the --labels of other --data");
    dimix::expects(chosen.classes || given.count("guidance") == 0, "--guidance needs --classes");
    if (given.count("labels") == 0) chosen.labels = settings{}.labels;
  } catch (const cxxopts::exceptions::exception& wrong) {
    dimix::fail(wrong.what(), "; --help lists the options");
  }

  chosen.steps.clear();
  for (const std::string& word : words_in(steps)) {
    const bool digits_only = !word.empty() && word.size() <= 6 &&
                             std::all_of(word.begin(), word.end(), [](unsigned char c) { return std::isdigit(c); });
    dimix::expects(digits_only && std::stol(word) >= 1, "--steps: '", word, "' is not a number of network calls");
    chosen.steps.push_back(std::stol(word));
  }
  dimix::expects(!chosen.steps.empty(), "--steps names no number of network calls");
  chosen.guidance.clear();
  for (const std::string& word : words_in(guidance)) {
    char* end = nullptr;
    const double w = std::strtod(word.c_str(), &end);
    dimix::expects(!word.empty() && *end == 0 && w >= 0 && w <= 100, "--guidance: '", word, "' is no weight in [0, 100]");
    chosen.guidance.push_back(w);
  }
  dimix::expects(!chosen.guidance.empty(), "--guidance names no weight");
  const auto one_of = [](const char* name, const std::string& value, const std::vector<std::string>& allowed) {
    std::string list;
    for (const std::string& word : allowed) list += (list.empty() ? "" : ", ") + word;
    dimix::expects(std::count(allowed.begin(), allowed.end(), value) == 1, "--", name, " = '", value, "' is none of ", list);
  };
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
  one_of("latent", chosen.latent, {"categorical", "uniform"});
  const auto at_least = [](const char* name, index_t value, index_t least) {
    dimix::expects(value >= least && value <= 100'000'000, "--", name, " = ", value, " lies outside [", least, ", 1e8]");
  };
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
