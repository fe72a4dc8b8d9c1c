// Value and gradient of the terms of one Di4C step on a device: datapoint + consistency with K = M draws + marginals, softmax, float. Times are
// those of events on the stream, the median of 20 rounds, of the queued step and of the same step as a CUDA graph; beside them stands the
// rate at which the device copies memory, measured in the same run.
//   bench_cuda_objective [B M D S]...       default: 8 16 3072 256   1 16 1024 50258
#include <dimix/backend/cuda/graph.cuh>
#include <dimix/core/memory.hpp>
#include <dimix/objective.hpp>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

using namespace dimix;

/// Numbers in (-spread, spread), or rows that sum to one.
struct fill_row {
  view<float, 2> out;  // (rows, n)
  std::uint64_t seed;
  float spread;
  bool sums_to_one;

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<float, 1>, index_t row) const {
    const index_t n = out.extent(1);
    const auto number = [&](index_t i) {
      return static_cast<float>(unit(rng{seed}(purpose::user, static_cast<std::uint64_t>(row), 0, 0, i).first()));
    };
    const float total = sums_to_one ? group.reduce(n, 0.0f, plus{}, number) : 1.0f;
    group.for_each(n, [&](index_t i) { out(row, i) = sums_to_one ? number(i) / total : spread * (2 * number(i) - 1); });
  }
};

struct fill_tokens_row {
  view<token, 2> out;  // (rows, n)
  std::uint64_t seed;
  index_t states;

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<float, 1>, index_t row) const {
    group.for_each(out.extent(1), [&](index_t i) {
      out(row, i) = static_cast<token>(rng{seed}(purpose::user, static_cast<std::uint64_t>(row), 0, 0, i).word[0] %
                                       static_cast<std::uint32_t>(states));
    });
  }
};

template <int Rank>
array<float, Rank, device_space> numbers(const gpu& run_on, std::uint64_t seed, bool sums_to_one, auto... extents) {
  array<float, Rank, device_space> made(run_on.memory(), extents...);
  const index_t n = made.extent(Rank - 1), rows = made.size() / n;
  run_on.template sweep<float>(rows, 0, fill_row{{made.rows().data(), rows, n}, seed, 2, sums_to_one}, n);
  return made;
}
template <int Rank>
array<token, Rank, device_space> tokens(const gpu& run_on, std::uint64_t seed, index_t S, auto... extents) {
  array<token, Rank, device_space> made(run_on.memory(), extents...);
  const index_t n = made.extent(Rank - 1), rows = made.size() / n;
  run_on.template sweep<float>(rows, 0, fill_tokens_row{{made.rows().data(), rows, n}, seed, S}, n);
  return made;
}

/// Median milliseconds of what `queue` puts on the stream.
template <class Queue>
double milliseconds(const gpu& run_on, const Queue& queue) {
  cudaEvent_t begin, end;
  expects_cuda(cudaEventCreate(&begin), "an event");
  expects_cuda(cudaEventCreate(&end), "an event");
  std::vector<float> times(20);
  for (int warm = 0; warm < 3; ++warm) queue();
  for (float& time : times) {
    expects_cuda(cudaEventRecord(begin, run_on.stream()), "an event");
    queue();
    expects_cuda(cudaEventRecord(end, run_on.stream()), "an event");
    expects_cuda(cudaEventSynchronize(end), "a kernel before this");
    expects_cuda(cudaEventElapsedTime(&time, begin, end), "an event");
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  std::nth_element(times.begin(), times.begin() + 10, times.end());
  return static_cast<double>(times[10]);
}

/// Bytes read and written a second by a copy of 1 GiB.
double copy_rate(const gpu& run_on) {
  const index_t n = index_t{1} << 28;
  array<float, 1, device_space> from(run_on.memory(), n), to(run_on.memory(), n);  // (n)
  const double ms = milliseconds(run_on, [&] {
    expects_cuda(cudaMemcpyAsync(to.whole().data(), from.whole().data(), static_cast<std::size_t>(n) * sizeof(float),
                                 cudaMemcpyDeviceToDevice, run_on.stream()),
                 "a copy");
  });
  return 2e3 * static_cast<double>(n) * sizeof(float) / ms;
}

void measure(const gpu& run_on, double rate, index_t B, index_t M, index_t D, index_t S) {
  const index_t K = M;
  recycled_memory memory(run_on.memory());
  const auto raw = numbers<4>(run_on, 1, false, B, M, D, S);
  array<float, 4, device_space> out(run_on.memory(), B, M, D, S);  // (B, M, D, S)
  const auto student = numbers<3>(run_on, 2, true, B, D, S), teacher = numbers<3>(run_on, 3, true, B, D, S);
  const auto x_t = tokens<2>(run_on, 4, S, B, D);
  const auto x_0 = tokens<3>(run_on, 5, S, B, 1, D), draws = tokens<3>(run_on, 6, S, B, K, D);
  const item_weights<float> datapoint{.common = 0.1f}, marginal{.common = 0.5f};
  auto loss = make_objective<float>(softmax{}, x_t.rows(), M, S, objective_options<float>{.memory = &memory},
                                    correlation<float>{.tokens = x_0.rows(), .weights = datapoint},
                                    consistency<float>{.draws = {.tokens = draws.rows()}, .rows = {.target = student.rows()}},
                                    marginal_divergence<float>{.target = teacher.rows(), .weights = marginal});
  const auto step = [&] {
    loss.observe(raw.whole(), 0, run_on);
    loss.close(run_on);
    loss.gradient(raw.whole(), 0, out.whole(), run_on);
  };
  const double queued = milliseconds(run_on, step);
  const captured graph(run_on, step);
  const double launched = milliseconds(run_on, [&] { graph.launch(); });
  loss.collect(run_on);

  // the logits are read twice and the gradient written once; log P is written, and read with the two target rows for values and gradient
  const double row = static_cast<double>(S) * sizeof(float), rows = static_cast<double>(B * M * D);
  const double bytes = 3 * rows * row + 7 * static_cast<double>(B * D) * row;
  std::printf("(B,M,D,S) = (%td,%td,%td,%td)  loss %.6g  queued %.3f ms  graph %.3f ms  %.0f MB  %.1f %% of the copy's rate\n",
              B, M, D, S, static_cast<double>(loss.loss()), queued, launched, bytes / 1e6, 1e5 * bytes / launched / rate);
}

}  // namespace

int main(int count, char** arguments) {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) != cudaSuccess || devices == 0) {
    std::puts("skipped: no device");
    return 0;
  }
  std::vector<index_t> sizes{8, 16, 3072, 256, 1, 16, 1024, 50258};
  if (count > 1) sizes.clear();
  for (int i = 1; i < count; ++i) sizes.push_back(std::atol(arguments[i]));
  cudaDeviceProp device;
  expects_cuda(cudaGetDeviceProperties(&device, 0), "its properties");
  cudaStream_t stream;
  expects_cuda(cudaStreamCreate(&stream), "a stream");
  {
    const gpu run_on(stream);
    const double rate = copy_rate(run_on);
    std::printf("%s: a copy reads and writes %.0f GB/s\n", device.name, rate / 1e9);
    for (std::size_t i = 0; i + 4 <= sizes.size(); i += 4)
      measure(run_on, rate, sizes[i], sizes[i + 1], sizes[i + 2], sizes[i + 3]);
  }
  cudaStreamDestroy(stream);
}
