// Classifier-free guidance on logits, as a denoiser: z = (1 + w) z_c - w z_u, for every λ, so that every sampler takes it.
//   guided(net, step_ramp{2.0, calls})                  one network, asked with its class and with class -1 (trained with label dropout)
//   guided(student, teacher, constant_weight{1.5})      another network without the class: the authors' --lfg
// Logits are log-probabilities up to a constant where the head is a softmax over them, so that the rows are p_c^(1 + w) p_u^(-w),
// normalised. A head that makes few numbers into many states reads no logits: guide its rows (guidance/paired.hpp).
// Source: Ho and Salimans 2022; Di4C section 5.2 (both branches share λ).
#pragma once

#include <dimix/guidance/branches.hpp>
#include <dimix/guidance/logits.hpp>
#include <dimix/guidance/weight.hpp>
#include <dimix/head.hpp>

#include <type_traits>

namespace dimix {

/// Of a network: reads_logits (head/concept.hpp) of the head that it names; the default heads do.
template <class Net>
inline constexpr bool has_logits = [] {
  if constexpr (requires(const Net n) { n.head(); })
    return reads_logits<std::remove_cvref_t<decltype(std::declval<const Net&>().head())>>;
  else
    return true;
}();

template <class Conditional, class Unconditional, guidance_weight Weight>
class guided : public wrapper<const Conditional> {
  static_assert(
      has_logits<Conditional> && has_logits<Unconditional>,
      "guided: the head of a network reads no logits, so that a sum of outputs is no sum of log-probabilities; guide the rows "
      "instead, see dimix/guidance/paired.hpp");

 public:
  /// Both networks must outlive the object and write the same outputs; if the second is a mixture, it takes the λ of the first.
  guided(const Conditional& conditional, const Unconditional& unconditional, Weight weight)
      : wrapper<const Conditional>(conditional), unconditional_(unconditional), weight_(weight) {}
  guided(const Conditional& network, Weight weight) : guided(network, network, weight) {}

  /// Two network calls. w = 0 is exactly the conditional network and w = -1 the other. Elsewhere a state is excluded (-infinity) if either
  /// branch excludes it, as in guided_rows: where p_u = 0, p_c^(1 + w) p_u^(-w) has no value, and p_c would be 0 too if the branches were
  /// one law. So -infinity makes no NaN; a row with no state left is refused where it is drawn from.
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    this->net_(asked, raw);
    const array<Real, 4> other = unconditional_answer<Real>(unconditional_, asked);  // (B, 1 or M, D, outputs)
    expects(other.extent(3) == raw.extent(3), "guided: one branch has ", raw.extent(3), " outputs, the other ",
            other.extent(3));
    const index_t M = raw.extent(1), row = raw.extent(2) * raw.extent(3);
    for (index_t b = 0; b < raw.extent(0); ++b) {
      const Real w = static_cast<Real>(weight_(asked.step, static_cast<double>(asked.times(b))));
      for (index_t m = 0; m < M; ++m) {
        Real* to = raw.data() + (b * M + m) * row;
        const Real* from = other.data() + (other.extent(1) == 1 ? b : b * M + m) * row;
        for (index_t i = 0; i < row; ++i) to[i] = guided_logit(w, to[i], from[i]);
      }
    }
  }

 private:
  const Unconditional& unconditional_;
  Weight weight_;
};

template <class Net, guidance_weight Weight>
guided(const Net&, Weight) -> guided<Net, Net, Weight>;

}  // namespace dimix
