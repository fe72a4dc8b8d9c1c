// A student that is a table: logits for every x_t and component at knots of t, linear in t between them. It learns by Adam. Nothing of the
// library is in it but the protocol of a trainable denoiser.
#pragma once

#include <dimix/denoiser.hpp>
#include <dimix/latent.hpp>

#include "laws/support.hpp"

namespace matrix {

using dimix::array;
using dimix::index_t;
using dimix::request;
using dimix::token;
using dimix::view;

class table_student {
 public:
  table_student(index_t D, index_t S, index_t components) : D_(D), S_(S), components_(components) {
    index_t sequences = 1;
    for (index_t d = 0; d < D; ++d) sequences *= S;
    for (auto* each : {&logits_, &slopes_, &first_, &second_}) each->resize(knots * sequences * components, D * S);
    laws::fill_noise(logits_, 17, 0.5);
  }

  index_t outputs() const { return S_; }
  dimix::categorical_latent latent() const { return {components_}; }

  void operator()(const request<double>& asked, view<double, 4> raw) const {
    for (const cell& at : cells_of(asked))
      for (index_t i = 0; i < D_ * S_; ++i)
        raw.data()[at.row * D_ * S_ + i] = at.low * logits_(at.knot, i) + at.high * logits_(at.knot + stride(), i);
  }
  void forward(const request<double>& asked, view<double, 4> raw) {
    (*this)(asked, raw);
    last_ = cells_of(asked);
  }
  void backward(view<const double, 4> gradient) {
    for (const cell& at : last_)
      for (index_t i = 0; i < D_ * S_; ++i) {
        const double g = gradient.data()[at.row * D_ * S_ + i];
        slopes_(at.knot, i) += at.low * g;
        slopes_(at.knot + stride(), i) += at.high * g;
      }
  }

  void learn(double rate) {
    ++steps_;
    const double root = 1 / std::sqrt(1 - std::pow(0.99, steps_)), scale = rate / (1 - std::pow(0.9, steps_));
    for (index_t i = 0; i < logits_.size(); ++i) {
      double &g = slopes_.data()[i], &m = first_.data()[i], &v = second_.data()[i];
      m = 0.9 * m + 0.1 * g;
      v = 0.99 * v + 0.01 * g * g;
      logits_.data()[i] -= scale * m / (std::sqrt(v) * root + 1e-8);
      g = 0;
    }
  }

 private:
  static constexpr index_t knots = 9;

  /// Row b M + m of a request reads the table between two knots.
  struct cell {
    index_t row, knot;  // row of the table at the lower knot
    double low, high;
  };
  index_t stride() const { return logits_.extent(0) / knots; }

  std::vector<cell> cells_of(const request<double>& asked) const {
    std::vector<cell> cells;
    for (index_t b = 0; b < asked.batch(); ++b) {
      index_t x = 0;
      for (index_t d = 0; d < D_; ++d) x = x * S_ + asked.tokens(b, d);
      const double place = asked.times(b) * (knots - 1);
      const index_t knot = std::min(static_cast<index_t>(place), knots - 2);
      const double high = place - static_cast<double>(knot);
      for (index_t m = 0; m < asked.components(); ++m) {
        const auto component = static_cast<index_t>(asked.latents(b, m, 0));
        cells.push_back({b * asked.components() + m, knot * stride() + x * components_ + component, 1 - high, high});
      }
    }
    return cells;
  }

  index_t D_, S_, components_;
  array<double, 2> logits_, slopes_, first_, second_;  // (knots S^D M, D S)
  std::vector<cell> last_;
  double steps_ = 0;
};

}  // namespace matrix
