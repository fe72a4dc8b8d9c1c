// The forward process: a state space and a schedule. Positions are corrupted independently, so everything is said per position.
//
//   q(x_t | x_0), q(x_t | x_s), q(x_s | x_t, x_0)   process.between(s, t): where noise replaces a state by a draw of π (identity + rank
//                                                   one) kernel.hpp, O(1) per probability, no table; where it jumps by rates of
//                                                   its own (rate_space) table_kernel.hpp, one S x S table per distinct time; where
//                                                   it masks or redraws mask_and_replace_kernel.hpp, O(1); where positions
//                                                   differ in kind mixed_kernel.hpp
//   rate of the jumps a -> y at time t              process.jump_rate(d, a, y, t)
//   the law of x_1                                  the space's prior
// Times are doubles on the host: coefficients are formed once per item in double and handed to row bodies in Real.
#pragma once

#include <dimix/forward_process/kernel_maker.hpp>
#include <dimix/noise_schedule.hpp>
#include <dimix/state_space.hpp>

namespace dimix {

template <class Space, class Schedule>
class forward_process {
  static_assert(state_space<Space>,
                "forward_process<Space, Schedule>: Space must be trivially copyable and provide states(d), max_states() and "
                "prior(d, s) -> double; see dimix/state_space.hpp");
  static_assert(noise_schedule<Schedule>,
                "forward_process<Space, Schedule>: Schedule must provide alpha(t) and alpha_prime(t), or total_noise(t) and "
                "rate(t), as templates on a floating-point type; see dimix/noise_schedule.hpp");

 public:
  using space_type = Space;
  using schedule_type = Schedule;
  template <class Real>
  using kernel = typename kernel_maker<Space>::template kernel<Real>;

  constexpr forward_process() : forward_process(Space{}) {}
  constexpr explicit forward_process(Space space, Schedule schedule = {})
      : space_(space), schedule_(schedule), kernels_(space) {}

  DIMIX_HD constexpr const Space& space() const { return space_; }
  DIMIX_HD constexpr const Schedule& schedule() const { return schedule_; }
  DIMIX_HD constexpr index_t max_states() const { return space_.max_states(); }

  /// The kernels between s and t, 0 <= s <= t <= 1. s = 0 is the data itself, also for schedules that have noise at 0.
  template <class Real = double>
  kernel<Real> between(double s, double t) const {
    expects(0 <= s && s <= t && t <= 1, "forward_process::between: needs 0 <= s <= t <= 1, but s = ", s, " and t = ", t);
    return kernels_.template make<Real>(space_, s == 0 ? 0.0 : total_noise(schedule_, s),
                                        t == 0 ? 0.0 : total_noise(schedule_, t));
  }

  /// R_t(a, y) for y != a: the rate of jumps from a to y per unit of time; the diagonal makes rows sum to zero.
  DIMIX_HD double jump_rate(index_t d, token a, token y, double t) const {
    double leaves = 0;
    for (token b = 0; a == y && b < space_.states(d); ++b)
      if (b != a) leaves += base_rate(space_, d, a, b);
    return rate(schedule_, t) * (a == y ? -leaves : base_rate(space_, d, a, y));
  }

 private:
  [[no_unique_address]] Space space_{};
  [[no_unique_address]] Schedule schedule_{};
  [[no_unique_address]] kernel_maker<Space> kernels_;
};

template <class P>
concept forward_process_like = requires(const P p, double t) {
  requires state_space<typename P::space_type>;
  { p.space() } -> std::convertible_to<typename P::space_type>;
  p.template between<float>(t, t);
};

static_assert(forward_process_like<forward_process<absorbing<18>, log_linear>>);
static_assert(sizeof(forward_process<absorbing<18>, log_linear>) == sizeof(log_linear));  // an empty policy costs nothing

}  // namespace dimix

#include <dimix/forward_process/corrupt.hpp>
