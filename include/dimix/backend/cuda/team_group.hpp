// Groups of many threads: a warp of 32, a block of warps, a cluster of blocks. Of few numbers member r takes the indices r, r + size,
// r + 2 size, ...; of n >= W size / 2 it takes every size-th W of them side by side, W Reals being 16 bytes, and as plain_lanes where the body
// takes lanes (core/plain_lanes.hpp): then rows are read and written 16 bytes at once. A reduction goes over these first, then over the
// lanes of each warp, over the warps of each block and over the blocks, as a butterfly of neighbours, so that every member ends with the
// same bits and nothing has to be broadcast. Its order hangs on n and on the team's size, and on no address.
// The butterfly is not cub's: BlockReduce wants the threads of a block as a constant, leaves the result in one of them, knows no clusters and
// has no emulation that CPU tests could run; what remains of it here is one loop.
//
// All of that is here and runs anywhere. What only a device has is behind a few primitives:
// concept threads (one member's hands):
//   t.lane(), t.warp(), t.warps(), t.block(), t.blocks()   where it is: lane in [0, 32) of a warp, warp in [0, warps) of a block, block in
//                              [0, blocks) of its cluster; warps and blocks are powers of two up to 32
//   t.exchange(x, mask)        x of lane  lane() ^ mask  of the warp
//   t.slot<T>(block, i)        the i-th of 32 places for a T in the memory that block's threads share, seen from all of the cluster
//   t.sync_warp(), t.sync_block(), t.sync_cluster()        what members wrote before is seen by all of them after
// Models: device_threads (backend/cuda/device_threads.cuh); fibres of one CPU thread (tests/laws/fibres.hpp), under which every law of
// group.hpp and every row body is tested.
#pragma once

#include <dimix/core/plain_lanes.hpp>
#include <dimix/group.hpp>

#include <type_traits>

namespace dimix {

inline constexpr int warp_size = 32;

/// Who works on a row together.
enum class team { warp, block, cluster };

template <team Who, class Threads, class Real = float>
struct team_group {
  static constexpr int width = team_lanes<Real>;
  using lanes_of_indices = plain_lane_index<width>;

