// Memory of the device as a std::pmr::memory_resource, in the order of a stream: a block that is given back is handed out again only after
// the sweeps that were queued before. The host never touches it. For loops that ask for the same again and again:
//   recycled_memory memory(run_on.memory());        (core/memory.hpp)  asks the device in the first round only
//   std::pmr::monotonic_buffer_resource memory(buffer, bytes, std::pmr::null_memory_resource());      a buffer of the caller, of
//                                                   workspace_bytes(...) bytes (core/workspace.hpp)
#pragma once

#include <dimix/backend/cuda/error.cuh>

#include <cstddef>
#include <memory_resource>

namespace dimix {

class device_memory final : public std::pmr::memory_resource {
 public:
  explicit device_memory(cudaStream_t stream) : stream_(stream) {}

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    expects(alignment <= 256, "device_memory: an alignment of ", alignment, " bytes is more than 256");
    void* block = nullptr;
    expects_cuda(cudaMallocAsync(&block, bytes == 0 ? 1 : bytes, stream_), "memory of the device");
    return block;
  }
  void do_deallocate(void* block, std::size_t, std::size_t) override { static_cast<void>(cudaFreeAsync(block, stream_)); }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    const auto* same = dynamic_cast<const device_memory*>(&other);
    return same && same->stream_ == stream_;
  }

  cudaStream_t stream_;
};

}  // namespace dimix
