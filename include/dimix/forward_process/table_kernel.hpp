// table_kernel: the laws between two times of a process whose noise has no closed form, from tables of S x S probabilities:
//   q(x_s = a | x_0), q(x_t = y | x_0), q(x_t = y | x_s = a), and by Bayes' rule
//   q(x_s = a | x_0, x_t = y) = q(y | a) q(a | x_0) / q(y | x_0)
// The same calls as two_time_kernel (kernel.hpp); a row p(x_s | x_t) costs O(S^2) instead of O(S) (many together: table_rows.hpp), a draw
// O(S). Trivially copyable: views of tables that held_table_kernel, or whoever made them, keeps alive.
#pragma once

#include <dimix/core/categorical.hpp>
#include <dimix/core/elementwise.hpp>
#include <dimix/core/math.hpp>
#include <dimix/forward_process/transition_tables.hpp>
#include <dimix/head/softmax.hpp>
#include <dimix/state_space.hpp>

namespace dimix {

/// The row p(x_s = a | x_t = y) = sum_{x_0} q(a | x_0, y) p(x_0). x_0 that cannot have become y do not count, and the rest is normalised.
/// log_prob and prob O(S) each. Sums are taken as they stand, and in the log where they leave the range of a Real.
template <class Row, class Kernel, class Real>
struct table_reverse_row {
  Row denoised;
  Kernel kernel;
  token y;
  Real log_possible;  // log of the sum of p(x_0) over the x_0 that can have become y
  bool frozen;        // no x_0 can: y stays

  DIMIX_HD static table_reverse_row make(const Kernel& kernel, token y, const Row& denoised) {
    table_reverse_row row{denoised, kernel, y, Real(0), false};
    row.log_possible = log_sum_exp<Real>(vector_group<Real>{}, kernel.to_t.extent(0), [&row]<index_of<Row> At>(At z) {
      using number = typename number_at<Real, At>::type;
      return select(row.seen(z) > number(Real(0)), number(row.denoised.log_prob(z)), number(-infinity<Real>()));
    });
    row.frozen = row.log_possible == -infinity<Real>();
    return row;
  }

  template <class At>
  DIMIX_HD auto log_prob(At a) const {
    using std::log;
    using number = typename number_at<Real, At>::type;
    if (frozen) return select(equals<Real>(a, y), number(Real(0)), number(-infinity<Real>()));
    const number sum = summed(a);
    if (any(!in_range(sum))) return number(each_of<Real>(a, [this](index_t one) { return summed_in_log(one); })) + log(came(a));
    return log(sum) + log(came(a));
  }
  template <class At>
  DIMIX_HD auto prob(At a) const {
    using std::exp;
    using number = typename number_at<Real, At>::type;
    if (frozen) return select(equals<Real>(a, y), number(Real(1)), number(Real(0)));
    const number sum = summed(a);
    if (any(!in_range(sum))) return number(exp(log_prob(a)));
    return sum * came(a);
  }
  DIMIX_HD token fixed(token) const { return frozen ? y : token{-1}; }

  /// slope(a) = d loss / d log p(a)  ->  x -> d loss / d log p_0(x). prob(a) = p(a): with those of memory O(S) for each x, else O(S^2).
  template <class Group, class Slope>
  DIMIX_HD auto slope_of_denoised(const Group& group, index_t S, const Slope& slope) const {
    return slope_of_denoised(group, S, slope, *this);
  }
  template <class Group, class Slope, class Prob>
  DIMIX_HD auto slope_of_denoised(const Group& group, index_t S, const Slope& slope, const Prob& prob) const {
    return slopes<decltype(one_member(group)), Slope, Prob>{
        *this, one_member(group), slope, prob, S, group.reduce(S, Real(0), plus{}, slope)};
  }
  /// As prob of itself.
  template <class At>
  DIMIX_HD auto operator()(At a) const {
    return prob(a);
  }

 private:
  template <class Group, class Slope, class Prob>
  struct slopes {
    const table_reverse_row& row;
    Group group;  // of one member
    const Slope& slope;
    const Prob& prob;
    index_t S;
    Real all;