  Threads threads;

  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD void for_each(index_t n, F f) const {
    const walk mine = walk_of(n);
    index_t i = mine.first;
    if constexpr (index_into<lanes_of_indices, F>)
      if (mine.beside)
        for (; i + width <= n; i += mine.round) f(lanes_of_indices{i});
    for (; i < n; i = mine.after(i)) f(i);
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class T, class Op, class F>
  DIMIX_HD T reduce(index_t n, T identity, Op op, F f) const {
    const walk mine = walk_of(n);
    T total = identity;
    index_t i = mine.first;
    if constexpr (sums_lanes<T, F>()) {
      if (mine.beside) {
        if constexpr (std::is_same_v<T, Real>) {
          plain_lanes<Real, width> part(identity);
          for (; i + mine.round + width <= n; i += 2 * mine.round) {  // two reads on their way at once, taken in order
            const auto a = f(lanes_of_indices{i}), b = f(lanes_of_indices{i + mine.round});
            part = op(op(part, a), b);
          }
          for (; i + width <= n; i += mine.round) part = op(part, f(lanes_of_indices{i}));
          total = op(total, folded(part, op));
        } else {
          for (; i + width <= n; i += mine.round) add_lanes(total, f(lanes_of_indices{i}));
        }
      }
    } else {
      for (index_t j = mine.after(i), k = mine.after(j), l = mine.after(k); l < n;) {  // four
        const T a = f(i), b = f(j), c = f(k), d = f(l);
        total = op(op(op(op(total, a), b), c), d);
        i = mine.after(l), j = mine.after(i), k = mine.after(j), l = mine.after(k);
      }
    }
    for (; i < n; i = mine.after(i)) total = op(total, f(i));
    return combined(total, op);
  }

  DIMIX_EXEC_CHECK_DISABLE
  DIMIX_HD bool leader() const { return rank() == 0; }

  DIMIX_EXEC_CHECK_DISABLE
  DIMIX_HD void sync() const {
    if constexpr (Who == team::warp)
      threads.sync_warp();
    else if constexpr (Who == team::block)
      threads.sync_block();
    else
      threads.sync_cluster();
  }

  DIMIX_EXEC_CHECK_DISABLE
  DIMIX_HD index_t rank() const {
    index_t place = threads.lane();
    if constexpr (Who != team::warp) place += index_t{warp_size} * threads.warp();
    if constexpr (Who == team::cluster) place += index_t{warp_size} * threads.warps() * threads.block();
    return place;
  }
  DIMIX_EXEC_CHECK_DISABLE
  DIMIX_HD index_t size() const {
    index_t members = warp_size;
    if constexpr (Who != team::warp) members *= threads.warps();
    if constexpr (Who == team::cluster) members *= threads.blocks();
    return members;
  }

 private:
  /// The indices of a member: first, then after(i) on and on. Beside each other: `width` in a row, the next ones a round later.
  struct walk {
    index_t first, round, jump;
    bool beside;

    DIMIX_HD index_t after(index_t i) const { return i + (beside && (i + 1) % width != 0 ? 1 : jump); }
  };
  DIMIX_EXEC_CHECK_DISABLE
  DIMIX_HD walk walk_of(index_t n) const {
    const index_t me = rank(), members = size(), round = width * members;
    if (2 * n >= round) return {width * me, round, round - width + 1, true};
    return {me, round, members, false};
  }

  /// Whether f gives lanes of what is reduced to a T.
  template <class T, class F>
  DIMIX_HD static constexpr bool sums_lanes() {
    if constexpr (!index_into<lanes_of_indices, F>)
      return false;
    else if constexpr (std::is_same_v<T, Real>)
      return true;
    else
      return requires(T all, const F& f, lanes_of_indices i) { add_lanes(all, f(i)); };
  }
  /// op over the numbers of x, as a tree.
  template <class Op>
  DIMIX_HD static Real folded(plain_lanes<Real, width> x, Op op) {
    for (int half = width / 2; half > 0; half /= 2)
      for (int w = 0; w < half; ++w) x.each[w] = op(x.each[w], x.each[w + half]);
    return x.each[0];
  }

  /// op over the x of lanes that differ in the lowest log2(lanes) bits, in all of them.
  DIMIX_EXEC_CHECK_DISABLE
  template <class T, class Op>
  DIMIX_HD T butterfly(T x, int lanes, Op op) const {
    for (int mask = 1; mask < lanes; mask *= 2) {
      const T other = threads.exchange(x, mask);
      x = threads.lane() & mask ? op(other, x)
                                : op(x, other);  // one order for both, or a NaN would leave them with different results
    }
    return x;
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class T, class Op>
  DIMIX_HD T combined(T x, Op op) const {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 16, "team_group: what is reduced must fit into 16 bytes");
    x = butterfly(x, warp_size, op);
    if constexpr (Who != team::warp)
      if (threads.warps() > 1) {
        if (threads.lane() == 0) threads.template slot<T>(threads.block(), threads.warp()) = x;
        threads.sync_block();
        x = threads.template slot<T>(threads.block(), threads.lane() % threads.warps());
        x = butterfly(x, threads.warps(), op);
        threads.sync_block();
      }
    if constexpr (Who == team::cluster)
      if (threads.blocks() > 1) {
        if (threads.lane() == 0 && threads.warp() == 0) threads.template slot<T>(threads.block(), 0) = x;
        threads.sync_cluster();
        x = threads.template slot<T>(threads.lane() % threads.blocks(), 0);
        x = butterfly(x, threads.blocks(), op);
        threads.sync_cluster();
      }
    return x;
  }
};

}  // namespace dimix
