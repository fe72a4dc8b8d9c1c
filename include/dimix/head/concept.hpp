// The concept of a head, apart from its models, so that every file of this folder can be included alone; see head.hpp.
#pragma once

#include <dimix/group.hpp>
#include <dimix/state_space.hpp>

#include <concepts>
#include <type_traits>
#include <utility>

namespace dimix {

/// Where a row stands.
struct place {
  index_t item;  // b
  index_t dim;   // d
  token now;     // x_t[b, d]
};

template <class H, class Real = float>
concept head =
    std::is_trivially_copyable_v<H> && std::is_trivially_copyable_v<typename H::template state<Real>> &&
    requires(const H h, serial_group g, view<const Real, 1> raw, place at, typename H::template state<Real> state, index_t s) {
      { h.outputs(s) } -> std::same_as<index_t>;
      { h.template observe<Real>(g, raw, at) } -> std::same_as<typename H::template state<Real>>;
      { h.template row<Real>(raw, at, state).fixed() } -> std::same_as<token>;
      { h.template row<Real>(raw, at, state).log_prob(s) } -> std::same_as<Real>;
    };

/// The rows that a head makes of outputs that are stored as Storage.
template <class Head, class Real, class Storage>
using row_of_head = decltype(std::declval<const Head&>().template row<Real>(view<const Storage, 1>{}, place{},
                                                                            typename Head::template state<Real>{}));

/// What a head says of a row whose probabilities it leaves in memory: weights (S), p(s) = weights[s] times `each`. A certain row leaves none.
/// doubt: 0 where the head has seen that every output is finite, NaN where one is not, and `unseen` where it has not looked.
template <class State, class Real>
struct kept_row {
  static constexpr Real unseen = Real(-1);

  State state;
  Real each;
  Real doubt = unseen;
};

/// Whether a row has p(s) at less than the exponential of log p(s). Optional: prob(s).
template <class Row>
concept has_prob = requires(const Row row, index_t s) {
  row.prob(s);
};
/// Where p comes with what backward evaluates anyway: backward_by_prob, which is backward with slopes that are made of p, slope(s, p). Optional.
template <class At, class Real, class Slope>
concept slope_index_by_prob = std::invocable<const Slope&, At, typename number_at<Real, At>::type>;

/// p(s) of a row.
template <class Row>
struct prob_of {
  const Row& row;

