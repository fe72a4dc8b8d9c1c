// joint_states: the numbers 0, 1, ... of all sequences of D tokens. Mixed radix, the first position the slowest:
//   index(x) = sum_d x_d prod_{e > d} S_e
// Laws (tests/exact/law.cpp): index and tokens are inverse to each other; the order of indices is that of the sequences as words.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/sampler/paths.hpp>
#include <dimix/state_space.hpp>

#include <vector>

namespace dimix::exact {

/// How many joint states are enumerated: where noise does nothing but hide, a step leads to few of them; elsewhere to all.
inline constexpr index_t most_where_hidden = 1'000'000, most_elsewhere = 10'000;

class joint_states {
 public:
  /// S_d (D) states of each position, at most `most` together. Throws with their number otherwise, and for D = 0.
  explicit joint_states(std::vector<index_t> states, index_t most = most_where_hidden) : states_(std::move(states)) {
    expects(!states_.empty(), "exact: D = 0 positions have no joint states");
    double count = 1;
    for (index_t S : states_) {
      expects(S >= 1, "exact: a position has ", S, " states");
      count *= static_cast<double>(S);
    }
    expects(count <= static_cast<double>(most), "exact: D = ", dims(), " positions have ", count, " joint states, but at most ",
            most, " are enumerated here");
    strides_.assign(states_.size(), 1);
    for (std::size_t d = states_.size() - 1; d-- > 0;) strides_[d] = strides_[d + 1] * states_[d + 1];
  }

  /// All sequences of D tokens of a space: 1e6 where noise only hides, 1e4 elsewhere.
  template <state_space Space>
  static joint_states of(const Space& space, index_t D) {
    expects_positions(space, D);
    std::vector<index_t> states;
    for (index_t d = 0; d < D; ++d) states.push_back(space.states(d));
    return joint_states(std::move(states), reveals_all(space, D) ? most_where_hidden : most_elsewhere);
  }

  index_t size() const { return strides_[0] * states_[0]; }
  index_t dims() const { return static_cast<index_t>(states_.size()); }
  index_t states(index_t d) const { return states_[static_cast<std::size_t>(d)]; }
  index_t stride(index_t d) const { return strides_[static_cast<std::size_t>(d)]; }
  token at(index_t index, index_t d) const { return static_cast<token>(index / stride(d) % states(d)); }

  /// The number of x (D). Throws for a token that is no state.
  index_t index(view<const token, 1> x) const {
    expects_shape("exact: x", x, dims());
    index_t result = 0;
    for (index_t d = 0; d < dims(); ++d) {
      expects(x[d] >= 0 && x[d] < states(d), "exact: x[", d, "] = ", x[d], " is not a state: it must lie in [0, ", states(d),
              ")");
      result += static_cast<index_t>(x[d]) * stride(d);
    }
    return result;
  }
  /// x (D) of a number in [0, size()).
  void tokens(index_t index, view<token, 1> x) const {
    for (index_t d = 0; d < dims(); ++d) x[d] = at(index, d);
  }
  /// The same of all numbers given: (count, D).
  array<token, 2> tokens(const std::vector<index_t>& indices) const {
    array<token, 2> x(static_cast<index_t>(indices.size()), dims());
    for (index_t i = 0; i < x.extent(0); ++i) tokens(indices[static_cast<std::size_t>(i)], x.whole().row(i));
    return x;
  }

  friend bool operator==(const joint_states&, const joint_states&) = default;

 private:
  std::vector<index_t> states_, strides_;  // (D)
};

}  // namespace dimix::exact
