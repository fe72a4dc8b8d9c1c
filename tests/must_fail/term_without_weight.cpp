// A term has a weight for every item; the compiler names the concept that the term does not keep.
// error: loss_term
#include <dimix/objective.hpp>

struct good {
  static constexpr bool uses_components = true, uses_marginals = false, uses_joint = false;
  double weight(dimix::index_t) const { return 1; }
  dimix::slope_of<double> component(dimix::index_t, dimix::index_t, dimix::index_t, double log_p) const { return {log_p, 1}; }
  void check(dimix::index_t, dimix::index_t, dimix::index_t, dimix::index_t) const {}
};
using accepted = dimix::objective<double, dimix::softmax, good>;

#ifdef OFFEND
struct without_weight {
  static constexpr bool uses_components = true, uses_marginals = false, uses_joint = false;
  dimix::slope_of<double> component(dimix::index_t, dimix::index_t, dimix::index_t, double log_p) const { return {log_p, 1}; }
  void check(dimix::index_t, dimix::index_t, dimix::index_t, dimix::index_t) const {}
};
using refused = dimix::objective<double, dimix::softmax, without_weight>;
#endif
