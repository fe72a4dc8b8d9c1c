// The data laws of the toys: few sequences, whose probabilities are written down.
//   eq2, eq3   half 00..0, half 11..1                    cor2   (.45, .05, .05, .45)
//   par3       uniform on the sequences of even parity: any two positions are independent; 4 components are needed
//   dir...     draws from a Dirichlet law, of data/make_laws.py
#pragma once

#include <dimix/exact.hpp>
#include <dimix/io/npy.hpp>

#include <string>
#include <vector>

namespace theory {

using dimix::array;
using dimix::index_t;
using dimix::token;
using dimix::view;

struct toy {
  std::string name;
  index_t D, V;               // positions, values of each
  array<token, 2> sequences;  // (V^D, D)  all of them, in the order of their numbers
  array<double, 1> law;       // (V^D)

  toy(std::string called, index_t positions, index_t values) : name(std::move(called)), D(positions), V(values) {
    const dimix::exact::joint_states states(std::vector<index_t>(static_cast<std::size_t>(D), V));
    sequences.resize(states.size(), D);
    law.resize(states.size());
    for (index_t i = 0; i < states.size(); ++i) states.tokens(i, sequences.whole().row(i));
  }
  toy(std::string called, index_t positions, const std::vector<double>& probabilities) : toy(std::move(called), positions, 2) {
    std::copy(probabilities.begin(), probabilities.end(), law.begin());
  }

  /// The law over the sequences of a space, the mask included where there is one.
  template <class Space>
  dimix::exact::joint_law over(const Space& space) const {
    return dimix::exact::law_of(dimix::exact::joint_states::of(space, D), sequences, law);
  }
  bool operator==(const toy&) const = default;
};

inline toy agreeing(std::string name, index_t D) {
  toy made(std::move(name), D, 2);
  made.law(0) = made.law(made.law.size() - 1) = 0.5;
  return made;
}
inline toy eq2() { return agreeing("eq2", 2); }
inline toy eq3() { return agreeing("eq3", 3); }
inline toy cor2() { return {"cor2", 2, {0.45, 0.05, 0.05, 0.45}}; }
inline toy par3() { return {"par3", 3, {0.25, 0, 0, 0.25, 0, 0.25, 0.25, 0}}; }

/// A law (S, ..., S) of the folder, written by make_laws.py.
inline toy from_file(const std::string& folder, const std::string& name, index_t D, index_t V) {
  toy made(name, D, V);
  const std::string path = folder + "/" + name + ".npy";
  const std::vector<double> numbers = dimix::read_npy(path).values<double>();
  dimix::expects(static_cast<index_t>(numbers.size()) == made.law.size(), path, " holds ", numbers.size(), " numbers, not ",
                 made.law.size());
  std::copy(numbers.begin(), numbers.end(), made.law.begin());
  return made;
}

}  // namespace theory
