// Remasking: ancestral steps of masked diffusion that may also hide a revealed token again, so that it can be decided anew. A method of
// sampler.hpp for spaces with a mask. With σ the chance to be hidden again,
//   x_t = token:  x_s = mask with probability σ, else x_t
//   x_t = mask:   x_s = x_0 ~ p(x_0 | x_t) with probability (alpha_s - (1 - σ) alpha_t) / (1 - alpha_t), else mask
// For a true x_0 the law of x_s stays q(x_s | x_0) for every σ in [0, σ_max], σ_max = min(1, (1 - alpha_s) / alpha_t); σ = 0 is ancestral.
// Source: ReMDM (Wang et al. 2025, arXiv 2503.00307).
//
// concept remask_rate<R>: r.sigma(kernel, at) -> Real in [0, σ_max] (largest_sigma), kernel: two_time_kernel
//   remask_cap(η)                 min(η, σ_max)
//   remask_rescale(η)             η σ_max
//   remask_between(process, t_on, t_off, rate)   rate while t_off <= s and t <= t_on, else 0: the switch of ReMDM-switch and ReMDM-loop
//   confident_remasking (remasking/confident.hpp)   a share of it per position, more where the token was unlikely: ReMDM-conf
// It moves also where s = t, so that a grid may stay at a time (loop_grid): ReMDM-loop.
//   sample<float>(process, net, {.steps = 64}, cpu{}, remasking{remask_cap(0.02)})
// Evidence: sample() writes it again after every step; whoever calls step() does so himself.
// Laws (tests/laws/remasking.cpp): rows sum to 1; draws follow rows; q(x_s | x_0) is kept; σ = 0 has the ancestral rows.
#pragma once

#include <dimix/forward_process.hpp>
#include <dimix/head.hpp>
#include <dimix/sampler/time_grid.hpp>

namespace dimix {

/// min(1, (1 - alpha_s) / alpha_t)
template <class Space, class Real>
DIMIX_HD Real largest_sigma(const two_time_kernel<Space, Real>& kernel) {
  return kernel.hit_s >= kernel.kept_t ? Real(1) : kernel.hit_s / kernel.kept_t;
}

class remask_cap {
 public:
  /// η in [0, 1].
  explicit remask_cap(double eta) : eta_(eta) {
    expects(eta >= 0 && eta <= 1, "remask_cap: eta = ", eta, " lies outside [0, 1]");
  }
  template <class Space, class Real>
  DIMIX_HD Real sigma(const two_time_kernel<Space, Real>& kernel, const place&) const {
    return smaller(static_cast<Real>(eta_), largest_sigma(kernel));
  }

 private:
  double eta_;
};

class remask_rescale {
 public:
  /// η in [0, 1].
  explicit remask_rescale(double eta) : eta_(eta) {
    expects(eta >= 0 && eta <= 1, "remask_rescale: eta = ", eta, " lies outside [0, 1]");
  }
  template <class Space, class Real>
  DIMIX_HD Real sigma(const two_time_kernel<Space, Real>& kernel, const place&) const {
    return static_cast<Real>(eta_) * largest_sigma(kernel);
  }

 private:
  double eta_;
};

/// Another rate in the steps that lie between two values of alpha, and 0 elsewhere.
template <class Rate>
struct remask_switch {
  Rate rate;
  double alpha_on, alpha_off;

  template <class Space, class Real>
  DIMIX_HD Real sigma(const two_time_kernel<Space, Real>& kernel, const place& at) const {
    const bool on = static_cast<Real>(alpha_on) <= kernel.kept_t && kernel.kept_s <= static_cast<Real>(alpha_off);
    return on ? rate.sigma(kernel, at) : Real(0);
  }
};

/// `rate` while t_off <= s and t <= t_on, 0 <= t_off <= t_on <= 1. t_on = t_off: only in steps that stay at that time.
template <class Process, class Rate>
remask_switch<Rate> remask_between(const Process& process, double t_on, double t_off, Rate rate) {
  expects(0 <= t_off && t_off <= t_on && t_on <= 1, "remask_between: needs 0 <= t_off <= t_on <= 1, but t_on = ", t_on,
          " and t_off = ", t_off);
  return {rate, process.between(t_on, t_on).kept_t, process.between(t_off, t_off).kept_s};
}

/// One row of p(x_s | x_t), elementwise in a.
template <class Row, class Real>
struct remask_row {
  Row denoised;
  token now, mask;
  Real log_hidden, log_shown;  // of the mask, and of a token: the probabilities to be hidden and to be shown after the step

