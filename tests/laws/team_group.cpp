// Teams of many threads keep the laws of a group, and every row body says under them what it says in one thread.
#include <dimix/head/truncated_logistic.hpp>
#include <dimix/marginal.hpp>
#include <dimix/objective.hpp>

#include "laws/fibres.hpp"
#include "laws/objective.hpp"

using namespace dimix;

namespace {

const cpu one(1);

/// What every member finds of n numbers: sums, a maximum, and how often indices were visited.
struct group_laws {
  index_t n;
  view<double, 2> sums;      // (members, 4)
  view<index_t, 1> visits;   // (n)
  view<index_t, 1> leaders;  // (1)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<float, 1>, index_t) const {
    group.for_each(n, [&](index_t i) { ++visits[i]; });
    const index_t me = group.rank();
    sums(me, 0) = group.reduce(n, 0.0, plus{}, [](index_t i) { return static_cast<double>(i); });
    sums(me, 1) = static_cast<double>(group.reduce(n, -1.0f, maximum{}, [](index_t i) { return static_cast<float>(i % 7); }));
    sums(me, 2) = group
                      .reduce(n, exp_sum<double>{}, merged{},
                              [](index_t i) { return exp_sum<double>::of(500 + std::log(static_cast<double>(i + 1))); })
                      .log();
    sums(me, 3) = group.reduce(n, 0.0, plus{}, [](index_t i) { return 1 / static_cast<double>(i + 1); });
    if (group.leader()) ++leaders[0];
  }
};

/// Two numbers that are added up at once.
template <class Number>
struct sum_and_least {
  Number sum, least;

  DIMIX_HD friend sum_and_least operator+(sum_and_least a, sum_and_least b) {
    return {a.sum + b.sum, smaller(a.least, b.least)};
  }
  template <class Lanes>
  DIMIX_HD friend void add_lanes(sum_and_least& total, const sum_and_least<Lanes>& part) {
    for (int w = 0; w < Lanes::width; ++w) total = total + sum_and_least{part.sum[w], part.least[w]};
  }
};

/// Squares of rows whose addresses are any, and their sums, in lanes and one by one without a barrier between.
template <class Real, class Stored>
struct squares_row {
  view<const Stored, 2> from;  // (rows, n)
  view<Stored, 2> to;          // (rows, n)
  view<Real, 2> sums;          // (rows, 4)  of the squares, of twice the squares, of these again, and the least of these
  view<index_t, 1> single;     // (n)  how often an index came alone

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<Real, 1> tile, index_t row) const {
    const index_t n = from.extent(1);
    const auto x = from.row(row);  // (n)
    const auto y = to.row(row);    // (n)
    group.for_each(n, [&](auto i) {
      if constexpr (std::is_same_v<decltype(i), index_t>) ++single[i];
      write(tile, i, read<Real>(x, i) * read<Real>(x, i));
    });
    const auto square = [&](auto i) { return read<Real>(tile, i); };
    const Real sum = group.reduce(n, Real(0), plus{}, square);
    group.for_each(n, [&](index_t i) { tile[i] = tile[i] + tile[i]; });
    const Real twice = group.reduce(n, Real(0), plus{}, [&](index_t i) { return tile[i]; });
    group.for_each(n, [&](auto i) { write(y, i, read<Real>(tile, i)); });
    const auto both = group.reduce(n, sum_and_least<Real>{Real(0), infinity<Real>()}, plus{}, [&](auto i) {
      return sum_and_least<decltype(square(i))>{square(i), square(i)};
    });
    if (group.leader()) sums(row, 0) = sum, sums(row, 1) = twice, sums(row, 2) = both.sum, sums(row, 3) = both.least;
  }
};

