// Thrust on a device of NVIDIA: one thread per row, in the order of the row's formula. For clarity, and as a reference for kernels that share a
// row among many threads. Rows are trivially copyable functors over memory that the device reaches: that of cudaMalloc, or managed memory, which
// the host parts of an objective read as well. A sweep is over when it returns.
#pragma once

#include <dimix/backend/thrust.hpp>

#include <thrust/device_malloc.h>
#include <thrust/system/cuda/execution_policy.h>

#include <cuda_runtime_api.h>

#include <memory>
#include <type_traits>

namespace dimix {

/// Element i of a sweep's part: row first + i, with the i-th tile.
template <class Real, class Body>
struct thrust_device_row {
  Body body;
  Real* tiles;
  index_t tile, first;

  DIMIX_HD void operator()(index_t i) const { body(serial_group{}, view<Real, 1>(tiles + i * tile, tile), first + i); }
};

/// Copies share the stream and the workspace: sweeps of one at a time.
class thrust_cuda {
 public:
  using space = device_space;

  /// workspace: bytes of device memory for the tiles of the rows in flight. With a tile of n Reals, workspace / (n sizeof(Real)) rows run at once
  /// and the others after them; rows without a tile all run at once. One row's tile has to fit.
  explicit thrust_cuda(cudaStream_t stream = nullptr, std::size_t workspace = std::size_t{64} << 20)
      : stream_(stream), bytes_(workspace), tiles_(thrust::device_malloc<unsigned char>(workspace).get(), give_back{}) {}

  /// body(group, tile, row), see backend.hpp.
  template <class Real, class Body>
  void sweep(index_t rows, index_t tile, const Body& body) const {
    static_assert(
        std::is_trivially_copyable_v<Body>,
        "thrust_cuda::sweep: the row body must be trivially copyable, as it travels to the device; see dimix/backend.hpp");
    const auto of_a_row = static_cast<std::size_t>(tile) * sizeof(Real);
    expects(of_a_row <= bytes_, "thrust_cuda: the tile of one row takes ", of_a_row, " bytes, but the workspace has ", bytes_);
    const index_t at_once = tile == 0 ? rows : static_cast<index_t>(bytes_ / of_a_row);
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
  std::size_t bytes_;
  std::shared_ptr<unsigned char> tiles_;
};

static_assert(backend<thrust_cuda>);

}  // namespace dimix
