// Score inverses: what turns the scores of a position back into p(x_0 | x_t), for every kind of kernel. With p~(z) = p_0(z) / q(x_t | z),
// scores are linear, s(y) = sum_z q(y | z) p~(z), and
//   identity + rank one    p~(a) = [ s(a) - (1 - alpha) π(a) sum_y s(y) ] / alpha                O(1) once the sum is known
//   masked or redrawn      the same over the values, with the clock that redraws and π = 1 / K
//   tables                 p~ = Q^-T s, from an inverse table                                    O(S)
// The constant 1 / alpha drops out, since rows are normalised. Where x_t is a hidden token, x_0 is any value, and for absorbing p_0 is
// proportional to s: SEDD's scaling (e^σ - 1) without the constant. Used by head/from_score.hpp, which says what is done with scores that
// no p_0 has.
#pragma once

#include <dimix/forward_process.hpp>

#include <utility>

namespace dimix {

/// One p~(a), up to a constant: `clean` as the formula stands, and `size`, the sum of the moduli of its parts.
template <class Real>
struct unscored {
  Real clean, size;
};

/// Where noise is redrawn from π: identity + rank one, and mask_and_replace.
template <class Kernel, class Real>
struct closed_score_inverse {
  using bare = closed_score_inverse;
  Kernel kernel;

  DIMIX_HD index_t states(index_t d) const { return kernel.space.states(d); }
  /// Whether s(y) tells anything that the others do not.
  DIMIX_HD bool reads(index_t d, token y) const { return !is_mask(kernel.space, d, y); }
  /// Whether x_0 can be a: no data hold the mask.
  DIMIX_HD bool possible(index_t d, token, token a) const { return !is_mask(kernel.space, d, a); }
  /// The x_0 that x_t leaves no doubt about, or -1.
  DIMIX_HD token fixed(index_t d, token x) const {
    return !is_mask(kernel.space, d, x) && share(d, x) == Real(0) ? x : token{-1};
  }
  /// q(x_t | x_0 = a), up to a factor that does not depend on a
  DIMIX_HD Real seen(index_t d, token x, token a) const {
    return is_mask(kernel.space, d, x) ? Real(1) : clock().marginal_t(d, a, x);
  }
  template <class Score>
  DIMIX_HD unscored<Real> part(index_t d, token a, const Score& score, Real sum) const {
    const Real own = score(a), others = share(d, a) * sum;
    return {own - others, own + others};
  }
  /// slope: sum_a weight(a).value d part(a) / d s(y), of the size where weight(a).of_size says so; spread: what it has for every y.
  template <class Group, class Weight>
  DIMIX_HD Real spread(const Group& group, index_t d, const Weight& weight) const {
    return group.reduce(states(d), Real(0), plus{}, [&](index_t a) {
      const auto at = weight(static_cast<token>(a));
      return (at.of_size ? Real(1) : Real(-1)) * share(d, static_cast<token>(a)) * at.value;
    });
  }
  template <class Weight>
  DIMIX_HD Real slope(index_t, token y, const Weight& weight, Real spread_of_all) const {
    return weight(y).value + spread_of_all;
  }

 private:
  /// The clock that redraws values.
  DIMIX_HD const auto& clock() const {
    if constexpr (requires { kernel.redrawn; })
      return kernel.redrawn;
    else
      return kernel;
  }
  /// (1 - alpha) π(a)
  DIMIX_HD Real share(index_t d, token a) const { return clock().hit_t * clock().prior(d, a); }
};

/// From a table and its inverse, which are in double whatever Real is: at late times the inverse is as large as the table is forgetful, and
/// would be so many times off for a table of floats. For the same scores part(a) in float is that in double, to the rounding of `size`.
template <class Space, class Real>
struct table_score_inverse {
  using bare = table_score_inverse;
  [[no_unique_address]] Space space;
  view<const Real, 2> to_t;       // (S, S)  q(x_t | x_0)
  view<const double, 2> inverse;  // (S, S)