    DIMIX_EXEC_CHECK_DISABLE
    DIMIX_HD Real operator()(index_t x) const {
      using std::exp;
      const Real seen = row.kernel.to_t(x, row.y), log_p = row.denoised.log_prob(x) - row.log_possible, p = exp(log_p);
      if (row.frozen || !(seen > 0)) return Real(0);
      const Real sum = group.reduce(S, Real(0), plus{}, [&]<index_into<Slope> At>(At a) {
        using number = typename number_at<Real, At>::type;
        const number g = slope(a), zero = Real(0), share = row.came(a) * (read<Real>(row.kernel.to_s.row(x), a) / number(seen));
        const auto counts = g != zero && share > zero;
        if (!any(counts)) return zero;
        const number p_a = prob(a);
        if (any(counts && p_a < number(least_sum<Real>())))
          return select(counts, g * share * exp(number(log_p) - row.log_prob(a)), zero);
        return select(counts, g * share * (number(p) / p_a), zero);
      });
      return sum - all * p;
    }
  };

  template <class Number>
  DIMIX_HD static auto in_range(Number sum) {
    return sum > Number(least_sum<Real>()) && sum < Number(Real(1) / least_sum<Real>());
  }
  /// q(y | x_0 = z)
  template <class At>
  DIMIX_HD auto seen(At z) const {
    return each_of<Real>(z, [this](index_t one) { return kernel.to_t(one, y); });
  }
  /// q(y | a)
  template <class At>
  DIMIX_HD auto came(At a) const {
    using number = typename number_at<Real, At>::type;
    if (!kernel.back.empty()) return number(read<Real>(kernel.back.row(y), a));
    return number(each_of<Real>(a, [this](index_t one) { return kernel.step(one, y); }));
  }
  /// p_0(z) / q(y | z) of the z that can have become y, over their sum
  template <class At>
  DIMIX_HD auto weight(At z) const {
    using std::exp;
    using number = typename number_at<Real, At>::type;
    const number at_y = seen(z);
    return select(at_y > number(Real(0)), exp(denoised.log_prob(z) - number(log_possible)) / at_y, number(Real(0)));
  }
  /// sum_z weight(z) q(a | z)
  template <class At>
  DIMIX_HD auto summed(At a) const {
    using number = typename number_at<Real, At>::type;
    constexpr int W = native_lanes<Real>;
    const index_t S = kernel.to_s.extent(0);
    number sum = Real(0);
    index_t z = 0;
    if constexpr (W > 1) {
      if constexpr (index_of<lane_index<W>, Row>)
        for (; z + W <= S; z += W) {
          const auto weights = weight(lane_index<W>{z});
          for (int w = 0; w < W; ++w) sum += number(weights[w]) * read<Real>(kernel.to_s.row(z + w), a);
        }
    }
    for (; z < S; ++z) sum += number(weight(z)) * read<Real>(kernel.to_s.row(z), a);
    return sum;
  }
  DIMIX_HD Real summed_in_log(index_t a) const {
    using std::log;
    exp_sum<Real> total;
    for (index_t z = 0; z < kernel.space.max_states(); ++z) {
      const Real made = kernel.to_s(z, a), at_y = kernel.to_t(z, y);
      if (made > 0 && at_y > 0)
        total = merge(total, exp_sum<Real>::of(denoised.log_prob(z) - log_possible + log(made) - log(at_y)));
    }
    return total.log();
  }
};

/// q(x_t = y | x_s) q(x_s | x_0) of one y and x_0, times a number that keeps products in the range of a float.
template <class Real>
struct table_posterior_weights {
  view<const Real, 1> back, made;  // (S)

  template <class At>
  DIMIX_HD auto operator()(At a) const {
    using number = typename number_at<Real, At>::type;
    const number scale(sizeof(Real) == 4 ? Real(0x1p60f) : Real(1));
    return (read<Real>(back, a) * scale) * (read<Real>(made, a) * scale);
  }
};

template <class Space, class Real>
struct table_kernel {
  [[no_unique_address]] Space space;
  view<const Real, 2> to_s, to_t, step;  // (S, S)  q(x_s | x_0), q(x_t | x_0), q(x_t | x_s)
  view<const Real, 2> back = {};         // (S, S)  the last with x_t first, for draws in lanes; may be empty

