// Philox against published vectors and another implementation; the layout of random bits, pinned for ever.
#include <dimix/core/rng.hpp>

#include "laws/support.hpp"

#if __has_include(<Random123/philox.h>)
#include <Random123/philox.h>
#endif

using namespace dimix;

namespace {

bool same(random_block a, random_block b) { return std::equal(a.word, a.word + 4, b.word); }

}  // namespace

TEST_CASE("rng: Philox 4x32-10, the known answers of Random123") {
  CHECK(same(philox({{0, 0, 0, 0}}, 0, 0), {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}));
  CHECK(same(philox({{~0u, ~0u, ~0u, ~0u}}, ~0u, ~0u), {{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}}));
  CHECK(same(philox({{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}}, 0xa4093822, 0x299f31d0),
             {{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}}));
}

#if __has_include(<Random123/philox.h>)
TEST_CASE("rng: Philox agrees with Random123 everywhere") {
  random_block counter{{1, 2, 3, 4}};
  for (int i = 0; i < 2000; ++i) {
    const random_block key = philox(counter, 5, 6);
    const auto other = r123::Philox4x32{}({{counter.word[0], counter.word[1], counter.word[2], counter.word[3]}},
                                          {{key.word[0], key.word[1]}});
    const random_block mine = philox(counter, key.word[0], key.word[1]);
    REQUIRE(same(mine, {{other[0], other[1], other[2], other[3]}}));
    counter = mine;
  }
}
#endif

// Tokens that somebody drew with a seed come back only while these lines hold. Never edit an answer: a new purpose gets a new line.
TEST_CASE("rng: the layout of counters never changes") {
  struct pinned {
    std::uint64_t seed;
    purpose what;
    std::uint64_t item;
    index_t step, draw, position;
    random_block answer;
  };
  const pinned table[] = {
      {0, purpose::initial, 0, 0, 0, 0, {{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}}},
      {1, purpose::latent, 0, 0, 0, 0, {{0x177657cf, 0xfae03134, 0xed6f3c3b, 0xe22f2a63}}},
      {1, purpose::denoise, 7, 3, 2, 11, {{0xcc74e8ff, 0x0f892108, 0x298b20a4, 0x7645d57d}}},
      {0x123456789abcdef0u,
       purpose::transition,
       0xfedcba9876543210u,
       rng::max_step - 1,
       rng::max_draw - 1,
       rng::max_position - 1,
       {{0xf1da0259, 0x0b76657d, 0x20c04769, 0x617fc9e8}}},
      {42, purpose::corrupt, std::uint64_t{1} << 32, 0, 1, 0, {{0x53298853, 0x78d4d266, 0x6f6253ff, 0x93a570cc}}},
      {42, purpose::time, 5, 1, 0, 0, {{0xa4d0e634, 0xae157968, 0x3f49c927, 0x3a3ab800}}},
      {42, purpose::target, 5, 0, 63, 63, {{0xdf736b91, 0x27bd43be, 0xb3edb71d, 0x94c666cb}}},
      {42, purpose::data, 0, 9, 0, 0, {{0xc04bcfd3, 0x90a39840, 0x5ac87f63, 0x4331b0c1}}},
      {42, purpose::weights, 1, 0, 0, 12345, {{0x1f9c9258, 0x3e93b7fc, 0x064cf5c4, 0xf4519543}}},
      {42, purpose::dropout, 2, 17, 3, 99, {{0x4ff3fba9, 0x40fe1e4f, 0x8e59d4c6, 0x2188d424}}},
      {42, purpose::noising, 3, 0, 2, 0, {{0xee6a1d02, 0x8a9af288, 0xbb32dfdf, 0x31b4713f}}},
      {42, purpose::user, 0, 0, 0, 1, {{0xdc97757e, 0xc66c0da4, 0xedaa2ec3, 0xc09b9be6}}},
      {42, static_cast<purpose>(63), 0, 0, 0, 1, {{0xe53d44fb, 0x3c598c58, 0x4fae6d5a, 0x73238306}}},
  };
  for (const pinned& p : table) CHECK(same(rng{p.seed}(p.what, p.item, p.step, p.draw, p.position), p.answer));
  const random_block block{{0x01020304, 0x05060708, 0x090a0b0c, 0x0d0e0f10}};
  CHECK(block.first() == 0x0506070801020304u);
  CHECK(block.second() == 0x0d0e0f10090a0b0cu);
}

TEST_CASE("rng: every coordinate matters") {
  const rng random{3};
  const random_block here = random(purpose::denoise, 10, 20, 30, 40);
  CHECK(!same(here, rng{4}(purpose::denoise, 10, 20, 30, 40)));
  CHECK(!same(here, rng{3 + (std::uint64_t{1} << 32)}(purpose::denoise, 10, 20, 30, 40)));
  CHECK(!same(here, random(purpose::transition, 10, 20, 30, 40)));
  CHECK(!same(here, random(purpose::denoise, 11, 20, 30, 40)));
  CHECK(!same(here, random(purpose::denoise, 10 + (std::uint64_t{1} << 32), 20, 30, 40)));
  CHECK(!same(here, random(purpose::denoise, 10, 21, 30, 40)));
  CHECK(!same(here, random(purpose::denoise, 10, 20, 31, 40)));
  CHECK(!same(here, random(purpose::denoise, 10, 20, 30, 41)));
}

TEST_CASE("rng: a uniform number never reaches an end") {
  static_assert(unit(0) > 0 && unit(~std::uint64_t{0}) < 1);
  CHECK(unit(0) == 0x1.0p-53);
  CHECK(unit(~std::uint64_t{0}) == 1 - 0x1.0p-53);
  CHECK(unit(std::uint64_t{1} << 63) == 0.5 + 0x1.0p-53);
  std::vector<double> cells(64);
  for (index_t i = 0; i < laws::draws(64000); ++i) ++cells[static_cast<std::size_t>(64 * laws::uniform_number(77, i))];
  laws::check_frequencies("64 cells", cells, std::vector<double>(64, 1.0 / 64));
}

TEST_CASE("rng: shares of a 64-bit word") {
  static_assert(share(0) == 0 && share(-1) == 0 && share(0.5) == std::uint64_t{1} << 63);
  CHECK(share(1) == ~std::uint64_t{0});
  CHECK(share(2) == ~std::uint64_t{0});
  CHECK(share(std::nan("")) == 0);
  for (double p : {1e-12, 1e-9, 1e-3, 0.3, 0.999999, 1 - 0x1.0p-53})
    CHECK(std::abs(static_cast<double>(share(p)) * 0x1.0p-64 - p) <= p * 1e-7);
  CHECK(static_cast<double>(share(1e-12)) * 0x1.0p-64 == doctest::Approx(1e-12).epsilon(1e-7));
}

TEST_CASE("rng: a coin is exact at both ends") {
  for (std::uint64_t bits : {std::uint64_t{0}, std::uint64_t{1} << 63, ~std::uint64_t{0}}) {
    CHECK(bernoulli(1, bits));
    CHECK(bernoulli(1.5, bits));
    CHECK(!bernoulli(0, bits));
    CHECK(!bernoulli(-0.5, bits));
  }
  CHECK(bernoulli(0.5, (std::uint64_t{1} << 63) - 1));
  CHECK(!bernoulli(0.5, std::uint64_t{1} << 63));
  CHECK(bernoulli(1e-19, 0));
  CHECK(!bernoulli(1e-19, 2));
}
