// A backend whose rows run on a device takes the device's memory only.
// error: a view of one memory is given to a backend whose rows run in another
#include <dimix/objective.hpp>

using namespace dimix;

struct elsewhere {
  using space = device_space;
  static constexpr bool asynchronous = true;
  template <class Real, class Body>
  void sweep(index_t, index_t, const Body&) const {}
  template <class T, int Rank>
  void fetch(const view<T, Rank>&, const view<std::remove_const_t<T>, Rank>&) const {}
};

void accepted(marginalisation<float, softmax>& over, view<const float, 4, device_space> raw) {
  over.observe(raw, 0, elsewhere{});
}

#ifdef OFFEND
void refused(marginalisation<float, softmax>& over, view<const float, 4> raw) { over.observe(raw, 0, elsewhere{}); }
#endif
