// The laws of head.hpp, for any head:  laws::check_head<double>(my_head, S, place, seed)
// and of group.hpp: a row body says the same under every group.
#pragma once

#include <dimix/head.hpp>

#include "laws/support.hpp"

namespace laws {

/// log p in lanes, where a row takes them.
template <class Row, class Real>
void write_log_row(const Row& row, view<Real, 1> to) {
  dimix::vector_group<Real>{}.for_each(to.extent(0),
                                       [&]<dimix::index_of<Row> At>(At s) { dimix::write(to, s, row.log_prob(s)); });
}

/// Rows sum to 1, backward is the derivative, a fixed row has none, and every group says the same.
template <class Real, class Head>
void check_head(const Head& head, index_t S, dimix::place at, std::uint64_t seed, double spread = 4) {
  const index_t outputs = head.outputs(S);
  const double ulp = std::numeric_limits<Real>::epsilon();
  array<Real, 1> raw(outputs), gradient(outputs), in_lanes(outputs);  // (outputs)
  array<double, 1> slope(S);                                          // (S)
  fill_noise(raw, seed, spread);
  fill_noise(slope, seed + 1, 1);
  const view<const Real, 1> given = raw;
  const auto row_of = [&](const auto& group) {
    return head.template row<Real>(given, at, head.template observe<Real>(group, given, at));
  };
  const auto row = row_of(dimix::serial_group{});

  double sum = 0;
  for (index_t s = 0; s < S; ++s) sum += std::exp(static_cast<double>(row.log_prob(s)));
  CHECK(std::abs(sum - 1) <= static_cast<double>(S + 16) * ulp);
  if (row.fixed() >= 0) CHECK(row.log_prob(row.fixed()) == 0);

  // a slope on what is impossible means nothing
  for (index_t s = 0; s < S; ++s)
    if (row.log_prob(s) < Real(-1e5)) slope(s) = 0;
  array<Real, 1> slopes(S), weights(S);  // (S)
  for (index_t s = 0; s < S; ++s) slopes(s) = static_cast<Real>(slope(s));
  const auto slope_at = [&](auto s) { return dimix::read<Real>(slopes.whole(), s); };
  const auto run_backward = [&](const auto& group, array<Real, 1>& into) {
    into.fill(Real(99));  // every output must be written
    row_of(group).backward(group, S, slope_at, [&](auto o, auto g) { dimix::write(into.whole(), o, g); });
  };
  run_backward(dimix::serial_group{}, gradient);
  if (row.fixed() >= 0)
    for (Real g : gradient) CHECK(g == 0);

  worst derivative;
  if constexpr (sizeof(Real) == 8)
    for (index_t o = 0; o < outputs; ++o) {
      const double h = 1e-5, kept = raw(o);
      const auto value = [&](double z) {
        raw(o) = z;
        const auto moved = row_of(dimix::serial_group{});
        double total = 0;
        for (index_t s = 0; s < S; ++s)
          if (slope_at(s) != 0) total += slope_at(s) * moved.log_prob(s);
        raw(o) = kept;
        return total;
      };
      derivative.see(std::abs((value(kept + h) - value(kept - h)) / (2 * h) - gradient(o)), "output", o);
    }
  derivative.check("backward is the derivative of log_prob", 1e-7);

  worst groups;
  const auto compare = [&](const auto& group) {
    const auto other = row_of(group);
    CHECK(other.fixed() == row.fixed());
    for (index_t s = 0; s < S; ++s)
      if (row.log_prob(s) > -dimix::infinity<Real>())
        groups.see(std::abs(static_cast<double>(other.log_prob(s)) - static_cast<double>(row.log_prob(s))), "log_prob", s);
      else
        CHECK(other.log_prob(s) == row.log_prob(s));
    run_backward(group, in_lanes);
    for (index_t o = 0; o < outputs; ++o)
      groups.see(std::abs(static_cast<double>(in_lanes(o)) - static_cast<double>(gradient(o))) /
                     (1 + std::abs(static_cast<double>(gradient(o)))),
                 "backward", o);
  };
  compare(dimix::lane_group<4>{});
  compare(dimix::lane_group<16>{});
  const dimix::vector_group<Real> vectors;
  compare(vectors);
  write_log_row(row_of(vectors), weights.whole());
  for (index_t s = 0; s < S; ++s)
    if (row.log_prob(s) > -dimix::infinity<Real>())
      groups.see(std::abs(static_cast<double>(weights(s) - row.log_prob(s))), "log_prob in lanes", s);
    else
      CHECK(weights(s) == row.log_prob(s));
  const auto kept = dimix::keep_row(vectors, head, given, at, weights.whole());
  if (row.fixed() < 0)
    for (index_t s = 0; s < S; ++s)
      groups.see(std::abs(static_cast<double>(weights(s) * kept.each) - std::exp(static_cast<double>(row.log_prob(s)))), "kept",
                 s);
  groups.check("every group says the same", 64 * ulp * (1 + spread));
}

}  // namespace laws