  DIMIX_HD index_t states(index_t) const { return space.max_states(); }
  DIMIX_HD bool reads(index_t, token) const { return true; }
  DIMIX_HD bool possible(index_t, token x, token a) const { return to_t(a, x) > 0; }
  DIMIX_HD token fixed(index_t, token) const { return -1; }
  DIMIX_HD Real seen(index_t, token x, token a) const { return to_t(a, x); }
  template <class Score>
  DIMIX_HD unscored<Real> part(index_t, token a, const Score& score, Real) const {
    double clean = 0, size = 0;
    for (token y = 0; y < space.max_states(); ++y) {
      const double term = inverse(y, a) * static_cast<double>(score(y));
      clean += term;
      size += term < 0 ? -term : term;
    }
    return {static_cast<Real>(clean), static_cast<Real>(size)};
  }
  template <class Group, class Weight>
  DIMIX_HD Real spread(const Group&, index_t, const Weight&) const {
    return Real(0);
  }
  template <class Weight>
  DIMIX_HD Real slope(index_t, token y, const Weight& weight, Real) const {
    double sum = 0;
    for (token a = 0; a < space.max_states(); ++a) {
      const auto at = weight(a);
      const double factor = inverse(y, a);
      sum += (at.of_size && factor < 0 ? -factor : factor) * static_cast<double>(at.value);
    }
    return static_cast<Real>(sum);
  }
};

/// A table_score_inverse that keeps its tables alive. Host only.
template <class Space, class Real>
struct held_score_inverse : table_score_inverse<Space, Real> {
  std::shared_ptr<const array<Real, 2>> held_t;
  std::shared_ptr<const table> held_inverse;

  held_score_inverse(const Space& states, std::shared_ptr<const array<Real, 2>> seen_at_t,
                     std::shared_ptr<const table> inverted)
      : table_score_inverse<Space, Real>{states, *seen_at_t, *inverted},
        held_t(std::move(seen_at_t)),
        held_inverse(std::move(inverted)) {}
};

/// One for each kind of position.
template <class Space, class Inverses>
struct mixed_score_inverse {
  [[no_unique_address]] Space space;
  Inverses inverses;  // pack

  DIMIX_EXEC_CHECK_DISABLE
  template <class F>
  DIMIX_HD decltype(auto) at_position(index_t d, const F& f) const {
    return inverses.visit(space.kind(d), f);
  }
};

/// The inverse of a matrix (S, S) by Gauss and Jordan's elimination with pivots: S^3. Throws numeric_error where it has none.
inline table inverse_of(const table& matrix) {
  const index_t S = matrix.extent(0);
  table left = matrix, right(S, S);  // (S, S)
  for (index_t i = 0; i < S; ++i) right(i, i) = 1;
  for (index_t column = 0; column < S; ++column) {
    index_t pivot = column;
    for (index_t i = column + 1; i < S; ++i)
      if (std::abs(left(i, column)) > std::abs(left(pivot, column))) pivot = i;
    expects<numeric_error>(std::abs(left(pivot, column)) > 1e-14,
                           "score inverse: so much noise leaves nothing to invert (pivot ", left(pivot, column), " in column ",
                           column, "); start at an earlier time");
    for (index_t j = 0; j < S; ++j) {
      std::swap(left(column, j), left(pivot, j));
      std::swap(right(column, j), right(pivot, j));
    }
    const double scale = 1 / left(column, column);
    for (index_t j = 0; j < S; ++j) left(column, j) *= scale, right(column, j) *= scale;
    for (index_t i = 0; i < S; ++i) {
      const double factor = left(i, column);
      if (i == column || factor == 0) continue;
      for (index_t j = 0; j < S; ++j) left(i, j) -= factor * left(column, j), right(i, j) -= factor * right(column, j);
    }
  }
  return right;
}

/// The inverse at the time t of a kernel. Host only; with tables S^3.
template <class Space, class Real>
auto score_inverse_of(const two_time_kernel<Space, Real>& kernel) {
  return closed_score_inverse<two_time_kernel<Space, Real>, Real>{kernel};
}
template <class Space, class Real>
auto score_inverse_of(const mask_and_replace_kernel<Space, Real>& kernel) {
  return closed_score_inverse<mask_and_replace_kernel<Space, Real>, Real>{kernel};
}
template <class Space, class Real>
auto score_inverse_of(const held_table_kernel<Space, Real>& kernel) {
  return held_score_inverse<Space, Real>(kernel.space, kernel.held_t,
                                         std::make_shared<const table>(inverse_of(*kernel.wide_t)));
}
template <class Space, class Real, class Kernels>
auto score_inverse_of(const mixed_kernel<Space, Real, Kernels>& kernel) {
  const auto inverses = map(kernel.kernels, [](const auto& own) { return score_inverse_of(own); });
  return mixed_score_inverse<Space, std::remove_const_t<decltype(inverses)>>{kernel.space, inverses};
}

}  // namespace dimix
