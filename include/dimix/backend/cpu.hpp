// The CPU backend: one thread with its vector lanes per row, rows shared among the threads of a pool.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/backend/thread_pool.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace dimix {

inline namespace DIMIX_TARGET {

/// Memory for the tiles of rows, which a thread keeps between sweeps. A sweep inside a row takes another.
template <class Real>
class scratch {
 public:
  explicit scratch(index_t size) {
    if (!spare().empty()) {
      mine_ = std::move(spare().back());
      spare().pop_back();
    }
    if (mine_.size() < size) mine_.resize(size);
    all_ = {mine_.data(), size};
  }
  ~scratch() { spare().push_back(std::move(mine_)); }
  scratch(const scratch&) = delete;
  scratch& operator=(const scratch&) = delete;

  view<Real, 1> all() const { return all_; }

 private:
  static std::vector<array<Real, 1>>& spare() {
    static thread_local std::vector<array<Real, 1>> of_thread;
    return of_thread;
  }

  array<Real, 1> mine_;
  view<Real, 1> all_;
};

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
    pool_->for_each((rows + chunk - 1) / chunk, [&](int, index_t c) {
      const scratch<Real> mine(tile);
      for (index_t row = c * chunk; row < smaller(rows, (c + 1) * chunk); ++row) body(vector_group<Real>{}, mine.all(), row);
      vector_group<Real>::finish_streams();
    });
  }

 private:
  static int available() { return larger(1, static_cast<int>(std::thread::hardware_concurrency())); }

  std::shared_ptr<thread_pool> pool_;
};

}  // namespace DIMIX_TARGET

static_assert(backend<cpu>);

}  // namespace dimix
