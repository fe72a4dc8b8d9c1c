// mixed_head<Kinds, Heads...>: a head for each kind of position (state_space/mixed.hpp), padded where the kind has fewer states than the
// arrays. The default head of a mixed space is that of its kinds; with heads of one's own:
//   mixed_head(space.kinds(), make_pack(padded(subs{4}, words), padded(truncated_logistic{17}, levels)))
#pragma once

#include <dimix/core/pack.hpp>
#include <dimix/head/concept.hpp>

namespace dimix {

template <class Real, class Row>
struct mixed_head_row;
template <class Real, class... Rows>
struct mixed_head_row<Real, one_of<Rows...>> {
  one_of<Rows...> row;  // of the kinds

  DIMIX_HD token fixed() const {
    return row.visit([](const auto& own) { return own.fixed(); });
  }
  template <class At>
  requires(index_of<At, Rows>&&...) DIMIX_HD auto log_prob(At s) const {
    return row.visit([s](const auto& own) -> typename number_at<Real, At>::type { return own.log_prob(s); });
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Write>
  DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Write& write) const {
    row.visit([&](const auto& own) { own.backward(group, S, slope, write); });
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class Group, class Slope, class Prob, class Write>
  DIMIX_HD void backward(const Group& group, index_t S, const Slope& slope, const Prob& prob, const Write& write) const {
    row.visit([&](const auto& own) { backward_with(own, group, S, slope, prob, write); });
  }
};

template <class Kinds, class... Heads>
struct mixed_head {
  [[no_unique_address]] Kinds kinds;
  [[no_unique_address]] pack<Heads...> heads;

  template <class Real>
  using state = one_of<typename Heads::template state<Real>...>;
  using over = dimix::heads<Heads...>;

  mixed_head(Kinds of_positions, pack<Heads...> of_kinds) : kinds(of_positions), heads(of_kinds) {}

  DIMIX_HD constexpr index_t outputs(index_t S) const {
    index_t most = 0;
    heads.each([&most, S](const auto& own) { most = larger(most, own.outputs(S)); });
    return most;
  }

  template <class Real, class Group, class Storage>
  DIMIX_HD state<Real> observe(const Group& group, view<const Storage, 1> raw, place at) const {
    return pick(heads, kinds(at.dim), [&](const auto& own, auto) { return own.template observe<Real>(group, raw, at); });
  }

  template <class Real, class Group, class Storage>
  DIMIX_HD kept_row<state<Real>, Real> keep(const Group& group, view<const Storage, 1> raw, place at,
                                            view<Real, 1> weights) const {
    Real each = Real(1);
    const state<Real> seen = pick(heads, kinds(at.dim), [&](const auto& own, auto) {
      const auto kept = keep_row<Real>(group, own, raw, at, weights);
      each = kept.each;
      return kept.state;
    });
    return {seen, each};
  }

  template <class Real>
  DIMIX_HD state<Real> unobserved(const place& at) const requires(draws_unobserved<Heads, Real>&&...) {
    return pick(heads, kinds(at.dim), [&](const auto& own, auto) { return own.template unobserved<Real>(at); });
  }

  template <class Real, class Storage>
  DIMIX_HD auto row(view<const Storage, 1> raw, place at, const state<Real>& remembered) const {
    const auto own_row = pick(heads, kinds(at.dim), [&]<int Which>(const auto& own, number<Which>) {
      return own.template row<Real>(raw, at, remembered.template get<Which>());
    });
    return mixed_head_row<Real, std::remove_const_t<decltype(own_row)>>{own_row};
  }
};

/// Kind by kind.
template <class Kinds, class... Heads, class... Spaces>
inline constexpr bool head_fits<mixed_head<Kinds, Heads...>, mixed<Kinds, Spaces...>> = [] {
  if constexpr (sizeof...(Heads) == sizeof...(Spaces))
    return (head_fits<Heads, Spaces> && ...);
  else
    return false;
}();
template <class Kinds, class... Heads, class Space>
inline constexpr bool head_fits<mixed_head<Kinds, Heads...>, Space> = false;

}  // namespace dimix
