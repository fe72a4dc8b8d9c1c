// operator new, counted.
#include <doctest/doctest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

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

void* operator new(std::size_t bytes) { return spy::counted(std::malloc(bytes == 0 ? 1 : bytes)); }
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  const auto to = static_cast<std::size_t>(alignment);
  return spy::counted(std::aligned_alloc(to, (bytes / to + 1) * to));
}
void operator delete(void* block) noexcept { std::free(block); }
void operator delete(void* block, std::size_t) noexcept { std::free(block); }
void operator delete(void* block, std::align_val_t) noexcept { std::free(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { std::free(block); }

TEST_CASE("spy: every block of the heap is counted") {
  struct alignas(64) line {
    char bytes[64];
  };
  const std::size_t before = spy::allocations();
  const auto one = std::make_unique<int>(1);
  const auto aligned = std::make_unique<line>();
  const auto many = std::make_unique<double[]>(100);
  CHECK(spy::allocations() == before + 3);
  CHECK(*one == 1);
  CHECK(reinterpret_cast<std::uintptr_t>(aligned.get()) % 64 == 0);
}
