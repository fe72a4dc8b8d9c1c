// Semi-autoregressive sampling: blocks of positions from left to right, each of them a whole path of any sampler, from t = 1 to 0, with the
// blocks before it visible and those behind it masked. Source: BD3LM (Arriola et al. 2025), LLaDA (Nie et al. 2025).
//
//   sample_blocks(process, net, {.dims = 256, .length = 32, .steps = 64})                      ancestral steps inside
//   sample_blocks(process, net, options, run_on, [](const auto& process, const auto& in_block, const auto& run_on) {
//     return make_reveal_sampler<float>(process, in_block, confidence_order{}, by_threshold{0.9}, drawn{}, {}, run_on); });
// The network is asked at the time of the block, in which earlier blocks are shown however late it is: right for one that was trained on
// blocks or does not look at the time.
// A sampler never learns of it: in_block is a network for the positions of one block, which is asked for the whole sequence.
// Laws (tests/laws/blocks.cpp): one block is the plain sampler, token for token; steps add up; no position sees one behind its block.
#pragma once

#include <dimix/sampler.hpp>
#include <dimix/sampler/first_hitting.hpp>
#include <dimix/sampler/paths.hpp>

#include <algorithm>
#include <vector>

namespace dimix {

/// A network for `length` positions inside sequences of D: it is shown those with the block's tokens written in, and answers for the block.
template <class Net>
class in_block {
 public:
  /// whole (B, D): the sequences around the block that begins at position `first`; its rows are the items first_item, first_item + 1,
  /// ... It must outlive the object, as the network must.
  in_block(const Net& net, view<const token, 2> whole, std::uint64_t first_item, index_t first)
      : net_(net), whole_(whole), first_item_(first_item), first_(first) {}

  index_t outputs() const { return net_.outputs(); }
  auto latent() const requires requires(const Net n) { n.latent(); }
  { return net_.latent(); }
  auto head() const requires requires(const Net n) { n.head(); }
  { return net_.head(); }

  template <class Real>
  void operator()(request<Real> asked, view<Real, 4> raw) const {
    const index_t B = asked.batch(), M = asked.components(), L = asked.dims(), D = whole_.extent(1);
    array<token, 2> tokens(B, D);               // (B, D)
    array<Real, 4> answer(B, M, D, outputs());  // (B, M, D, outputs)
    for (index_t b = 0; b < B; ++b) {
      const auto around = whole_.row(static_cast<index_t>(asked.items(b) - first_item_));
      std::copy(around.begin(), around.end(), tokens.whole().row(b).begin());
      std::copy(asked.tokens.row(b).begin(), asked.tokens.row(b).end(), tokens.whole().row(b).begin() + first_);
    }
    asked.tokens = tokens;
    net_(asked, answer.whole());
    for (index_t b = 0; b < B; ++b)
      for (index_t m = 0; m < M; ++m) std::copy_n(&answer(b, m, first_, 0), L * outputs(), &raw(b, m, 0, 0));
  }

 private:
  const Net& net_;
  view<const token, 2> whole_;
  std::uint64_t first_item_;
  index_t first_;
};

/// How N steps are shared out over blocks of `length` positions, the last of them shorter where it must be: as many as their share of the
/// D positions, floor(N hi / D) - floor(N lo / D), so that they add up to N and none is 0. Needs as many steps as blocks.
inline std::vector<index_t> block_steps(index_t steps, index_t dims, index_t length) {
  expects(length >= 1, "block_steps: length = ", length, " must be at least 1");
  const index_t blocks = (dims + length - 1) / length;
  expects(steps >= blocks, "block_steps: steps = ", steps, " are fewer than the ", blocks, " blocks of length ", length);
  std::vector<index_t> result;
  for (index_t low = 0; low < dims; low += length)
    result.push_back(steps * smaller(low + length, dims) / dims - steps * low / dims);
  return result;
}

struct block_options {
  index_t batch = 1;   // B sequences
  index_t dims = 1;    // D positions each
  index_t length = 1;  // of a block
  index_t steps = 1;   // N of all blocks together, one network call each or none; a first-hitting sampler takes what it needs
  std::uint64_t seed = 0;
  std::uint64_t first_item = 0;        // ids first_item, first_item + 1, ...: the same id gives the same sequence
  view<const token, 2> evidence = {};  // (B, D)  known tokens, -1 where unknown; visible from the first block on
  index_t chunk = 512;                 // sequences per network call; does not change the result
};

/// Ancestral steps with λ once per path: what blocks hold unless said otherwise.
template <class Real>
struct ancestral_blocks {
  template <class Process, class Net, class Backend>
  auto operator()(const Process& process, const Net& net, const Backend& run_on) const {
    return sampler<Real, Process, Net, ancestral, Backend>(process, net, {}, {}, run_on);
  }
};

/// B sequences of D tokens: (B, D). make(process, net, run_on) returns the sampler of a block: sampler, reveal_sampler, confident_remasking
/// or first_hitting_sampler. The number of the network call goes on from block to block, so that no random bits are used twice.
template <class Real = float, class Process, class Net, class Backend = cpu, class Make = ancestral_blocks<Real>>
array<token, 2> sample_blocks(const Process& process, const Net& net, const block_options& options,
                              const Backend& run_on = Backend{}, const Make& make = {}) {
  static_assert(revealing_space<typename Process::space_type>,
                "sample_blocks: blocks to come are hidden by a mask, and this space has none; see dimix/sampler/blocks.hpp");
  const index_t D = options.dims;
  const token mask = process.space().mask();
  const std::vector<index_t> steps_of = block_steps(options.steps, D, options.length);
  for (index_t d = 0; d < D; ++d)
    expects(process.space().states(d) == process.max_states(), "sample_blocks: position ", d, " has ",
            process.space().states(d), " states and others ", process.max_states(), "; all must have the same");
  return in_chunks("sample_blocks", process, options, [&](view<token, 2> x, view<const std::uint64_t, 1> items, const auto&) {
    const index_t B = x.extent(0);
    array<token, 2> block;  // (B, length)
    index_t calls = 0;
    for (std::size_t k = 0; k < steps_of.size(); ++k) {
      const index_t low = static_cast<index_t>(k) * options.length, L = smaller(options.length, D - low);
      block.resize(B, L);
      for (index_t b = 0; b < B; ++b) std::copy_n(&x(b, low), L, &block(b, 0));
      // what x shows of the block before it is decoded is evidence
      const auto known = [&] {
        for (index_t b = 0; b < B; ++b)
          for (index_t d = 0; d < L; ++d)
            if (x(b, low + d) != mask) block(b, d) = x(b, low + d);
      };
      const in_block<Net> inside(net, x, items[0], low);
      auto steps = make(process, inside, run_on);
      typename decltype(steps)::state_type state{options.seed, calls};
      if constexpr (requires { walk(steps, state, block.whole(), items); })
        walk(steps, state, block.whole(), items);
      else
        walk(steps, state, block.whole(), items, uniform_grid(steps_of[k]), known);
      calls = state.step;
      for (index_t b = 0; b < B; ++b) std::copy_n(&block(b, 0), L, &x(b, low));
    }
  });
}

}  // namespace dimix