  DIMIX_HD Real log_prob(index_t a) const {
    if (now != mask) return a == mask ? log_hidden : a == now ? log_shown : -infinity<Real>();
    const Real token_there = log_shown + denoised.log_prob(a);
    return a == mask ? merge(exp_sum<Real>::of(log_hidden), exp_sum<Real>::of(token_there)).log() : token_there;
  }
};

template <class Rate>
struct remasking {
  Rate rate;

  static constexpr bool stays_in_time = true;

  template <class Kernel>
  DIMIX_HD static token mask_of(const Kernel& kernel) {
    static_assert(revealing_space<decltype(kernel.space)>,
                  "remasking: a token is hidden again only where noise does nothing but hide, as absorbing; see "
                  "dimix/sampler/remasking.hpp");
    if constexpr (revealing_space<decltype(kernel.space)>)
      return kernel.space.mask();
    else
      return -1;
  }

  /// The probability that x_s is the mask.
  template <class Space, class Real>
  DIMIX_HD Real hidden(const two_time_kernel<Space, Real>& kernel, const place& at) const {
    const Real sigma = rate.sigma(kernel, at);
    if (at.now != mask_of(kernel)) return sigma;
    return kernel.hit_t == Real(0) ? Real(1) : clamp((kernel.hit_s - sigma * kernel.kept_t) / kernel.hit_t, Real(0), Real(1));
  }
  /// The probability that it is a token: 1 - hidden, without cancellation.
  template <class Space, class Real>
  DIMIX_HD Real shown(const two_time_kernel<Space, Real>& kernel, const place& at) const {
    const Real sigma = rate.sigma(kernel, at);
    if (at.now != mask_of(kernel)) return Real(1) - sigma;
    return kernel.hit_t == Real(0)
               ? Real(0)
               : clamp((kernel.kept_s * kernel.jump + sigma * kernel.kept_t) / kernel.hit_t, Real(0), Real(1));
  }

  template <class Space, class Real, class Row>
  DIMIX_HD auto row(const two_time_kernel<Space, Real>& kernel, const place& at, const Row& denoised) const {
    using std::log;
    return remask_row<Row, Real>{denoised, at.now, mask_of(kernel), log(hidden(kernel, at)), log(shown(kernel, at))};
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Kernel, class Denoised, class Bits>
  DIMIX_HD token draw(const Kernel& kernel, const place& at, index_t S, const Denoised& denoised, const Bits& bits_of) const {
    const token mask = mask_of(kernel);
    const random_block bits = bits_of(at.now == mask ? purpose::transition : purpose::remask);
    if (bernoulli(static_cast<double>(hidden(kernel, at)), bits.first())) return mask;
    return at.now == mask ? draw_denoised(denoised, S, bits_of(purpose::denoise)) : at.now;
  }
};
template <class Rate>
remasking(Rate) -> remasking<Rate>;

/// The grid of ReMDM-loop: `down` steps from 1 to the time held, `stay` steps there, `rest` steps on to 0. With remask_between(process,
/// held, held, rate) tokens are hidden again only while it stays.
inline time_grid loop_grid(index_t down, index_t stay, index_t rest, double held) {
  expects(down >= 1 && stay >= 0 && rest >= 1, "loop_grid: down = ", down, ", stay = ", stay, " and rest = ", rest,
          "; at least 1, 0 and 1 are needed");
  expects(held > 0 && held < 1, "loop_grid: held = ", held, " lies outside (0, 1)");
  time_grid grid;
  for (double t : uniform_grid(down)) grid.push_back(held + t * (1 - held));
  grid.back() = held;
  grid.insert(grid.end(), static_cast<std::size_t>(stay), held);
  const time_grid last = uniform_grid(rest);
  for (std::size_t n = 1; n < last.size(); ++n) grid.push_back(held * last[n]);
  return grid;
}

}  // namespace dimix

#include <dimix/sampler/remasking/confident.hpp>
