// sdtt noise_schedule.py (get_noise and the Noise classes) and absorbing.py _t_to_sigma.
#pragma once

#include <dimix/noise_schedule.hpp>

#include "golden/report.hpp"

#include <variant>

namespace golden {

/// A schedule chosen by its name in sdtt; itself a model of noise_schedule<., double>.
class recorded_schedule {
 public:
  /// Of the family of schedules: the constants are in the configuration under the schedule's name.
  recorded_schedule(const recorded_case& recorded, const std::string& name) : name_(name) {
    if (name == "linear") {
      schedule_ = dimix::linear{recorded.config<double>("linear", "sigma_min"), recorded.config<double>("linear", "sigma_max")};
    } else if (name == "geometric") {
      schedule_ = dimix::geometric{recorded.config<double>("geometric", "sigma_min"),
                                   recorded.config<double>("geometric", "sigma_max")};
    } else {
      choose(recorded.config<double>("eps_cosine_cosinesqr_loglinear"));
    }
  }

  /// Of the other families: a text such as "loglinear eps=1e-3".
  explicit recorded_schedule(const std::string& text) : name_(text.substr(0, text.find(' '))) {
    const std::size_t at = text.find("eps=");
    expects<file_error>(at != std::string::npos, "the noise '", text, "' names no eps");
    choose(std::stod(text.substr(at + 4)));
  }

  double total_noise(double t) const {
    return std::visit([&](const auto& schedule) { return dimix::total_noise(schedule, t); }, schedule_);
  }
  double rate(double t) const {
    return std::visit([&](const auto& schedule) { return dimix::rate(schedule, t); }, schedule_);
  }
  double inverse_alpha(double a) const {
    return std::visit([&](const auto& schedule) { return dimix::inverse_alpha(schedule, a); }, schedule_);
  }

  /// The move chances between which importance sampling interpolates. Log-linear starts without noise, where the logarithm of
  /// the move chance is infinite; sdtt raises the total noise there by eps.
  double lowest_move_chance() const {
    const auto* log_linear = std::get_if<dimix::log_linear>(&schedule_);
    const double least_noise = total_noise(0) + (log_linear == nullptr ? 0 : log_linear->eps);
    return dimix::move_chance(dimix::linear{.sigma_min = least_noise}, 0.0);
  }
  double highest_move_chance() const { return dimix::move_chance(*this, 1.0); }

 private:
  void choose(double eps) {
    if (name_ == "loglinear") {
      schedule_ = dimix::log_linear{eps};
    } else if (name_ == "cosine") {
      schedule_ = dimix::cosine{eps};
    } else if (name_ == "cosinesqr") {
      schedule_ = dimix::cosine_squared{eps};
    } else {
      dimix::fail<file_error>("there is no schedule '", name_, "'");
    }
  }

  std::string name_;
  std::variant<dimix::log_linear, dimix::cosine, dimix::cosine_squared, dimix::linear, dimix::geometric> schedule_;
};

static_assert(dimix::noise_schedule<recorded_schedule, double>);

inline void check_sdtt_schedules(const recorded_case& recorded, case_report& report) {
  const auto at_times = [&](const auto& f) {
    std::vector<double> values = recorded.input("t");
    std::transform(values.begin(), values.end(), values.begin(), f);
    return values;
  };

  for (const auto& [output, allowed] : recorded.outputs()) {
    if (const auto name = inside(output, "total_noise__"))
      report.check(output, {"dimix::total_noise"}, [&] {
        return at_times([schedule = recorded_schedule(recorded, *name)](double t) { return dimix::total_noise(schedule, t); });
      });
    if (const auto name = inside(output, "rate_noise__"))
      report.check(output, {"dimix::rate"}, [&] {
        return at_times([schedule = recorded_schedule(recorded, *name)](double t) { return dimix::rate(schedule, t); });
      });
    if (const auto name = inside(output, "importance_sampling_t__"))
      report.check(output, {"dimix::importance_time"}, [&] {
        const recorded_schedule schedule(recorded, *name);
        const double lowest = schedule.lowest_move_chance(), highest = schedule.highest_move_chance();
        return at_times([=](double u) { return dimix::importance_time(schedule, u, lowest, highest); });
      });

    // NAME_T1024 or NAME_T1024_change_of_variables
    const auto setting = inside(output, "t_to_sigma_");
    if (!setting) continue;
    const std::size_t what = setting->find("__"), steps_at = setting->rfind("_T");
    if (what == std::string::npos || steps_at == std::string::npos || steps_at < what) continue;
    const bool change_of_variables = setting->ends_with("_change_of_variables");
    const std::string quantity = setting->substr(0, what), name = setting->substr(what + 2, steps_at - what - 2);
    const auto steps = [at = setting->substr(steps_at + 2)] { return static_cast<index_t>(std::stol(at)); };
    if (change_of_variables && quantity == "conditioning")
      report.check(output, {"dimix::discrete_time"},
                   [&] { return at_times([n = steps()](double t) { return dimix::discrete_time(t, n); }); });
    else if (change_of_variables && quantity == "move_chance")
      report.check(output, {"dimix::importance_move_chance", "dimix::discrete_time"}, [&] {
        const recorded_schedule schedule(recorded, name);
        const double lowest = schedule.lowest_move_chance(), highest = schedule.highest_move_chance();
        return at_times(
            [=, n = steps()](double t) { return dimix::importance_move_chance(dimix::discrete_time(t, n), lowest, highest); });
      });
    else if (!change_of_variables && quantity == "conditioning")
      report.check(output, {"dimix::total_noise", "dimix::discrete_time"}, [&] {
        return at_times([n = steps(), schedule = recorded_schedule(recorded, name)](double t) {
          return dimix::total_noise(schedule, dimix::discrete_time(t, n));
        });
      });
    else if (!change_of_variables && quantity == "move_chance")
      report.check(output, {"dimix::move_chance", "dimix::discrete_time"}, [&] {
        return at_times([n = steps(), schedule = recorded_schedule(recorded, name)](double t) {
          return dimix::move_chance(schedule, dimix::discrete_time(t, n));
        });
      });
    else if (!change_of_variables && quantity == "dsigma")
      report.check(output, {"dimix::rate", "dimix::discrete_time"}, [&] {
        return at_times([n = steps(), schedule = recorded_schedule(recorded, name)](double t) {
          return dimix::rate(schedule, dimix::discrete_time(t, n));
        });
      });
  }
}

}  // namespace golden
