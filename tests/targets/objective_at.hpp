// One objective, value and gradient, compiled by every file that includes this for the processor that the file is built for. Each file
// names its own with TARGET_NAME.
#include <dimix/objective.hpp>

#include "laws/support.hpp"

namespace targets {

/// How many numbers a group that a sweep hands out takes at once. One type for all files: which code it gets is up to the backend's type.
struct width_of_group {
  int* seen;
  template <class Group>
  void operator()(const Group&, dimix::view<float, 1>, dimix::index_t) const {
    *seen = Group::width;
  }
};

/// The loss, then the gradient (B, M, D, S), of noise that depends on nothing else. Storage: of the outputs and of the gradient.
template <class Storage>
std::vector<double> TARGET_NAME() {
  using namespace dimix;
  const index_t B = 2, M = 3, D = 4, S = 45, K = 2;
  array<float, 4> noise(B, M, D, S);  // (B, M, D, S)
  array<Storage, 4> raw(B, M, D, S), gradient(B, M, D, S);
  array<float, 3> rows(B, D, S);  // (B, D, S)
  array<token, 2> x_t(B, D);      // (B, D)
  array<token, 3> x_0(B, K, D);   // (B, K, D)
  laws::fill_noise(noise, 1, 3);
  std::transform(noise.begin(), noise.end(), raw.begin(), [](float x) { return Storage(x); });
  laws::fill_noise(rows, 2, 1);
  for (float& p : rows) p = std::abs(p) / static_cast<float>(S);
  for (index_t i = 0; i < x_0.size(); ++i) x_0.data()[i] = static_cast<token>(laws::uniform_number(3, i) * (S - 1));
  x_t.fill(S - 1);
  for (index_t row = 0; row < B * D; ++row) rows.data()[row * S + S - 1] = 0;  // the mask is never x_0
  // one position is visible: all of it is certain
  x_t(0, 1) = x_0(0, 0, 1) = x_0(0, 1, 1) = 7;
  for (index_t s = 0; s < S; ++s) rows(0, 1, s) = s == 7 ? 1.0f : 0.0f;
  auto loss = make_objective<float>(subs{S - 1}, view<const token, 2>(x_t), M, S, objective_options<float>{},
                                    correlation<float>{.tokens = x_0}, distillation_bound<float>{.target = rows},
                                    marginal_divergence<float>{.target = rows});
  std::vector<double> result{
      static_cast<double>(value_and_gradient(loss, view<const Storage, 4>(raw), gradient.whole(), cpu(1)))};
  for (const Storage& g : gradient) result.push_back(static_cast<double>(static_cast<float>(g)));
  return result;
}

}  // namespace targets
