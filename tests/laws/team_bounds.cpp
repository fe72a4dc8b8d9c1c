// The row bodies of the bounds say under teams what they say in one thread.
#include "laws/bound_rows.hpp"
#include "laws/fibres.hpp"

using namespace dimix;

namespace {

/// Teams whose memory is the host's.
template <team Who>
struct team_beside {
  template <class T>
  struct memory {
    explicit memory(index_t n) : values(static_cast<std::size_t>(n)) {}
    T* data() const { return values.data(); }
    T& operator[](index_t i) const { return values[static_cast<std::size_t>(i)]; }
    index_t size() const { return static_cast<index_t>(values.size()); }
    mutable std::vector<T> values;
  };

  template <class Real, class Body>
  void sweep(index_t rows, index_t tile, const Body& body, index_t) const {
    laws::emulated<Who>().template sweep<Real>(rows, tile, body);
  }
  template <class Kernel, class F>
  requires std::is_trivially_copyable_v<Kernel>
  static void with(const Kernel& kernel, const F& f) { f(kernel); }
  /// Of a kernel that holds its tables, the part that rows see.
  template <class Space, class F>
  static void with(const table_kernel<Space, float>& kernel, const F& f) {
    f(table_kernel<Space, float>(kernel));
  }
};

}  // namespace

TEST_CASE("laws: rows of the bounds by teams" * doctest::skip(laws::fibres_are_watched)) {
  SUBCASE("a warp") { laws::check_bounds(team_beside<team::warp>(), 2e-5); }
  SUBCASE("a block") { laws::check_bounds(team_beside<team::block>(), 2e-5); }
}
