// Exact categorical draws: frequencies, ends, and realised probabilities measured from the widths themselves, not by sampling.
#include <dimix/core/categorical.hpp>
#include <dimix/head/softmax.hpp>

#include "laws/support.hpp"

using namespace dimix;

namespace {

random_block bits_of(std::uint64_t first, std::uint64_t second) {
  return {{static_cast<std::uint32_t>(first), static_cast<std::uint32_t>(first >> 32), static_cast<std::uint32_t>(second),
           static_cast<std::uint32_t>(second >> 32)}};
}

/// The row that a softmax head makes of raw outputs, as log-probabilities in Real.
template <class Real>
std::vector<Real> softmax_row_of(const std::vector<Real>& raw) {
  const auto S = static_cast<index_t>(raw.size());
  const view<const Real, 1> outputs(raw.data(), S);
  const softmax head;
  const auto row = head.row<Real>(outputs, place{}, head.observe<Real>(serial_group{}, outputs, place{}));
  std::vector<Real> log_p;
  for (index_t s = 0; s < S; ++s) log_p.push_back(row.log_prob(s));
  return log_p;
}

/// The words of [0, 2^64) whose choice is i, for every i in [0, n), from the boundaries between choices. From the top down a draw
/// goes through all but the largest in order, and the largest has the rest: how many words are at or above the boundary of i is a
/// bisection over a monotone predicate.
template <class Choice>
std::vector<double> words_of(const Choice& choice, index_t n, index_t largest) {
  std::vector<double> words(static_cast<std::size_t>(n));
  std::uint64_t above = 0;  // words, counted from the top, that belong to earlier choices
  for (index_t i = 0; i < n; ++i) {
    if (i == largest) continue;
    std::uint64_t low = above, high = ~std::uint64_t{0};
    while (low < high) {  // the first distance from the top that is past i
      const std::uint64_t middle = low + (high - low) / 2;
      const index_t chosen = choice(~middle);
      if (chosen == i)
        low = middle + 1;
      else
        high = middle;
    }
    words[static_cast<std::size_t>(i)] = static_cast<double>(low - above);
    above = low;
  }
  words[static_cast<std::size_t>(largest)] = 0x1.0p64 - static_cast<double>(above);
  return words;
}

/// Realised probabilities of draw_categorical: the words of first() that choose a block times the words of second() that choose a
/// state in it. `blocks` says which blocks are looked into; others stay at -1.
template <class Real>
std::vector<double> realised(const std::vector<Real>& log_p, const std::vector<index_t>& blocks) {
  const auto S = static_cast<index_t>(log_p.size()), of_blocks = (S + 63) / 64;
  const auto draw = [&](std::uint64_t first, std::uint64_t second) {
    return static_cast<index_t>(draw_categorical(
        S, [&](index_t s) { return log_p[static_cast<std::size_t>(s)]; }, bits_of(first, second)));
  };
  const index_t largest = draw(0, 0);  // the lowest words are those of the largest
  const auto words_of_blocks = words_of([&](std::uint64_t w) { return draw(w, 0) / 64; }, of_blocks, largest / 64);
  std::vector<double> result(log_p.size(), -1);
  for (index_t block : blocks) {
    // a word of first() that chooses the block
    std::uint64_t inside = 0;
    if (block != largest / 64) {
      double above = 0;
      for (index_t earlier = 0; earlier < block; ++earlier)
        if (earlier != largest / 64) above += words_of_blocks[static_cast<std::size_t>(earlier)];
      inside = ~static_cast<std::uint64_t>(above + words_of_blocks[static_cast<std::size_t>(block)] / 2);
    }
    REQUIRE(draw(inside, 0) / 64 == block);
    const index_t begin = block * 64, count = std::min<index_t>(S - begin, 64);
    const auto words = words_of([&](std::uint64_t w) { return draw(inside, w) - begin; }, count, draw(inside, 0) - begin);
    for (index_t i = 0; i < count; ++i)
      result[static_cast<std::size_t>(begin + i)] =
          words_of_blocks[static_cast<std::size_t>(block)] * 0x1.0p-64 * words[static_cast<std::size_t>(i)] * 0x1.0p-64;
  }
  return result;
}

/// Realised probability against the softmax in double of the same outputs: within 1e-5 relative down to 1e-12.
template <class Real>
void check_realised(const std::vector<Real>& raw, const std::vector<index_t>& blocks) {
  double total = 0;
  for (Real z : raw) total += std::exp(static_cast<double>(z) - static_cast<double>(raw[0]));
  const auto probability = realised(softmax_row_of(raw), blocks);
  laws::worst relative;
  int tail = 0;
  for (std::size_t s = 0; s < raw.size(); ++s) {
    if (probability[s] < 0) continue;
    const double wanted = std::exp(static_cast<double>(raw[s]) - static_cast<double>(raw[0])) / total;
    if (wanted < 0.9e-12) continue;
    tail += wanted < 1e-9;
    relative.see(std::abs(probability[s] / wanted - 1), "state", s, "of probability", wanted);
  }
  relative.check("relative error of a realised probability", sizeof(Real) == 4 ? 1e-5 : 1e-7);
  CHECK(tail > 0);
}

}  // namespace

