// A head turns the raw outputs of a network for one position into one categorical row, and the gradient of the row's
// log-probabilities back into the gradient of the raw outputs. It is part of every kernel: a row is never stored.
//
// concept head<H>:
//   h.outputs(S)                        how many numbers per position it reads
//   typename H::template state<Real>    what a row has to remember: the normaliser and little else; trivially copyable
//   h.template observe<Real>(group, raw, at)         -> state    reductions over the raw outputs, most often one
//   h.template row<Real>(raw, at, state)             -> row      elementwise from there on:
//     row.fixed()                       the certain state of a row that no output can change, or -1
//     row.log_prob(s)                   log p(s), -infinity allowed; O(1), but O(S) over tables of rates (stepped, from_score)
//     row.backward(group, S, slope, write)   slope(s) = d loss / d log p(s) -> write(i, d loss / d raw[i]) for every output
//   with raw a view of the outputs and `at` a place: item b, position d, x_t there.
// Laws (tests/laws/head.hpp): sum_s exp(log_prob(s)) = 1; backward = central difference of log_prob; a fixed row has zero gradient.
//
// optional, and said in head/concept.hpp:
//   h.template unobserved<Real>(at)     the state of a row whose log_prob is right up to a constant, without a reduction: for draws
//   row.prob(s)                       p(s), where it costs less than the exponential of log p(s)
//   row.expect(group, s)              asks for what a walk along a long row reads soon after s
//   row.backward_by_prob(group, S, slope, write)   backward with slopes made of p, slope(s, p), where p comes with what it evaluates
//   h.template observe_positions<Real>(group, raw (n, outputs), x_t (n), states (n))   observe of neighbours, side by side in lanes
//   using over = heads<Inner>         the heads that a head is over; what follows is theirs too
//   H::reads_other_outputs            true where a row's backward reads outputs that it has written already
//   H::reads_logits                   false where outputs are no log-probabilities, so that guidance may not add them up
//   head_fits<H, Space>               false where the rows would be wrong; then nothing that puts the two together compiles
// A space with a mask takes subs where noise only hides, and values_only. softmax and truncated_logistic do not fit it: they take the mask
// for a value of x_0, so that a step to s = 0 could leave it in place, and no data holds it. Released code that has a class for the mask
// (MaskGIT) is reproduced row by row, without a space.
#pragma once

#include <dimix/head/concept.hpp>
#include <dimix/head/mixed.hpp>
#include <dimix/head/padded.hpp>
#include <dimix/head/row.hpp>
#include <dimix/head/softmax.hpp>
#include <dimix/head/subs.hpp>
#include <dimix/head/truncated_logistic.hpp>
#include <dimix/head/values_only.hpp>

namespace dimix {

/// The head of a position of one kind: subs where noise only hides, values_only where it masks and leaves tokens in doubt, softmax elsewhere.
template <state_space Space>
DIMIX_HD constexpr auto head_of_values(const Space& space) {
  if constexpr (revealing_space<Space>)
    return subs{space.mask()};
  else if constexpr (masked_space<Space>)
    return values_only{space.mask()};
  else
    return softmax{};
}

/// The head of a space when the denoiser names none: that of its values, over the states that a position has, kind by kind.
template <state_space Space>
constexpr auto default_head(const Space& space) {
  if constexpr (requires { space.spaces(); })
    return mixed_head(space.kinds(), map(space.spaces(), [](const auto& own) { return padded(head_of_values(own), own); }));
  else if constexpr (equal_states<Space>)
    return head_of_values(space);
  else
    return padded(head_of_values(space), space);
}

/// The head of a denoiser over a space: net.head() if it has one. Does not compile where the head does not fit the space.
template <class Net, state_space Space>
constexpr auto head_of(const Net& net, const Space& space) {
  if constexpr (requires { net.head(); }) {
    expects_head_fits<std::decay_t<decltype(net.head())>, Space>();
    return net.head();
  } else {
    return default_head(space);
  }
}

}  // namespace dimix
