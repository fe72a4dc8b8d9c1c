// mixed_kernel: the kernels of a space whose positions differ in kind (state_space/mixed.hpp), one for each kind; every call goes to that
// of the position. at_position(d, f) gives the kernel itself, for what is not a call of all kernels. Host-device where its kernels are.
#pragma once

#include <dimix/core/elementwise.hpp>
#include <dimix/core/math.hpp>
#include <dimix/core/pack.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/group.hpp>
#include <dimix/state_space/mixed.hpp>

namespace dimix {

/// A row p(x_s | x_t = y) of one kind; states that the position does not have are impossible.
template <class Real, class Row>
struct mixed_reverse_row;
template <class Real, class... Rows>
struct mixed_reverse_row<Real, one_of<Rows...>> {
  one_of<Rows...> row;  // of the kinds
  index_t states;       // S_d

  template <class At>
  requires(index_of<At, Rows>&&...) DIMIX_HD auto log_prob(At a) const {
    using number = typename number_at<Real, At>::type;
    return up_to<Real>(states, a, number(-infinity<Real>()), [this](auto one) {
      return row.visit([one](const auto& own) -> typename number_at<Real, decltype(one)>::type { return own.log_prob(one); });
    });
  }
  DIMIX_HD token fixed(token of_denoised) const {
    return row.visit([of_denoised](const auto& own) { return own.fixed(of_denoised); });
  }

  /// slope(a) = d loss / d log p(a)  ->  x -> d loss / d log p_0(x)
  template <class Group, class Slope>
  DIMIX_HD auto slope_of_denoised(const Group& group, index_t, const Slope& slope) const {
    const auto of_kinds = pick(row, [&](const auto& own, auto) { return own.slope_of_denoised(group, states, slope); });
    return slopes<std::remove_const_t<decltype(of_kinds)>>{of_kinds, states};
  }

 private:
  template <class Slopes>
  struct slopes;
  template <class... Slopes>
  struct slopes<one_of<Slopes...>> {
    one_of<Slopes...> of_kinds;
    index_t states;

    DIMIX_EXEC_CHECK_DISABLE
    template <class At>
    requires(index_into<At, Slopes>&&...) DIMIX_HD auto operator()(At x) const {
      using number = typename number_at<Real, At>::type;
      return up_to<Real>(states, x, number(Real(0)), [this](auto one) {
        return of_kinds.visit([one](const auto& own) -> typename number_at<Real, decltype(one)>::type { return own(one); });
      });
    }
  };
};

template <class Space, class Real, class Kernels>
struct mixed_kernel {
  [[no_unique_address]] Space space;
  Kernels kernels;  // pack of one for each kind

  /// f(the kernel of position d)
  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD decltype(auto) at_position(index_t d, const F& f) const {
    return kernels.visit(space.kind(d), f);
  }

  DIMIX_HD Real prior(index_t d, token s) const { return static_cast<Real>(space.prior(d, s)); }
  /// q(x_s = a | x_0)
  DIMIX_HD Real marginal_s(index_t d, token x_0, token a) const {
    return at_position(d, [=](const auto& own) { return own.marginal_s(d, x_0, a); });
  }
  /// q(x_t = y | x_0)
  DIMIX_HD Real marginal_t(index_t d, token x_0, token y) const {
    return at_position(d, [=](const auto& own) { return own.marginal_t(d, x_0, y); });
  }
  /// q(x_t = y | x_s = a)
  DIMIX_HD Real transition(index_t d, token a, token y) const {
    return at_position(d, [=](const auto& own) { return own.transition(d, a, y); });
  }
  /// q(x_s = a | x_0, x_t = y); 0 where x_0 cannot have become y
  DIMIX_HD Real posterior(index_t d, token x_0, token y, token a) const {
    return at_position(d, [=](const auto& own) { return own.posterior(d, x_0, y, a); });
  }

  /// x_t from q(x_t | x_0).
  DIMIX_HD token corrupt(index_t d, token x_0, random_block bits) const {
    return at_position(d, [=](const auto& own) { return own.corrupt(d, x_0, bits); });
  }
  /// x_s from q(x_s | x_0, x_t = y).
  DIMIX_HD token draw_posterior(index_t d, token x_0, token y, random_block bits) const {
    return at_position(d, [=](const auto& own) { return own.draw_posterior(d, x_0, y, bits); });
  }

  /// The row p(x_s | x_t = y) of a denoiser's row p(x_0 | x_t): log_prob(a), at the cost of the kind's own.
  template <class Row>
  DIMIX_HD auto reverse(index_t d, token y, const Row& denoised) const {
    const auto row = pick(kernels, space.kind(d), [&](const auto& own, auto) { return own.reverse(d, y, denoised); });
    return mixed_reverse_row<Real, std::remove_const_t<decltype(row)>>{row, space.states(d)};
  }
};

}  // namespace dimix
