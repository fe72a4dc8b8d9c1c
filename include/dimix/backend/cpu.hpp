// The CPU backend: one thread with its vector lanes per row, rows shared among the threads of a pool.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/backend/thread_pool.hpp>

#include <memory>
#include <vector>

namespace dimix {

/// A value: copies share one pool. Results are identical for any number of threads.
class cpu {
 public:
  using space = host_space;

  /// threads = 0: one per hardware thread.
  explicit cpu(int threads = 0) : pool_(std::make_shared<thread_pool>(threads == 0 ? available() : threads)) {}

  int threads() const { return pool_->threads(); }

  /// The loop itself, for host code such as networks: f(worker, i), worker in [0, threads()).
  template <class F>
  void for_each(index_t n, F&& f) const {
    pool_->for_each(n, f);
  }

  /// body(group, tile, row), see backend.hpp. Rows are handed out in chunks, so that short rows do not pay for the hand-out.
  template <class Real, class Body>
  void sweep(index_t rows, index_t tile, const Body& body) const {
    const index_t chunk = larger<index_t>(1, smaller<index_t>(64, rows / (8 * threads())));
    std::vector<std::vector<Real>> scratch(static_cast<std::size_t>(threads()));
    pool_->for_each((rows + chunk - 1) / chunk, [&](int worker, index_t c) {
      auto& mine = scratch[static_cast<std::size_t>(worker)];
      mine.resize(static_cast<std::size_t>(tile));
      for (index_t row = c * chunk; row < smaller(rows, (c + 1) * chunk); ++row)
        body(vector_group<Real>{}, view<Real, 1>(mine.data(), tile), row);
    });
  }

 private:
  static int available() { return larger(1, static_cast<int>(std::thread::hardware_concurrency())); }

  std::shared_ptr<thread_pool> pool_;
};

static_assert(backend<cpu>);

}  // namespace dimix
