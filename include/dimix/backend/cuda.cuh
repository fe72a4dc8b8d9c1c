// The CUDA backend, gpu (the name cuda is a namespace of the toolkit): one kernel a sweep, queued on the caller's stream. A row is worked on by
//   a warp                where it has at most 64 numbers, or 1024 and there are rows for all processors: four rows a block, and no barriers
//   a block               of 128 to 512 threads
//   a cluster of 8 blocks where it has 16,384 numbers or more and the device can (compute capability 9.0); else by a block
// (backend/cuda/team_group.hpp). The tile of a row lies in shared memory where it fits into 48 KiB, else in memory that the backend
// keeps, one tile for every row that can be at work at once.
//
// Nothing waits and nothing asks for memory but fetch(), and the first sweep whose tiles are larger than all before. Views of the host
// are refused at compile time where a verb takes view_of<Backend, ...>; what terms and options view is named by hand: local(on_device).
//   const gpu run_on(stream);
//   recycled_memory memory(run_on.memory());
//   auto loss = make_objective<float>(head, local(x_t), M, S, {.memory = &memory}, correlation<float>{local(x_0)});
//   gradient(loss, raw, out, run_on);               queued
//   loss.collect(run_on);                           waits; throws what was wrong
// The bodies of a sweep are functors: a lambda of the host cannot run in a kernel. So samplers run on the host, and whole paths on a device
// are those of sampler/queued_path.hpp. A term whose check() reads what it views, as cross_entropy does its tokens, needs memory of both.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/backend/cuda/device_memory.cuh>
#include <dimix/backend/cuda/device_threads.cuh>
#include <dimix/core/check.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace dimix {

namespace detail {

/// The tile of a team in shared memory.
template <class Real>
__device__ Real* shared_tile() {
  extern __shared__ double2 dimix_shared_tiles[];
  return reinterpret_cast<Real*>(dimix_shared_tiles);
}

/// Of a block. So few that a body has the registers it wants, 128 or more.
template <team Who>
inline constexpr int most_threads = Who == team::warp ? 128 : 512;

/// Every team takes rows in strides. tiles: of all teams, `stride` Reals each, or null: in shared memory.
template <team Who, class Real, class Body>
__device__ void take_rows(const Body& body, index_t rows, index_t tile, index_t stride, Real* tiles) {
  const team_group<Who, device_threads, Real> group{};
  const index_t block = blockIdx.x, blocks = gridDim.x;
  index_t mine = block, teams = blocks;
  if constexpr (Who == team::warp) mine = block * group.threads.warps() + group.threads.warp(), teams *= group.threads.warps();
  if constexpr (Who == team::cluster) mine /= group.threads.blocks(), teams /= group.threads.blocks();
  Real* scratch = tiles ? tiles + mine * stride : shared_tile<Real>();
  if constexpr (Who == team::warp)
    if (!tiles) scratch += group.threads.warp() * stride;
  for (index_t row = mine; row < rows; row += teams) {
    body(group, view<Real, 1>(scratch, tile), row);
    group.sync();
  }
}

/// Nothing is compiled for the clusters of a device that has none.
template <team Who, class Real, class Body>
__global__ void __launch_bounds__(most_threads<Who>)
    sweep_rows(const __grid_constant__ Body body, index_t rows, index_t tile, index_t stride, Real* tiles) {
  if constexpr (Who != team::cluster) {
    take_rows<Who>(body, rows, tile, stride, tiles);
  } else {
    NV_IF_TARGET(NV_PROVIDES_SM_90, (take_rows<Who>(body, rows, tile, stride, tiles);))
  }
}

}  // namespace detail

class gpu {
 public:
  using space = device_space;
  static constexpr bool asynchronous = true;

  /// Sweeps go to `stream` of the current device; tiles that do not fit into shared memory come from `memory`, by default the stream's own.
  explicit gpu(cudaStream_t stream = nullptr, std::pmr::memory_resource* memory = nullptr)
      : stream_(stream), own_(std::make_shared<device_memory>(stream)), memory_(memory ? memory : own_.get()) {
    int device = 0;
    expects_cuda(cudaGetDevice(&device), "no device");
    expects_cuda(cudaDeviceGetAttribute(&processors_, cudaDevAttrMultiProcessorCount, device), "its processors");
    int capability = 0;
    expects_cuda(cudaDeviceGetAttribute(&capability, cudaDevAttrComputeCapabilityMajor, device), "its capability");
    clusters_ = capability >= 9;
    tiles_ = std::make_shared<tile_memory>(memory_, own_);
  }

  cudaStream_t stream() const { return stream_; }
  std::pmr::memory_resource* memory() const { return memory_; }

  template <class Real, class Body>
  void sweep(index_t rows, index_t tile, const Body& body, index_t length = 0) const {
    static_assert(std::is_trivially_copyable_v<Body>,
                  "gpu::sweep: the body travels into a kernel and must be trivially copyable");
    if (rows == 0) return;
    const bool fills = rows >= index_t{32} * processors_;
    if (length >= 1 && length <= (fills ? medium_row : short_row))
      launch<team::warp, Real>(rows, tile, detail::most_threads<team::warp>, 1, body);
    else if (length >= long_row && clusters_ && has_clusters<Real, Body>())
      launch<team::cluster, Real>(rows, tile, detail::most_threads<team::cluster>, cluster_blocks, body);
    else
      launch<team::block, Real>(rows, tile,
                                length >= long_row    ? detail::most_threads<team::block>
                                : length > medium_row ? 256
                                                      : 128,
                                1, body);
  }