  DIMIX_EXEC_CHECK_DISABLE
  template <index_of<Row> At>
  DIMIX_HD auto operator()(At s) const {
    using std::exp;
    if constexpr (has_prob<Row>)
      return row.prob(s);
    else
      return exp(row.log_prob(s));
  }
};
template <class Row>
prob_of(const Row&) -> prob_of<Row>;

/// backward of a row whose probabilities are at hand, where it takes them.
DIMIX_EXEC_CHECK_DISABLE
template <class Row, class Group, class Slope, class Prob, class Write>
DIMIX_HD void backward_with(const Row& row, const Group& group, index_t S, const Slope& slope, const Prob& prob,
                            const Write& write) {
  if constexpr (requires { row.backward(group, S, slope, prob, write); })
    row.backward(group, S, slope, prob, write);
  else
    row.backward(group, S, slope, write);
}

/// observe() that also leaves the row's weights (S): the head's own keep(), which has the exponentials at hand, or one exponential a state.
/// similar: the state of a row that this one may resemble, or null; a keep() with one argument more takes it for a guess.
DIMIX_EXEC_CHECK_DISABLE
template <class Real, class Group, class Head, class Storage>
DIMIX_HD kept_row<typename Head::template state<Real>, Real> keep_row(const Group& group, const Head& head,
                                                                      view<const Storage, 1> raw, const place& at,
                                                                      view<Real, 1> weights,
                                                                      const typename Head::template state<Real>* similar = nullptr) {
  if constexpr (requires { head.template keep<Real>(group, raw, at, weights, *similar); })
    if (similar != nullptr) return head.template keep<Real>(group, raw, at, weights, *similar);
  if constexpr (requires { head.template keep<Real>(group, raw, at, weights); }) {
    return head.template keep<Real>(group, raw, at, weights);
  } else {
    const auto state = head.template observe<Real>(group, raw, at);
    using row_type = row_of_head<Head, Real, Storage>;
    const row_type row = head.template row<Real>(raw, at, state);
    group.for_each(weights.extent(0), [&]<index_of<row_type> At>(At s) { write(weights, s, prob_of{row}(s)); });
    return {state, Real(1)};
  }
}

/// Whether a head makes the states of neighbouring positions at once, and this group can use it, being one thread with lanes. Optional:
///   h.template observe_positions<Real>(group, raw (n, outputs), x_t (n), states (n))
///   h.keep_observed(group, raw, state, weights)       keep of a row whose state is known
template <class H, class Group, class Real, class Storage>
concept observes_positions = std::is_same_v<Group, vector_group<Real>> && (native_lanes<Real> > 1) &&
                             requires(const H h, const Group g, view<const Storage, 2> raw, view<const token, 1> now,
                                      view<typename H::template state<Real>, 1> states) {
                               h.template observe_positions<Real>(g, raw, now, states);
                             };

/// A head that can do without a look at the outputs where only the ratios of a row's probabilities count, as in a draw, gives the state of such
/// a row: log_prob(s) is right up to a constant. Optional.
template <class H, class Real>
concept draws_unobserved = requires(const H h, place at) {
  { h.template unobserved<Real>(at) } -> std::same_as<typename H::template state<Real>>;
};

/// A row that can ask for what a walk along it by lanes reads soon after s. Optional.
template <class Row, class Group>
concept asks_ahead = requires(const Row row, const Group group, typename Group::lanes_of_indices s) { row.expect(group, s); };

/// A head over others names them once: using over = heads<Inner>. What is said of them below is then said of it.
template <class... Heads>
struct heads {};

template <class Head>
constexpr auto heads_under() {
  if constexpr (requires { typename Head::over; })
    return typename Head::over{};
  else
    return heads<>{};
}

/// Whether a row's backward reads outputs that it has written already: then an objective keeps the gradient of a row in its tile until it
/// is whole, so that it may go where the outputs were. Said by the head, or by one that it is over.
template <class Head>
inline constexpr bool reads_other_outputs = requires { requires Head::reads_other_outputs; } ||
    []<class... Inner>(heads<Inner...>) { return (reads_other_outputs<Inner> || ...); }(heads_under<Head>());

/// Whether the outputs of a head are log-probabilities up to a constant, so that guidance may add them up. Denied by the head, or by one
/// that it is over.
template <class Head>
inline constexpr bool reads_logits = !requires { requires !Head::reads_logits; } &&
    []<class... Inner>(heads<Inner...>) { return (reads_logits<Inner> && ...); }(heads_under<Head>());

/// Whether the rows of a head are right on a space: said by heads that are meant for some spaces only, and of a head over others if each
/// of them fits.
template <class Head, class Space>
inline constexpr bool head_fits =
    []<class... Inner>(heads<Inner...>) { return (head_fits<Inner, Space> && ...); }(heads_under<Head>());

/// Whether some position has a mask: there a row over all states, which takes it for a value, does not fit.
template <class Space>
inline constexpr bool hides_somewhere = masked_space<Space>;
template <class Kinds, class... Spaces>
inline constexpr bool hides_somewhere<mixed<Kinds, Spaces...>> = (hides_somewhere<Spaces> || ...);

template <class Head, class Space>
constexpr void expects_head_fits() {
  static_assert(
      head_fits<Head, Space>,
      "head: this head does not fit this space. subs takes a visible token for certain, which holds only where noise does "
      "nothing but hide (revealing_space); softmax and truncated_logistic give mass to a mask, which is never x_0; subs and "
      "values_only read which state is the mask; see head_fits in dimix/head.hpp");
}

}  // namespace dimix
