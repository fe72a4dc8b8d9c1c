// The primitives of team_group on a device: shuffles, shared memory, barriers, and the distributed shared memory of clusters (compute
// capability 9.0; elsewhere a block is a cluster of its own).
#pragma once

#include <dimix/backend/cuda/team_group.hpp>

#include <cooperative_groups.h>
#include <cuda_runtime.h>
#include <nv/target>

#include <cstring>

namespace dimix {

struct device_threads {
  __device__ int lane() const { return static_cast<int>(threadIdx.x) % warp_size; }
  __device__ int warp() const { return static_cast<int>(threadIdx.x) / warp_size; }
  __device__ int warps() const { return static_cast<int>(blockDim.x) / warp_size; }
  __device__ int block() const {
    NV_IF_TARGET(NV_PROVIDES_SM_90, (return static_cast<int>(cooperative_groups::this_cluster().block_rank());), (return 0;))
  }
  __device__ int blocks() const {
    NV_IF_TARGET(NV_PROVIDES_SM_90, (return static_cast<int>(cooperative_groups::this_cluster().num_blocks());), (return 1;))
  }

  template <class T>
  __device__ T exchange(const T& x, int mask) const {
    constexpr int words = (sizeof(T) + 3) / 4;
    unsigned word[words] = {};
    memcpy(word, &x, sizeof(T));
    for (int i = 0; i < words; ++i) word[i] = __shfl_xor_sync(0xffffffffu, word[i], mask);
    T other;
    memcpy(&other, word, sizeof(T));
    return other;
  }

  template <class T>
  __device__ T& slot(int block, int i) const {
    T* mine = reinterpret_cast<T*>(slots());
    NV_IF_TARGET(NV_PROVIDES_SM_90,
                 (mine = cooperative_groups::this_cluster().map_shared_rank(mine, static_cast<unsigned>(block));))
    return mine[i];
  }

  __device__ void sync_warp() const { __syncwarp(); }
  __device__ void sync_block() const { __syncthreads(); }
  __device__ void sync_cluster() const {
    NV_IF_TARGET(NV_PROVIDES_SM_90, (cooperative_groups::this_cluster().sync();), (__syncthreads();))
  }

 private:
  __device__ static void* slots() {
    __shared__ double2 of_block[warp_size];
    return of_block;
  }
};

}  // namespace dimix
