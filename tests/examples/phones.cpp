// The phone model against enumeration at D = 3, and the diagnostics against what is exact of it at any length.
#include <dimix/diagnostics.hpp>

#include <phones/trigram.hpp>

#include "laws/support.hpp"

using namespace dimix;

namespace {

const phones::trigram& model() {
  static const phones::trigram loaded(std::string(DIMIX_TEST_DATA) + "/../../examples/data/phones");
  return loaded;
}
const forward_process masked(absorbing<42>{}, log_linear{0});

array<token, 2> all_masked(index_t B, index_t D) {
  array<token, 2> x(B, D);  // (B, D)
  std::fill(x.begin(), x.end(), phones::mask);
  return x;
}

}  // namespace

TEST_CASE("phones: posteriors and entropies of three positions by enumeration") {
  const token evidence[][3] = {{41, 41, 41}, {41, 17, 41}, {7, 41, 41}, {41, 41, 40}, {31, 41, 12}, {40, 41, 3}};
  std::vector<array<double, 2>> rows(6, array<double, 2>(3, 41));  // (3, 41) each
  double total[6] = {}, joint = 0;
  laws::for_each_sequence(3, 41, [&](const std::vector<token>& x) {
    const double p = model().p(41, 41, x[0]) * model().p(41, x[0], x[1]) * model().p(x[0], x[1], x[2]);
    if (p > 0) joint -= p * std::log(p);
    for (std::size_t e = 0; e < 6; ++e) {
      bool agrees = true;
      for (std::size_t d = 0; d < 3; ++d) agrees = agrees && (evidence[e][d] == 41 || evidence[e][d] == x[d]);
      if (!agrees) continue;
      total[e] += p;
      for (index_t d = 0; d < 3; ++d) rows[e](d, x[static_cast<std::size_t>(d)]) += p;
    }
  });
  laws::worst off;
  array<double, 2> seen(3, 41);  // (3, 41)
  for (std::size_t e = 0; e < 6; ++e) {
    CHECK(model().posterior({evidence[e], 3}, seen) == (e != 5));  // a phone after the end cannot be
    for (index_t i = 0; e != 5 && i < seen.size(); ++i)
      off.see(std::abs(seen.data()[i] - rows[e].data()[i] / total[e]), "evidence", e, "flat index", i);
  }
  off.check("posterior", 1e-12);
  CHECK(total[0] == doctest::Approx(1).epsilon(1e-6));
  double alone = 0;
  for (double p : rows[0]) alone -= p > 0 ? p * std::log(p) : 0;
  CHECK(model().entropy(3).joint == doctest::Approx(joint).epsilon(1e-6));
  CHECK(model().entropy(3).alone == doctest::Approx(alone).epsilon(1e-6));
}

TEST_CASE("phones: the gap of one step is the total correlation, and likelihoods are those of the model") {
  const index_t B = laws::draws(64), D = 10;
  const auto exact = model().entropy(D);
  const phones::denoiser net(model());
  const auto gap = factorization_gap(masked, net, all_masked(B, D), 1, 0, {{.seed = 1, .chunk = 128}}).divergence;
  INFO("gap " << gap.mean << " +- " << gap.standard_error << ", exact " << exact.alone - exact.joint);
  CHECK(gap.covers(exact.alone - exact.joint, 4));
  CHECK(gap.standard_error < 0.1 * gap.mean);

  // the same in four steps: the bound is the entropy and their gaps; the any-order bound that of the sequences themselves
  const auto x = model().sample(B, D, 2);
  array<double, 1> off(B), truth(B);  // (B)
  const auto any_order = any_order_bound(masked, net, x, {{.seed = 3, .chunk = 128}, 4});
  for (index_t b = 0; b < B; ++b) truth(b) = -model().log_likelihood(x.whole().row(b)), off(b) = any_order(b) - truth(b);
  INFO("any order " << mean_of(any_order).mean << ", off " << mean_of(off).mean << " +- " << mean_of(off).standard_error);
  CHECK(mean_of(off).covers(0, 4));
  CHECK(mean_of(truth).covers(exact.joint, 4));
  const auto path = path_bound(masked, net, x, uniform_grid(4), {{.seed = 4, .chunk = 128}});
  const auto gaps = factorization_gaps(masked, net, all_masked(B, D), uniform_grid(4), {{.seed = 5, .chunk = 128}});
  double steps = 0;
  for (index_t i = 0; i < 4; ++i) steps += gaps(i, i + 1).divergence.mean;
  for (index_t b = 0; b < B; ++b) off(b) = path(b) - truth(b);
  INFO("path " << mean_of(path).mean << ", off by " << mean_of(off).mean << " +- " << mean_of(off).standard_error << ", gaps "
               << steps);
  CHECK(mean_of(off).covers(steps, 5));
  CHECK(steps < gap.mean);
  // one step of the product: the likelihood is that of the marginals, without error
  const auto once = one_step_likelihood(masked, net, x.whole().slice(0, 1));
  array<double, 2> rows(D, 41);  // (D, 41)
  model().posterior(all_masked(1, D).whole().row(0), rows);
  double log_p = 0;
  for (index_t d = 0; d < D; ++d) log_p += std::log(rows(d, x(0, d)));
  CHECK(once[0].plain == doctest::Approx(log_p).epsilon(1e-5));
}
