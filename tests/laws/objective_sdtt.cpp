// Self-distillation through time: the distances between rows with their slopes, and the targets that k teacher steps give, against the
// average over all paths, in a first round and in a second.
#include <dimix/denoiser/tabular.hpp>
#include <dimix/distiller/teacher_rows.hpp>
#include <dimix/parity/sdtt_losses.hpp>

#include "core/refuses.hpp"
#include "laws/objective.hpp"

#include <map>

using namespace dimix;

namespace {

const laws::tested one = laws::on(1);
constexpr index_t D = 2, S = 3;  // two states and the mask
constexpr token mask = 2;
using process_type = forward_process<absorbing<S>, log_linear>;

array<token, 2> half_hidden() {
  array<token, 2> x_t(2, 3);  // (B, D)
  x_t.fill(3);
  x_t(0, 1) = 2;
  return x_t;
}

/// Rows of a factorized net at (x, t): (D, S)
template <class Net>
array<double, 2> rows_at(const Net& net, const std::vector<token>& x, double t) {
  array<double, 4> raw(1, 1, D, S);  // (B, 1, D, S)
  const array<double, 3> none(1, 1, 0);
  const view<const token, 2> tokens(x.data(), 1, D);
  net(request<double>{tokens, view<const double, 1>(&t, 1), none, {}}, raw.whole());
  const auto rows = marginals<double>(subs{mask}, tokens, view<const double, 4>(raw), S, one);
  array<double, 2> result(D, S);  // (D, S)
  std::copy(rows.begin(), rows.end(), result.begin());
  return result;
}

/// The average target of two steps from t over u to s, all paths written out: (D, S)
template <class Net>
array<double, 2> average_targets(const Net& net, const std::vector<token>& x, double t, double u) {
  const double q = process_type().between(u, t).posterior(0, 0, mask, mask);  // the mask stays
  const auto first = rows_at(net, x, t);
  array<double, 2> result(D, S);  // (D, S)
  for (index_t d = 0; d < D; ++d) {
    const index_t e = 1 - d;
    if (x[static_cast<std::size_t>(d)] != mask) {
      result(d, x[static_cast<std::size_t>(d)]) = 1;
      continue;
    }
    for (index_t a = 0; a < S; ++a) result(d, a) = (1 - q) * first(d, a);
    const auto where_hidden = [&](token other, double weight) {
      std::vector<token> x_u(D, mask);
      x_u[static_cast<std::size_t>(e)] = other;
      const auto then = rows_at(net, x_u, u);
      for (index_t a = 0; a < S; ++a) result(d, a) += q * weight * then(d, a);
    };
    if (x[static_cast<std::size_t>(e)] != mask) {
      where_hidden(x[static_cast<std::size_t>(e)], 1);
    } else {
      where_hidden(mask, q);
      for (token a = 0; a < mask; ++a) where_hidden(a, (1 - q) * first(e, a));
    }
  }
  return result;
}

/// A student of one round at its optimum: two steps of its teacher in one of the given length.
template <class Net>
struct doubled {
  const Net& teacher;
  double length;
  index_t outputs() const { return S; }
  void operator()(const request<double>& asked, view<double, 4> raw) const {
    std::map<std::vector<token>, array<double, 2>> known;
    for (index_t b = 0; b < asked.batch(); ++b) {
      const std::vector<token> x(asked.tokens.row(b).begin(), asked.tokens.row(b).end());
      if (!known.count(x)) known[x] = average_targets(teacher, x, asked.times(b), asked.times(b) - length / 2);
      for (index_t i = 0; i < D * S; ++i) raw.row(b, 0, 0).data()[i] = std::max(-700.0, std::log(known[x].data()[i]));
    }
  }
};

/// The mean over n items of teacher_rows in two steps is the average over paths, within 5 standard errors.
template <class Net>
array<double, 3> check_targets(const Net& net, const std::vector<token>& x, double t, double s) {
  const index_t n = laws::draws(20000);
  array<token, 2> x_t(n, D);  // (n, D)
  for (index_t i = 0; i < n; ++i) std::copy(x.begin(), x.end(), x_t.whole().row(i).data());
  array<double, 1> from(n), to(n);   // (n)
  array<std::uint64_t, 1> items(n);  // (n)
  for (index_t i = 0; i < n; ++i) from(i) = t, to(i) = s, items(i) = static_cast<std::uint64_t>(i);
  array<double, 3> rows = teacher_rows<double>(process_type(), net, x_t, from, to, 2, rng{4}, items, one);  // (n, D, S)
  const auto exact = average_targets(net, x, t, (t + s) / 2);
  for (index_t cell = 0; cell < D * S; ++cell) {
    double mean = 0, square = 0;
    for (index_t i = 0; i < n; ++i) {
      const double p = rows.data()[i * D * S + cell];
      mean += p / static_cast<double>(n), square += p * p / static_cast<double>(n);
    }
    CAPTURE(cell);
    // a sum of n numbers rounds n times
    CHECK(std::abs(mean - exact.data()[cell]) <=
          1e-16 * static_cast<double>(n) + 5 * std::sqrt(std::max(0.0, square - mean * mean) / static_cast<double>(n)));
  }
  return rows;
}

const token pairs[] = {0, 0, 0, 1, 1, 0, 1, 1};
const double likely[] = {0.6, 0.1, 0.05, 0.25};
tabular<process_type> make_teacher() { return {process_type(), {pairs, 4, D}, {likely, 4}}; }

}  // namespace

