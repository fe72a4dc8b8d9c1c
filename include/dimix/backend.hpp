// A backend owns the sweep over rows, the scratch memory of a row and the launch; nothing else. The formulas are row bodies over
// a group (group.hpp), and the verbs of the library call only this:
//
// concept backend:
//   typename B::space                          where its rows live
//   b.template sweep<Real>(rows, tile, body)   body(group, tile, row) for every row in [0, rows), in any order and possibly at
//                                              once; tile: `tile` Reals of scratch that belong to this row while it runs
// Laws: every row exactly once; the result of a body that writes only its own row does not depend on the backend's threads.
#pragma once

#include <dimix/core/view.hpp>
#include <dimix/group.hpp>

namespace dimix {

namespace archetype {
struct row_body {
  template <class Group>
  DIMIX_HD void operator()(const Group&, view<float, 1>, index_t) const {}
};
}  // namespace archetype

template <class B>
concept backend = requires(const B b, index_t n) {
  typename B::space;
  b.template sweep<float>(n, n, archetype::row_body{});
};

}  // namespace dimix

#include <dimix/backend/cpu.hpp>
