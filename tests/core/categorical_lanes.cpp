// Draws by a group: in the processor's vectors and by one thread the same tokens up to rounding ties, and of long rows the right law.
#include <dimix/core/categorical.hpp>
#include <dimix/head.hpp>
#include <dimix/head/reshaped.hpp>
#include <dimix/state_space/absorbing.hpp>

#include "laws/support.hpp"

using namespace dimix;

namespace {

template <class Real>
std::vector<Real> some_row(index_t S, double spread, std::uint64_t seed) {
  std::vector<Real> raw;
  for (index_t s = 0; s < S; ++s) raw.push_back(static_cast<Real>(spread * (2 * laws::uniform_number(seed, s) - 1)));
  return raw;
}

template <class Real, class Group>
token draw_from(const Group& group, const std::vector<Real>& raw, random_block bits) {
  const index_t S = static_cast<index_t>(raw.size());
  return draw_row(group, make_unnormalised_row<Real>(group, softmax{}, view<const Real, 1>(raw.data(), S), place{}), S, bits);
}

random_block words(std::uint64_t first, std::uint64_t second) {
  return {{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(first >> 32), static_cast<std::uint32_t>(second),
           static_cast<std::uint32_t>(second >> 32)}};
}

/// The states of a part in the order of their words from the top: block by block, the largest block last, and so in a block.
template <class Real>
std::vector<index_t> order_of_words(const std::vector<Real>& raw, index_t begin, index_t end) {
  const auto p = [&](index_t s) { return std::exp(static_cast<double>(raw[static_cast<std::size_t>(s)])); };
  std::vector<std::vector<index_t>> blocks;
  std::vector<double> sums;
  for (index_t first = begin; first < end; first += 64) {
    std::vector<index_t> block;
    index_t best = first;
    double sum = 0;
    for (index_t s = first; s < std::min(end, first + 64); ++s) {
      block.push_back(s), sum += p(s);
      if (p(s) > p(best)) best = s;
    }
    block.erase(block.begin() + (best - first));
    block.push_back(best);
    blocks.push_back(block), sums.push_back(sum);
  }
  const auto largest = std::max_element(sums.begin(), sums.end()) - sums.begin();
  std::rotate(blocks.begin() + largest, blocks.begin() + largest + 1, blocks.end());
  std::vector<index_t> order;
  for (const auto& block : blocks) order.insert(order.end(), block.begin(), block.end());
  return order;
}

/// P(state | part) from the words of second(), against the softmax in double.
template <class Real, class Group>
void check_part(const Group& group, const std::vector<Real>& raw, std::uint64_t first, index_t length) {
  const index_t S = static_cast<index_t>(raw.size()), part = draw_from(group, raw, words(first, 0)) / length;
  const index_t begin = part * length, end = std::min(S, begin + length);
  double total = 0;
  for (index_t s = begin; s < end; ++s) total += std::exp(static_cast<double>(raw[static_cast<std::size_t>(s)]));
  const auto order = order_of_words(raw, begin, end);
  laws::worst error;
  std::uint64_t above = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    std::uint64_t low = above, high = ~std::uint64_t{0};
    while (low < high && i + 1 < order.size()) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (draw_from(group, raw, words(first, ~middle)) == order[i])
        low = middle + 1;
      else
        high = middle;
    }
    const double made =
        (i + 1 < order.size() ? static_cast<double>(low - above) : 0x1p64 - static_cast<double>(above)) * 0x1p-64;
    const double wanted = std::exp(static_cast<double>(raw[static_cast<std::size_t>(order[i])])) / total;
    if (wanted > 0.9e-12) error.see(std::abs(made / wanted - 1), "state", order[i], "of probability", wanted);
    above = low;
  }
  error.check("relative error of a realised probability", sizeof(Real) == 4 ? 1e-5 : 1e-7);
}

/// P(part) from the words of first().
template <class Real, class Group>
void check_parts(const Group& group, const std::vector<Real>& raw, index_t length) {
  const index_t S = static_cast<index_t>(raw.size()), parts = (S + length - 1) / length;
  std::vector<double> wanted(static_cast<std::size_t>(parts));
  double total = 0;
  for (index_t s = 0; s < S; ++s) {
    const double p = std::exp(static_cast<double>(raw[static_cast<std::size_t>(s)]));
    wanted[static_cast<std::size_t>(s / length)] += p, total += p;
  }
  const index_t largest = draw_from(group, raw, words(0, 0)) / length;
  std::uint64_t above = 0;
  laws::worst error;
  for (index_t i = 0; i < parts; ++i) {
    if (i == largest) continue;
    std::uint64_t low = above, high = ~std::uint64_t{0};
    while (low < high) {
      const std::uint64_t middle = low + (high - low) / 2;
      if (draw_from(group, raw, words(~middle, 0)) / length == i)
        low = middle + 1;
      else
        high = middle;
    }
    const double p = wanted[static_cast<std::size_t>(i)] / total;
    if (p > 0.9e-12) error.see(std::abs(static_cast<double>(low - above) * 0x1p-64 / p - 1), "part", i, "of probability", p);
    above = low;
  }
  error.check("relative error of a part", sizeof(Real) == 4 ? 1e-5 : 1e-7);
}

}  // namespace

