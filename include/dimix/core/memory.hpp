// recycled_memory: a memory resource that keeps what is given back and hands it out again, so that a loop whose arrays have the same sizes in
// every round asks the system for memory in its first round only (fresh pages cost more than what is written to them).
//   recycled_memory memory;
//   for (...) { auto loss = make_objective<float>(head, x_t, M, S, {.memory = &memory}, terms...); ... }
// It outlives what takes memory from it, belongs to one thread at a time, and gives all back to the system when it ends.
// Laws (tests/core/memory.cpp): blocks in use do not overlap and are aligned; the second round of a loop asks for nothing.
#pragma once

#include <dimix/core/error.hpp>

#include <cstddef>
#include <map>
#include <memory_resource>

namespace dimix {

class recycled_memory final : public std::pmr::memory_resource {
 public:
  explicit recycled_memory(std::pmr::memory_resource* upstream = std::pmr::new_delete_resource()) : upstream_(upstream) {}
  recycled_memory(const recycled_memory&) = delete;
  recycled_memory& operator=(const recycled_memory&) = delete;
  ~recycled_memory() override {
    for (const auto& [bytes, block] : spare_) upstream_->deallocate(block, bytes, alignment);
  }

  /// Bytes that came from upstream so far.
  std::size_t taken() const { return taken_; }

 private:
  static constexpr std::size_t alignment = 64;  // a cache line, and the widest vector

  /// The smallest spare block that holds the bytes and is at most twice as large, or a new one.
  void* do_allocate(std::size_t bytes, std::size_t align) override {
    expects(align <= alignment, "recycled_memory: an alignment of ", align, " bytes is more than ", alignment);
    const std::size_t wanted = rounded(bytes);
    const auto found = spare_.lower_bound(wanted);
    if (found != spare_.end() && found->first <= 2 * wanted) {
      void* block = found->second;
      used_.emplace(block, found->first);
      spare_.erase(found);
      return block;
    }
    void* block = upstream_->allocate(wanted, alignment);
    used_.emplace(block, wanted);
    taken_ += wanted;
    return block;
  }
  void do_deallocate(void* block, std::size_t, std::size_t) override {
    const auto found = used_.find(block);
    spare_.emplace(found->second, block);
    used_.erase(found);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  static std::size_t rounded(std::size_t bytes) {
    return bytes == 0 ? alignment : (bytes + alignment - 1) / alignment * alignment;
  }

  std::pmr::memory_resource* upstream_;
  std::size_t taken_ = 0;
  std::multimap<std::size_t, void*> spare_;  // by size
  std::map<void*, std::size_t> used_;
};

}  // namespace dimix
