// A trigram model of English phones, and the denoiser that it is: a real model whose posteriors under masking are exact at any length.
//   p(x) = prod_d p(x_d | x_{d-2}, x_{d-1}),   41 symbols: 39 phones, silence and the end, which stays once it has come
// p(x_d | what is not masked), for all d, is a sweep forward and one back over pairs of neighbours: O(D 41^3), less where tokens show.
// Laws (tests/examples/phones.cpp): posteriors and entropies against enumeration at D = 3; rows sum to 1.
#pragma once

#include <dimix/backend/cpu.hpp>
#include <dimix/core/array.hpp>
#include <dimix/core/categorical.hpp>
#include <dimix/core/error.hpp>
#include <dimix/core/math.hpp>
#include <dimix/denoiser.hpp>
#include <dimix/io/npy.hpp>

#include <cmath>
#include <fstream>
#include <string>
#include <vector>

namespace phones {

using dimix::array;
using dimix::index_t;
using dimix::token;
using dimix::view;

inline constexpr index_t symbols = 41;  // tokens 0..40; the mask comes after them
inline constexpr token mask = 41;
inline constexpr token start = 41;  // as a context

class trigram {
 public:
  /// The folder of trigram.npy and symbols.txt. Errors: file_error.
  explicit trigram(const std::string& folder) : p_(dimix::read_npy(folder + "/trigram.npy").load<double, 3>()) {
    dimix::expects<dimix::file_error>(p_.extent(0) == 42 && p_.extent(1) == 42 && p_.extent(2) == symbols, folder,
                                      "/trigram.npy is not of shape (42, 42, 41)");
    std::ifstream in(folder + "/symbols.txt");
    for (std::string name; std::getline(in, name);) names_.push_back(name);
    dimix::expects<dimix::file_error>(static_cast<index_t>(names_.size()) == symbols, folder, "/symbols.txt does not hold ",
                                      symbols, " names");
  }

  const std::string& name(token s) const { return names_[static_cast<std::size_t>(s)]; }
  double p(token a, token b, token c) const { return p_(a, b, c); }

  /// log p(x) of x (D), in nats.
  double log_likelihood(view<const token, 1> x) const {
    double sum = 0;
    for (index_t d = 0; d < x.extent(0); ++d) sum += std::log(p(before(x, d - 2), before(x, d - 1), x[d]));
    return sum;
  }

  /// B sequences of D phones: (B, D).
  array<token, 2> sample(index_t B, index_t D, std::uint64_t seed) const {
    array<token, 2> x(B, D);  // (B, D)
    for (index_t b = 0; b < B; ++b)
      for (index_t d = 0; d < D; ++d) {
        const view<const token, 1> so_far = x.whole().row(b);
        x(b, d) = dimix::draw_categorical(
            symbols,
            [&](index_t s) { return std::log(p(before(so_far, d - 2), before(so_far, d - 1), static_cast<token>(s))); },
            dimix::rng{seed}(dimix::purpose::data, static_cast<std::uint64_t>(b), 0, 0, d));
      }
    return x;
  }

  /// p(x_d = s | what shows of x_t) into rows (D, 41); x_t (D) with masks. False where what shows is impossible.
  bool posterior(view<const token, 1> x_t, view<double, 2> rows) const {
    const index_t D = x_t.extent(0);
    const auto forward = pairs_until(x_t);
    std::vector<double> back(pairs, 1.0), earlier(pairs);  // over (x_{d-1}, x_d): what comes after
    bool possible = true;
    for (index_t d = D - 1; d >= 0; --d) {
      double total = 0;
      for (token c = 0; c < symbols; ++c) {
        rows(d, c) = 0;
        for (token b = 0; b <= start; ++b) rows(d, c) += forward[static_cast<std::size_t>(d)][at(b, c)] * back[at(b, c)];
        total += rows(d, c);
      }
      possible = possible && total > 0;
      for (token c = 0; c < symbols; ++c) rows(d, c) /= total > 0 ? total : 1;
      if (d == 0) break;
      // (a, b) = (x_{d-2}, x_{d-1}) from (b, c) = (x_{d-1}, x_d)
      std::fill(earlier.begin(), earlier.end(), 0.0);
      double largest = 0;
      for (const token b : can_be(x_t, d - 1))
        for (const token a : can_be(x_t, d - 2)) {
          earlier[at(a, b)] = sum_over(x_t[d], [&](token c) { return p(a, b, c) * back[at(b, c)]; });
          largest = std::max(largest, earlier[at(a, b)]);
        }
      for (double& w : earlier) w /= largest > 0 ? largest : 1;
      back.swap(earlier);
    }
    return possible;
  }

