// The thread pool and the CPU sweep: every index once, exceptions come back, calls nest, pools last.
#include <dimix/backend/cpu.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <vector>

using namespace dimix;

TEST_CASE("thread_pool: every index once, by a worker that exists") {
  for (int threads : {1, 2, 3, 8}) {
    thread_pool pool(threads);
    CHECK(pool.threads() == threads);
    for (index_t n : {0, 1, 2, 7, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(n));
      std::atomic<bool> known = true;
      pool.for_each(n, [&](int worker, index_t i) {
        ++visits[static_cast<std::size_t>(i)];
        if (worker < 0 || worker >= threads) known = false;
      });
      CHECK(known);
      CHECK(std::all_of(visits.begin(), visits.end(), [](const auto& count) { return count == 1; }));
    }
  }
}

TEST_CASE("thread_pool: an exception comes back, and the pool lives on") {
  for (int threads : {1, 2, 4}) {
    thread_pool pool(threads);
    for (int round = 0; round < 20; ++round) {
      try {
        pool.for_each(100, [](int, index_t i) {
          if (i == 57) throw std::runtime_error("57");
        });
        FAIL("no exception");
      } catch (const std::runtime_error& e) {
        CHECK(std::string(e.what()) == "57");
      }
      std::atomic<index_t> sum = 0;
      pool.for_each(100, [&](int, index_t i) { sum += i; });
      CHECK(sum == 4950);
    }
  }
}

TEST_CASE("thread_pool: a loop inside a loop runs in its thread") {
  thread_pool pool(3), other(2);
  std::atomic<index_t> sum = 0;
  pool.for_each(20, [&](int, index_t) {
    pool.for_each(10, [&](int worker, index_t j) {
      CHECK(worker == 0);
      sum += j;
    });
    other.for_each(10, [&](int, index_t j) { sum += j; });
  });
  CHECK(sum == 20 * 2 * 45);
}

TEST_CASE("thread_pool: several callers take turns") {
  thread_pool pool(2);
  std::atomic<index_t> sum = 0;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 3; ++caller)
    callers.emplace_back([&] {
      for (int round = 0; round < 50; ++round) pool.for_each(20, [&](int, index_t i) { sum += i; });
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(sum == 3 * 50 * 190);
}

TEST_CASE("thread_pool: a number of threads that makes no sense is refused") {
  CHECK_THROWS_WITH_AS(thread_pool(0), "thread_pool: threads = 0 lies outside [1, 4096]", invalid_argument);
  CHECK_THROWS_WITH_AS(thread_pool(-3), "thread_pool: threads = -3 lies outside [1, 4096]", invalid_argument);
  CHECK_THROWS_WITH_AS(cpu(5000), "thread_pool: threads = 5000 lies outside [1, 4096]", invalid_argument);
}

TEST_CASE("cpu: a sweep visits every row once, with scratch of its own") {
  for (int threads : {1, 2, 3}) {
    const cpu backend(threads);
    CHECK(backend.threads() == threads);
    for (index_t rows : {0, 1, 5, 64, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(rows));
      std::atomic<bool> undisturbed = true;
      backend.sweep<float>(rows, 7, [&](const auto& group, view<float, 1> tile, index_t row) {
        ++visits[static_cast<std::size_t>(row)];
        if (tile.extent(0) != 7) undisturbed = false;
        group.for_each(7, [&](index_t i) { tile[i] = static_cast<float>(row * 7 + i); });
        for (index_t i = 0; i < 7; ++i)
          if (tile[i] != static_cast<float>(row * 7 + i)) undisturbed = false;
      });
      CHECK(undisturbed);
      CHECK(std::all_of(visits.begin(), visits.end(), [](const auto& count) { return count == 1; }));
    }
  }
  CHECK(cpu{}.threads() >= 1);
  const cpu original(2), copy = original;
  CHECK(copy.threads() == 2);
}
