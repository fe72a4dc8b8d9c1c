// operator new, counted.
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <functional>
#include <memory_resource>
#include <new>
#include <vector>

#include "spy/spy_backend.hpp"

namespace spy {
namespace {
std::atomic<std::size_t> count = 0;

void* counted(void* block) {
  if (!block) throw std::bad_alloc();
  ++count;
  return block;
}
}  // namespace

std::size_t allocations() { return count; }
}  // namespace spy

[[gnu::noinline]] void* operator new(std::size_t bytes) { return spy::counted(std::malloc(bytes == 0 ? 1 : bytes)); }
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto to = static_cast<std::size_t>(alignment);
  return spy::counted(std::aligned_alloc(to, (bytes / to + 1) * to));
}
[[gnu::noinline]] void operator delete(void* block) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
[[gnu::noinline]] void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

TEST_CASE("spy: every block of the heap is counted") {
  const std::size_t before = spy::allocations();
  const std::pmr::vector<double> one(100);
  CHECK(spy::allocations() == before + 1);
  const std::function<std::size_t()> count = [] { return spy::allocations(); };  // small enough to need none
  CHECK(count() == before + 1);
  const std::vector<std::vector<int>> three(2, std::vector<int>(10));
  CHECK(spy::allocations() == before + 1 + 4);  // the outer one, the pattern, and two copies
  CHECK(one.size() + three.size() == 102);
}
