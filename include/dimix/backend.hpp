// A backend owns the sweep over rows, the scratch memory of a row and the launch; nothing else. The formulas are row bodies over
// a group (group.hpp), and the verbs of the library call only this:
//
// concept backend:
//   typename B::space                          where its rows live
//   b.template sweep<Real>(rows, tile, body)   body(group, tile, row) for every row in [0, rows), in any order and possibly at
//                                              once; tile: `tile` Reals of scratch that belong to this row while it runs
// and, optional:
//   b.template sweep<Real>(rows, tile, body, length)   the same with the numbers that a row walks over, from which a device chooses how
//                                              many threads share it
//   B::asynchronous = true                     sweeps are queued: each begins after those before it, and none has to be over when the call
//                                              returns. What rows write is then not for the host, until it is fetched
//   b.fetch(from, to)                          to.size() elements of the backend's memory to the host's, after all sweeps so far: the
//                                              only wait. Needed where sweeps are queued
//   b.send(from, to)                           the other way, before all sweeps to come. Needed where the memory is not the host's
//   b.memory()                                 the std::pmr::memory_resource of workspaces that its rows can write; the default one else
// Laws: every row exactly once; the result of a body that writes only its own row does not depend on the backend's threads.
// The verbs call sweep, fetch and workspace_of below, so that a backend needs the first three lines alone.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/error.hpp>
#include <dimix/core/view.hpp>
#include <dimix/group.hpp>

#include <algorithm>
#include <memory_resource>
#include <type_traits>

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

/// A view of memory where the rows of a backend run: what its callers hand to verbs.
template <class B, class T, int Rank>
using view_of = view<T, Rank, typename B::space>;

/// Whether the sweeps of B are queued.
template <class B>
inline constexpr bool asynchronous = requires {
  requires B::asynchronous;
};

/// A sweep over rows that walk over `length` numbers each.
template <class Real, backend Backend, class Body>
void sweep(const Backend& run_on, index_t rows, index_t tile, index_t length, const Body& body) {
  if constexpr (requires { run_on.template sweep<Real>(rows, tile, body, length); })
    run_on.template sweep<Real>(rows, tile, body, length);
  else
    run_on.template sweep<Real>(rows, tile, body);
}

/// Copies what rows have written to the host.
template <backend Backend, class T, int Rank>
void fetch(const Backend& run_on, const view<T, Rank>& from, const view<std::remove_const_t<T>, Rank>& to) {
  if constexpr (asynchronous<Backend>)
    run_on.fetch(from, to);
  else
    std::copy(from.begin(), from.end(), to.begin());
}

/// Copies what the host has written to where rows read it.
template <backend Backend, class T, int Rank>
void send(const Backend& run_on, const view<T, Rank>& from, const view<std::remove_const_t<T>, Rank>& to) {
  if constexpr (requires { run_on.send(from, to); })
    run_on.send(from, to);
  else
    std::copy(from.begin(), from.end(), to.begin());
}

/// Where the workspace of a verb comes from.
template <backend Backend>
std::pmr::memory_resource* workspace_of(const Backend& run_on) {
  if constexpr (requires { run_on.memory(); })
    return run_on.memory();
  else
    return std::pmr::get_default_resource();
}

/// fill(view of rows), which sweeps, for an answer that goes to the host.
template <backend Backend, class T, int Rank, class Fill>
void fill_on_host(const Backend& run_on, array<T, Rank>& answer, const Fill& fill) {
  if constexpr (asynchronous<Backend> || requires { run_on.memory(); }) {
    array<T, Rank, row_space> there(workspace_of(run_on));
    there.resize_like(answer);
    fill(there.rows());
    fetch(run_on, view<const T, Rank>(there.rows()), answer.whole());
  } else {
    fill(answer.whole());
  }
}

/// Throws where the memory of an object is not one that the rows of the backend can write.
template <backend Backend>
void expects_workspace(const char* name, std::pmr::memory_resource* memory, const Backend&) {
  expects(std::is_same_v<typename Backend::space, host_space> || memory != std::pmr::new_delete_resource(), name,
          ": the workspace is the host's, but rows run elsewhere: make the object with options.memory = run_on.memory()");
}

/// Refuses a view of memory where the rows of the backend do not run.
template <class Backend, class Space>
constexpr void expects_space() {
  static_assert(std::is_same_v<Space, typename Backend::space>,
                "a view of one memory is given to a backend whose rows run in another: hand gpu a view<T, Rank, device_space> "
                "(array<T, Rank, device_space>), and cpu one of host_space; see dimix/backend.hpp");
}

}  // namespace dimix

#include <dimix/backend/cpu.hpp>
