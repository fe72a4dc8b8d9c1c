// mixed<Kinds, Spaces...>: every position has one of several spaces; words, grey levels and labels in one sequence.
//   mixed(listed_kinds(view_of_kinds), absorbing<5>{}, uniform<3>{})    position d is of kind view_of_kinds[d]: 0 absorbing, 1 uniform
// Kinds is a trivially copyable functor, kind(d) in [0, number of spaces): listed_kinds reads them from an array. A member takes d as the
// position in the whole sequence. Arrays hold the largest S; states(d) are those of the member, and the rest have no probability.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/math.hpp>
#include <dimix/core/pack.hpp>
#include <dimix/state_space.hpp>

namespace dimix {

/// The kind of every position, from an array (D) that must outlive it.
struct listed_kinds {
  view<const int, 1> kinds;  // (D)

  explicit listed_kinds(view<const int, 1> of_positions) : kinds(of_positions) {}
  DIMIX_HD int operator()(index_t d) const { return kinds[d]; }
  /// Throws unless D positions of `count` kinds are listed.
  void check(index_t D, int count) const {
    expects(D <= kinds.extent(0), "listed_kinds: kinds of ", kinds.extent(0), " positions are listed, but D = ", D);
    for (index_t d = 0; d < D; ++d)
      expects(kinds[d] >= 0 && kinds[d] < count, "listed_kinds: kinds[", d, "] = ", kinds[d], " is none of the ", count,
              " spaces");
  }
};

template <class Kinds, class... Spaces>
class mixed {
  static_assert(
      sizeof...(Spaces) >= 1 && (state_space<Spaces> && ...),
      "mixed<Kinds, Spaces...>: every Space must be trivially copyable and provide states(d), max_states() and prior(d, s) -> "
      "double; see dimix/state_space.hpp");
  static_assert(
      std::is_trivially_copyable_v<Kinds> && std::is_invocable_r_v<int, const Kinds, index_t>,
      "mixed<Kinds, Spaces...>: Kinds must be trivially copyable and provide operator()(d) -> int, the kind of position d; "
      "see dimix/state_space/mixed.hpp");

 public:
  explicit mixed(Kinds kinds, Spaces... spaces) : kinds_(kinds), spaces_(make_pack(spaces...)) {}

  DIMIX_HD int kind(index_t d) const { return kinds_(d); }
  DIMIX_HD const Kinds& kinds() const { return kinds_; }
  DIMIX_HD const pack<Spaces...>& spaces() const { return spaces_; }
  /// f(the space of position d)
  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD decltype(auto) at_position(index_t d, const F& f) const {
    return spaces_.visit(kinds_(d), f);
  }

  DIMIX_HD index_t states(index_t d) const {
    return at_position(d, [d](const auto& own) { return own.states(d); });
  }
  DIMIX_HD index_t max_states() const {
    index_t most = 0;
    spaces_.each([&most](const auto& own) { most = larger(most, own.max_states()); });
    return most;
  }
  DIMIX_HD double prior(index_t d, token s) const {
    return at_position(d, [d, s](const auto& own) { return s < own.states(d) ? own.prior(d, s) : 0.0; });
  }
  DIMIX_HD token draw_prior(index_t d, std::uint64_t bits) const {
    return at_position(d, [d, bits](const auto& own) { return dimix::draw_prior(own, d, bits); });
  }

  /// Throws unless each of D positions has a kind.
  void check_positions(index_t D) const {
    if constexpr (requires { kinds_.check(D, 1); }) kinds_.check(D, static_cast<int>(sizeof...(Spaces)));
  }

 private:
  [[no_unique_address]] Kinds kinds_;
  [[no_unique_address]] pack<Spaces...> spaces_;
};

namespace archetype {
struct coin {
  DIMIX_HD index_t states(index_t) const { return 2; }
  DIMIX_HD index_t max_states() const { return 2; }
  DIMIX_HD double prior(index_t, token) const { return 0.5; }
};
}  // namespace archetype

static_assert(state_space<mixed<listed_kinds, archetype::coin>> && !masked_space<mixed<listed_kinds, archetype::coin>>);

}  // namespace dimix