TEST_CASE_TEMPLATE("categorical: realised probabilities are the softmax, down to 1e-12", Real, float, double) {
  SUBCASE("200 states, a factor 10^12 between the first and the last") {
    for (Real offset : {Real(0), Real(20)}) {
      std::vector<Real> raw;
      for (index_t s = 0; s < 200; ++s)
        raw.push_back(offset - static_cast<Real>(27.6 * static_cast<double>((s * 77) % 200) / 199));
      check_realised(raw, {0, 1, 2, 3});
    }
  }
  SUBCASE("one state holds all but 5e-10") {
    std::vector<Real> raw(100, Real(-26));
    raw[70] = 0;
    check_realised(raw, {0, 1});
  }
  SUBCASE("1500 states, p ~ rank^-3.5") {
    std::vector<Real> raw;
    for (index_t s = 0; s < 1500; ++s) raw.push_back(static_cast<Real>(-3.5 * std::log(static_cast<double>(s + 1))));
    check_realised(raw, {0, 12, 23});
  }
}

TEST_CASE_TEMPLATE("categorical: draws follow their law", Real, float, double) {
  for (index_t S : {1, 2, 3, 17, 63, 64, 65, 128, 257, 5000}) {
    CAPTURE(S);
    for (double spread : {0.5, 4.0}) {
      std::vector<Real> log_p;
      std::vector<double> counts(static_cast<std::size_t>(S)), law;
      for (index_t s = 0; s < S; ++s) {
        const bool impossible = S > 2 && s % 7 == 3;
        log_p.push_back(impossible ? -infinity<Real>()
                                   : static_cast<Real>(spread * laws::uniform_number(5, s)));  // not normalised
        law.push_back(std::exp(static_cast<double>(log_p.back())));
      }
      const index_t n = laws::draws(S > 1000 ? 2000 : 20000);
      for (index_t i = 0; i < n; ++i)
        ++counts.at(static_cast<std::size_t>(draw_categorical(
            S, [&](index_t s) { return log_p[static_cast<std::size_t>(s)]; },
            rng{3}(purpose::denoise, static_cast<std::uint64_t>(i), 0, 0, S))));
      laws::check_frequencies("S = " + std::to_string(S), counts, law);
    }
  }
}

TEST_CASE("categorical: the ends of both words draw possible states") {
  const double none = -infinity<double>();
  const std::uint64_t top = ~std::uint64_t{0};
  const auto with = [](const std::vector<double>& log_p) {
    return [&log_p](index_t s) { return log_p[static_cast<std::size_t>(s)]; };
  };
  std::vector<double> log_p(200, none);
  log_p[70] = -1, log_p[71] = -2, log_p[130] = -40;
  for (std::uint64_t first : {std::uint64_t{0}, top})
    for (std::uint64_t second : {std::uint64_t{0}, top}) {
      const token s = draw_categorical(200, with(log_p), bits_of(first, second));
      CHECK((s == 70 || s == 71 || s == 130));
    }
  log_p[71] = log_p[130] = none;  // a certain state is drawn for all bits
  for (std::uint64_t first : {std::uint64_t{0}, std::uint64_t{1} << 63, top - 1, top})
    for (std::uint64_t second : {std::uint64_t{0}, std::uint64_t{1} << 63, top - 1, top})
      CHECK(draw_categorical(200, with(log_p), bits_of(first, second)) == 70);
  log_p[70] = none;  // nothing is possible
  CHECK(draw_categorical(200, with(log_p), bits_of(5, 5)) == -1);
  CHECK(draw_categorical(0, with(log_p), bits_of(5, 5)) == -1);
  log_p[70] = std::nan("");
  CHECK(draw_categorical(200, with(log_p), bits_of(5, 5)) == -1);
  log_p[70] = infinity<double>();
  CHECK(draw_categorical(200, with(log_p), bits_of(5, 5)) == -1);
}

TEST_CASE("categorical: argmax is the first of the largest") {
  const double row[] = {1, 3, 2, 3};
  CHECK(argmax(4, [&](index_t s) { return row[s]; }) == 1);
  CHECK(argmax(1, [&](index_t s) { return row[s]; }) == 0);
}
