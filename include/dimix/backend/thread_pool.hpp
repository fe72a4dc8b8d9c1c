// A few threads that sleep until there is a loop to share. Which thread runs which index varies; what is computed for an index
// must not depend on it, and then results are the same for any number of threads.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/view.hpp>

#include <atomic>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace dimix {

class thread_pool {
 public:
  /// threads >= 1, the caller included: thread_pool(1) starts none.
  explicit thread_pool(int threads) {
    expects(threads >= 1 && threads <= 4096, "thread_pool: threads = ", threads, " lies outside [1, 4096]");
    for (int worker = 1; worker < threads; ++worker) workers_.emplace_back([this, worker] { serve(worker); });
  }

  ~thread_pool() {
    {
      std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// f(worker, i) for every i in [0, n), worker in [0, threads()). The first exception that f throws is thrown again here, after
  /// all threads have stopped. A call from inside f runs in the calling thread alone.
  template <class F>
  void for_each(index_t n, F&& f) {
    if (workers_.empty() || n <= 1 || inside_) return run_alone(n, f);
    std::lock_guard one_loop_at_a_time(loop_mutex_);
    next_.store(0, std::memory_order_relaxed);
    error_ = nullptr;
    {
      std::lock_guard lock(mutex_);
      loop_ = [&](int worker) { take(worker, n, f); };
      running_ = static_cast<int>(workers_.size());
      ++generation_;
    }
    wake_.notify_all();
    loop_(0);
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return running_ == 0; });
    loop_ = nullptr;
    if (error_) std::rethrow_exception(error_);
  }

 private:
  template <class F>
  void run_alone(index_t n, F& f) {
    for (index_t i = 0; i < n; ++i) f(0, i);
  }

  template <class F>
  void take(int worker, index_t n, F& f) {
    inside_ = true;
    try {
      for (index_t i = next_.fetch_add(1); i < n; i = next_.fetch_add(1)) f(worker, i);
    } catch (...) {
      next_.store(n);
      std::lock_guard lock(mutex_);
      if (!error_) error_ = std::current_exception();
    }
    inside_ = false;
  }

  void serve(int worker) {
    unsigned long seen = 0;
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [&] { return stopping_ || generation_ != seen; });
      if (stopping_) return;
      seen = generation_;
      lock.unlock();
      loop_(worker);
      lock.lock();
      if (--running_ == 0) done_.notify_one();
    }
  }

  inline static thread_local bool inside_ = false;

  std::mutex loop_mutex_, mutex_;
  std::condition_variable wake_, done_;
  std::function<void(int)> loop_;
  std::atomic<index_t> next_{0};
  std::exception_ptr error_;
  int running_ = 0;
  unsigned long generation_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace dimix