TEST_CASE_TEMPLATE("categorical: lanes and one thread draw the same tokens, up to ties", Real, float, double) {
  for (index_t S : {1, 3, 17, 64, 65, 256, 1000, 4097, 50258}) {
    CAPTURE(S);
    const index_t n = (S > 10000 ? 200 : 3000) / (sanitized ? 8 : 1);
    std::vector<std::vector<Real>> rows;
    for (std::uint64_t seed = 0; seed < 7; ++seed) rows.push_back(some_row<Real>(S, 6, seed));
    index_t differ = 0;
    for (index_t i = 0; i < n; ++i) {
      const auto& raw = rows[static_cast<std::size_t>(i % 7)];
      const random_block bits = rng{8}(purpose::denoise, static_cast<std::uint64_t>(i), 0, 0, S);
      differ += draw_from(serial_group{}, raw, bits) != draw_from(vector_group<Real>{}, raw, bits);
      CHECK(argmax(serial_group{}, S, [&](index_t s) { return raw[static_cast<std::size_t>(s)]; }) ==
            std::max_element(raw.begin(), raw.end()) - raw.begin());
      const view<const Real, 1> outputs(raw.data(), S);
      CHECK(most_probable_of(vector_group<Real>{},
                             make_unnormalised_row<Real>(vector_group<Real>{}, softmax{}, outputs, place{}),
                             S) == std::max_element(raw.begin(), raw.end()) - raw.begin());
    }
    CHECK(differ <= (sizeof(Real) == 4 ? 1 : 0));
  }
}

TEST_CASE_TEMPLATE("categorical: realised probabilities of long rows, in lanes and by one thread", Real, float, double) {
  const index_t S = 5000, length = part_length(S);
  CHECK(length == 128);
  const auto check = [&](const auto& group) {
    for (double offset : {0.0, 30.0}) {
      auto raw = some_row<Real>(S, 13, 3);
      for (index_t s = 0; s < length; ++s)
        raw[static_cast<std::size_t>(s)] -= static_cast<Real>(offset);  // the first part is none of the largest
      check_parts(group, raw, length);
      check_part(group, raw, 0, length);
      check_part(group, raw, ~std::uint64_t{0} / 2, length);
    }
  };
  check(serial_group{});
  check(vector_group<Real>{});
}

TEST_CASE("categorical: a weight in lanes is its exponential within the bound, and its limits are right") {
  constexpr int W = native_lanes<float>;
  if constexpr (W > 1) {
    const auto at = [](float x, float top) { return weight_above(lanes<float, W>(x), top)[W - 1]; };
    laws::worst error;
    for (float top : {0.0f, -3.7f, 1000.3f})
      for (index_t i = 0; i <= 100000; ++i) {
        const float x = top - 87 + static_cast<float>(i) * (131.0f / 100000);
        const double above = static_cast<double>(x) - static_cast<double>(top);
        error.see(std::abs(static_cast<double>(at(x, top)) / std::exp(above) - 1) / (2.8e-6 + 1.4e-7 * std::abs(above)),
                  "x - top =", above, "top =", top);
      }
    error.check("relative error of a weight over its bound", 1);
    for (float impossible : {-infinity<float>(), -200.0f, -1e30f}) CHECK(at(impossible, 0.0f) == 0);
    for (float endless : {infinity<float>(), 200.0f, 1e30f}) CHECK(at(endless, 0.0f) == infinity<float>());
    CHECK(std::isnan(at(std::nanf(""), 0.0f)));
  }
}

TEST_CASE("categorical: rows whose parts are far apart, or impossible, or no numbers") {
  const auto bits = words(12345, 678910);
  const auto check = [&](const auto& group) {
    for (float level : {-1000.0f, 0.0f, 1000.0f}) {
      for (index_t S : {40, 200, 20000}) {
        CAPTURE(S);
        CAPTURE(level);
        std::vector<float> raw(static_cast<std::size_t>(S), -infinity<float>());
        CHECK(draw_from(group, raw, bits) == -1);
        raw[static_cast<std::size_t>(S - 3)] = level;
        CHECK(draw_from(group, raw, bits) == S - 3);
        CHECK(draw_from(group, raw, words(~std::uint64_t{0}, ~std::uint64_t{0})) == S - 3);
        raw[1] = level - 200;
        CHECK(draw_from(group, raw, bits) == S - 3);
        raw[1] = level + 200;
        CHECK(draw_from(group, raw, bits) == 1);
        for (float bad : {std::nanf(""), infinity<float>(), -std::nanf("")})
          for (index_t s : {index_t{0}, index_t{20}, S - 1}) {
            auto broken = raw;
            broken[static_cast<std::size_t>(s)] = bad;
            CHECK(draw_from(group, broken, bits) == -1);
          }
      }
    }
  };
  check(serial_group{});
  check(vector_group<float>{});
}

TEST_CASE("categorical: heads that can do without a normaliser draw what they draw with it") {
  const index_t S = 300;
  const auto raw = some_row<double>(S, 4, 11);
  const view<const double, 1> outputs(raw.data(), S);
  const auto check = [&](const auto& head, const place& at) {
    static_assert(draws_unobserved<std::decay_t<decltype(head)>, double>);
    index_t differ = 0;
    for (std::uint64_t i = 0; i < 2000; ++i) {
      const random_block bits = rng{1}(purpose::denoise, i, 0, 0, 0);
      const vector_group<double> group;
      differ += draw_row(group, make_unnormalised_row<double>(group, head, outputs, at), S, bits) !=
                draw_row(group, make_row<double>(group, head, outputs, at), S, bits);
    }
    CHECK(differ == 0);
  };
  const token mask = 299;
  check(softmax{}, place{});
  check(subs{mask}, {0, 0, mask});
  check(subs{mask}, {0, 0, 5});
  check(values_only{mask}, {0, 0, 5});
  check(padded(softmax{}, absorbing<S>{}), {0, 0, 0});
  check(tempered{softmax{}, 0.7, S}, {0, 0, 0});
  check(tempered{subs{mask}, 0.7, S}, {0, 0, mask});
  static_assert(!draws_unobserved<nucleus<softmax>, double> && !draws_unobserved<truncated_logistic, double>);
}
