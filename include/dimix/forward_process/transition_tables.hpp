// Tables exp(τ R) of a matrix of jump rates R, for any R, reversible or not: what a process needs whose noise has no closed form.
//
// Uniformisation: with Λ the largest exit rate, P = I + R / Λ is a matrix of probabilities and
//   exp(τ R) = E(Λ τ),   E(x) = e^-x sum_n x^n / n! P^n,   E(x + y) = E(x) E(y)
// Every number is a sum of products of non-negative numbers, so nothing cancels: entries are right in relative terms (about 1e-13),
// however small, where an eigendecomposition is right only to 1e-16 of the largest. x is cut into a rest below 1, a series over kept powers
// of P, and hexadecimal digits, products of kept tables E(digit 16^k).
// Cost of a new τ: one product of S x S matrices per non-zero digit of Λτ and about 25 S^2 for the rest; a τ seen lately is looked up. Memory:
// 8 S^2 bytes per power (at most 64), per digit that occurred, and per table among the last `capacity`.
// Laws (tests/laws/forward_process.cpp): rows sum to 1; E(x + y) = E(x) E(y); E(0) = I; derivative at 0 = R; π exp(τR) = π.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/error.hpp>
#include <dimix/denoiser.hpp>

#include <cmath>
#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

namespace dimix {

using table = array<double, 2>;  // (S, S)  from, to

/// a b, with the inner loop over neighbours in memory.
inline table product(const table& a, const table& b) {
  const index_t S = a.extent(0);
  table c(S, S);  // (S, S)
  for (index_t i = 0; i < S; ++i) {
    double* row = c.data() + i * S;
    for (index_t k = 0; k < S; ++k) {
      const double factor = a(i, k);
      if (factor == 0) continue;
      const double* other = b.data() + k * S;
      for (index_t j = 0; j < S; ++j) row[j] += factor * other[j];
    }
  }
  return c;
}

class transition_tables {
 public:
  /// rate(a, y) >= 0: the rate of jumps a -> y, a != y. Keeps the tables of the last `capacity` different τ.
  template <class Rate>
  transition_tables(index_t S, const Rate& rate, std::size_t capacity = 64) : S_(S), capacity_(capacity) {
    table P(S, S);  // (S, S)
    for (index_t a = 0; a < S; ++a) {
      double exit = 0;
      for (index_t y = 0; y < S; ++y) {
        if (a == y) continue;
        P(a, y) = rate(static_cast<token>(a), static_cast<token>(y));
        expects(P(a, y) >= 0 && std::isfinite(P(a, y)), "transition_tables: the rate ", a, " -> ", y, " is ", P(a, y),
                "; rates are finite and not negative");
        exit += P(a, y);
      }
      fastest_ = std::max(fastest_, exit);
    }
    expects(fastest_ > 0, "transition_tables: every rate is 0");
    for (index_t a = 0; a < S; ++a) {
      double leaves = 0;
      for (index_t y = 0; y < S; ++y) leaves += P(a, y) /= fastest_;
      P(a, a) = std::max(0.0, 1 - leaves);
    }
    powers_.push_back(identity());
    powers_.push_back(std::move(P));
  }

  /// exp(τ R), τ >= 0 finite. Safe to call from several threads; the table lives as long as somebody holds it.
  std::shared_ptr<const table> at(double tau) {
    expects(tau >= 0 && std::isfinite(tau), "transition_tables: total noise ", tau, " is not a finite number >= 0");
    const std::lock_guard lock(mutex_);
    const auto found = kept_.find(tau);
    if (found != kept_.end()) return found->second;
    auto made = std::make_shared<const table>(exponential(tau * fastest_));
    if (order_.size() >= capacity_) {
      kept_.erase(order_.front());
      order_.pop_front();
    }
    order_.push_back(tau);
    kept_[tau] = made;
    return made;
  }

 private:
  table identity() const {
    table result(S_, S_);  // (S, S)
    for (index_t a = 0; a < S_; ++a) result(a, a) = 1;
    return result;
  }

  table exponential(double x) {
    double whole = std::floor(x);
    table result = series(x - whole);  // (S, S)
    for (std::size_t place = 0; whole > 0; ++place) {
      const double next = std::floor(whole / 16);
      if (const auto digit = static_cast<std::size_t>(whole - 16 * next); digit > 0)
        result = product(result, of_digit(place, digit));
      whole = next;
    }
    return result;
  }

  /// e^-x sum x^n / n! P^n for x in [0, 1]: until no entry grows by a 2^-60 share, or the power 64.
  table series(double x) {
    table sum = identity();  // (S, S)
    double factor = 1;
    for (std::size_t n = 1; n <= 64 && x > 0; ++n) {
      factor *= x / static_cast<double>(n);
      if (powers_.size() == n) powers_.push_back(product(powers_[n - 1], powers_[1]));
      bool grows = false;
      for (index_t i = 0; i < sum.size(); ++i) {
        const double more = factor * powers_[n].data()[i];
        grows = grows || more > 0x1p-60 * sum.data()[i];
        sum.data()[i] += more;
      }
      if (!grows) break;
    }
    for (double& p : sum) p *= std::exp(-x);
    return sum;
  }

  /// E(digit 16^place), digit in 1..15.
  const table& of_digit(std::size_t place, std::size_t digit) {
    if (digits_.size() <= place) digits_.resize(place + 1);
    auto& row = digits_[place];
    if (row.empty()) {
      const table one = place == 0 ? series(1) : product(of_digit(place - 1, 15), of_digit(place - 1, 1));
      digits_[place].push_back(one);
    }
    while (digits_[place].size() < digit) digits_[place].push_back(product(digits_[place].back(), digits_[place].front()));
    return digits_[place][digit - 1];
  }

  index_t S_;
  std::size_t capacity_;
  double fastest_ = 0;                    // Λ
  std::vector<table> powers_;             // P^n
  std::deque<std::deque<table>> digits_;  // E(digit 16^place); a deque leaves references valid
  std::map<double, std::shared_ptr<const table>> kept_;
  std::deque<double> order_;  // of kept_, oldest first
  std::mutex mutex_;
};

}  // namespace dimix
