// Defects of draws in other systems, each as a test that ours passes and that tells the defective formula apart. The float race of MDLM,
// SEDD and SDTT has a file of its own, float_tail.cpp.
#include <dimix/core/categorical.hpp>
#include <dimix/core/storage.hpp>
#include <dimix/head/row.hpp>
#include <dimix/head/softmax.hpp>
#include <dimix/sampler/reveal/ordering.hpp>

#include "laws/support.hpp"

using namespace dimix;

namespace {

/// The share of the 2^64 words with first(word): words are counted from the top, where it holds until it does not.
template <class First>
double share_of_words(const First& first) {
  std::uint64_t low = 0, high = ~std::uint64_t{0};
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (first(~middle))
      low = middle + 1;
    else
      high = middle;
  }
  return static_cast<double>(low) * 0x1.0p-64;
}
random_block words(std::uint64_t first, std::uint64_t second) {
  const auto half_of = [](std::uint64_t word, int shift) { return static_cast<std::uint32_t>(word >> shift); };
  return {{half_of(first, 0), half_of(first, 32), half_of(second, 0), half_of(second, 32)}};
}

template <class Row>
double realised(const Row& row, index_t S, token wanted) {
  return share_of_words([&](std::uint64_t word) { return draw_law(serial_group{}, row, S, words(0, word)) == wanted; });
}

}  // namespace

// vllm #43150: exponential noise made of float uniforms ends at 2^-24, so that what is rarer than 4e-9 is never drawn (0 where 33 were due).
TEST_CASE("conformance: a race with float exponentials never draws what is rare") {
  const double rare = 1e-9;
  const double best_of_rare = rare / -std::log1p(-0x1p-24), worst_of_common = (1 - rare) / -std::log(0x1p-24);
  CHECK(best_of_rare < worst_of_common);  // no pair of uniforms lets the rare state win

  const float log_p[2] = {static_cast<float>(std::log1p(-rare)), static_cast<float>(std::log(rare))};
  const double share = share_of_words([&](std::uint64_t word) {
    return draw_categorical(
               2, [&](index_t s) { return log_p[s]; }, words(0, word)) == 1;
  });
  CHECK(share == doctest::Approx(rare).epsilon(1e-5));
}

// diffusers #12911: Gumbel noise drawn in the type of the logits; 8 bits of it in bfloat16.
TEST_CASE("conformance: logits stored in bfloat16 are not drawn from with bfloat16 noise") {
  const bfloat16 raw[2] = {bfloat16(0.0f), bfloat16(-9.0f)};
  const double p = std::exp(-9.0) / (1 + std::exp(-9.0));
  int wins = 0;
  const auto noise = [](int k) {
    return static_cast<float>(bfloat16(-std::log(-std::log((static_cast<float>(k) + 0.5f) / 256))));
  };
  for (int i = 0; i < 256; ++i)
    for (int j = 0; j < 256; ++j) wins += static_cast<float>(raw[1]) + noise(i) > noise(j);
  CHECK(wins == 0);

  const view<const bfloat16, 1> stored(raw, 2);
  CHECK(realised(make_row<float>(serial_group{}, softmax{}, stored, place{0, 0, 0}), 2, 1) == doctest::Approx(p).epsilon(1e-5));
}

// llama.cpp entropy-bound sampler: a running sum in float as the inverse CDF, in which small probabilities leave no trace.
TEST_CASE("conformance: a running sum in float forgets many small probabilities") {
  constexpr index_t S = 4097;
  const float small_p = 1e-4f / 4096, large_p = 1 - 1e-4f;
  float running = large_p;
  for (index_t s = 1; s < S; ++s) running += small_p;
  CHECK(running == large_p);

  const auto log_p = [&](index_t s) { return std::log(s == 0 ? large_p : small_p); };
  const index_t part = part_length(S);
  const double share = share_of_words([&](std::uint64_t word) { return draw_categorical(S, log_p, words(word, 0)) >= part; });
  CHECK(share == doctest::Approx(1e-4 * static_cast<double>(S - part) / 4096).epsilon(2e-5));
}

// Megatron-LM #7182: softmax and cumulated sum in bfloat16 saturate over 131072 states; what lies behind is never drawn.
TEST_CASE("conformance: a cumulated sum in bfloat16 saturates over a large vocabulary") {
  constexpr index_t S = 131072;
  bfloat16 running(0.0f);
  for (index_t s = 0; s < S; ++s) running = bfloat16(static_cast<float>(running) + 1.0f / S);
  CHECK(static_cast<float>(running) < 0.01f);

  const std::vector<bfloat16> raw(static_cast<std::size_t>(S), bfloat16(0.0f));
  const auto row = make_row<float>(serial_group{}, softmax{}, view<const bfloat16, 1>(raw.data(), S), place{0, 0, 0});
  std::vector<int> drawn(8);
  for (std::uint64_t k = 0; k < 16; ++k) {
    const token x = draw_law(serial_group{}, row, S, words((2 * k + 1) << 59, 0));
    ++drawn.at(static_cast<std::size_t>(x / (S / 8)));
  }
  CHECK(drawn == std::vector<int>(8, 2));
}

// vllm #45996: a uniform number that rounds to 0 or to 1 turns noise into an infinity, which wins or loses whatever the logits are.
TEST_CASE("conformance: uniform numbers stay off 0 and 1") {
  CHECK(static_cast<float>(0xffffffffu) * 0x1p-32f == 1.0f);
  CHECK(std::isinf(-std::log(-std::log(static_cast<float>(0u) * 0x1p-32f))));

  const std::uint64_t none = 0, all = ~std::uint64_t{0};
  for (const std::uint64_t word : {none, all}) {
    CHECK(unit(word) > 0);
    CHECK(unit(word) < 1);
    CHECK(std::isfinite(gumbel(word)));
    CHECK_FALSE(bernoulli(0, word));
    CHECK(bernoulli(1, word));
    // a state of probability 0 is not drawn at either end
    CHECK(draw_categorical(
              3, [](index_t s) { return s == 1 ? 0.0f : -infinity<float>(); }, words(word, word)) == 1);
  }
}