template <class Real, class Stored, class Team>
void check_lanes(const Team& team, index_t members) {
  const index_t rows = 4, width = team_lanes<Real>;
  for (index_t n : {members, members * width / 2, members * width * 3 + 1, members * width * 2 - 1}) {
    array<Stored, 1> numbers(rows * n + 1);  // the same rows once more, one element later
    laws::fill_noise(numbers, 1, 2);
    array<Real, 2> first(rows, 4);  // (rows, 4)
    for (index_t shift : {0, 1}) {
      CAPTURE(n);
      CAPTURE(shift);
      array<Stored, 1> from(rows * n + 2), to(rows * n + 2);  // ends that nothing may touch
      array<Real, 2> sums(rows, 4);                           // (rows, 4)
      array<index_t, 1> single(n);                            // (n)
      std::copy(numbers.begin(), numbers.end() - 1, from.begin() + shift);
      to.fill(Stored(-1.0f));
      team.template sweep<Real>(
          rows, n,
          squares_row<Real, Stored>{
              {from.data() + shift, rows, n}, {to.data() + shift, rows, n}, sums.whole(), single.whole()});
      index_t wrong = 0;
      for (index_t i = 0; i < rows * n; ++i) {
        const Real x = static_cast<Real>(numbers(i));
        wrong += to(shift + i) != Stored(x * x + x * x);
      }
      CHECK(wrong == 0);
      CHECK(to(rows * n + 1) == Stored(-1.0f));
      if (shift > 0) CHECK(to(0) == Stored(-1.0f));
      // side by side as soon as half of the members have something to do
      const bool beside = 2 * n >= members * width;
      CHECK(std::accumulate(single.begin(), single.end(), index_t{0}) == rows * (beside ? n % width : n));
      for (index_t r = 0; r < rows; ++r) {
        double total = 0;
        Real least = infinity<Real>();
        for (index_t i = r * n; i < (r + 1) * n; ++i) {
          const Real x = static_cast<Real>(numbers(i));
          total += static_cast<double>(x) * static_cast<double>(x);
          least = smaller(least, x * x + x * x);
        }
        for (index_t j = 0; j < 3; ++j)
          CHECK(static_cast<double>(sums(r, j)) ==
                doctest::Approx(j == 0 ? total : 2 * total).epsilon(sizeof(Real) == 4 ? 1e-5 : 1e-13));
        CHECK(sums(r, 3) == least);
      }
      if (shift == 0)
        first = sums;
      else
        CHECK(first == sums);  // the order hangs on no address
    }
  }
}

/// Member 0 writes what all the others read next: without a barrier between unless `waits`.
struct handing_on {
  bool waits;
  view<index_t, 1> place;  // (1)
  view<index_t, 1> seen;   // (members)

  template <class Group>
  DIMIX_HD void operator()(const Group& group, view<float, 1>, index_t) const {
    if (group.leader()) place[0] = 7;
    if (waits) group.sync();
    seen[group.rank()] = place[0];
  }
};

template <class Real>
void check_close(const std::string& what, const array<Real, 4>& got, const array<Real, 4>& expected, double bound) {
  laws::worst gaps;
  for (index_t i = 0; i < got.size(); ++i)
    gaps.see(std::abs(static_cast<double>(got.data()[i] - expected.data()[i])) /
                 (1 + std::abs(static_cast<double>(expected.data()[i]))),
             "flat index", i);
  gaps.check(what, bound);
}

