// table_rows: the rows p(x_s | x_t) of many positions between the same two times of a process with tables, as one product of matrices:
//   p(x_s = a | x_t = y) = q(y | a) / P sum_{x_0} [ p(x_0) / q(y | x_0) ] q(a | x_0),     P = sum of the p(x_0) that can have become y
// They are the rows of table_kernel::reverse (table_kernel.hpp), for which S^2 logarithms a row are needed one at a time. Here a tile of
// positions is divided by q(y | x_0), multiplied by q(x_s | x_0), and each of its rows by q(y | x_s): 2 S^2 operations a row. Host only.
// Range: q(y | x_0) below the least normal number of Real counts as that number.
// Law (tests/laws/table_rows.cpp): they are those rows.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/categorical.hpp>
#include <dimix/core/product.hpp>
#include <dimix/forward_process/table_kernel.hpp>

namespace dimix {

inline namespace DIMIX_TARGET {  // panels are as wide as the lanes

/// One row of a product. total = 0: no x_0 can have become y, which stays.
template <class Real>
struct table_row {
  view<const Real, 1> mixed, back;  // (S)  sum_{x_0} p(x_0) q(a | x_0) / q(y | x_0) / S, and q(y | a)
  Real total;                       // P / S
  token y;

  template <class At>
  auto prob(At a) const {
    using number = typename number_at<Real, At>::type;
    if (total == Real(0)) return select(dimix::equals<Real>(a, y), number(Real(1)), number(Real(0)));
    return dimix::read<Real>(mixed, a) * dimix::read<Real>(back, a) / number(total);
  }
  template <class At>
  auto log_prob(At a) const {
    using std::log;
    return log(prob(a));
  }
  template <class Group>
  token draw(const Group& group, index_t S, random_block bits) const {
    return draw_by_weight(
        group, S, [this](auto a) { return this->prob(a); }, bits);
  }
};

template <class Real>
class table_rows {
 public:
  /// The kernel's tables live as long as this.
  template <class Space>
  explicit table_rows(const held_table_kernel<Space, Real>& kernel)
      : to_s_(view<const Real, 2>(kernel.to_s)), back_(kernel.back), inverse_(kernel.to_t.extent(1), kernel.to_t.extent(0)) {
    const index_t S = states();
    const Real least = sizeof(Real) == 8 ? Real(0x1p-1022) : Real(0x1p-126f);
    for (index_t x = 0; x < S; ++x)
      for (index_t y = 0; y < S; ++y) {
        const Real seen = kernel.to_t(x, y);
        inverse_(y, x) = seen > Real(0) ? 1 / (larger(seen, least) * static_cast<Real>(S)) : Real(0);
      }
  }

  /// Rows of a tile, of which one matrix's part in the cache serves all.
  static constexpr index_t rows = 96;
  index_t states() const { return back_.extent(0); }
  /// Reals of scratch that a tile needs.
  index_t scratch() const { return rows * (states() + to_s_.columns()); }

  /// f(i, table_row) for each of n <= rows positions, x_t there being y(i) and row_of(i) a row p(x_0 | x_t), normalised or not.
  template <class Group, class Y, class RowOf, class F>
  void operator()(const Group& group, view<Real, 1> tile, index_t n, const Y& y, const RowOf& row_of, const F& f) const {
    const index_t S = states();
    const view<Real, 2> quotients(tile.data(), n, S), mixed(tile.data() + n * S, n, to_s_.columns());
    Real totals[rows];
    for (index_t i = 0; i < n; ++i)
      totals[i] = divide(group, row_of(i), inverse_.whole().row(y(i)), quotients.row(i)) / static_cast<Real>(S);
    to_s_.multiply(view<const Real, 2>(quotients), mixed);
    for (index_t i = 0; i < n; ++i) f(i, table_row<Real>{mixed.row(i).slice(0, S), back_.row(y(i)), totals[i], y(i)});
  }

 private:
  /// p(x_0) / q(y | x_0) / S into `to`, up to one factor; the sum of the p(x_0) that can have become y with that factor.
  template <class Group, class Row>
  static Real divide(const Group& group, const Row& row, view<const Real, 1> inverse, view<Real, 1> to) {
    const index_t S = to.extent(0);
    const view<const Real, 1> p(to);
    if constexpr (requires { row.fixed(); })
      if (row.fixed() >= 0) {
        group.for_each(S, [&](auto x) { write(to, x, typename number_at<Real, decltype(x)>::type(Real(0))); });
        to[row.fixed()] = inverse[row.fixed()];
        return inverse[row.fixed()] > Real(0) ? Real(1) : Real(0);
      }
    const Real top = group.reduce(S, -infinity<Real>(), maximum{}, [&]<index_of<Row> At>(At x) { return row.log_prob(x); });
    group.for_each(S, [&]<index_of<Row> At>(At x) {
      using std::exp;
      write(to, x, exp(row.log_prob(x) - typename number_at<Real, At>::type(top)));
    });
    const Real possible = group.reduce(S, Real(0), plus{}, [&](auto x) {
      using number = typename number_at<Real, decltype(x)>::type;
      return select(dimix::read<Real>(inverse, x) > number(Real(0)), dimix::read<Real>(p, x), number(Real(0)));
    });
    group.for_each(S, [&](auto x) { write(to, x, dimix::read<Real>(p, x) * dimix::read<Real>(inverse, x)); });
    return possible;
  }

  packed_matrix<Real> to_s_;  // (S, S)  q(x_s | x_0)
  view<const Real, 2> back_;  // (S, S)  q(x_t | x_s), x_t first
  array<Real, 2> inverse_;    // (S, S)  1 / (S q(x_t | x_0)), x_t first; 0 where it is 0
};

}  // namespace DIMIX_TARGET

}  // namespace dimix