  /// The entropy of D phones together, and the sum of those of each alone: nats. Their difference is the total correlation, what one step
  /// that reveals everything loses.
  struct entropies {
    double joint = 0, alone = 0;
  };
  entropies entropy(index_t D) const {
    std::vector<token> hidden(static_cast<std::size_t>(D), mask);
    const auto forward = pairs_until({hidden.data(), D});
    entropies sum;
    std::vector<double> single(static_cast<std::size_t>(symbols));
    for (index_t d = 0; d < D; ++d) {
      std::fill(single.begin(), single.end(), 0.0);
      for (token a = 0; a <= start; ++a)
        for (token b = 0; b <= start; ++b) {
          const double context = d == 0 ? (a == start && b == start) : forward[static_cast<std::size_t>(d - 1)][at(a, b)];
          for (token c = 0; context > 0 && c < symbols; ++c) {
            single[static_cast<std::size_t>(c)] += context * p(a, b, c);
            sum.joint -= p(a, b, c) > 0 ? context * p(a, b, c) * std::log(p(a, b, c)) : 0;
          }
        }
      for (double q : single) sum.alone -= q > 0 ? q * std::log(q) : 0;
    }
    return sum;
  }

 private:
  static constexpr std::size_t pairs = 42 * 42;
  static std::size_t at(token a, token b) { return static_cast<std::size_t>(a * 42 + b); }
  static token before(view<const token, 1> x, index_t d) { return d < 0 ? start : x[d]; }

  /// The symbols that position d can be.
  static std::vector<token> can_be(view<const token, 1> x_t, index_t d) {
    if (d < 0) return {start};
    if (x_t[d] != mask) return {x_t[d]};
    std::vector<token> all(static_cast<std::size_t>(symbols));
    for (token s = 0; s < symbols; ++s) all[static_cast<std::size_t>(s)] = s;
    return all;
  }

  /// Over the symbols that a position with x_t can be. In four parts, which a processor adds side by side.
  template <class F>
  static double sum_over(token x_t, const F& f) {
    if (x_t != mask) return f(x_t);
    double part[4] = {f(symbols - 1), 0, 0, 0};
    for (token c = 0; c + 4 <= symbols; c += 4)
      for (token i = 0; i < 4; ++i) part[i] += f(c + i);
    return part[0] + part[1] + (part[2] + part[3]);
  }

  /// p(x_{d-1}, x_d | what shows up to d) for every d: (D, 42 42).
  std::vector<std::vector<double>> pairs_until(view<const token, 1> x_t) const {
    const index_t D = x_t.extent(0);
    std::vector<std::vector<double>> result;
    for (index_t d = 0; d < D; ++d) {
      std::vector<double> now(pairs);
      double total = 0;
      for (const token b : can_be(x_t, d - 1))
        for (const token a : can_be(x_t, d - 2)) {
          const double context = d == 0 ? 1 : result.back()[at(a, b)];
          if (context == 0) continue;
          if (x_t[d] != mask)
            now[at(b, x_t[d])] += context * p(a, b, x_t[d]);
          else
            for (token c = 0; c < symbols; ++c) now[at(b, c)] += context * p(a, b, c);
        }
      for (double w : now) total += w;
      for (double& w : now) w /= total > 0 ? total : 1;
      result.push_back(std::move(now));
    }
    return result;
  }

  static_assert(symbols % 4 == 1);

  array<double, 3> p_;  // (42, 42, 41)
  std::vector<std::string> names_;
};

/// The model as a denoiser of absorbing<42>. A product sampler can step to an x_t that the model excludes (a phone after the end), where no
/// posterior exists: there the rows are those of nothing shown.
class denoiser {
 public:
  explicit denoiser(const trigram& model, const dimix::cpu& run_on = dimix::cpu{}) : model_(model), run_on_(run_on) {}

  index_t outputs() const { return symbols + 1; }
  /// raw = log p, floored at lowest_log. Neighbours in the batch that are equal, as all of it is at the start of a path, are asked for once.
  template <class Real>
  void operator()(const dimix::request<Real>& asked, view<Real, 4> raw) const {
    std::vector<index_t> different;
    for (index_t b = 0; b < asked.batch(); ++b)
      if (b == 0 || !std::equal(asked.tokens.row(b).begin(), asked.tokens.row(b).end(), asked.tokens.row(b - 1).begin()))
        different.push_back(b);
    different.push_back(asked.batch());
    run_on_.for_each(static_cast<index_t>(different.size()) - 1, [&](int, index_t i) {
      const index_t first = different[static_cast<std::size_t>(i)], end = different[static_cast<std::size_t>(i) + 1];
      answer(asked.tokens.row(first), raw[first][0]);
      for (index_t b = first + 1; b < end; ++b) std::copy_n(raw[first].data(), raw[first].size(), raw[b].data());
    });
  }

 private:
  template <class Real>
  void answer(view<const token, 1> x_t, view<Real, 2> raw) const {  // raw (D, 42)
    array<double, 2> rows(x_t.extent(0), symbols);                  // (D, 41)
    if (!model_.posterior(x_t, rows)) {
      const std::vector<token> hidden(static_cast<std::size_t>(x_t.extent(0)), mask);
      model_.posterior({hidden.data(), x_t.extent(0)}, rows);
    }
    for (index_t d = 0; d < x_t.extent(0); ++d)
      for (index_t s = 0; s < outputs(); ++s) {
        const double log_p = s < symbols ? std::log(rows(d, s)) : -dimix::infinity<double>();
        raw(d, s) = static_cast<Real>(dimix::larger(log_p, static_cast<double>(dimix::lowest_log<Real>())));
      }
  }

  const trigram& model_;
  dimix::cpu run_on_;
};

}  // namespace phones
