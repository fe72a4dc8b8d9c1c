// with_classes: a network that is asked for the class of every item, whoever calls it: classes by the ids of items, so that samplers that know
// nothing of classes make sequences of them.
//   with_classes wanted(net, classes, first_item);    item first_item + i is asked for classes[i]
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/check.hpp>
#include <dimix/denoiser/wrapper.hpp>

namespace dimix {

template <class Net>
class with_classes : public wrapper<const Net> {
 public:
  /// classes (n), -1: none. Network and classes must outlive the object.
  with_classes(const Net& net, view<const token, 1> classes, std::uint64_t first_item = 0)
      : wrapper<const Net>(net), classes_(classes), first_item_(first_item) {}

  /// Throws when an item is none of those that have a class, or the request has classes already.
  template <class Real>
  void operator()(request<Real> asked, view<Real, 4> raw) const {
    expects(asked.classes.empty(), "with_classes: the request has classes of its own");
    expects_shape("with_classes: items", asked.items, asked.batch());
    array<token, 1> classes(asked.batch());  // (B)
    for (index_t b = 0; b < asked.batch(); ++b) {
      const std::uint64_t i = asked.items(b) - first_item_;
      expects(i < static_cast<std::uint64_t>(classes_.extent(0)), "with_classes: item ", asked.items(b), " is none of the ",
              classes_.extent(0), " from ", first_item_, " on");
      classes(b) = classes_(static_cast<index_t>(i));
    }
    asked.classes = classes;
    this->net_(asked, raw);
  }

 private:
  view<const token, 1> classes_;
  std::uint64_t first_item_;
};

}  // namespace dimix
