// A student that is a table: logits for every x_t and component at even knots of t, linear in t between them. It learns by Adam. Nothing of the
// library is in it but the protocol of a trainable denoiser.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/denoiser.hpp>
#include <dimix/latent.hpp>

#include <algorithm>
#include <cmath>
#include <vector>

namespace support {

using dimix::array;
using dimix::index_t;
using dimix::token;
using dimix::view;

struct table_student_options {
  index_t knots = 9;    // t = 0, 1 / (knots - 1), ..., 1; at least 2
  double spread = 0.5;  // logits start uniform in (-spread, spread)
  std::uint64_t seed = 17;
};

class table_student {
 public:
  table_student(index_t D, index_t S, index_t components, table_student_options options = {})
      : D_(D), S_(S), components_(components), knots_(options.knots), moves_(static_cast<std::size_t>(options.knots)) {
    index_t sequences = 1;
    for (index_t d = 0; d < D; ++d) sequences *= S;
    for (auto* each : {&logits_, &slopes_, &first_, &second_}) each->resize(knots_ * sequences * components, D * S);
    for (index_t i = 0; i < logits_.size(); ++i)
      logits_.data()[i] =
          options.spread * (2 * dimix::unit(dimix::rng{options.seed}(dimix::purpose::user, 0, 0, 0, i).first()) - 1);
  }

  index_t outputs() const { return S_; }
  dimix::categorical_latent latent() const { return {components_}; }

  void operator()(const dimix::request<double>& asked, view<double, 4> raw) const { answer(cells_of(asked), raw); }
  void forward(const dimix::request<double>& asked, view<double, 4> raw) {
    last_ = cells_of(asked);
    answer(last_, raw);
  }
  void backward(view<const double, 4> gradient) {
    for (const cell& at : last_) {
      moves_[static_cast<std::size_t>(at.knot / stride())] = moves_[static_cast<std::size_t>(at.knot / stride() + 1)] = true;
      for (index_t i = 0; i < D_ * S_; ++i) {
        const double g = gradient.data()[at.row * D_ * S_ + i];
        slopes_(at.knot, i) += at.low * g;
        slopes_(at.knot + stride(), i) += at.high * g;
      }
    }
  }

  /// Adam (β 0.9, 0.99) on the knots that gradients have reached since the start or forget().
  void learn(double rate) {
    ++steps_;
    const double root = 1 / std::sqrt(1 - std::pow(0.99, steps_)), scale = rate / (1 - std::pow(0.9, steps_));
    const index_t size = stride() * D_ * S_;
    for (index_t knot = 0; knot < knots_; ++knot) {
      if (!moves_[static_cast<std::size_t>(knot)]) continue;
      for (index_t i = knot * size; i < (knot + 1) * size; ++i) {
        double &g = slopes_.data()[i], &m = first_.data()[i], &v = second_.data()[i];
        m = 0.9 * m + 0.1 * g;
        v = 0.99 * v + 0.01 * g * g;
        logits_.data()[i] -= scale * m / (std::sqrt(v) * root + 1e-8);
        g = 0;
      }
    }
  }
  /// The next gradients are the first: what has been learned elsewhere stays where it is.
  void forget() {
    for (auto* each : {&slopes_, &first_, &second_}) each->fill(0);
    moves_.assign(moves_.size(), false);
    steps_ = 0;
  }

  /// Adds the logits of knot k - 1 to those that knot k started with.
  void start_from_below(index_t k) {
    const index_t size = stride() * D_ * S_;
    for (index_t i = k * size; i < (k + 1) * size; ++i) logits_.data()[i] += logits_.data()[i - size];
  }

  /// (knots S^D M, D S)
  view<double, 2> logits() { return logits_; }

 private:
  /// Row b M + m of a request reads the table between two knots.
  struct cell {
    index_t row, knot;  // row of the table at the lower knot
    double low, high;
  };
  index_t stride() const { return logits_.extent(0) / knots_; }

  void answer(const std::vector<cell>& cells, view<double, 4> raw) const {
    for (const cell& at : cells)
      for (index_t i = 0; i < D_ * S_; ++i)
        raw.data()[at.row * D_ * S_ + i] = at.low * logits_(at.knot, i) + at.high * logits_(at.knot + stride(), i);
  }
  std::vector<cell> cells_of(const dimix::request<double>& asked) const {
    std::vector<cell> cells;
    for (index_t b = 0; b < asked.batch(); ++b) {
      index_t x = 0;
      for (index_t d = 0; d < D_; ++d) x = x * S_ + asked.tokens(b, d);
      const double place = asked.times(b) * static_cast<double>(knots_ - 1);
      const index_t knot = std::min(static_cast<index_t>(place), knots_ - 2);
      const double high = place - static_cast<double>(knot);
      for (index_t m = 0; m < asked.components(); ++m) {
        const auto component = static_cast<index_t>(asked.latents(b, m, 0));
        cells.push_back({b * asked.components() + m, knot * stride() + x * components_ + component, 1 - high, high});
      }
    }
    return cells;
  }

  index_t D_, S_, components_, knots_;
  array<double, 2> logits_, slopes_, first_, second_;  // (knots S^D M, D S)
  std::vector<bool> moves_;                            // (knots)
  std::vector<cell> last_;
  double steps_ = 0;
};

}  // namespace support
