// How much memory a call takes: every allocation of the program is counted, those of the library, its threads and the standard library
// alike, because operator new and delete are replaced here. A benchmark is one file, so that they are defined once.
//   const double bytes = bench::peak_memory([&] { step(dimix::cpu(threads)); });
#pragma once

#include <malloc.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <thread>

namespace bench {

/// Bytes in use now, and the most that were since peak was set.
struct memory_count {
  std::atomic<std::ptrdiff_t> now{0}, peak{0};

  static memory_count& of_program() {
    static memory_count count;
    return count;
  }

  void* add(void* block) {
    if (block == nullptr) throw std::bad_alloc();
    const std::ptrdiff_t size = static_cast<std::ptrdiff_t>(malloc_usable_size(block)), after = now += size;
    for (std::ptrdiff_t most = peak; most < after && !peak.compare_exchange_weak(most, after);) continue;
    return block;
  }
  void remove(void* block) {
    if (block != nullptr) now -= static_cast<std::ptrdiff_t>(malloc_usable_size(block));
    std::free(block);
  }
};

/// The most bytes that `once` holds beyond what there was before. It runs on a thread of its own, so that what threads keep between
/// calls is counted: let it make its own dimix::cpu, and its own memory for loops.
template <class F>
double peak_memory(const F& once) {
  memory_count& count = memory_count::of_program();
  double bytes = 0;
  std::thread([&] {
    const std::ptrdiff_t before = count.now;
    count.peak = before;
    once();
    bytes = static_cast<double>(count.peak - before);
  }).join();
  return bytes;
}

}  // namespace bench

[[gnu::noinline]] void* operator new(std::size_t bytes) {
  return bench::memory_count::of_program().add(std::malloc(bytes == 0 ? 1 : bytes));
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const std::size_t align = static_cast<std::size_t>(alignment);
  return bench::memory_count::of_program().add(std::aligned_alloc(align, (bytes + align - 1) / align * align));
}
[[gnu::noinline]] void operator delete(void* block) noexcept { bench::memory_count::of_program().remove(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { operator delete(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept { operator delete(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t, std::align_val_t) noexcept { operator delete(block); }
