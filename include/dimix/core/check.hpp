// The checks that public calls share: shapes, tokens, times, counters, finite numbers. Each throws a sentence, and puts none together while all is
// well. A name is a text, or an `argument`.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/denoiser.hpp>

#include <algorithm>
#include <cmath>
#include <ostream>

namespace dimix {

/// An argument of a public call, "sampler: t".
struct argument {
  const char* call;
  const char* name;
  friend std::ostream& operator<<(std::ostream& out, const argument& a) { return out << a.call << ": " << a.name; }
};

/// Prints as "(2, 64, 18)".
template <class T, int Rank, class Space>
struct shape_of {
  view<T, Rank, Space> of;

  explicit shape_of(const view<T, Rank, Space>& v) : of(v) {}
  friend std::ostream& operator<<(std::ostream& out, const shape_of& shape) {
    for (int axis = 0; axis < Rank; ++axis) out << (axis ? ", " : "(") << shape.of.extent(axis);
    return out << ")";
  }
};

/// Throws unless v has exactly these extents.
template <class Name, class T, int Rank, class... Extents>
void expects_shape(Name name, const view<T, Rank>& v, Extents... extents) {
  static_assert(sizeof...(Extents) == Rank);
  const view<T, Rank> wanted(nullptr, extents...);
  expects(same_shape(v, wanted), name, " has shape ", shape_of(v), ", but ", shape_of(wanted), " is needed");
}

/// t itself, if it lies in [0, 1].
template <class Name>
double expects_time(Name name, index_t b, double t) {
  expects(t >= 0 && t <= 1, name, "[", b, "] = ", t, " lies outside [0, 1]");
  return t;
}

/// Throws where a space knows fewer than D positions.
template <class Space>
void expects_positions(const Space& space, index_t D) {
  if constexpr (requires { space.check_positions(D); }) space.check_positions(D);
}

/// Throws unless every token of (B, D) is a state of its position.
template <class Name, class Space>
void expects_tokens(Name name, view<const token, 2> tokens, const Space& space) {
  expects_positions(space, tokens.extent(1));
  for (index_t b = 0; b < tokens.extent(0); ++b)
    for (index_t d = 0; d < tokens.extent(1); ++d)
      expects(tokens(b, d) >= 0 && tokens(b, d) < space.states(d), name, "[", b, ", ", d, "] = ", tokens(b, d),
              " is not a state: it must lie in [0, ", space.states(d), ")");
}

/// The flat index of the first token that is none (-1), or how many there are.
template <int Rank>
index_t first_missing(view<const token, Rank> tokens) {
  return std::find_if(tokens.begin(), tokens.end(), [](token x) { return x < 0; }) - tokens.begin();
}

/// Throws unless the counters fit the layout of random bits (core/rng.hpp).
inline void expects_draws(const char* name, index_t step, index_t draw, index_t dims) {
  expects(step >= 0 && step < rng::max_step, name, ": step = ", step, " lies outside [0, ", rng::max_step, ")");
  expects(draw >= 0 && draw < rng::max_draw, name, ": draw = ", draw, " lies outside [0, ", rng::max_draw, ")");
  expects(dims <= rng::max_position, name, ": D = ", dims, " positions are more than ", rng::max_position);
}

/// Throws unless all numbers are finite; names the first that is not.
template <class Name, class T, int Rank>
void expects_finite(Name name, const view<T, Rank>& values) {
  using std::isfinite;
  for (index_t i = 0; i < values.size(); ++i)
    expects<numeric_error>(isfinite(static_cast<double>(values.data()[i])), name, " of shape ", shape_of(values), " holds ",
                           static_cast<double>(values.data()[i]), " at flat index ", i);
}

}  // namespace dimix
