// The forward process: a state space and a schedule. Positions are corrupted independently, so everything is said per position.
//
//   q(x_t | x_0), q(x_t | x_s), q(x_s | x_t, x_0)   process.between(s, t): where noise replaces a state by a draw of π (identity + rank
//                                                   one) kernel.hpp, O(1) per probability, no table; where it jumps by rates of
//                                                   its own (rate_space) table_kernel.hpp, one S x S table per distinct time
//   rate of the jumps a -> y at time t              process.jump_rate(d, a, y, t)
//   the law of x_1                                  the space's prior
// Times are doubles on the host: coefficients are formed once per item in double and handed to row bodies in Real.
#pragma once

#include <dimix/forward_process/kernel.hpp>
#include <dimix/forward_process/table_kernel.hpp>
#include <dimix/noise_schedule.hpp>
#include <dimix/state_space.hpp>

namespace dimix {

/// What makes the kernels of a space from the total noise at s and t.
template <class Space>
struct kernel_maker {
  template <class Real>
  using kernel = two_time_kernel<Space, Real>;

  constexpr explicit kernel_maker(const Space&) {}
  template <class Real>
  kernel<Real> make(const Space& space, double sigma_s, double sigma_t) const {
    return kernel<Real>::make(space, sigma_s, sigma_t);
  }
};

/// Copies share the tables.
template <rate_space Space>
class kernel_maker<Space> {
 public:
  template <class Real>
  using kernel = held_table_kernel<Space, Real>;

  explicit kernel_maker(const Space& space)
      : tables_(
            std::make_shared<transition_tables>(space.max_states(), [&](token a, token y) { return space.base_rate(a, y); })) {}

  template <class Real>
  kernel<Real> make(const Space& space, double sigma_s, double sigma_t) const {
    const auto of = [&](double sigma) {
      return std::isinf(sigma) ? stationary<Real>(space) : converted<Real>(tables_->at(sigma));
    };
    auto to_t = of(sigma_t);
    if (sigma_s == sigma_t) return {space, to_t, to_t, of(0)};
    return {space, of(sigma_s), to_t, sigma_s == 0 ? to_t : of(sigma_t - sigma_s)};
  }

 private:
  template <class Real>
  static std::shared_ptr<const array<Real, 2>> converted(std::shared_ptr<const table> wide) {
    if constexpr (std::is_same_v<Real, double>) {
      return wide;
    } else {
      auto narrow = std::make_shared<array<Real, 2>>(wide->extent(0), wide->extent(1));  // (S, S)
      std::transform(wide->begin(), wide->end(), narrow->begin(), [](double p) { return static_cast<Real>(p); });
      return narrow;
    }
  }
  /// Every row is π: what is left at infinite noise.
  template <class Real>
  static std::shared_ptr<const array<Real, 2>> stationary(const Space& space) {
    const index_t S = space.max_states();
    auto rows = std::make_shared<array<Real, 2>>(S, S);  // (S, S)
    for (index_t a = 0; a < S; ++a)
      for (index_t y = 0; y < S; ++y) (*rows)(a, y) = static_cast<Real>(space.prior(0, static_cast<token>(y)));
    return rows;
  }

  std::shared_ptr<transition_tables> tables_;
};

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
    if constexpr (rate_space<Space>) {
      double leaves = 0;
      for (token b = 0; a == y && b < space_.states(d); ++b)
        if (b != a) leaves += space_.base_rate(a, b);
      return rate(schedule_, t) * (a == y ? -leaves : space_.base_rate(a, y));
    } else {
      return rate(schedule_, t) * (space_.prior(d, y) - (a == y ? 1.0 : 0.0));
    }
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
