// operator new, counted.
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>

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