TEST_CASE("laws: the losses of SDTT: gradient = central difference") {
  const auto check = [](auto& at) {
    const view<const double, 3> T = at.teacher;
    for (bool weighted : {false, true}) {
      laws::check_objective(at, weighted, one, squared_error<double>{T, {at.weights}});
      laws::check_objective(at, weighted, one, total_variation<double>{T, {at.weights}});
      laws::check_objective(at, weighted, one, reverse_divergence<double>{T, {at.weights}});
      laws::check_objective(at, weighted, one, row_loss<double, reverse_kl, rows_of::marginals>{T, {at.weights}},
                            row_loss<double, square, rows_of::marginals>{T}, row_loss<double, absolute, rows_of::marginals>{T});
    }
  };
  laws::site<double, softmax> dense(softmax{}, array<token, 2>(2, 3), 3, 4, 1);
  laws::site<double, subs> hidden(subs{3}, half_hidden(), 2, 4, 1);
  check(dense);
  check(hidden);
  laws::check_objective(dense, true, one, sdtt::log_squared_error<double>{dense.teacher, {{}, 0.1}},
                        sdtt::log_total_variation<double>{dense.teacher});
  laws::check_objective(hidden, false, one, sdtt::log_squared_error<double>{hidden.teacher, {{}, 0.1}},
                        sdtt::log_total_variation<double>{hidden.teacher});
}

TEST_CASE("laws: the losses of SDTT are their formulas") {
  const laws::site<double, softmax> at(softmax{}, array<token, 2>(2, 3), 3, 4, 1);
  const laws::reference<double, softmax> formula{at, true};
  const view<const double, 3> T = at.teacher;
  auto loss =
      make_objective<double>(at.head, at.tokens, 3, 4, {.log_weights = at.log_weights}, squared_error<double>{T},
                             total_variation<double>{T}, reverse_divergence<double>{T}, sdtt::log_squared_error<double>{T},
                             sdtt::log_total_variation<double>{T}, row_loss<double, square, rows_of::marginals>{T});
  value(loss, at.given(), one);
  for (index_t b = 0; b < 2; ++b) {
    double wanted[6] = {};
    for (index_t d = 0; d < 3; ++d)
      for (index_t s = 0; s < 4; ++s) {
        const double target = T(b, d, s);
        for (index_t m = 0; m < 3; ++m) {
          const double p = formula.p(b, m, d, s), pi = formula.pi(b, m), gap = std::log(p) - std::log(target);
          wanted[0] += pi * std::pow(p - target, 2);
          wanted[1] += pi * std::abs(p - target) / 2;
          wanted[2] += pi * p * gap;
          wanted[3] += pi * gap * gap;
          wanted[4] += pi * std::abs(gap);
        }
        wanted[5] += std::pow(formula.marginal(b, d, s) - target, 2);
      }
    for (index_t j = 0; j < 6; ++j) CHECK(loss.value(j)(b) == doctest::Approx(wanted[j]).epsilon(1e-13));
  }
}

TEST_CASE("laws: one teacher step gives the teacher's rows, and a revealed token its own") {
  const auto teacher = make_teacher();
  array<token, 2> x_t(2, D);  // (B, D)
  x_t.fill(mask);
  x_t(1, 0) = 1;
  const std::vector<double> t{0.7, 0.4}, s{0.2, 0.0};
  const std::vector<std::uint64_t> items{3, 4};
  const auto rows =
      teacher_rows<double>(process_type(), teacher, x_t, {t.data(), 2}, {s.data(), 2}, 1, rng{1}, {items.data(), 2}, one);
  for (index_t b = 0; b < 2; ++b) {
    const auto wanted = rows_at(teacher, {x_t(b, 0), x_t(b, 1)}, t[static_cast<std::size_t>(b)]);
    for (index_t i = 0; i < D * S; ++i) CHECK(std::abs(rows.data()[b * D * S + i] - wanted.data()[i]) < 1e-15);
  }
  CHECK(rows(1, 0, 1) == 1);
  // any number of threads, and the batch split
  const std::vector<double> early{0.9, 0.8};
  const auto both = teacher_rows<double>(process_type(), teacher, x_t, {early.data(), 2}, {s.data(), 2}, 4, rng{1},
                                         {items.data(), 2}, laws::on(3));
  const auto second = teacher_rows<double>(process_type(), teacher, view<const token, 2>(x_t.data() + D, 1, D),
                                           {early.data() + 1, 1}, {s.data() + 1, 1}, 4, rng{1}, {items.data() + 1, 1}, one);
  for (index_t i = 0; i < D * S; ++i) CHECK(both.data()[D * S + i] == second.data()[i]);
}

