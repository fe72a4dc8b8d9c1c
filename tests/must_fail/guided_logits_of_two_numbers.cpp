// A head of two numbers reads no logits: a sum of them is no sum of log-probabilities.
// error: guided: the head of a network reads no logits
#include <dimix/denoiser/with_head.hpp>
#include <dimix/guidance.hpp>

struct net {
  dimix::index_t outputs() const { return 2; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
using levels = dimix::with_head<net, dimix::truncated_logistic>;
const net plain;
const levels ordinal(dimix::truncated_logistic{17});
const auto accepted = dimix::guided(plain, dimix::constant_weight{1});
const auto by_rows = dimix::paired(ordinal, ordinal, ordinal.head());

#ifdef OFFEND
const auto refused = dimix::guided(ordinal, dimix::constant_weight{1});
#endif
