// What the program was asked for (settings.cpp reads it), and the schedule that is chosen at run time.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/noise_schedule.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace digits {

using dimix::index_t;

struct settings {
  std::string data = DIMIX_EXAMPLE_DATA "/digits/images.npy";
  std::string labels = DIMIX_EXAMPLE_DATA "/digits/labels.npy";
  std::string features = DIMIX_EXAMPLE_DATA "/digits/features.safetensors";
  index_t levels = 0, pool = 1;
  std::string process = "absorbing", head, schedule = "log_linear", latent = "categorical";
  index_t components = 128;
  bool classes = false;                // whether networks are asked for a class
  std::vector<double> guidance = {0};  // weights w
  std::string sampler = "ancestral";
  bool planned = false;  // whether the teacher is sampled by plans too
  std::vector<index_t> steps = {1, 2, 3, 4, 8, 16, 32};
  index_t samples = 4000;
  index_t seeds = 1, seed = 1;
  std::string out = "demo", save, load;
  bool fresh = false, on_validation = false;
  index_t teacher_steps = 2500, student_steps = 800, batch = 8;
  index_t threads = 0;
};

inline const std::vector<std::string>& schedule_names() {
  static const std::vector<std::string> names = {"log_linear", "cosine",    "cosine_squared",
                                                 "linear",     "geometric", "exponential"};
  return names;
}

/// One of the library's schedules, by its place in schedule_names().
struct chosen_schedule {
  int which = 0;

  template <std::floating_point Real>
  DIMIX_HD Real total_noise(Real t) const {
    return visit([t](const auto& schedule) { return dimix::total_noise(schedule, t); });
  }
  template <std::floating_point Real>
  DIMIX_HD Real rate(Real t) const {
    return visit([t](const auto& schedule) { return dimix::rate(schedule, t); });
  }

 private:
  template <class F>
  DIMIX_HD auto visit(F f) const {
    switch (which) {
      case 1:
        return f(dimix::cosine{});
      case 2:
        return f(dimix::cosine_squared{});
      case 3:
        return f(dimix::linear{});
      case 4:
        return f(dimix::geometric{.sigma_max = 20});
      case 5:
        return f(dimix::exponential{.base = 0.2, .growth = 50});
      default:
        return f(dimix::log_linear{});
    }
  }
};
static_assert(dimix::noise_schedule<chosen_schedule>);

/// The settings of a command line; nothing when --help was asked for and has been printed. Errors: invalid_argument.
std::optional<settings> parse(int argc, char** argv);

/// What a checkpoint must have been made with to be taken up by this run.
inline std::map<std::string, std::string> words_of(const settings& chosen, index_t seed, bool student) {
  std::map<std::string, std::string> words = {{"data", chosen.data.substr(chosen.data.find_last_of('/') + 1)},
                                              {"levels", std::to_string(chosen.levels)},
                                              {"pool", std::to_string(chosen.pool)},
                                              {"process", chosen.process},
                                              {"head", chosen.head},
                                              {"schedule", chosen.schedule},
                                              {"seed", std::to_string(seed)},
                                              {"teacher_steps", std::to_string(chosen.teacher_steps)}};
  if (chosen.classes) words["classes"] = "labels";
  if (student) {
    words["latent"] = chosen.latent;
    words["components"] = std::to_string(chosen.components);
    words["student_steps"] = std::to_string(chosen.student_steps);
    words["batch"] = std::to_string(chosen.batch);
  }
  return words;
}

}  // namespace digits
