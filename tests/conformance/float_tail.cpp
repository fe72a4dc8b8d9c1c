// The tail of the first of 1024 masked steps over 4096 tokens, p ~ rank^-1.5: the tokens of rank 512 and beyond hold 2.21% of what
// is unmasked. The two-stage draw in float keeps them. The race in float that MDLM, SEDD and SDTT run loses nine in ten of them
// (arXiv 2409.02908): its uniforms have 24 bits, and a token of weight below 2^-24 of the mask's hardly ever overtakes it.
#include <dimix/core/categorical.hpp>
#include <dimix/head/subs.hpp>
#include <dimix/sampler/ancestral.hpp>

#include "laws/support.hpp"

using namespace dimix;

namespace {

constexpr index_t V = 4096, rank = 512, T = 1024;

double weight(index_t s) { return std::pow(static_cast<double>(s + 1), -1.5); }

double exact_tail() {
  double tail = 0, total = 0;
  for (index_t s = 0; s < V; ++s) {
    total += weight(s);
    if (s >= rank) tail += weight(s);
  }
  return tail / total;
}

std::vector<float> outputs_of_network() {
  std::vector<float> raw;
  for (index_t s = 0; s < V; ++s) raw.push_back(static_cast<float>(std::log(weight(s))));
  raw.push_back(0);  // the mask; subs takes no notice of it
  return raw;
}

/// The share of tail tokens among unmasked ones when every token races against the mask with uniforms of `digits` bits: for an
/// arrival of the mask, the number of uniforms with which a token is first, found by bisection of draw_race itself. Two tokens
/// before the mask at once are ignored: one case in a thousand.
template <class Real>
double tail_share_of_race(int digits) {
  const double cells = std::ldexp(1.0, digits);
  double total_weight = 0;
  for (index_t s = 0; s < V; ++s) total_weight += weight(s);
  double tail = 0, total = 0;
  for (int sample = 0; sample < 60; ++sample) {
    const Real of_mask = static_cast<Real>((sample + 0.5) / 60);
    for (index_t s = 0; s < V; s += s < 64 ? 1 : 16) {  // beyond 64 neighbours are alike: every 16th stands for 16
      const Real p = static_cast<Real>(weight(s) / total_weight / static_cast<double>(T)),
                 stay = static_cast<Real>(1 - 1.0 / static_cast<double>(T));
      const auto first = [&](double cell) {
        return draw_race(
                   2, [&](index_t i) { return i == 0 ? stay : p; },
                   [&](index_t i) { return i == 0 ? of_mask : static_cast<Real>(cell / cells); }) == 1;
      };
      double low = 0, high = cells;  // first(high), !first(low): uniforms are whole numbers of cells below `cells`
      while (high - low > 1) {
        const double middle = std::floor((low + high) / 2);
        (first(middle) ? high : low) = middle;
      }
      const double winners = (cells - high) / cells * (s < 64 ? 1 : 16);
      total += winners;
      if (s >= rank) tail += winners;
    }
  }
  return tail / total;
}

}  // namespace

TEST_CASE("float tail: the exact share") { CHECK(exact_tail() == doctest::Approx(0.0221).epsilon(0.003)); }

TEST_CASE("float tail: the two-stage draw in float keeps the tail") {
  const forward_process process(absorbing<V + 1>{}, log_linear{0});
  const auto kernel = process.between<float>(1 - 1.0 / static_cast<double>(T), 1);
  const auto raw = outputs_of_network();
  const view<const float, 1> outputs(raw.data(), V + 1);
  const place at{0, 0, static_cast<token>(V)};
  const subs head{static_cast<token>(V)};
  const auto row = head.row<float>(outputs, at, head.observe<float>(serial_group{}, outputs, at));
  const index_t n = laws::draws(4000000);
  const rng random{2024};
  double unmasked = 0, tail = 0;
  for (index_t i = 0; i < n; ++i) {
    const token x_s = ancestral{}.draw(
        kernel, at, V + 1, [&] { return row; },
        [&](purpose what) { return random(what, static_cast<std::uint64_t>(i), 0, 0, 0); });
    if (x_s == V) continue;
    ++unmasked;
    tail += x_s >= rank;
  }
  const double drawn = static_cast<double>(n), rate = 1.0 / static_cast<double>(T), p = exact_tail();
  CHECK(std::abs(unmasked - drawn * rate) < 4 * std::sqrt(drawn * rate));
  CHECK(std::abs(tail / unmasked - p) < 4 * std::sqrt(p * (1 - p) / unmasked));
  CHECK(tail / unmasked > 2 * 0.0016);  // what the race in float gives

  // and exactly: from the top down a word goes through the blocks in order, so that those from rank 512 on lie below one boundary,
  // above the words of the largest, the first block
  const auto chosen = [&](std::uint64_t from_top) {
    const std::uint64_t word = ~from_top;
    return draw_categorical(V + 1, [&](index_t s) { return row.log_prob(s); },
                            {{static_cast<std::uint32_t>(word), static_cast<std::uint32_t>(word >> 32), 0, 0}});
  };
  const auto turn = [](const auto& before) {
    std::uint64_t low = 0, high = ~std::uint64_t{0};
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (before(middle))
        low = middle + 1;
      else
        high = middle;
    }
    return low;
  };
  const std::uint64_t end = turn([&](std::uint64_t w) { return chosen(w) >= 64; });
  const std::uint64_t begin = turn([&](std::uint64_t w) { return w < end && chosen(w) < rank; });
  CHECK(static_cast<double>(end - begin) * 0x1.0p-64 == doctest::Approx(p).epsilon(1e-6));
}

TEST_CASE("float tail: the race in float loses it, in double it does not") {
  const double in_float = tail_share_of_race<float>(24), in_double = tail_share_of_race<double>(53);
  MESSAGE("share of tail tokens: exact " << exact_tail() << ", race in float " << in_float << ", race in double " << in_double);
  CHECK(in_float < 0.2 * exact_tail());
  CHECK(in_double == doctest::Approx(exact_tail()).epsilon(0.05));
}
