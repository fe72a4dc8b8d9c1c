// Tokens drawn through a linear head are those drawn from explicit logits.
#include <dimix/marginal.hpp>

#include "nn/linear_head.hpp"

using namespace dimix;
using namespace linear_head_tests;

namespace {

array<std::uint64_t, 1> ids(index_t B) {
  array<std::uint64_t, 1> items(B);  // (B)
  for (index_t b = 0; b < B; ++b) items(b) = 100 + 7 * static_cast<std::uint64_t>(b);
  return items;
}

template <class Real, class Rows>
array<token, 3> drawn(const head_case<Real, Rows>& at, nn::linear_tiles tiles, index_t step, const cpu& run_on) {
  array<token, 3> out(at.B, at.M, at.D);  // (B, M, D)
  out.fill(-7);
  nn::draw_tokens(at.head(tiles), at.x_t, at.given(), rng{5}, purpose::target, ids(at.B), step, out, run_on);
  return out;
}

/// How many of all tokens differ from those of draw_tokens over explicit logits.
template <class Real, class Rows>
index_t differences(const head_case<Real, Rows>& at, index_t steps, index_t& total) {
  const cpu one(1), three(3);
  const array<Real, 4> z = at.logits();      // (B, M, D, S)
  array<token, 3> wanted(at.B, at.M, at.D);  // (B, M, D)
  index_t differ = 0;
  total = 0;
  for (index_t step = 0; step < steps; ++step) {
    draw_tokens(at.rows, at.x_t, view<const Real, 4>(z), at.S, rng{5}, purpose::target, ids(at.B), step, wanted.whole(), one);
    for (const nn::linear_tiles& tiles : {nn::linear_tiles{}, nn::linear_tiles{1, 64, 1, 1}, nn::linear_tiles{3, 128, 2, 2}}) {
      const auto got = drawn(at, tiles, step, one);
      CHECK(drawn(at, tiles, step, three) == got);
      for (index_t i = 0; i < got.size(); ++i) differ += got.data()[i] != wanted.data()[i];
      total += got.size();
    }
  }
  return differ;
}

}  // namespace

TEST_CASE("linear head: tokens are those drawn from explicit logits, but for ties within rounding") {
  index_t total = 0;
  CHECK(differences(head_case<double, softmax>(softmax{}, 2, 3, 5, 300, 8, 1), 40, total) == 0);
  CHECK(differences(head_case<double, subs>(subs{299}, 2, 3, 5, 300, 8, 1), 40, total) == 0);
  CHECK(differences(head_case<double, values_only>(values_only{0}, 1, 2, 5, 64, 8, 1), 40, total) == 0);
  // logits that are off by 1e-6 move the edges of a state by as much: a token in a million
  CHECK(differences(head_case<float, softmax>(softmax{}, 2, 3, 5, 300, 8, 1), 40, total) <= 1);
  CHECK(total == 3600);
  CHECK(differences(head_case<float, subs>(subs{17}, 2, 3, 5, 1000, 8, 1), 40, total) <= 1);
  CHECK(differences(head_case<float, softmax>(softmax{}, 1, 2, 3, 5000, 4, 1), 20, total) <= 1);  // parts of two blocks
}

TEST_CASE("linear head: draws follow the rows") {
  const index_t S = 70, D = 4000;
  head_case<float, softmax> at(softmax{}, 1, 1, 1, S, 4, 1);
  const auto row = marginals<float>(softmax{}, at.x_t, view<const float, 4>(at.logits()), S, cpu(1));  // (1, 1, S)
  array<float, 4> hidden(1, 1, D, 4);                                                                  // (B, M, D, H)
  for (index_t i = 0; i < hidden.size(); ++i) hidden.data()[i] = at.hidden.data()[i % 4];
  const array<token, 2> x_t(1, D);  // (B, D)
  array<token, 3> out(1, 1, D);     // (B, M, D)
  std::vector<double> counts(static_cast<std::size_t>(S), 0), probabilities(row.begin(), row.end());
  for (index_t step = 0; step < laws::draws(10); ++step) {
    nn::draw_tokens(at.head(), x_t, view<const float, 4>(hidden), rng{3}, purpose::target, ids(1), step, out.whole(), cpu(1));
    for (const token x : out) ++counts[static_cast<std::size_t>(x)];
  }
  laws::check_frequencies("rows of a linear head", counts, probabilities);
}
