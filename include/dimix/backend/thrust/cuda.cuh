// Thrust on a device of NVIDIA: one thread per row, in the order of the row's formula. For clarity, and as a reference for kernels in which
// many threads share a row. Memory is managed: host and device both reach it, so that verbs take the views that they take with cpu; what is
// not in managed memory stops the device with an error. A sweep is over when it returns, and then the host may look.
//   thrust_cuda run_on(stream);
//   auto loss = make_objective<float>(head, x_t, M, S, {.memory = run_on.memory()}, terms...);      x_t, raw, ... in managed memory too
// Row bodies are functors of the device: a lambda of the host is refused by nvcc.
#pragma once

#include <dimix/backend/thrust.hpp>

#include <thrust/device_malloc.h>
#include <thrust/system/cuda/execution_policy.h>

#include <cuda_runtime_api.h>

#include <memory>
#include <memory_resource>
#include <new>
#include <type_traits>

namespace dimix {

/// Memory of both sides, for arrays and workspaces.
class managed_memory final : public std::pmr::memory_resource {
  void* do_allocate(std::size_t bytes, std::size_t) override {
    void* block = nullptr;
    if (cudaMallocManaged(&block, bytes == 0 ? 1 : bytes) != cudaSuccess) throw std::bad_alloc();
    return block;
  }
  void do_deallocate(void* block, std::size_t, std::size_t) override { cudaFree(block); }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return dynamic_cast<const managed_memory*>(&other) != nullptr;
  }
};

/// Element i of a part of a sweep: row first + i, with the i-th tile.
template <class Real, class Body>
struct thrust_device_row {
  Body body;
  Real* tiles;
  index_t tile, first;

  DIMIX_HD void operator()(index_t i) const { body(serial_group{}, view<Real, 1>(tiles + i * tile, tile), first + i); }
};

/// Copies share stream and tiles: they sweep one after another.
class thrust_cuda {
 public:
  using space = host_space;

  /// tile_bytes: memory of the device for the tiles of the rows in flight. Of rows with a tile of n Reals, tile_bytes / (n sizeof(Real)) run at
  /// once and the others after them, rows without a tile all at once. The tile of one row has to fit.
  explicit thrust_cuda(cudaStream_t stream = nullptr, std::size_t tile_bytes = std::size_t{64} << 20)
      : stream_(stream), tile_bytes_(tile_bytes), tiles_(thrust::device_malloc<unsigned char>(tile_bytes).get(), give_back{}) {}

  /// Where arrays and workspaces of what is run here come from.
  std::pmr::memory_resource* memory() const { return memory_.get(); }

  /// body(group, tile, row), see backend.hpp.
  template <class Real, class Body>
  void sweep(index_t rows, index_t tile, const Body& body) const {
    static_assert(std::is_trivially_copyable_v<Body>,
                  "thrust_cuda::sweep: the row body must be trivially copyable, since it travels to the device");
    const std::size_t of_a_row = static_cast<std::size_t>(tile) * sizeof(Real);
    expects(of_a_row <= tile_bytes_, "thrust_cuda: the tile of one row takes ", of_a_row,
            " bytes, but tile_bytes = ", tile_bytes_);
    const index_t at_once = tile == 0 ? rows : static_cast<index_t>(tile_bytes_ / of_a_row);
    const thrust::counting_iterator<index_t> begin(0);
    for (index_t first = 0; first < rows; first += at_once)
      thrust::for_each(thrust::cuda::par.on(stream_), begin, begin + smaller(at_once, rows - first),
                       thrust_device_row<Real, Body>{body, reinterpret_cast<Real*>(tiles_.get()), tile, first});
  }

 private:
  struct give_back {
    void operator()(unsigned char* tiles) const { cudaFree(tiles); }
  };

  cudaStream_t stream_;
  std::size_t tile_bytes_;
  std::shared_ptr<unsigned char> tiles_;
  std::shared_ptr<managed_memory> memory_ = std::make_shared<managed_memory>();
};

static_assert(backend<thrust_cuda>);

}  // namespace dimix
