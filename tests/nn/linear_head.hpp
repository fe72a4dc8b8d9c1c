// A linear head beside explicit logits: the same case for both.
#pragma once

#include <dimix/nn/linear_head.hpp>

#include "laws/support.hpp"

namespace linear_head_tests {

using namespace dimix;
using laws::fill_noise;
using laws::uniform_number;
using laws::worst;

/// Hidden vectors, matrix and bias, with targets and rows that the head can be, and what the logits are when they are written out.
template <class Real, class Rows>
struct head_case {
  index_t B, M, D, S, H, K;
  Rows rows;
  array<token, 2> x_t;         // (B, D)
  array<Real, 4> hidden;       // (B, M, D, H)
  array<Real, 2> matrix;       // (S, H)
  array<Real, 1> bias;         // (S)
  array<Real, 2> log_weights;  // (B, M)
  array<token, 3> targets;     // (B, K, D)
  array<Real, 3> teacher;      // (B, D, S)
  array<Real, 1> weights;      // (B)

  head_case(const Rows& of, index_t b, index_t m, index_t d, index_t s, index_t h, index_t k, std::uint64_t seed = 1)
      : B(b),
        M(m),
        D(d),
        S(s),
        H(h),
        K(k),
        rows(of),
        x_t(B, D),
        hidden(B, M, D, H),
        matrix(S, H),
        bias(S),
        log_weights(B, M),
        targets(B, K, D),
        teacher(B, D, S),
        weights(B) {
    const nn::states_of_row states = nn::states_of(rows);
    fill_noise(hidden, seed, 1.5);
    fill_noise(matrix, seed + 1, 2 / std::sqrt(static_cast<double>(H)));
    fill_noise(bias, seed + 2, 1);
    fill_noise(log_weights, seed + 3, 1);
    const auto some = [&](std::uint64_t what, index_t i) {  // a state that a hidden position can be
      const auto x = static_cast<token>(uniform_number(seed + what, i) * static_cast<double>(S));
      return x == states.excluded ? static_cast<token>((x + 1) % S) : x;
    };
    for (index_t i = 0; i < x_t.size(); ++i) {
      const bool visible = i % 3 == 0;
      x_t.data()[i] = states.excluded >= 0 && !visible ? states.excluded : some(4, i);
    }
    for (index_t item = 0; item < B; ++item) {
      weights(item) = static_cast<Real>(0.5 + static_cast<double>(item));
      for (index_t d2 = 0; d2 < D; ++d2) {
        const bool certain = states.reveals && x_t(item, d2) != states.excluded;
        double total = 0;
        for (index_t s2 = 0; s2 < S; ++s2) {
          const bool possible = certain ? s2 == x_t(item, d2) : s2 != states.excluded;
          teacher(item, d2, s2) =
              possible ? static_cast<Real>(std::exp(3 * uniform_number(seed + 5, (item * D + d2) * S + s2))) : Real(0);
          total += static_cast<double>(teacher(item, d2, s2));
        }
        for (index_t s2 = 0; s2 < S; ++s2) teacher(item, d2, s2) /= static_cast<Real>(total);
        for (index_t k2 = 0; k2 < K; ++k2) targets(item, k2, d2) = certain ? x_t(item, d2) : some(6, (item * K + k2) * D + d2);
      }
    }
  }

  nn::linear_head<Real, Rows> head(nn::linear_tiles tiles = {}) const { return {matrix, bias, rows, tiles}; }
  view<const Real, 4> given() const { return hidden; }

  array<Real, 4> logits() const {
    array<Real, 4> z(B, M, D, S);  // (B, M, D, S)
    for (index_t row = 0; row < B * M * D; ++row)
      for (index_t s = 0; s < S; ++s) {
        double sum = static_cast<double>(bias(s));
        for (index_t j = 0; j < H; ++j)
          sum += static_cast<double>(hidden.data()[row * H + j]) * static_cast<double>(matrix(s, j));
        z.data()[row * S + s] = static_cast<Real>(sum);
      }
    return z;
  }
};

/// Tiles that are far from what a shape would choose: one number everywhere, parts that do not divide, all in one.
inline std::vector<nn::linear_tiles> odd_tiles() { return {{}, {1, 1, 1, 1}, {2, 5, 2, 3}, {3, 16, 1, 2}, {1000, 1000, 1, 1}}; }

template <class Real>
struct gradients {
  array<Real, 4> hidden;
  array<Real, 2> matrix;
  array<Real, 1> bias;

  template <class Case>
  explicit gradients(const Case& at, Real before = Real(99)) : hidden(at.B, at.M, at.D, at.H), matrix(at.S, at.H), bias(at.S) {
    hidden.fill(before), matrix.fill(before), bias.fill(before);  // every number must be written
  }
  nn::linear_gradients<Real> out() { return {hidden, matrix, bias}; }
  friend bool operator==(const gradients&, const gradients&) = default;

  template <class F>
  void each(const F& f) {
    for (Real& g : hidden) f(g);
    for (Real& g : matrix) f(g);
    for (Real& g : bias) f(g);
  }
};

template <class Real>
double distance(const gradients<Real>& a, const gradients<Real>& b) {
  worst all;
  const auto see = [&](const auto& x, const auto& y) {
    for (index_t i = 0; i < x.size(); ++i)
      all.see(std::abs(static_cast<double>(x.data()[i]) - static_cast<double>(y.data()[i])), i);
  };
  see(a.hidden, b.hidden), see(a.matrix, b.matrix), see(a.bias, b.bias);
  return all.error;
}

/// The gradients of hidden vectors, matrix and bias from that of explicit logits (B, M, D, S).
template <class Real, class Rows>
gradients<Real> chained(const head_case<Real, Rows>& at, const array<Real, 4>& G) {
  gradients<Real> result(at, Real(0));
  for (index_t row = 0; row < at.B * at.M * at.D; ++row)
    for (index_t s = 0; s < at.S; ++s) {
      const Real g = G.data()[row * at.S + s];
      result.bias(s) += g;
      for (index_t j = 0; j < at.H; ++j) {
        result.hidden.data()[row * at.H + j] += g * at.matrix(s, j);
        result.matrix(s, j) += g * at.hidden.data()[row * at.H + j];
      }
    }
  return result;
}

}  // namespace linear_head_tests
