// A group: the threads that work on one row together. Row bodies (a posterior row, the normaliser of a row, a loss row) are
// written once over it and run as they are with one CPU thread, SIMD lanes, or a CUDA block.
//
// concept group:
//   g.for_each(n, f)               f(i) for every i in [0, n), in any order and possibly at once
//   g.reduce(n, identity, op, f)   op over f(0), ..., f(n-1); op associative and commutative up to rounding;
//                                  every member of the group gets the result
//   g.leader()                     true in exactly one member: the one that writes scalars
//   g.sync()                       what members wrote before is seen by all after
// Laws: reduce(0, e, op, f) == e; for_each visits each index exactly once; between two syncs index i is the same member's in every for_each
// and reduce over as many numbers; a body that only uses these four gives the same
// result in every group, up to the rounding of the order of op.
#pragma once

#include <dimix/config.hpp>
#include <dimix/core/lanes.hpp>
#include <dimix/core/math.hpp>
#include <dimix/core/view.hpp>

#include <concepts>

namespace dimix {

namespace archetype {
struct visit {
  DIMIX_HD void operator()(index_t) const {}
};
struct value {
  DIMIX_HD float operator()(index_t) const { return 0; }
};
}  // namespace archetype

template <class G>
concept group = requires(const G g, index_t n) {
  g.for_each(n, archetype::visit{});
  { g.reduce(n, 0.0f, plus{}, archetype::value{}) } -> std::same_as<float>;
  { g.leader() } -> std::same_as<bool>;
  g.sync();
};

/// One thread. The reference: plain loops in order.
struct serial_group {
  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD void for_each(index_t n, F f) const {
    for (index_t i = 0; i < n; ++i) f(i);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class T, class Op, class F>
  DIMIX_HD T reduce(index_t n, T identity, Op op, F f) const {
    T total = identity;
    for (index_t i = 0; i < n; ++i) total = op(total, f(i));
    return total;
  }
  DIMIX_HD bool leader() const { return true; }
  DIMIX_HD void sync() const {}
};

/// Width accumulators side by side, merged as a tree at the end: the order in which a CUDA block or a vector register works.
template <int Width>
struct lane_group {
  static_assert(Width >= 1 && (Width & (Width - 1)) == 0, "lane_group<Width>: Width must be a power of two");

  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD void for_each(index_t n, F f) const {
    for (index_t i = 0; i < n; ++i) f(i);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class T, class Op, class F>
  DIMIX_HD T reduce(index_t n, T identity, Op op, F f) const {
    T lane[Width];
    for (int w = 0; w < Width; ++w) lane[w] = identity;
    index_t i = 0;
    for (; i + Width <= n; i += Width)
      for (int w = 0; w < Width; ++w) lane[w] = op(lane[w], f(i + w));
    for (int w = 0; i + w < n; ++w) lane[w] = op(lane[w], f(i + w));
    for (int half = Width / 2; half > 0; half /= 2)
      for (int w = 0; w < half; ++w) lane[w] = op(lane[w], lane[w + half]);
    return lane[0];
  }
  DIMIX_HD bool leader() const { return true; }
  DIMIX_HD void sync() const {}
};

/// Whether f may be called with At: an index or lanes of indices. A body that takes lanes says so:
///   [&]<index_of<Row> At>(At s) { return row.log_prob(s); }       with a Row that takes them, else with single indices only
template <class At, class F>
concept index_into = std::invocable<const F&, At>;
template <class At, class Row>
concept index_of = requires(const Row row, At i) {
  row.log_prob(i);
};
template <class At, class Slope, class Write>
concept slope_index = index_into<At, Slope> && std::invocable<const Write&, At, std::invoke_result_t<const Slope&, At>>;

/// A hint to groups that have a use for it: this part of a row comes soon.
template <class Group, class T, class Space, class At>
DIMIX_HD void expect(const Group& group, const view<T, 1, Space>& row, At i) {
  if constexpr (requires { group.expect(row, i); }) group.expect(row, i);
}

inline namespace DIMIX_TARGET {

/// One thread that works on native_lanes<Real> numbers at once wherever f takes lane_index, and what is left one by one. A sum of
/// Reals has four accumulators of lanes, so that one addition does not wait for another. A sum of anything else is taken in lanes if
/// add_lanes(total, lanes of it) says how they are added up.
template <class Real>
struct vector_group {
  static constexpr int width = native_lanes<Real>;
  using lanes_of_indices = lane_index<width>;

  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD void for_each(index_t n, F f) const {
    index_t i = 0;
    if constexpr (takes_lanes<F>())
      for (; i + width <= n; i += width) f(lanes_of_indices{i});
    for (; i < n; ++i) f(i);
  }
  DIMIX_EXEC_CHECK_DISABLE
  template <class T, class Op, class F>
  DIMIX_HD T reduce(index_t n, T identity, Op op, F f) const {
    T total = identity;
    index_t i = 0;
    if constexpr (takes_lanes<F>() && !std::is_same_v<T, Real>) {
      if constexpr (requires(T all, const F& g) { add_lanes(all, g(lanes_of_indices{i})); }) {
        if (n >= width) {
          auto part = f(lanes_of_indices{0});
          for (i = width; i + width <= n; i += width) part = op(part, f(lanes_of_indices{i}));
          add_lanes(total, part);
        }
      }
    } else if constexpr (takes_lanes<F>())
      if (n >= width) {
        lanes<Real, width> part[4] = {identity, identity, identity, identity};
        for (; i + 4 * width <= n; i += 4 * width)
          for (int j = 0; j < 4; ++j) part[j] = op(part[j], f(lanes_of_indices{i + j * width}));
        for (; i + width <= n; i += width) part[0] = op(part[0], f(lanes_of_indices{i}));
        total = op(total, folded(op(op(part[0], part[1]), op(part[2], part[3])), op));
      }
    for (; i < n; ++i) total = op(total, f(i));
    return total;
  }
  DIMIX_HD bool leader() const { return true; }
  DIMIX_HD void sync() const {}

  /// Asks for what will be read, or written, a few rows later.
  template <class T, class Space>
  void expect(const view<T, 1, Space>& row, lanes_of_indices i) const {
    if (i.first < row.extent(0)) __builtin_prefetch(row.data() + i.first, std::is_const_v<T> ? 0 : 1);
  }

 private:
  /// op over the numbers of x, as a tree.
  template <int W, class Op>
  static Real folded(const lanes<Real, W>& x, Op op) {
    if constexpr (W == 2) {
      return op(x[0], x[1]);
    } else {
      lanes<Real, W / 2> half[2];
      __builtin_memcpy(&half, &x, sizeof x);
      return folded(op(half[0], half[1]), op);
    }
  }

  template <class F>
  DIMIX_HD static constexpr bool takes_lanes() {
    if constexpr (width > 1)
      return index_into<lanes_of_indices, F>;
    else
      return false;
  }
};

}  // namespace DIMIX_TARGET

static_assert(group<serial_group> && group<lane_group<8>> && group<vector_group<float>>);

}  // namespace dimix