/// The objective of terms_of(targets, teacher, weights) on the host and by a team: value and gradient in chunks of components.
template <class Real, class Head, class Backend, class TermsOf>
void check_objective(const laws::site<Real, Head>& at, const Backend& team, double bound, const TermsOf& terms_of) {
  const index_t outputs = at.raw.extent(3);
  array<Real, 4> expected(at.B, at.M, at.D, outputs);                       // (B, M, D, outputs)
  array<Real, 2> weight_gradient(at.B, at.M), weights_of_team(at.B, at.M);  // (B, M)
  Real value_here = 0;
  std::apply(
      [&](const auto&... term) {
        auto loss =
            make_objective<Real>(at.head, at.tokens, at.M, at.S,
                                 objective_options<Real>{.log_weights = at.log_weights, .log_weight_gradient = true}, term...);
        value_here = value_and_gradient(loss, at.given(), expected.whole(), one);
        loss.log_weight_gradient(weight_gradient.whole());
      },
      terms_of(view<const token, 3>(at.targets), view<const Real, 3>(at.teacher), view<const Real, 1>(at.weights)));

  const auto tokens = team.sent(at.tokens);
  const auto log_weights = team.sent(at.log_weights);
  const auto targets = team.sent(at.targets);
  const auto teacher = team.sent(at.teacher);
  const auto weights = team.sent(at.weights);
  const auto raw = team.sent(at.raw);
  array<Real, 4, device_space> out(team.memory(), at.B, at.M, at.D, outputs);  // (B, M, D, outputs)
  array<Real, 2, device_space> out_weights(team.memory(), at.B, at.M);         // (B, M)
  std::apply(
      [&](const auto&... term) {
        auto loss = make_objective<Real>(
            at.head, tokens.rows(), at.M, at.S,
            objective_options<Real>{.log_weights = log_weights.rows(), .log_weight_gradient = true, .memory = team.memory()},
            term...);
        const index_t before = team.allocations();
        for (int round = 0; round < 2; ++round) {
          loss.observe(raw.whole(), 0, team);
          loss.close(team);
          loss.gradient(raw.whole(), 0, out.whole(), team);
          loss.log_weight_gradient(out_weights.whole(), team);
        }
        CHECK(team.allocations() == before);
        CHECK_THROWS_WITH_AS(loss.loss(), doctest::Contains("collect()"), invalid_argument);
        loss.collect(team);
        CHECK(static_cast<double>(loss.loss()) == doctest::Approx(static_cast<double>(value_here)).epsilon(bound));
      },
      terms_of(targets.rows(), teacher.rows(), weights.rows()));
  check_close("gradient", team.fetched(out), expected, bound);
  team.fetch(out_weights.whole(), weights_of_team.whole());
  for (index_t i = 0; i < weight_gradient.size(); ++i)
    CHECK(static_cast<double>(weights_of_team.data()[i]) ==
          doctest::Approx(static_cast<double>(weight_gradient.data()[i])).epsilon(bound));
}

/// Two items of three positions, some revealed, S states with the mask last.
array<token, 2> half_hidden(token mask) {
  array<token, 2> x_t(2, 3);  // (B, D)
  x_t.fill(mask);
  x_t(0, 1) = 2;
  return x_t;
}

template <class Real, class Backend>
void check_heads(const Backend& team, double bound) {
  const auto terms = [](auto x, auto T, auto w) {
    return std::tuple(consistency<Real>{{x, {w, Real(0.5)}}, {T}}, correlation<Real>{x, {w, Real(0.1)}},
                      marginal_divergence<Real>{T}, distillation_bound<Real>{T, {w, Real(2)}}, squared_error<Real>{T},
                      jackknife_negative_log_likelihood<Real>{x, {{}, Real(0.2)}});
  };
  check_objective(laws::site<Real, softmax>(softmax{}, half_hidden(0), 3, 259, 5), team, bound,
                  terms);  // in lanes, any address
  check_objective(laws::site<Real, softmax>(softmax{}, half_hidden(0), 3, 3, 2), team, bound, terms);
  check_objective(laws::site<Real, subs>(subs{130}, half_hidden(130), 3, 131, 2), team, bound, terms);
  check_objective(laws::site<Real, truncated_logistic>(truncated_logistic{131}, half_hidden(0), 3, 131, 3), team, bound, terms);
}

}  // namespace

TEST_CASE("laws: teams are groups" * doctest::skip(laws::fibres_are_watched)) {
  laws::for_each_team([](const auto& team) {
    for (index_t n : {0, 1, 31, 32, 33, 64, 127, 128, 129, 1000}) {
      CAPTURE(n);
      array<double, 2, device_space> sums(team.memory(), 128, 4);
      const array<index_t, 1> none(n), no_leader(1);
      auto visits = team.sent(none);
      auto leaders = team.sent(no_leader);
      team.template sweep<float>(1, 0, group_laws{n, sums.rows(), visits.rows(), leaders.rows()});
      for (index_t count : team.fetched(visits)) CHECK(count == 1);
      CHECK(team.fetched(leaders)(0) == 1);
      const auto found = team.fetched(sums);
      double harmonic = 0;
      for (index_t i = n; i > 0; --i) harmonic += 1 / static_cast<double>(i);
      for (index_t member = 0; member < 32; ++member) {
        CHECK(found(member, 0) == static_cast<double>(n * (n - 1) / 2));
        CHECK(found(member, 1) == (n > 6 ? 6 : static_cast<double>(n - 1)));
        if (n == 0)
          CHECK(found(member, 2) == -infinity<double>());
        else
          CHECK(found(member, 2) == doctest::Approx(500 + std::log(static_cast<double>(n * (n + 1) / 2))).epsilon(1e-14));
        CHECK(found(member, 3) == doctest::Approx(harmonic).epsilon(1e-14));
        CHECK(found(member, 3) == found(0, 3));  // the same bits in every member
      }
    }
  });
}

