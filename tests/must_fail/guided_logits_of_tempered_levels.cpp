// A temperature over a head of two numbers makes no logits of them.
// error: guided: the head of a network reads no logits
#include <dimix/denoiser/under_head.hpp>
#include <dimix/guidance.hpp>
#include <dimix/head/reshaped.hpp>

struct net {
  dimix::index_t outputs() const { return 2; }
  template <class Real>
  void operator()(const dimix::request<Real>&, dimix::view<Real, 4>) const {}
};
const net plain;
const dimix::under_head colder(plain, dimix::tempered{dimix::softmax{}, 0.7, 2});
const dimix::under_head levels(plain, dimix::tempered{dimix::truncated_logistic{17}, 0.7, 17});
const auto accepted = dimix::guided(colder, dimix::constant_weight{1});

#ifdef OFFEND
const auto refused = dimix::guided(levels, dimix::constant_weight{1});
#endif
