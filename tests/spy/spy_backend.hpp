// What a verb asks for, written down: a backend that does what cpu(1) does and lists its sweeps, each of which is one launch where a device runs
// it, and the allocations of the whole program (allocations.cpp replaces operator new).
#pragma once

#include <dimix/backend.hpp>

#include <cstddef>
#include <memory>
#include <ostream>
#include <vector>

namespace spy {

using dimix::index_t;

/// Calls of operator new so far.
std::size_t allocations();

struct sweep_seen {
  index_t rows;
  index_t tile = 0;  // numbers of scratch per row
  friend bool operator==(const sweep_seen&, const sweep_seen&) = default;
  friend std::ostream& operator<<(std::ostream& out, const sweep_seen& s) { return out << s.rows << " rows, tile " << s.tile; }
};
using sweeps = std::vector<sweep_seen>;

/// A value: copies write into one list. A sweep without rows is none.
class backend {
 public:
  using space = dimix::host_space;

  template <class Real, class Body>
  void sweep(index_t rows, index_t tile, const Body& body) const {
    if (rows > 0) seen_->push_back({rows, tile});
    runs_.template sweep<Real>(rows, tile, body);
  }

  /// The sweeps since the last call of this.
  sweeps take() const {
    sweeps all;
    all.swap(*seen_);
    seen_->reserve(4096);  // so that writing them down allocates nothing
    return all;
  }

 private:
  std::shared_ptr<sweeps> seen_ = std::make_shared<sweeps>();
  dimix::cpu runs_{1};
};
static_assert(dimix::backend<backend>);

struct asked {
  sweeps launched;
  std::size_t allocations;
};

/// What f() asks of the backend and of the system.
template <class F>
asked during(const backend& run_on, const F& f) {
  run_on.take();
  const std::size_t before = allocations();
  f();
  const std::size_t after = allocations();
  return {run_on.take(), after - before};
}

inline sweeps operator+(sweeps a, const sweeps& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

}  // namespace spy

namespace doctest {
template <>
struct StringMaker<spy::sweeps> {
  static String convert(const spy::sweeps& all) {
    std::ostringstream out;
    for (const auto& s : all) out << "[" << s << "] ";
    return out.str().c_str();
  }
};
}  // namespace doctest
