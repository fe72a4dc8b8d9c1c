// workspace_bytes: how large a buffer an object needs for its workspace, before there is one.
//   const auto make = [&](std::pmr::memory_resource* memory) { return make_objective<float>(head, x_t, M, S, {.memory = memory}, terms...); };
//   buffer of workspace_bytes(make) bytes, aligned to 64, of the host or of the device that rows run on
//   std::pmr::monotonic_buffer_resource memory(buffer, bytes, std::pmr::null_memory_resource());
//   auto loss = make(&memory);
// Marginals that come in chunks of components ask for B D S more with their first chunk, beside it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory_resource>

namespace dimix {

/// Counts what is asked for and hands out addresses of nothing: only for arrays that the host does not touch (row_space, core/array.hpp).
class measured_memory final : public std::pmr::memory_resource {
 public:
  std::size_t bytes() const { return end_ - start; }

 private:
  static constexpr std::size_t start = 4096;

  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    const std::size_t begin = (end_ + alignment - 1) / alignment * alignment;
    end_ = begin + bytes;
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(begin));
  }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  std::size_t end_ = start;
};

/// Bytes that make(memory) takes, as one buffer whose start is aligned to 64.
template <class Make>
std::size_t workspace_bytes(const Make& make) {
  measured_memory counted;
  static_cast<void>(make(&counted));
  return counted.bytes();
}

}  // namespace dimix
