// One step. From all masks a product model makes a product; a mixture makes any law, a product for each λ; and where noise leaves a random x_1, x_1
// does the work of a λ.
#pragma once

#include "students.hpp"

namespace theory {

/// A mixture of the data's own sequences: component m says sequence m at every position, with its probability. Where a position shows, the head
/// keeps it.
class sequences_as_components {
 public:
  explicit sequences_as_components(const toy& data) : data_(data), log_weights_(data.law.size()) {
    for (index_t m = 0; m < data.law.size(); ++m) log_weights_(m) = std::log(data.law(m));
  }
  index_t outputs() const { return data_.V + 1; }
  dimix::weighted_latent<double> latent() const { return {log_weights_}; }
  void operator()(const dimix::request<double>& asked, view<double, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t m = 0; m < asked.components(); ++m)
        for (index_t d = 0; d < asked.dims(); ++d)
          for (index_t s = 0; s < outputs(); ++s)
            raw(b, m, d, s) =
                s == data_.sequences(static_cast<index_t>(asked.latents(b, m, 0)), d) ? 0 : dimix::lowest_log<double>();
  }

 private:
  toy data_;
  array<double, 1> log_weights_;  // (V^D)
};

/// A product model whose positions all repeat the first token of x_t.
struct repeats_the_first {
  index_t S = 2;
  index_t outputs() const { return S; }
  void operator()(const dimix::request<double>& asked, view<double, 4> raw) const {
    for (index_t b = 0; b < asked.batch(); ++b)
      for (index_t d = 0; d < asked.dims(); ++d)
        for (index_t s = 0; s < S; ++s) raw(b, 0, d, s) = s == asked.tokens(b, 0) ? 0 : dimix::lowest_log<double>();
  }
};

/// The least total variation of any product of two bits to a law of two bits: a search of a grid of 1 / fine, then of ever finer ones around the best.
inline double best_product_error(const toy& data) {
  const dimix::exact::joint_states states({2, 2});
  const auto law = dimix::exact::law_of(states, data.sequences, data.law);
  double best = 1, at[2] = {0.5, 0.5}, width = 0.5;
  for (int round = 0; round < 8; ++round, width /= 8) {
    const double middle[2] = {at[0], at[1]};
    for (int i = -32; i <= 32; ++i)
      for (int j = -32; j <= 32; ++j) {
        array<double, 2> rows(2, 2);  // (D, S)
        const double p[2] = {std::clamp(middle[0] + width * i / 32, 0.0, 1.0),
                             std::clamp(middle[1] + width * j / 32, 0.0, 1.0)};
        for (index_t d = 0; d < 2; ++d) rows(d, 0) = p[d], rows(d, 1) = 1 - p[d];
        const double error = dimix::exact::total_variation(law, dimix::exact::product_law(states, rows));
        if (error < best) best = error, at[0] = p[0], at[1] = p[1];
      }
  }
  return best;
}

/// Error after N steps of a denoiser, λ per step or per path.
template <class Process, class Net>
double error_of(const Process& process, const Net& net, const toy& data, index_t N,
                dimix::latent_scope scope = dimix::latent_scope::per_step) {
  dimix::sampler<double, Process, Net> steps(process, net, {.scope = scope}, {}, dimix::cpu{1});
  return dimix::exact::total_variation(dimix::exact::law_after(steps, data.D, dimix::uniform_grid(N)),
                                       data.over(process.space()));
}

}  // namespace theory
