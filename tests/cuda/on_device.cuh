// What the device tests share: arrays sent to it and fetched, memory of both sides, and sweeps run on each of them.
#pragma once

#include <dimix/backend/cuda.cuh>
#include <dimix/core/array.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/forward_process.hpp>

#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

namespace on_device {

using namespace dimix;

inline bool has_device() {
  int count = 0;
  return cudaGetDeviceCount(&count) == cudaSuccess && count > 0;
}

#define SKIP_WITHOUT_DEVICE()      \
  if (!has_device()) {             \
    MESSAGE("skipped: no device"); \
    return;                        \
  }

inline void must(cudaError_t status) { REQUIRE_MESSAGE(status == cudaSuccess, std::string(cudaGetErrorString(status))); }

/// A stream of its own, since the default one cannot be captured.
struct stream {
  cudaStream_t handle = nullptr;

  stream() { must(cudaStreamCreate(&handle)); }
  ~stream() { cudaStreamDestroy(handle); }
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;
};

template <class T, int Rank>
array<T, Rank, device_space> sent(const gpu& run_on, const array<T, Rank>& from) {
  array<T, Rank, device_space> there(run_on.memory());
  there.resize_like(from);
  run_on.send(from.whole(), there.whole());
  return there;
}

/// Memory that both sides can write, so that one functor serves both.
template <class T>
class shared_memory {
 public:
  explicit shared_memory(index_t n) : size_(n) {
    must(cudaMallocManaged(&data_, static_cast<std::size_t>(n) * sizeof(T)));
    for (index_t i = 0; i < n; ++i) data_[i] = T{};
  }
  ~shared_memory() { cudaFree(data_); }
  shared_memory(const shared_memory&) = delete;
  shared_memory& operator=(const shared_memory&) = delete;
  T* data() const { return data_; }
  T& operator[](index_t i) const { return data_[i]; }
  index_t size() const { return size_; }
  std::vector<T> copy() const { return {data_, data_ + size_}; }

 private:
  T* data_ = nullptr;
  index_t size_;
};

/// A row body over body(i), 256 of n indices a row.
template <class Body>
struct each_index {
  Body body;
  index_t n;

  DIMIX_EXEC_CHECK_DISABLE
  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<float, 1>, index_t row) const {
    group.for_each(smaller(index_t{256}, n - 256 * row), [&](index_t i) { body(256 * row + i); });
  }
};

/// Sweeps on the device, takes the result, and does the same on the host: {device, host}. A row walks over `length` numbers.
template <class Real, class T, class Body>
std::pair<std::vector<T>, std::vector<T>> rows_on_both(const shared_memory<T>& out, const Body& body, index_t rows,
                                                       index_t tile, index_t length) {
  const gpu run_on;
  run_on.template sweep<Real>(rows, tile, body, length);
  run_on.wait();
  std::vector<T> device = out.copy();
  for (index_t i = 0; i < out.size(); ++i) out[i] = T{};
  cpu(1).template sweep<Real>(rows, tile, body);
  return {std::move(device), out.copy()};
}

/// The same of body(i) for i in [0, n).
template <class T, class Body>
std::pair<std::vector<T>, std::vector<T>> on_both(const shared_memory<T>& out, const Body& body, index_t n) {
  return rows_on_both<float>(out, each_index<Body>{body, n}, (n + 255) / 256, 0, 256);
}

template <class T>
void check_close(const std::pair<std::vector<T>, std::vector<T>>& results, double tolerance) {
  double worst = 0;
  bool written = false;
  for (std::size_t i = 0; i < results.first.size(); ++i) {
    const double a = static_cast<double>(results.first[i]), b = static_cast<double>(results.second[i]);
    written = written || b != 0;
    if (a == b) continue;  // infinities too
    const double error = std::abs(a - b) / (1 + std::abs(b));
    if (!(error <= worst)) worst = error;
  }
  CHECK(worst <= tolerance);
  CHECK(written);
}

template <class T>
void fill(const shared_memory<T>& values, std::uint64_t seed, double spread) {
  for (index_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<T>(spread * (2 * unit(rng{seed}(purpose::user, 0, 0, 0, i).first()) - 1));
}

/// f(kernel) with a kernel that both sides can read: its tables, where it has some, in memory of both.
template <class Kernel, class F>
requires std::is_trivially_copyable_v<Kernel>
void for_the_device(const Kernel& kernel, const F& f) { f(kernel); }
template <class Space, class F>
void for_the_device(const table_kernel<Space, float>& kernel, const F& f) {
  const index_t S = kernel.space.max_states();
  shared_memory<float> to_s(S * S), to_t(S * S), step(S * S);
  std::copy(kernel.to_s.begin(), kernel.to_s.end(), to_s.data());
  std::copy(kernel.to_t.begin(), kernel.to_t.end(), to_t.data());
  std::copy(kernel.step.begin(), kernel.step.end(), step.data());
  f(table_kernel<Space, float>{kernel.space, {to_s.data(), S, S}, {to_t.data(), S, S}, {step.data(), S, S}});
}

/// Memory of the device, and how often it was asked for.
class counted_memory final : public std::pmr::memory_resource {
 public:
  explicit counted_memory(std::pmr::memory_resource* from) : from_(from) {}
  index_t allocations() const { return allocations_; }

 private:
  void* do_allocate(std::size_t bytes, std::size_t alignment) override {
    ++allocations_;
    return from_->allocate(bytes, alignment);
  }
  void do_deallocate(void* block, std::size_t bytes, std::size_t alignment) override {
    from_->deallocate(block, bytes, alignment);
  }
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  std::pmr::memory_resource* from_;
  index_t allocations_ = 0;
};

/// Of laws that are told where to run (laws/bound_rows.hpp).
struct both_sides {
  template <class T>
  using memory = shared_memory<T>;

  template <class Real, class Body>
  void sweep(index_t rows, index_t tile, const Body& body, index_t length) const {
    const gpu run_on;
    run_on.template sweep<Real>(rows, tile, body, length);
    run_on.wait();
  }
  template <class Kernel, class F>
  static void with(const Kernel& kernel, const F& f) {
    for_the_device(kernel, f);
  }
};

/// Tokens that are drawn on both sides differ at most where a boundary rounds.
template <class Tokens>
void check_tokens(const Tokens& found, const Tokens& expected, index_t most) {
  const index_t different = std::inner_product(found.begin(), found.end(), expected.begin(), index_t{0}, std::plus<>{},
                                               [](token a, token b) { return index_t{a != b}; });
  MESSAGE(different << " of " << expected.end() - expected.begin() << " tokens differ");
  CHECK(different <= most);
}

}  // namespace on_device