  /// Waits for the stream, and copies to the host.
  template <class T, int Rank, class Space>
  void fetch(const view<T, Rank, Space>& from, const view<std::remove_const_t<T>, Rank>& to) const {
    expects_cuda(cudaMemcpyAsync(to.data(), from.data(), bytes_of(from), cudaMemcpyDeviceToHost, stream_),
                 "a copy to the host");
    wait();
  }
  /// Queues a copy from the host, whose memory is pageable and may change as soon as this returns.
  template <class T, int Rank, class Space>
  void send(const view<T, Rank>& from, const view<std::remove_const_t<T>, Rank, Space>& to) const {
    expects(same_shape(view<const T, Rank>(from), view<const T, Rank>(local(to))), "gpu::send: from has shape ",
            shape_of(view<const T, Rank>(from)), ", but to has ", shape_of(view<const T, Rank>(local(to))));
    expects_cuda(cudaMemcpyAsync(to.data(), from.data(), bytes_of(from), cudaMemcpyHostToDevice, stream_),
                 "a copy to the device");
  }
  void wait() const { expects_cuda(cudaStreamSynchronize(stream_), "a kernel before this"); }

 private:
  /// Whether this body was compiled for compute capability 9.0: else a kernel takes every block for a team of its own.
  template <class Real, class Body>
  static bool has_clusters() {
    cudaFuncAttributes made{};
    expects_cuda(cudaFuncGetAttributes(&made, &detail::sweep_rows<team::cluster, Real, Body>), "a kernel");
    return made.ptxVersion >= 90;
  }

  static constexpr index_t short_row = 64, medium_row = 1024, long_row = 16384;
  static constexpr std::size_t shared_bytes = 48 * 1024 - warp_size * 16;  // less the slots of the groups
  static constexpr unsigned cluster_blocks = 8;

  /// A block of memory that is replaced by a larger one. Those before stay, as a captured graph may know them.
  class tile_memory {
   public:
    tile_memory(std::pmr::memory_resource* memory, std::shared_ptr<device_memory> kept)
        : memory_(memory), kept_(std::move(kept)) {}
    ~tile_memory() {
      for (const auto& [block, bytes] : blocks_) memory_->deallocate(block, bytes, 64);
    }
    tile_memory(const tile_memory&) = delete;
    tile_memory& operator=(const tile_memory&) = delete;

    void* at_least(std::size_t bytes, cudaStream_t stream) {
      if (!blocks_.empty() && bytes <= blocks_.back().second) return blocks_.back().first;
      cudaStreamCaptureStatus capturing{};
      expects_cuda(cudaStreamIsCapturing(stream, &capturing), "the stream");
      expects(capturing == cudaStreamCaptureStatusNone, "gpu::sweep: its tiles take ", bytes,
              " bytes more than those before, which a graph cannot hold: run the step once before it is captured");
      blocks_.emplace_back(memory_->allocate(bytes, 64), bytes);
      return blocks_.back().first;
    }

   private:
    std::pmr::memory_resource* memory_;
    std::shared_ptr<device_memory> kept_;
    std::vector<std::pair<void*, std::size_t>> blocks_;  // and their bytes
  };

  template <class T, int Rank, class Space>
  static std::size_t bytes_of(const view<T, Rank, Space>& v) {
    return static_cast<std::size_t>(v.size()) * sizeof(T);
  }
  template <team Who, class Real, class Body>
  void launch(index_t rows, index_t tile, unsigned threads, unsigned cluster, const Body& body) const {
    constexpr index_t aligned = 16 / sizeof(Real);
    const index_t stride = (tile + aligned - 1) / aligned * aligned, rows_a_block = Who == team::warp ? threads / warp_size : 1;
    const std::size_t tile_bytes = static_cast<std::size_t>(stride) * sizeof(Real);
    const bool shared = Who != team::cluster && tile_bytes * static_cast<std::size_t>(rows_a_block) <= shared_bytes;
    const std::size_t dynamic = shared ? tile_bytes * static_cast<std::size_t>(rows_a_block) : 0;
    const auto kernel = &detail::sweep_rows<Who, Real, Body>;
    index_t teams = smaller(rows, index_t{1} << 24);
    Real* tiles = nullptr;
    if (!shared && tile > 0) {  // only as many teams as can be at work at once, each with a tile of its own
      int a_processor = 0;
      expects_cuda(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&a_processor, kernel, static_cast<int>(threads), 0),
                   "a kernel");
      teams =
          smaller(teams, larger(index_t{processors_} * a_processor * rows_a_block / static_cast<index_t>(cluster), index_t{1}));
      tiles = static_cast<Real*>(tiles_->at_least(static_cast<std::size_t>(teams) * tile_bytes, stream_));
    }
    const index_t blocks = (teams + rows_a_block - 1) / rows_a_block * static_cast<index_t>(cluster);

    cudaLaunchAttribute attribute{};
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {cluster, 1, 1};
    cudaLaunchConfig_t config{};
    config.gridDim = dim3(static_cast<unsigned>(blocks));
    config.blockDim = dim3(threads);
    config.dynamicSmemBytes = dynamic;
    config.stream = stream_;
    config.attrs = &attribute;
    config.numAttrs = cluster > 1 ? 1 : 0;
    expects_cuda(cudaLaunchKernelEx(&config, kernel, body, rows, tile, stride, tiles), "the launch of a sweep");
  }

  cudaStream_t stream_;
  std::shared_ptr<device_memory> own_;
  std::pmr::memory_resource* memory_;
  std::shared_ptr<tile_memory> tiles_;
  int processors_ = 0;
  bool clusters_ = false;
};

static_assert(asynchronous<gpu>);

}  // namespace dimix
