// truncated_logistic in lanes and in float: the widest lanes are those of the processor that this file is compiled for.
#include <dimix/head.hpp>

#include "laws/support.hpp"

#include <sstream>

using namespace dimix;

namespace {

/// f(head, raw (2), place, what to say of it) for means and scales from mild to extreme: the mean within and next to the ends, k = e^-6 to e^10.
template <class F>
void for_each_row(const F& f) {
  for (index_t S : {2, 5, 67, 256})
    for (tails beyond : {tails::cut, tails::to_ends})
      for (token now : {token{0}, static_cast<token>(S / 2), static_cast<token>(S - 1)})
        for (double by : {-6.0, -1.1, 0.0, 0.3, 9.0})
          for (double scale : {-8.1, -4.0, -1.3, 0.0, 0.7, 2.0, 4.6, 8.0}) {
            array<float, 1> raw(2);  // (outputs)
            raw(0) = static_cast<float>(by), raw(1) = static_cast<float>(scale);
            std::ostringstream where;
            where << "of " << S << (beyond == tails::cut ? ", cut" : ", to_ends") << ", now " << now << ", outputs " << by
                  << " and " << scale;
            f(truncated_logistic{S, beyond}, raw, place{0, 0, now}, where.str());
          }
}

template <class Real>
auto row_of(const truncated_logistic& head, const array<float, 1>& raw, const place& at) {
  return make_row<Real>(serial_group{}, head, view<const float, 1>(raw), at);
}

}  // namespace

TEST_CASE_TEMPLATE("laws: a truncated logistic says the same in lanes", Real, float, double) {
  const double ulp = std::numeric_limits<Real>::epsilon();
  const double least = static_cast<double>(std::numeric_limits<Real>::min());
  const vector_group<Real> group;
  MESSAGE("lanes: ", group.width);
  laws::worst logs, probabilities, sums, gradients;
  for_each_row([&](const auto& head, const auto& raw, const place& at, const std::string& where) {
    const index_t S = head.S;
    const auto row = row_of<Real>(head, raw, at);
    const double k = static_cast<double>(row.at.steepness);
    const auto see = [&](laws::worst& worst, double difference, const char* what, index_t i) {
      worst.see(std::abs(difference) / (1 + k), what, i, where);
    };

    array<Real, 1> log_p(S), p(S), slope(S), gradient(2), in_lanes(2);  // (S), (outputs)
    const view<Real, 1> log_p_of = log_p, p_of = p;
    group.for_each(S, [&](auto s) { write(log_p_of, s, row.log_prob(s)); });
    group.for_each(S, [&](auto s) { write(p_of, s, row.prob(s)); });
    for (index_t s = 0; s < S; ++s) {
      const double one_by_one = static_cast<double>(row.log_prob(s));
      see(logs, static_cast<double>(log_p(s)) - one_by_one, "log_prob", s);
      see(probabilities, (static_cast<double>(p(s)) - std::exp(one_by_one)) / (least + std::exp(one_by_one)), "prob", s);
      see(probabilities,
          static_cast<double>(row.prob(s)) / (least + static_cast<double>(p(s))) -
              static_cast<double>(p(s)) / (least + static_cast<double>(p(s))),
          "prob one by one", s);
    }
    see(sums, static_cast<double>(group.reduce(S, Real(0), plus{}, prob_of{row})) - 1, "sum of", S);

    laws::fill_noise(slope, 5, 1 / static_cast<double>(S));
    const view<const Real, 1> slope_of = slope;
    const auto given = [&](auto s) { return read<Real>(slope_of, s); };
    const auto into = [](array<Real, 1>& out) { return [&out](index_t o, Real g) { out(o) = g; }; };
    row.backward(serial_group{}, S, given, into(gradient));
    row.backward(group, S, given, into(in_lanes));
    for (index_t o = 0; o < 2; ++o)
      see(gradients, static_cast<double>(in_lanes(o)) - static_cast<double>(gradient(o)), "output", o);
    // slopes that are p times something
    row.backward(
        serial_group{}, S, [&](index_t s) { return given(s) * row.prob(s); }, into(gradient));
    row.backward_by_prob(
        group, S, [&](auto s, auto prob) { return given(s) * prob; }, into(in_lanes));
    for (index_t o = 0; o < 2; ++o)
      see(gradients, static_cast<double>(in_lanes(o)) - static_cast<double>(gradient(o)), "by prob, output", o);
  });
  logs.check("log p in lanes and one by one, over 1 + k", 16 * ulp);
  probabilities.check("p beside e^log p, relative, over 1 + k", 16 * ulp);
  sums.check("sum of a row in lanes, over 1 + k", 16 * ulp);
  gradients.check("backward in lanes and one by one, over 1 + k", 16 * ulp);
}

TEST_CASE("laws: log p of a truncated logistic in float departs from double by 2e-6 (1 + k)") {
  laws::worst error;
  for_each_row([&](const auto& head, const auto& raw, const place& at, const std::string& where) {
    const auto row = row_of<float>(head, raw, at);
    const auto exact = row_of<double>(head, raw, at);
    for (index_t s = 0; s < head.S; ++s)
      error.see(std::abs(static_cast<double>(row.log_prob(s)) - exact.log_prob(s)) / (1 + exact.at.steepness), "log_prob", s,
                where);
  });
  error.check("log p in float, over 1 + k", 2e-6);
}
