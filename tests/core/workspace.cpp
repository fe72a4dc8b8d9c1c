// The bytes of a workspace are known before there is one, and are what it takes.
#include <dimix/core/workspace.hpp>
#include <dimix/objective.hpp>

#include <doctest/doctest.h>

#include <new>
#include <vector>

#include "laws/support.hpp"

using namespace dimix;

TEST_CASE("workspace_bytes: a buffer of that size holds an objective, and one byte less does not") {
  const index_t B = 2, M = 4, D = 3, S = 50, K = 2;
  array<float, 4> raw(B, M, D, S), gradient(B, M, D, S), other(B, M, D, S);  // (B, M, D, S)
  array<float, 3> teacher(B, D, S);                                          // (B, D, S)
  array<token, 2> x_t(B, D);                                                 // (B, D)
  array<token, 3> x_0(B, K, D);                                              // (B, K, D)
  laws::fill_noise(raw, 1, 2);
  teacher.fill(1.0f / S);
  const auto make = [&](std::pmr::memory_resource* memory) {
    return make_objective<float>(softmax{}, view<const token, 2>(x_t), M, S, objective_options<float>{.memory = memory},
                                 correlation<float>{.tokens = x_0}, marginal_divergence<float>{.target = teacher});
  };
  const std::size_t bytes = workspace_bytes(make);
  CHECK(bytes >= 2 * sizeof(float) * static_cast<std::size_t>(B * D * S));  // the marginals alone
  struct alignas(64) line {
    unsigned char bytes[64];
  };
  std::vector<line> buffer(bytes / 64 + 1);
  std::pmr::monotonic_buffer_resource exact(buffer.data(), bytes, std::pmr::null_memory_resource());
  auto loss = make(&exact);
  auto plain = make(std::pmr::get_default_resource());
  const view<const float, 4> given = raw;
  CHECK(value_and_gradient(loss, given, gradient.whole(), cpu(1)) == value_and_gradient(plain, given, other.whole(), cpu(1)));
  CHECK(gradient == other);
  std::pmr::monotonic_buffer_resource short_of_one(buffer.data(), bytes - 1, std::pmr::null_memory_resource());
  CHECK_THROWS_AS(make(&short_of_one), std::bad_alloc);
}
