// Dropout with scaling at training time (Srivastava et al. 2014, JMLR 15): each number is zero with probability `rate`, and the
// others are divided by the probability of staying. The factors are a function of (seed, pass, layer, place) alone, so they do
// not depend on who computes them. The rate is realised to 2^-17, and the scale is exact for the realised one.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/math.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/nn/buffer.hpp>

#include <cstdint>

namespace dimix::nn {

class dropout {
 public:
  dropout() = default;

  /// rate in [0, 1)
  explicit dropout(double rate) {
    expects(rate >= 0 && rate < 1, "dropout: rate = ", rate, " lies outside [0, 1)");
    dropped_ = static_cast<std::uint32_t>(smaller(rate * 65536 + 0.5, 65535.0));
  }

  bool active() const { return dropped_ > 0; }

  /// Fills the factors (0 or the scale) of the rows from `first` on: factors (rows, width), width a multiple of 8.
  template <class Real>
  void draw(rng source, std::uint64_t pass, index_t layer, index_t first, view<Real, 2> factors) const {
    const Real scale = static_cast<Real>(65536.0 / static_cast<double>(65536 - dropped_));
    const index_t width = factors.extent(1), blocks = factors.size() / 8, offset = first * width / 8;
    expects(width % 8 == 0 && offset + blocks <= rng::max_position, "dropout: ", first + factors.extent(0), " rows of width ",
            width, " are too many for one pass, or the width is no multiple of 8");
    for (index_t i = 0; i < blocks; ++i) {
      const random_block bits = source(purpose::dropout, pass, 0, layer, offset + i);
      for (int w = 0; w < 4; ++w) {
        factors.data()[8 * i + 2 * w] = (bits.word[w] & 0xffffu) < dropped_ ? Real(0) : scale;
        factors.data()[8 * i + 2 * w + 1] = (bits.word[w] >> 16) < dropped_ ? Real(0) : scale;
      }
    }
  }

 private:
  std::uint32_t dropped_ = 0;  // of 65536
};

}  // namespace dimix::nn
