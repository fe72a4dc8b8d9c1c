// The tables of the theory example to their printed digits. DIMIX_LONG adds the trained ones in full.
#include "theory/bound.hpp"
#include "theory/errors.hpp"
#include "theory/estimates.hpp"
#include "theory/one_step.hpp"
#include "theory/rounds.hpp"

#include <doctest/doctest.h>

#include <cstdlib>

using namespace theory;

namespace {

const std::string laws_folder = DIMIX_TEST_DATA "/../../examples/theory/data";
const bool in_full = std::getenv("DIMIX_LONG") != nullptr;

void check_digits(const std::string& what, const std::vector<double>& found, const std::vector<double>& printed, int digits) {
  INFO(what);
  REQUIRE(found.size() == printed.size());
  for (std::size_t i = 0; i < found.size(); ++i) CHECK(std::abs(found[i] - printed[i]) <= 0.5000001 * std::pow(10.0, -digits));
}

}  // namespace

TEST_CASE("theory: the error of a product model by steps, every row and its slope") {
  const std::vector<error_row> printed{
      {"hidden, 1 - t, eq2", {.500000, .250000, .125000, .062500, .031250, .015625, .007813}},
      {"hidden, 1 - t, cor2", {.400000, .200000, .100000, .050000, .025000, .012500, .006250}},
      {"hidden, 1 - t, eq3", {.750000, .375000, .187500, .093750, .046875, .023438, .011719}},
      {"hidden, 1 - t, par3", {.500000, .312500, .171875, .089844, .045898, .023193, .011658}},
      {"hidden, 1 - t, dir33", {.420279, .225987, .117595, .060089, .030375, .015270, .007656}},
      {"hidden, cos, eq2", {.500000, .292893, .152241, .076859, .038522, .019273, .009638}},
      {"redrawn, 1 - t, eq2", {.500000, .340000, .197961, .103540, .051930, .025734, .012741}},
      {"redrawn, 1 - t, cor2", {.400000, .263281, .142716, .069271, .032726, .015638, .007605}},
      {"redrawn, 1 - t, par3", {.500000, .431757, .282759, .161759, .085398, .043413, .021748}},
      {"redrawn, 1 - t, dir33", {.420279, .292623, .161131, .077878, .037065, .018472, .009300}},
      {"redrawn, 1 - t, eq3", {.750000, .447704, .169115, .045501, .010822, .002530, .000600}},
      {"redrawn, cos, eq2", {.500000, .277778, .123169, .041097, .011734, .003119, .000803}},
  };
  const std::vector<double> slopes{-1.000, -1.000, -1.000, -.992, -.996, -1.000, -1.014, -1.040, -.997, -.990, -2.08, -1.96};
  const auto rows = error_table(laws_folder);
  REQUIRE(rows.size() == printed.size());
  for (std::size_t i = 0; i < rows.size(); ++i) {
    CHECK(rows[i].name == printed[i].name);
    check_digits(rows[i].name, rows[i].errors, printed[i].errors, 6);
    check_digits(rows[i].name, {last_slope(rows[i].errors)}, {slopes[i]}, slopes[i] < -1.5 ? 2 : 3);
  }
  for (std::size_t n = 0; n < doubled_steps().size(); ++n) {
    const auto N = static_cast<double>(doubled_steps()[n]);
    CHECK(rows[0].errors[n] == doctest::Approx(1 / (2 * N)).epsilon(1e-13));
    CHECK(rows[1].errors[n] == doctest::Approx(0.4 / N).epsilon(1e-13));
    CHECK(rows[2].errors[n] == doctest::Approx(3 / (4 * N)).epsilon(1e-13));
  }
}

TEST_CASE("theory: where noise redraws, -1 is no law: slopes further out") {
  for (const error_row& row : late_errors(laws_folder)) {
    const double slope = last_slope(row.errors);
    CAPTURE(row.name);
    if (row.name == "redrawn, cos, cor2") CHECK(std::abs(slope + 1.008) < 5e-4);
    if (row.name == "redrawn, cos, dir33") CHECK(std::abs(slope + 1.004) < 5e-4);
    if (row.name == "redrawn, cos, eq2") CHECK(std::abs(slope + 1.99) < 5e-3);
    if (row.name == "redrawn, cos, par3") CHECK(std::abs(slope + 1.98) < 5e-3);
    if (row.name == "redrawn, cos, eq3") CHECK(std::abs(slope + 4.03) < 5e-3);
    if (row.name == "redrawn, exp(-5 t), eq2") CHECK(std::abs(slope + 0.973) < 5e-4);
    if (row.name.starts_with("hidden")) CHECK((slope <= -0.997 && slope >= -1.0005));
    if (row.name.starts_with("redrawn, 1 - t")) CHECK((slope <= -0.9695 && slope >= -1.0115));
  }
}