TEST_CASE("laws: members of a team take lanes of rows at any address, and what is left one by one" *
          doctest::skip(laws::fibres_are_watched)) {
  check_lanes<float, float>(laws::emulated<team::warp>(), 32);
  check_lanes<float, bfloat16>(laws::emulated<team::block>(), 64);
  check_lanes<double, double>(laws::emulated<team::cluster>(), 128);
}

TEST_CASE("laws: a body whose members do not meet is caught" * doctest::skip(laws::fibres_are_watched)) {
  laws::crew all(1, 1);
  CHECK(!all.run([&](int member) {
    const team_group<team::warp, laws::fibre_threads> group{{&all, member}};
    if (member < 7) group.sync();
  }));
}

TEST_CASE("laws: a body that reads what another member has yet to write is caught" * doctest::skip(laws::fibres_are_watched)) {
  laws::for_each_team([](const auto& team) {
    for (bool waits : {true, false}) {
      const array<index_t, 1> nothing(1), nobody(128);
      auto place = team.sent(nothing);
      auto seen = team.sent(nobody);
      team.template sweep<float>(1, 0, handing_on{waits, place.rows(), seen.rows()});
      const auto found = team.fetched(seen);
      CHECK(std::all_of(found.begin(), found.begin() + 32, [](index_t x) { return x == 7; }) == waits);
    }
  });
}

TEST_CASE("laws: objectives by teams, in memory that the host does not see, without an allocation in a step" *
          doctest::skip(laws::fibres_are_watched)) {
  laws::for_each_team([](const auto& team) { check_heads<double>(team, 1e-12); });
}

TEST_CASE("laws: the same in float" * doctest::skip(laws::fibres_are_watched)) {
  laws::for_each_team([](const auto& team) { check_heads<float>(team, 2e-5); });
}

TEST_CASE("laws: the functions of the marginalisation by teams" * doctest::skip(laws::fibres_are_watched)) {
  laws::for_each_team([](const auto& team) {
    const laws::site<double, softmax> at(softmax{}, half_hidden(0), 3, 40, 5);
    const auto tokens = team.sent(at.tokens);
    const auto raw = team.sent(at.raw);
    const auto targets = team.sent(at.targets);
    const auto likelihood =
        log_likelihood<double, jackknife>(softmax{}, tokens.whole(), raw.whole(), targets.whole(), at.S, team);
    const auto expected = log_likelihood<double, jackknife>(softmax{}, at.tokens, at.given(), at.targets, at.S, one);
    for (index_t i = 0; i < expected.size(); ++i)
      CHECK(likelihood.data()[i] == doctest::Approx(expected.data()[i]).epsilon(1e-13));
    const auto shares = responsibilities<double>(softmax{}, tokens.whole(), raw.whole(), targets.whole(), at.S, team);
    const auto shares_here = responsibilities<double>(softmax{}, at.tokens, at.given(), at.targets, at.S, one);
    for (index_t i = 0; i < shares.size(); ++i)
      CHECK(shares.data()[i] == doctest::Approx(shares_here.data()[i]).epsilon(1e-12));
    const auto rows = marginals<double>(softmax{}, tokens.whole(), raw.whole(), at.S, team);
    const auto rows_here = marginals<double>(softmax{}, at.tokens, at.given(), at.S, one);
    for (index_t i = 0; i < rows.size(); ++i) CHECK(rows.data()[i] == doctest::Approx(rows_here.data()[i]).epsilon(1e-12));
  });
}

