// The systems of Thrust that this program is built with, beside cpu: the same bits, whatever runs the rows.
#include <dimix/backend/thrust.hpp>
#include <dimix/objective.hpp>
#include <dimix/sampler.hpp>
#if defined(DIMIX_TEST_OPENMP)
#include <dimix/backend/thrust/openmp.hpp>
#endif
#if defined(DIMIX_TEST_TBB)
#include <dimix/backend/thrust/tbb.hpp>
#endif

#include <atomic>
#include <cstring>

#include "laws/sampler.hpp"

using namespace dimix;

namespace {

/// f(backend) for every system that is there.
template <class F>
void for_each_system(const F& f) {
  const auto named = [&](const char* name, const auto& run_on) {
    CAPTURE(name);
    f(run_on);
  };
  named("sequential", thrust_sequential{});
#if defined(DIMIX_TEST_OPENMP)
  named("OpenMP", thrust_openmp{});
#endif
#if defined(DIMIX_TEST_TBB)
  named("oneTBB", thrust_tbb{});
#endif
}

/// The loss, then the gradient (B, M, D, S), of an objective of all kinds of terms.
template <class Real, class Storage, class Backend>
std::vector<Storage> loss_and_gradient(const Backend& run_on) {
  const index_t B = 3, M = 4, D = 5, S = 43, K = 3;
  array<float, 4> noise(B, M, D, S);                     // (B, M, D, S)
  array<Storage, 4> raw(B, M, D, S), slope(B, M, D, S);  // (B, M, D, S)
  array<Real, 3> rows(B, D, S);                          // (B, D, S)
  array<token, 2> x_t(B, D);                             // (B, D)
  array<token, 3> x_0(B, K, D);                          // (B, K, D)
  laws::fill_noise(noise, 1, 3);
  std::transform(noise.begin(), noise.end(), raw.begin(), [](float x) { return Storage(x); });
  rows.fill(Real(1) / static_cast<Real>(S));
  for (index_t i = 0; i < x_0.size(); ++i) x_0.data()[i] = static_cast<token>(laws::uniform_number(3, i) * S);
  auto loss = make_objective<Real>(softmax{}, x_t, M, S, {}, correlation<Real>{.tokens = x_0},
                                   distillation_bound<Real>{.target = rows}, marginal_divergence<Real>{.target = rows});
  std::vector<Storage> result{Storage(value_and_gradient(loss, view<const Storage, 4>(raw), slope.whole(), run_on))};
  result.insert(result.end(), slope.begin(), slope.end());
  return result;
}

template <class T>
bool same_bits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}

}  // namespace

TEST_CASE("thrust: a sweep visits every row once, with scratch of its own, also inside a row") {
  for_each_system([](const auto& run_on) {
    for (index_t rows : {0, 1, 5, 64, 1000}) {
      std::vector<std::atomic<int>> visits(static_cast<std::size_t>(rows));
      std::atomic<int> inner_rows = 0;
      std::atomic<bool> undisturbed = true;
      run_on.template sweep<float>(rows, 7, [&](const auto& group, view<float, 1> tile, index_t row) {
        ++visits[static_cast<std::size_t>(row)];
        if (tile.extent(0) != 7) undisturbed = false;
        group.for_each(7, [&](index_t i) { tile[i] = static_cast<float>(row * 7 + i); });
        run_on.template sweep<float>(3, 9, [&](const auto&, view<float, 1> inner, index_t) {
          ++inner_rows;
          for (float& x : inner) x = -1;
        });
        for (index_t i = 0; i < 7; ++i)
          if (tile[i] != static_cast<float>(row * 7 + i)) undisturbed = false;
      });
      CHECK(undisturbed);
      CHECK(std::all_of(visits.begin(), visits.end(), [](const auto& count) { return count == 1; }));
      CHECK(inner_rows == 3 * rows);
    }
  });
}

TEST_CASE("thrust: objectives, draws and samples have the bits of cpu") {
  const cpu one(1);
  const index_t B = 7, D = 6;
  const laws::some_net<uniform<9>> net{uniform<9>{}};
  const forward_process process(uniform<9>{}, log_linear{});
  const sample_options options{.batch = B, .dims = D, .steps = 4, .seed = 3};
  const auto exact = loss_and_gradient<double, double>(one);
  const auto narrow = loss_and_gradient<float, float>(one);
  const auto stored = loss_and_gradient<float, bfloat16>(one);
  const auto x = sample(process, net, options, one);  // (B, D)
  for_each_system([&](const auto& run_on) {
    CHECK(same_bits(loss_and_gradient<double, double>(run_on), exact));
    CHECK(same_bits(loss_and_gradient<float, float>(run_on), narrow));
    CHECK(same_bits(loss_and_gradient<float, bfloat16>(run_on), stored));
    CHECK(sample(process, net, options, run_on) == x);
  });
  CHECK(narrow[1] != 0);
}

TEST_CASE("thrust: a group of a row on the host is the processor's vectors") {
  for_each_system([](const auto& run_on) {
    int width = 0;
    run_on.template sweep<float>(
        1, 0, [&](const auto& group, view<float, 1>, index_t) { width = std::decay_t<decltype(group)>::width; });
    CHECK(width == native_lanes<float>);
  });
}