TEST_CASE("laws: the mean of the targets is the average over all paths, in the first round and in the second") {
  const auto teacher = make_teacher();
  check_targets(teacher, {mask, mask}, 0.9, 0.3);
  check_targets(teacher, {1, mask}, 0.9, 0.3);
  check_targets(teacher, {mask, mask}, 1.0, 0.0);
  const doubled<tabular<process_type>> student{teacher, 0.5};
  check_targets(student, {mask, mask}, 1.0, 0.0);
  check_targets(student, {mask, 0}, 1.0, 0.0);
}

TEST_CASE("laws: after a round the student's rows are the average targets") {
  // a teacher that knows nothing at t = 1, so that two steps are not one
  struct timid {
    tabular<process_type> exact = make_teacher();
    index_t outputs() const { return S; }
    void operator()(const request<double>& asked, view<double, 4> raw) const {
      exact(asked, raw);
      for (index_t b = 0; b < asked.batch(); ++b)
        for (index_t i = 0; i < D * S; ++i) raw.row(b, 0, 0).data()[i] *= 1 - asked.times(b);
    }
  };
  const timid teacher;
  const std::vector<token> x{mask, mask};
  const array<double, 3> targets = check_targets(teacher, x, 1.0, 0.0);  // (n, D, S)
  const index_t n = targets.extent(0);
  array<token, 2> x_t(n, D);  // (n, D)
  x_t.fill(mask);
  array<double, 4> raw(n, 1, D, S), gradient(n, 1, D, S);  // (n, 1, D, S)  one table, in every item
  array<double, 1> table(D * S);
  for (int i = 0; i < 60; ++i) {
    for (index_t j = 0; j < raw.size(); ++j) raw.data()[j] = table.data()[j % (D * S)];
    auto loss = make_objective<double>(subs{mask}, x_t, 1, S, {}, distillation_bound<double>{targets});
    dimix::gradient(loss, view<const double, 4>(raw), gradient.whole(), one);
    for (index_t j = 0; j < raw.size(); ++j) table.data()[j % (D * S)] -= 2 * gradient.data()[j];
  }
  const auto wanted = average_targets(teacher, x, 1.0, 0.5), before = rows_at(teacher, x, 1.0);
  for (index_t d = 0; d < D; ++d) {
    const double p = 1 / (1 + std::exp(table(d * S + 1) - table(d * S)));
    CHECK(p == doctest::Approx(wanted(d, 0)).epsilon(0.01));
    CHECK(std::abs(wanted(d, 0) - before(d, 0)) > 0.02);
  }
}

TEST_CASE("bad input: teacher_rows") {
  const auto teacher = make_teacher();
  array<token, 2> x_t(2, D);  // (B, D)
  x_t.fill(mask);
  const auto run = [&](const std::vector<double>& t, const std::vector<double>& s, index_t steps) {
    const std::vector<std::uint64_t> items{3, 4};
    const auto of = [](const auto& v) { return view<const double, 1>(v.data(), static_cast<index_t>(v.size())); };
    teacher_rows<double>(process_type(), teacher, x_t, of(t), of(s), steps, rng{1}, {items.data(), 2}, one);
  };
  run({0.5, 0.5}, {0, 0}, 2);
  using test_core::refuses;
  refuses<invalid_argument>([&] { run({0.5, 0.5}, {0, 0}, 0); }, {"teacher_rows: steps = 0"});
  refuses<invalid_argument>([&] { run({0.5}, {0, 0}, 1); }, {"teacher_rows: t", "(1)", "(2)"});
  refuses<invalid_argument>([&] { run({0.5, 0.5}, {0}, 1); }, {"teacher_rows: s", "(1)"});
  refuses<invalid_argument>([&] { run({0.5, 0.5}, {0, 0.6}, 1); }, {"s = 0.6", "t = 0.5"});
  x_t(1, 1) = 3;
  refuses<invalid_argument>([&] { run({0.5, 0.5}, {0, 0}, 1); }, {"teacher_rows: x_t[1, 1] = 3"});
}