  DIMIX_HD Real prior(index_t d, token s) const { return static_cast<Real>(space.prior(d, s)); }
  /// q(x_s = a | x_0)
  DIMIX_HD Real marginal_s(index_t, token x_0, token a) const { return to_s(x_0, a); }
  /// q(x_t = y | x_0)
  DIMIX_HD Real marginal_t(index_t, token x_0, token y) const { return to_t(x_0, y); }
  template <several_indices At>
  DIMIX_HD auto marginal_t(index_t, token x_0, At y) const {
    return read<Real>(to_t.row(x_0), y);
  }
  /// q(x_t = y | x_s = a)
  DIMIX_HD Real transition(index_t, token a, token y) const { return step(a, y); }
  /// q(x_s = a | x_0, x_t = y); 0 where x_0 cannot have become y
  DIMIX_HD Real posterior(index_t, token x_0, token y, token a) const {
    const Real z = to_t(x_0, y);
    return z == Real(0) ? Real(0) : step(a, y) * (to_s(x_0, a) / z);
  }

  /// x_t from q(x_t | x_0).
  DIMIX_HD token corrupt(index_t, token x_0, random_block bits) const {
    return draw(bits, [&](index_t y) { return static_cast<double>(to_t(x_0, y)); });
  }
  /// x_s from q(x_s | x_0, x_t = y); y itself where x_0 cannot have become y.
  DIMIX_HD token draw_posterior(index_t, token x_0, token y, random_block bits) const {
    const token drawn =
        draw(bits, [&](index_t a) { return static_cast<double>(step(a, y)) * static_cast<double>(to_s(x_0, a)); });
    return drawn < 0 ? y : drawn;
  }

  /// The same law with a group at work; the same bits give other tokens.
  template <class Group>
  DIMIX_HD token draw_posterior(const Group& group, index_t d, token x_0, token y, random_block bits) const {
    if (back.empty()) return draw_posterior(d, x_0, y, bits);
    const table_posterior_weights<Real> weights{back.row(y), to_s.row(x_0)};
    const token drawn = draw_by_weight(group, space.max_states(), weights, bits);
    return drawn < 0 ? y : drawn;
  }

  /// The row p(x_s | x_t = y) of a denoiser's row p(x_0 | x_t): log_prob(a), O(S).
  template <class Row>
  DIMIX_HD auto reverse(index_t, token y, const Row& denoised) const {
    return table_reverse_row<Row, table_kernel, Real>::make(*this, y, denoised);
  }

 private:
  template <class Weight>
  DIMIX_HD token draw(random_block bits, const Weight& weight) const {
    const index_t S = space.max_states();
    double total = 0;
    for (index_t s = 0; s < S; ++s) total += weight(s);
    if (!(total > 0)) return -1;
    return static_cast<token>(pick_by_share(S, total, bits.first(), weight, largest_of(S, weight)));
  }
};

/// A table_kernel that keeps its tables alive. Host only; for a device, copy the tables and make a table_kernel of their views.
template <class Space, class Real>
struct held_table_kernel : table_kernel<Space, Real> {
  std::shared_ptr<const array<Real, 2>> held_s, held_t, held_step, held_back;
  std::shared_ptr<const table> wide_t;  // (S, S)  q(x_t | x_0) in double, for who inverts it

  held_table_kernel(const Space& states, std::shared_ptr<const array<Real, 2>> s, std::shared_ptr<const array<Real, 2>> t,
                    std::shared_ptr<const array<Real, 2>> between, std::shared_ptr<const table> wide)
      : table_kernel<Space, Real>{states, *s, *t, *between},
        held_s(std::move(s)),
        held_t(std::move(t)),
        held_step(std::move(between)),
        held_back(transposed(*held_step)),
        wide_t(std::move(wide)) {
    this->back = *held_back;
  }

  /// The row looks into the tables, so that the kernel has to outlive it.
  template <class Row>
  DIMIX_HD auto reverse(index_t d, token y, const Row& denoised) const& {
    return table_kernel<Space, Real>::reverse(d, y, denoised);
  }
  template <class Row>
  void reverse(index_t, token, const Row&) const&& = delete;

 private:
  static std::shared_ptr<const array<Real, 2>> transposed(const array<Real, 2>& step) {
    auto back = std::make_shared<array<Real, 2>>(step.extent(1), step.extent(0));  // (S, S)
    for (index_t y = 0; y < back->extent(0); ++y)
      for (index_t a = 0; a < back->extent(1); ++a) (*back)(y, a) = step(a, y);
    return back;
  }
};

}  // namespace dimix
