// What a loop gives back it gets again, and nothing that is in use twice.
#include <dimix/core/memory.hpp>
#include <dimix/objective.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <vector>

#include "laws/support.hpp"

using namespace dimix;

TEST_CASE("recycled_memory: blocks in use are aligned and do not overlap") {
  recycled_memory memory;
  struct block {
    void* at;
    std::size_t bytes;
    unsigned char mark;
  };
  std::vector<block> used;
  for (index_t i = 0; i < 3000; ++i) {
    const double choice = laws::uniform_number(1, 2 * i);
    if (choice < 0.55 || used.empty()) {
      const auto bytes = static_cast<std::size_t>(std::exp(12 * laws::uniform_number(1, 2 * i + 1)));
      const auto mark = static_cast<unsigned char>(i);
      used.push_back({memory.allocate(bytes), bytes, mark});
      CHECK(reinterpret_cast<std::uintptr_t>(used.back().at) % 64 == 0);
      std::memset(used.back().at, mark, bytes);
    } else {
      const auto which = static_cast<std::size_t>(laws::uniform_number(1, 2 * i + 1) * static_cast<double>(used.size()));
      const auto* bytes = static_cast<const unsigned char*>(used[which].at);
      CHECK(std::all_of(bytes, bytes + used[which].bytes, [&](unsigned char byte) { return byte == used[which].mark; }));
      memory.deallocate(used[which].at, used[which].bytes);
      used[which] = used.back();
      used.pop_back();
    }
  }
  for (const block& b : used) memory.deallocate(b.at, b.bytes);
  CHECK_THROWS_WITH_AS(static_cast<void>(memory.allocate(1, 128)), "recycled_memory: an alignment of 128 bytes is more than 64",
                       invalid_argument);
}

TEST_CASE("an objective takes all of its workspace from the memory it is given, and in a loop none after the first round") {
  const index_t B = 2, M = 4, D = 3, S = 50, K = 2;
  array<float, 4> raw(B, M, D, S), gradient(B, M, D, S);  // (B, M, D, S)
  array<float, 3> teacher(B, D, S);                       // (B, D, S)
  array<token, 2> x_t(B, D);                              // (B, D)
  array<token, 3> x_0(B, K, D);                           // (B, K, D)
  laws::fill_noise(raw, 1, 2);
  teacher.fill(1.0f / S);
  recycled_memory memory;
  std::size_t after_first = 0;
  float first = 0;
  for (int round = 0; round < 3; ++round) {
    auto loss = make_objective<float>(softmax{}, view<const token, 2>(x_t), M, S, objective_options<float>{.memory = &memory},
                                      correlation<float>{.tokens = x_0}, marginal_divergence<float>{.target = teacher});
    const float value = value_and_gradient(loss, view<const float, 4>(raw), gradient.whole(), cpu(1));
    if (round == 0) after_first = memory.taken(), first = value;
    CHECK(value == first);
  }
  CHECK(memory.taken() == after_first);
  // at least B M D + B D S + 2 B M K + B K of it, in bytes
  CHECK(after_first >= sizeof(float) * static_cast<std::size_t>(B * M * D + B * D * S + 2 * B * M * K + B * K));
}
