// truncated_logistic in lanes and in float: the widest lanes are those of the processor that this file is compiled for.
#include <dimix/head.hpp>

#include "laws/support.hpp"

#include <sstream>
#include <utility>
#include <vector>

using namespace dimix;

namespace {

/// f(head, raw (2), place, what to say of it) for means and scales from mild to extreme: the mean within and next to the ends, k = e^-6 to e^10.
template <class F>
void for_each_row(const F& f) {
  for (index_t S : {2, 5, 67, 256, 1500})
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

TEST_CASE_TEMPLATE(
    "laws: a sweep over the bins of a truncated logistic says what each bin says, with two exponentials for W of them", Real,
    float, double) {
  const double ulp = std::numeric_limits<Real>::epsilon(), least = static_cast<double>(std::numeric_limits<Real>::min());
  const vector_group<Real> group;
  laws::worst kept_error, share_error;
  for_each_row([&](const auto& head, const auto& raw, const place& at, const std::string& where) {
    array<Real, 1> weights(head.S);  // (S)
    const auto row = row_of<Real>(head, raw, at);
    const double k = static_cast<double>(row.at.steepness);
    const auto kept = head.template keep<Real>(group, view<const float, 1>(raw), at, weights.whole());
    CHECK(kept.doubt == 0);
    double sum = 0;
    for (index_t s = 0; s < head.S; ++s) {
      const double p = static_cast<double>(weights(s) * kept.each), wanted = static_cast<double>(row.prob(s));
      kept_error.see(std::abs(p - wanted) / (least + wanted) / (1 + k), "s =", s, where);
      sum += p;
    }
    share_error.see(std::abs(sum - 1) / (1 + k), where);
  });
  kept_error.check("kept p beside p, relative, over 1 + k", 16 * ulp);
  share_error.check("sum of what is kept, over 1 + k", 16 * ulp);

  const truncated_logistic head{67};
  array<float, 1> raw(2);      // (outputs)
  array<Real, 1> weights(67);  // (S)
  for (index_t o = 0; o < 2; ++o)
    for (float bad : {std::numeric_limits<float>::quiet_NaN(), infinity<float>(), -infinity<float>()}) {
      const float good = std::exchange(raw(o), bad);
      CHECK(std::isnan(head.keep<Real>(group, view<const float, 1>(raw), {0, 0, 3}, weights.whole()).doubt));
      raw(o) = good;
    }
}

TEST_CASE_TEMPLATE("laws: a truncated logistic observes neighbouring positions as it observes each", Real, float, double) {
  const index_t n = 21;
  array<Real, 2> raw(n, 2);  // (n, outputs)
  array<token, 1> now(n);    // (n)
  laws::fill_noise(raw, 3, 4);
  for (index_t i = 0; i < n; ++i) now(i) = static_cast<token>(3 * i);
  laws::worst error;
  for (tails beyond : {tails::cut, tails::to_ends}) {
    const truncated_logistic head{67, beyond};
    const auto observe = [&](const auto& group) {
      std::vector<logistic_state<Real>> states(static_cast<std::size_t>(n));
      head.template observe_positions<Real>(group, view<const Real, 2>(raw), view<const token, 1>(now),
                                            view<logistic_state<Real>, 1>(states.data(), n));
      return states;
    };
    const auto together = observe(vector_group<Real>{}), in_turn = observe(serial_group{});
    for (index_t i = 0; i < n; ++i) {
      const auto& one = together[static_cast<std::size_t>(i)];
      const auto& other = in_turn[static_cast<std::size_t>(i)];
      const auto alone = head.template observe<Real>(serial_group{}, view<const Real, 2>(raw).row(i), {0, i, now(i)});
      CHECK(other.scale == alone.scale);
      for (auto member : {&logistic_state<Real>::mean, &logistic_state<Real>::steepness, &logistic_state<Real>::two_h,
                          &logistic_state<Real>::ratio, &logistic_state<Real>::scale, &logistic_state<Real>::log_scale,
                          &logistic_state<Real>::by_mean, &logistic_state<Real>::by_steep})
        error.see(std::abs(static_cast<double>(one.*member - other.*member)) /
                      (1 + std::abs(static_cast<double>(other.*member))) / (1 + static_cast<double>(alone.steepness)),
                  "position", i);
    }
  }
  error.check("states side by side and one by one, over 1 + k", 16 * std::numeric_limits<Real>::epsilon());
}
