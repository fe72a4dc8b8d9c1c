// Which kernels a space has, and how they are made from the total noise at s and t: closed form where noise is identity + rank one, tables
// where it has rates of its own, two clocks where it masks or redraws, one of each kind where positions differ.
#pragma once

#include <dimix/forward_process/kernel.hpp>
#include <dimix/forward_process/mask_and_replace_kernel.hpp>
#include <dimix/forward_process/mixed_kernel.hpp>
#include <dimix/forward_process/rate_matrix.hpp>
#include <dimix/forward_process/table_kernel.hpp>

#include <algorithm>
#include <cmath>
#include <memory>

namespace dimix {

/// Identity + rank one: nothing to keep, no bytes.
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

/// Rates of its own. Copies share the tables.
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
    const auto wide = [&](double sigma) { return std::isinf(sigma) ? stationary(space) : tables_->at(sigma); };
    const auto of = [&](double sigma) { return converted<Real>(wide(sigma)); };
    const auto wide_t = wide(sigma_t);
    const auto to_t = converted<Real>(wide_t);
    if (sigma_s == sigma_t) return {space, to_t, to_t, of(0), wide_t};
    return {space, of(sigma_s), to_t, sigma_s == 0 ? to_t : of(sigma_t - sigma_s), wide_t};
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
  static std::shared_ptr<const table> stationary(const Space& space) {
    expects_stationary(space);
    const index_t S = space.max_states();
    auto rows = std::make_shared<table>(S, S);  // (S, S)
    for (index_t a = 0; a < S; ++a)
      for (index_t y = 0; y < S; ++y) (*rows)(a, y) = space.prior(0, static_cast<token>(y));
    return rows;
  }

  std::shared_ptr<transition_tables> tables_;
};

/// Masked for good or redrawn: nothing to keep.
template <replacing_space Space>
  requires(!rate_space<Space>)
struct kernel_maker<Space> {
  template <class Real>
  using kernel = mask_and_replace_kernel<Space, Real>;

  explicit kernel_maker(const Space&) {}
  template <class Real>
  kernel<Real> make(const Space& space, double sigma_s, double sigma_t) const {
    return kernel<Real>::make(space, sigma_s, sigma_t);
  }
};

/// One maker for each kind.
template <class Kinds, class... Spaces>
class kernel_maker<mixed<Kinds, Spaces...>> {
  using space_type = mixed<Kinds, Spaces...>;

 public:
  template <class Real>
  using kernel = mixed_kernel<space_type, Real, pack<typename kernel_maker<Spaces>::template kernel<Real>...>>;

  explicit kernel_maker(const space_type& space)
      : makers_(map(space.spaces(), [](const auto& own) {
          return member<std::decay_t<decltype(own)>>{own, kernel_maker<std::decay_t<decltype(own)>>(own)};
        })) {}

  template <class Real>
  kernel<Real> make(const space_type& space, double sigma_s, double sigma_t) const {
    return {space, map(makers_, [&](const auto& own) { return own.maker.template make<Real>(own.space, sigma_s, sigma_t); })};
  }

 private:
  template <class Space>
  struct member {
    [[no_unique_address]] Space space;
    [[no_unique_address]] kernel_maker<Space> maker;
  };

  pack<member<Spaces>...> makers_;
};

}  // namespace dimix
