// Every schedule keeps the laws, in both precisions.
#include "laws/noise_schedule.hpp"

using namespace dimix;

TEST_CASE_TEMPLATE("laws: noise schedules with a rest of signal at t = 1", Real, float, double) {
  for (double eps : {1e-6, 1e-3, 0.1}) {
    CAPTURE(eps);
    laws::check_noise_schedule<Real>(log_linear{eps});
    laws::check_noise_schedule<Real>(cosine{eps});
    laws::check_noise_schedule<Real>(cosine_squared{eps});
  }
  laws::check_noise_schedule<Real>(log_linear{0});
  laws::check_noise_schedule<Real>(polynomial{1});
  laws::check_noise_schedule<Real>(polynomial{2});
  laws::check_noise_schedule<Real>(polynomial{3.5});
  for (double power : {0.5, 1.0, 2.0}) laws::check_noise_schedule<Real>(maskgit_power{power});
  laws::check_noise_schedule<Real>(maskgit_cosine{});
  laws::check_noise_schedule<Real>(maskgit_arccos{});
}

TEST_CASE_TEMPLATE("laws: noise schedules given by their total noise", Real, float, double) {
  laws::check_noise_schedule<Real>(linear{});
  laws::check_noise_schedule<Real>(linear{0, 3});
  laws::check_noise_schedule<Real>(geometric{});
  laws::check_noise_schedule<Real>(exponential{0.2, 20});
  laws::check_noise_schedule<Real>(exponential{0.005, 900});
  laws::check_noise_schedule<Real>(geometric{1e-4, 20});
  laws::check_noise_schedule<Real>(scaled<linear>{{0, 3}, 0.25});
  laws::check_noise_schedule<Real>(scaled<log_linear>{{1e-3}, 1.5});
}

TEST_CASE_TEMPLATE("laws: the least a user has to write is a noise schedule", Real, float, double) {
  laws::check_noise_schedule<Real>(laws::only_alpha{}, {.near_zero = false});
  laws::check_noise_schedule<Real>(laws::only_noise{});
}

TEST_CASE("laws: noise near t = 0 keeps its relative accuracy") {
  for (double t : {1e-3, 1e-6, 1e-9}) {
    CAPTURE(t);
    const double angle = std::numbers::pi / 2 * t;
    CHECK(move_chance(log_linear{1e-3}, t) == doctest::Approx(0.999 * t).epsilon(1e-14));
    CHECK(move_chance(cosine{1e-3}, t) == doctest::Approx(0.999 * 2 * std::pow(std::sin(angle / 2), 2)).epsilon(1e-14));
    CHECK(move_chance(cosine_squared{1e-3}, t) == doctest::Approx(0.999 * std::pow(std::sin(angle), 2)).epsilon(1e-14));
  }
}

TEST_CASE("laws: where a schedule starts and ends") {
  CHECK(alpha(log_linear{0}, 1.0) == 0);
  CHECK(total_noise(log_linear{0}, 1.0) == infinity<double>());
  CHECK(alpha(log_linear{}, 1.0) == doctest::Approx(1e-3));
  CHECK(alpha(cosine{}, 1.0) == doctest::Approx(1e-3));
  CHECK(alpha(cosine_squared{}, 1.0) == doctest::Approx(1e-3));
  CHECK(total_noise(geometric{1e-3, 1}, 0.0) == doctest::Approx(1e-3));
  CHECK(total_noise(geometric{1e-3, 1}, 1.0) == doctest::Approx(1));
  CHECK(total_noise(linear{1e-4, 20}, 1.0) == doctest::Approx(20));
}

TEST_CASE("laws: importance sampling in time gives every octave of the move chance the same share") {
  const log_linear schedule{1e-3};
  const double lowest = 1e-3, highest = move_chance(schedule, 1.0);
  for (double u : {0.0, 0.25, 0.5, 0.9, 1.0}) {
    const double wanted = std::pow(lowest, 1 - u) * std::pow(highest, u);
    CHECK(importance_move_chance(u, lowest, highest) == doctest::Approx(wanted).epsilon(1e-13));
    CHECK(move_chance(schedule, importance_time(schedule, u, lowest, highest)) == doctest::Approx(wanted).epsilon(1e-10));
    CHECK(move_chance(laws::only_alpha{}, importance_time(laws::only_alpha{}, u, 1e-3, 1.0)) ==
          doctest::Approx(std::pow(1e-3, 1 - u)).epsilon(1e-9));
  }
}

TEST_CASE("laws: a discrete time is the upper end of its cell") {
  CHECK(discrete_time(0.0, 1024) == 1.0 / 1024);
  CHECK(discrete_time(0.5, 1024) == 513.0 / 1024);
  CHECK(discrete_time(0.9999, 1024) == 1);
  CHECK(discrete_time(1.0, 4) == 1.25);
}
