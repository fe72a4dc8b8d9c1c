// The parameters of a network: one flat buffer of values, one of gradients, and a list of named blocks with shapes. Optimisers
// see the flat buffers, layers their blocks, checkpoints the names.
//
// Laws: blocks do not overlap, each starts on a cache line, and the gaps between them are zero and stay zero; two stores that
// registered the same blocks in the same order have the same layout; a copy of a store is independent of it.
#pragma once

#include <dimix/core/error.hpp>
#include <dimix/core/rng.hpp>
#include <dimix/core/view.hpp>
#include <dimix/nn/buffer.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

namespace dimix::nn {

/// A named array inside a flat buffer.
struct block {
  std::string name;
  std::vector<index_t> shape;
  index_t offset = 0;  // in Reals
  index_t size = 0;

  friend bool operator==(const block&, const block&) = default;
};

/// Where the blocks lie. Everything that has one number per parameter (values, gradients, moments, averages) shares it.
class layout {
 public:
  const std::vector<block>& blocks() const { return blocks_; }
  const block& operator[](index_t number) const { return blocks_[static_cast<std::size_t>(number)]; }
  index_t size() const { return size_; }

  /// Appends a block and returns its number.
  index_t add(std::string name, std::vector<index_t> shape) {
    expects(find(name) == nullptr, "layout: the block ", name, " is there already");
    index_t count = 1;
    for (index_t extent : shape) {
      expects(extent > 0, "layout: block ", name, " has an extent of ", extent);
      count *= extent;
    }
    blocks_.push_back({std::move(name), std::move(shape), size_, count});
    size_ += (count + 15) / 16 * 16;
    return static_cast<index_t>(blocks_.size()) - 1;
  }

  /// nullptr where there is none of this name
  const block* find(const std::string& name) const {
    const auto found = std::find_if(blocks_.begin(), blocks_.end(), [&](const block& b) { return b.name == name; });
    return found == blocks_.end() ? nullptr : &*found;
  }

  /// f(name, shape, data) for every block of a flat buffer of this layout; data is view<T, 1>.
  template <class T, class F>
  void for_each(T* flat, const std::string& prefix, F&& f) const {
    for (const block& b : blocks_) f(prefix + b.name, b.shape, view<T, 1>(flat + b.offset, b.size));
  }

  friend bool operator==(const layout&, const layout&) = default;

 private:
  std::vector<block> blocks_;
  index_t size_ = 0;
};

/// What a warm start did, by the names of the blocks.
struct adoption {
  std::vector<std::string> copied, left;
};

template <class Real>
class parameters {
 public:
  index_t add(std::string name, std::vector<index_t> shape) {
    const index_t number = layout_.add(std::move(name), std::move(shape));
    values_.resize(static_cast<std::size_t>(layout_.size()));
    gradients_.resize(static_cast<std::size_t>(layout_.size()));
    return number;
  }

  const layout& blocks() const { return layout_; }
  index_t size() const { return layout_.size(); }  // the gaps included

  /// Parameters without the gaps.
  index_t count() const {
    index_t sum = 0;
    for (const block& b : layout_.blocks()) sum += b.size;
    return sum;
  }

  view<Real, 1> values() { return {values_.data(), size()}; }
  view<const Real, 1> values() const { return {values_.data(), size()}; }
  view<Real, 1> gradients() { return {gradients_.data(), size()}; }
  view<const Real, 1> gradients() const { return {gradients_.data(), size()}; }

  view<Real, 1> values(index_t number) { return part(values_.data(), number); }
  view<const Real, 1> values(index_t number) const { return part(values_.data(), number); }
  view<Real, 1> gradients(index_t number) { return part(gradients_.data(), number); }
  view<const Real, 1> gradients(index_t number) const { return part(gradients_.data(), number); }

  void zero_gradients() { std::fill(gradients_.begin(), gradients_.end(), Real(0)); }

  /// f(name, shape, view<Real, 1>): the values, for checkpoints.
  template <class F>
  void for_each_block(F&& f) {
    layout_.for_each(values_.data(), "", f);
  }
  template <class F>
  void for_each_block(F&& f) const {
    layout_.for_each(values_.data(), "", f);
  }

  /// Copies every block of the same name and shape, leaves the rest, and says which.
  adoption adopt(const parameters& other) {
    adoption done;
    for (const block& mine : layout_.blocks()) {
      const block* theirs = other.layout_.find(mine.name);
      const bool fits = theirs != nullptr && theirs->shape == mine.shape;
      if (fits) std::copy_n(other.values_.data() + theirs->offset, mine.size, values_.data() + mine.offset);
      (fits ? done.copied : done.left).push_back(mine.name);
    }
    return done;
  }

  /// Uniform on (-bound, bound). The bits depend on the seed and the block's name alone: another block changes nothing.
  void draw_uniform(index_t number, Real bound, rng source) {
    draw(number, source, [&](const random_block& bits) { return bound * static_cast<Real>(2 * unit(bits.first()) - 1); });
  }

  /// Standard normal (Box and Muller 1958).
  void draw_normal(index_t number, rng source) {
    draw(number, source, [](const random_block& bits) {
      const double radius = std::sqrt(-2 * std::log(unit(bits.first())));
      return static_cast<Real>(radius * std::cos(2 * std::numbers::pi * unit(bits.second())));
    });
  }

  void fill(index_t number, Real value) {
    for (Real& x : values(number)) x = value;
  }

 private:
  template <class T>
  view<T, 1> part(T* flat, index_t number) const {
    return {flat + layout_[number].offset, layout_[number].size};
  }

  template <class F>
  void draw(index_t number, rng source, F number_of) {
    const std::uint64_t id = hash(layout_[number].name);
    const view<Real, 1> x = values(number);
    for (index_t i = 0; i < x.size(); ++i)
      x(i) = number_of(source(purpose::weights, id, 0, i / rng::max_position, i % rng::max_position));
  }

  /// FNV-1a, 64 bits.
  static std::uint64_t hash(const std::string& name) {
    std::uint64_t h = 0xcbf29ce484222325u;
    for (char c : name) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
    return h;
  }

  layout layout_;
  buffer<Real> values_, gradients_;
};

}  // namespace dimix::nn
