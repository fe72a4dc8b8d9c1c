// Ancestral sampling: draw x_0 from the denoiser's row, then x_s from q(x_s | x_0, x_t). Exact for D = 1 at any step size.
// Source: D3PM (Austin et al. 2021), MDLM; the authors of Di4C call it analytical sampling (tauldr scripts/distil_sample.py); sdtt
// sampling/ancestral.py. For absorbing it is the two-stage draw: unmask or not, and only then the token.
#pragma once

#include <dimix/forward_process/kernel.hpp>
#include <dimix/head.hpp>

namespace dimix {

/// The group that a denoised() of a sampler works with; another callable that makes a row is one thread's.
template <class Denoised>
DIMIX_HD auto group_of(const Denoised& denoised) {
  if constexpr (requires { denoised.group(); })
    return denoised.group();
  else
    return serial_group{};
}

/// x_0 from the denoiser's row, which a denoised() of a sampler draws without its normaliser.
DIMIX_EXEC_CHECK_DISABLE
template <class Denoised>
DIMIX_HD token draw_denoised(const Denoised& denoised, index_t S, random_block bits) {
  if constexpr (requires { denoised.draw(S, bits); })
    return denoised.draw(S, bits);
  else
    return draw_row(denoised(), S, bits);
}

/// A draw with the kernel of the position. A functor and no lambda, so that nvcc lets callables of the host through.
template <class Denoised, class Bits>
struct ancestral_draw {
  const place& at;
  index_t S;
  const Denoised& denoised;
  const Bits& bits_of;

  DIMIX_EXEC_CHECK_DISABLE
  template <class Kernel>
  DIMIX_HD token operator()(const Kernel& kernel) const {
    const random_block transition = bits_of(purpose::transition);
    if constexpr (revealing_space<decltype(kernel.space)>) {
      if (at.now != kernel.space.mask()) return at.now;
      // x_s does not depend on x_0 where the mask stays: no row has to be made
      const token x_s = kernel.draw_posterior(at.dim, -1, at.now, transition);
      if (x_s == at.now) return x_s;
    }
    const token x_0 = draw_denoised(denoised, S, bits_of(purpose::denoise));
    if (x_0 < 0) return x_0;
    if constexpr (requires { kernel.draw_posterior(group_of(denoised), at.dim, x_0, at.now, transition); })
      return kernel.draw_posterior(group_of(denoised), at.dim, x_0, at.now, transition);
    else
      return kernel.draw_posterior(at.dim, x_0, at.now, transition);
  }
};

struct ancestral {
  static constexpr bool rows_are_reverse = true;

  template <class Kernel, class Row>
  DIMIX_HD auto row(const Kernel& kernel, const place& at, const Row& denoised) const {
    return kernel.reverse(at.dim, at.now, denoised);
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Kernel, class Denoised, class Bits>
  DIMIX_HD token draw(const Kernel& kernel, const place& at, index_t S, const Denoised& denoised, const Bits& bits_of) const {
    return at_position(kernel, at.dim, ancestral_draw<Denoised, Bits>{at, S, denoised, bits_of});
  }
};

/// The unnormalised row of MDLM and SDTT at a masked position: p_0(s) (m_t - m_s) for a token and m_s for the mask, with the move
/// chances m = 1 - alpha. It is the row above times m_t. Source: sdtt sampling/ancestral.py _compute_ddpm_update.
template <class Space, class Real>
DIMIX_HD Real masked_update_weight(const two_time_kernel<Space, Real>& kernel, token s, Real log_p) {
  using std::exp;
  static_assert(revealing_space<Space>,
                "masked_update_weight: only a space with a mask has this row; see dimix/sampler/ancestral.hpp");
  return s == kernel.space.mask() ? kernel.hit_s : exp(log_p) * kernel.kept_s * kernel.jump;
}

}  // namespace dimix