TEST_CASE("laws: draws by teams have the bits of the host, and differ only where a boundary rounds" *
          doctest::skip(laws::fibres_are_watched)) {
  laws::for_each_team([](const auto& team) {
    const index_t B = 5, M = 8, D = 10, S = 301;  // parts of 64 states, in lanes by a warp
    array<float, 4> raw(B, M, D, S);              // (B, M, D, S)
    laws::fill_noise(raw, 1, 3);
    const array<token, 2> x_t(B, D);   // (B, D)
    array<std::uint64_t, 1> items(B);  // (B)
    for (index_t b = 0; b < B; ++b) items(b) = static_cast<std::uint64_t>(100 + b);
    array<token, 3> here(B, M, D);  // (B, M, D)
    draw_tokens(softmax{}, x_t, view<const float, 4>(raw), S, rng{3}, purpose::target, items, 2, here.whole(), one);
    array<token, 3, device_space> there(team.memory(), B, M, D);  // (B, M, D)
    const auto given = team.sent(raw);
    const auto tokens = team.sent(x_t);
    const auto ids = team.sent(items);
    draw_tokens(softmax{}, tokens.whole(), given.whole(), S, rng{3}, purpose::target, ids.whole(), 2, there.whole(), team);
    const auto drawn = team.fetched(there);
    index_t different = 0;
    for (index_t i = 0; i < here.size(); ++i) different += here.data()[i] != drawn.data()[i];
    MESSAGE(different << " of " << here.size() << " tokens differ");
    CHECK(different <= 1);  // a boundary moves by about 1e-7
  });
}

TEST_CASE("laws: what is wrong on a device is written down there, and thrown where the host looks" *
          doctest::skip(laws::fibres_are_watched)) {
  const laws::emulated<team::warp> team;
  const auto refused = [&](laws::site<double, softmax> at, const auto& spoil, const std::string& sentence) {
    CAPTURE(sentence);
    spoil(at);
    const auto tokens = team.sent(at.tokens);
    const auto raw = team.sent(at.raw);
    const auto targets = team.sent(at.targets);
    const auto weights = team.sent(at.log_weights);
    const auto teacher = team.sent(at.teacher);
    auto loss = make_objective<double>(softmax{}, tokens.rows(), at.M, at.S,
                                       objective_options<double>{.log_weights = weights.rows(), .memory = team.memory()},
                                       correlation<double>{targets.rows()}, marginal_divergence<double>{teacher.rows()});
    loss.observe(raw.whole(), 0, team);
    loss.close(team);
    CHECK_THROWS_WITH_AS(loss.collect(team), doctest::Contains(sentence.c_str()), error);
  };
  const laws::site<double, softmax> at(softmax{}, half_hidden(0), 3, 6, 2);
  refused(
      at, [](auto& a) { a.tokens(1, 2) = 6; }, "tokens holds 6 at flat index 5, which is not a state: it must lie in [0, 6)");
  refused(
      at, [](auto& a) { a.targets(1, 1, 0) = -1; }, "targets holds -1 at flat index 9");
  refused(
      at, [](auto& a) { a.log_weights(1, 0) = infinity<double>(); }, "log_weights of item 1");
  refused(
      at, [](auto& a) { a.raw(1, 2, 0, 3) = std::nan(""); }, "logits[1, :, 0, :] hold a number that is not finite");
  refused(
      at, [](auto& a) { a.teacher(0, 0, 1) = std::nan(""); }, "term 1 of item 0 is nan");
  const auto tokens = team.sent(at.tokens);
  const auto teacher = team.sent(at.teacher);
  const auto raw = team.sent(at.raw);
  auto forgotten =
      make_objective<double>(softmax{}, tokens.rows(), at.M, at.S, {}, marginal_divergence<double>{teacher.rows()});
  CHECK_THROWS_WITH_AS(forgotten.observe(raw.whole(), 0, team), doctest::Contains("options.memory"), invalid_argument);
}
