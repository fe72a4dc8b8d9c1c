// Rows of tables made as one product: they are the rows made one at a time, and draws follow them.
#include <dimix/forward_process/table_rows.hpp>
#include <dimix/state_space.hpp>

#include "laws/sampler.hpp"

using namespace dimix;

TEST_CASE_TEMPLATE("table rows: a product with a packed matrix is the sum", Real, float, double) {
  for (const index_t R : {1, 5, 12, 31, 96})
    for (const index_t N : {1, 3, 16, 40}) {
      const index_t K = 7 + N;
      array<Real, 2> a(R, K), b(K, N);
      for (index_t i = 0; i < a.size(); ++i) a.data()[i] = static_cast<Real>(laws::uniform_number(1, i));
      for (index_t i = 0; i < b.size(); ++i) b.data()[i] = static_cast<Real>(laws::uniform_number(2, i));
      const packed_matrix<Real> packed(b.whole());
      array<Real, 2> out(R, packed.columns());  // (R, N, then zeros)
      out.fill(Real(-1));
      packed.multiply(a, out);
      laws::worst error;
      for (index_t r = 0; r < R; ++r)
        for (index_t n = 0; n < packed.columns(); ++n) {
          double sum = 0;
          for (index_t k = 0; k < K && n < N; ++k) sum += static_cast<double>(a(r, k)) * static_cast<double>(b(k, n));
          error.see(std::abs(static_cast<double>(out(r, n)) - sum) / (1 + sum), "row", r, "column", n);
        }
      error.check("error of a product", sizeof(Real) == 4 ? 1e-6 : 1e-14);
    }
}

namespace {

/// rows() of the sampler, which makes them in tiles, against kernel.reverse of the head's row.
template <class Real, class Process>
void check_rows(const Process& process, index_t D, double s, double t, double bound) {
  const index_t B = 3, S = process.max_states();
  const laws::some_net<typename Process::space_type> net{process.space(), 6};
  const auto x_t = laws::walk(process.space(), B, D);
  array<double, 1> from(B), to(B);  // (B)  the first two share their times
  from(0) = from(1) = s, from(2) = s / 2;
  to.fill(t);
  sampler<Real, Process, decltype(net), ancestral> steps(process, net);
  const array<Real, 3> rows = steps.rows(x_t, from, to, laws::no_latents<Real>(B));  // (B, D, S)
  sampler<Real, Process, decltype(net), analytic> others(process, net);
  CHECK(others.rows(x_t, from, to, laws::no_latents<Real>(B)) == rows);
  array<Real, 4> raw(B, 1, D, S);  // (B, 1, D, S)
  array<Real, 1> times(B);         // (B)
  times.fill(static_cast<Real>(t));
  net(request<Real>{x_t, times, laws::no_latents<Real>(B), {}, 0, {}}, raw.whole());
  laws::worst error, sum_error;
  for (index_t b = 0; b < B; ++b) {
    const auto kernel = process.template between<Real>(from(b), t);
    for (index_t d = 0; d < D; ++d) {
      const place at{b, d, x_t(b, d)};
      const auto row =
          kernel.reverse(d, at.now, make_row<Real>(serial_group{}, softmax{}, view<const Real, 4>(raw).row(b, 0, d), at));
      double sum = 0;
      for (index_t a = 0; a < S; ++a) {
        const double wanted = std::exp(static_cast<double>(row.log_prob(a))), made = static_cast<double>(rows(b, d, a));
        error.see(std::abs(made - wanted) / (wanted + 1e-6), "item", b, "position", d, "state", a);
        sum += made;
      }
      sum_error.see(std::abs(sum - 1), "item", b, "position", d);
    }
  }
  error.check("relative error of a row in tiles", bound);
  sum_error.check("a row in tiles minus 1", bound);
}

}  // namespace

TEST_CASE("table rows: those of a tile are those of kernel.reverse") {
  const forward_process levels(ordinal{40}, linear{});
  for (const index_t D : {1, 97, 200}) {
    CAPTURE(D);
    check_rows<double>(levels, D, 0.4, 0.6, 1e-11);
    check_rows<float>(levels, D, 0.4, 0.6, 2e-5);
  }
  check_rows<double>(levels, 5, 0, 0.6, 1e-11);
  check_rows<double>(levels, 5, 0.6, 0.6, 1e-11);
  check_rows<double>(levels, 5, 0.4, 1, 1e-11);
  check_rows<float>(levels, 5, 0.001, 0.002, 2e-4);  // q(x_t | x_0) far below the least float
  check_rows<double>(forward_process(birth_death<5>{}, linear{}), 9, 0.2, 0.9, 1e-11);
}

TEST_CASE("table rows: draws from tables follow their weights, with lanes as by one thread") {
  const forward_process levels(ordinal{150}, linear{});
  const auto kernel = levels.between<float>(0.3, 0.5);
  const index_t S = 150, n = laws::draws(100000);
  const token x_0 = 60, y = 70;
  std::vector<double> counts(static_cast<std::size_t>(S)), law;
  for (index_t a = 0; a < S; ++a) law.push_back(static_cast<double>(kernel.posterior(0, x_0, y, static_cast<token>(a))));
  index_t differ = 0;
  for (index_t i = 0; i < n; ++i) {
    const random_block bits = rng{4}(purpose::transition, static_cast<std::uint64_t>(i), 0, 0, 0);
    const token drawn = kernel.draw_posterior(vector_group<float>{}, 0, x_0, y, bits);
    differ += drawn != kernel.draw_posterior(serial_group{}, 0, x_0, y, bits);
    ++counts.at(static_cast<std::size_t>(drawn));
  }
  laws::check_frequencies("q(x_s | x_0, x_t)", counts, law);
  CHECK(differ <= n / 10000);
}