TEST_CASE("theory: the sum of the steps' gaps, equal to the error on some laws and off by a logarithm on others") {
  for (const toy& data : {eq2(), eq3(), par3()})
    CHECK(telescoping_bound(hides(data), data, 16) == doctest::Approx(error_after(hides(data), data, dimix::uniform_grid(16))));
  check_digits("redrawn eq2", {telescoping_bound(redraws(eq2()), eq2(), 16), telescoping_bound(redraws(eq2()), eq2(), 64)},
               {.15096, .05232}, 5);
}

TEST_CASE("theory: one step") {
  CHECK(best_product_error(eq2()) == doctest::Approx(std::sqrt(2.0) - 1).epsilon(1e-6));
  CHECK(error_of(redraws(eq2()), repeats_the_first{}, eq2(), 1) < 1e-15);
  for (const toy& data : {eq2(), cor2(), par3(), from_file(laws_folder, "dirD3S2", 3, 2)}) {
    const sequences_as_components net(data);
    CHECK(error_of(hides(data), net, data, 1) < 1e-14);
    CHECK(error_of(hides(data), net, data, 2, dimix::latent_scope::per_path) < 1e-14);
    CHECK(error_of(hides(data), net, data, 2) > 0.05);
  }
}

TEST_CASE("theory: students of M components reach their teacher's N steps in one") {
  struct printed_row {
    toy data;
    index_t N, M;
    double teacher, one_step, to_teacher, two_steps;
  };
  std::vector<printed_row> rows{{cor2(), 16, 1, .02500, .40000, .37500, .20000},
                                {cor2(), 16, 2, .02500, .02500, .00000, .01875}};
  if (in_full) {
    const toy d3 = from_file(laws_folder, "dirD3S2", 3, 2), d2 = from_file(laws_folder, "dirD2S3", 2, 3);
    rows.insert(rows.end(), {{cor2(), 64, 2, .00625, .00625, .00000, .00469},
                             {eq2(), 64, 2, .00781, .00781, .00000, .00586},
                             {eq3(), 64, 2, .01172, .01172, .00000, .00733},
                             {par3(), 32, 1, .02319, .50000, .47681, .31250},
                             {par3(), 32, 2, .02319, .50000, .47681, .13672},
                             {par3(), 32, 4, .02319, .02320, .00000, .02036},
                             {d3, 32, 1, .01237, .31273, .30036, .17816},
                             {d3, 32, 4, .01237, .05622, .04854, .02870},
                             {d3, 32, 8, .01237, .01482, .00288, .01134},
                             {d2, 32, 1, .00836, .26752, .25916, .13376},
                             {d2, 32, 2, .00836, .19816, .19052, .09720},
                             {d2, 32, 3, .00836, .06924, .06450, .05304},
                             {d2, 32, 8, .00836, .00836, .00000, .00627}});
  }
  for (const printed_row& row : rows) {
    const auto found = measured(hides(row.data), row.data, {row.M, row.N, in_full ? 600 : 300, 0.3});
    INFO(row.data.name << ", M = " << row.M);
    CHECK(std::abs(found.teacher_to_data - row.teacher) < 6e-6);
    CHECK(std::abs(found.one_step_to_data - row.one_step) < 2e-5);
    CHECK(std::abs(found.distance.to_teacher - row.to_teacher) < 2e-5);
    CHECK(std::abs(found.two_steps_to_data - row.two_steps) < 2e-5);
    CHECK(found.distance.to_teacher <= found.distance.bound + 1e-9);
  }
}

TEST_CASE("theory: Theorem 2 holds for random students") {
  const auto report = bound_on_random_students({cor2(), par3(), from_file(laws_folder, "dirD2S3", 2, 3)}, in_full ? 1000 : 90);
  CHECK(report.students == (in_full ? 1000 : 90));
  CHECK(report.violations == 0);
  CHECK(report.smallest_ratio > 1);
  CHECK(report.smallest_ratio < 1.5);  // the bound is near
}

TEST_CASE("theory: control variates keep the mean gradient, and take off variance near a product") {
  const auto near_product = control_variates(0.1, in_full ? 4000 : 1500), apart = control_variates(2.0, in_full ? 4000 : 1500);
  CHECK(near_product.largest_gap < 4);
  CHECK(apart.largest_gap < 4);
  CHECK(near_product.variance_ratio > 5);
  CHECK(apart.variance_ratio > 1);
  CHECK(apart.variance_ratio < 2);
}

TEST_CASE("theory: a second round shortens the steps again") {
  if (!in_full) return;
  const auto rows = two_rounds(par3(), 8);  // product, first round of 2 components, second of 8
  CHECK(std::abs(rows[2].errors[0] - rows[1].errors[3]) < 1e-3);
  CHECK(rows[1].errors[3] < rows[0].errors[3] / 4);
  CHECK(rows[2].errors[0] < rows[1].errors[2] / 2);
}
