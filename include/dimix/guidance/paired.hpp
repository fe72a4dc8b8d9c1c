// Guidance on the rows of a step instead of logits: for heads that read no logits, and where p(x_s | x_t) is not a function of one
// p(x_0 | x_t) alone (uniform and ordinal noise).
//   log p^γ(x_s | x_t) = γ log p(x_s | x_t, y) + (1 - γ) log p(x_s | x_t) + a constant,     position by position, for every λ
// γ = 1 is the conditional network, γ = 0 the other, γ > 1 guides; γ = 1 + w. Where noise only hides, a masked position stays masked with
// the same chance in both rows, and only the law of its token is tilted before it is normalised together with that chance.
//   sample<float, guided_rows<ancestral>>(process, paired(net, net, head_of(net, process.space())), options, run_on, {2.0})
// Source: Schiff et al., "Simple guidance mechanisms for discrete diffusion models" (UDLM), ICLR 2025, D-CFG.
#pragma once

#include <dimix/core/categorical.hpp>
#include <dimix/guidance/branches.hpp>
#include <dimix/guidance/logits.hpp>
#include <dimix/head.hpp>
#include <dimix/sampler/ancestral.hpp>

#include <algorithm>

namespace dimix {

/// Both rows of a position, side by side; by itself it is the conditional one.
template <class Conditional, class Unconditional>
struct paired_row {
  Conditional conditional;
  Unconditional unconditional;

  DIMIX_HD token fixed() const { return conditional.fixed(); }
  DIMIX_HD auto log_prob(index_t s) const { return conditional.log_prob(s); }
};

/// Reads the outputs of a paired denoiser. For sampling: it has no backward.
template <class Head>
struct paired_head {
  Head inner;

  using over = heads<Head>;
  template <class Real>
  struct state {
    typename Head::template state<Real> conditional, unconditional;
  };

  DIMIX_HD constexpr index_t outputs(index_t S) const { return 2 * inner.outputs(S); }

  template <class Real, class Group, class Storage>
  DIMIX_HD state<Real> observe(const Group& group, view<const Storage, 1> raw, place at) const {
    const index_t n = raw.extent(0) / 2;
    return {inner.template observe<Real>(group, raw.slice(0, n), at), inner.template observe<Real>(group, raw.slice(n, n), at)};
  }

  template <class Real, class Storage>
  DIMIX_HD auto row(view<const Storage, 1> raw, place at, state<Real> seen) const {
    const index_t n = raw.extent(0) / 2;
    const auto conditional = inner.template row<Real>(raw.slice(0, n), at, seen.conditional);
    using row_type = std::remove_const_t<decltype(conditional)>;
    return paired_row<row_type, row_type>{conditional, inner.template row<Real>(raw.slice(n, n), at, seen.unconditional)};
  }
};

static_assert(head<paired_head<softmax>>);

/// A denoiser that writes what it says with the class and what without: raw (B, M, D, 2 outputs).
template <class Conditional, class Unconditional, class Head>
class paired : public wrapper<const Conditional> {
 public:
  /// head: of both networks, which must outlive the object and write the same outputs.
  paired(const Conditional& conditional, const Unconditional& unconditional, const Head& head)
      : wrapper<const Conditional>(conditional), unconditional_(unconditional), head_{head} {}

  index_t outputs() const { return 2 * this->net_.outputs(); }
  paired_head<Head> head() const { return head_; }

  /// Two network calls.
  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    const index_t B = raw.extent(0), M = raw.extent(1), D = raw.extent(2), n = raw.extent(3) / 2;
    array<Real, 4> one(B, M, D, n);  // (B, M, D, outputs)
    this->net_(asked, one.whole());
    const array<Real, 4> other = unconditional_answer<Real>(unconditional_, asked);  // (B, 1 or M, D, outputs)
    expects(other.extent(3) == n, "paired: one branch has ", n, " outputs, the other ", other.extent(3));
    for (index_t b = 0; b < B; ++b)
      for (index_t m = 0; m < M; ++m)
        for (index_t d = 0; d < D; ++d) {
          std::copy_n(&one(b, m, d, 0), n, &raw(b, m, d, 0));
          std::copy_n(&other(b, other.extent(1) == 1 ? index_t{0} : m, d, 0), n, &raw(b, m, d, n));
        }
  }

 private:
  const Unconditional& unconditional_;
  paired_head<Head> head_;
};

/// The tilted row, normalised. A state that either row excludes is excluded; γ = 0 and 1 read one row alone.
template <class Row, class Real>
struct guided_row {
  Row conditional, unconditional;
  Real gamma, log_total;

  DIMIX_HD Real weight(index_t a) const {
    return sum_of_logits(gamma, conditional.log_prob(a), Real(1) - gamma, unconditional.log_prob(a));
  }
  DIMIX_HD Real log_prob(index_t a) const { return weight(a) - log_total; }
};

/// A method that guides the rows of another; for paired denoisers. O(S) rows of the other for each position.
/// λ knows nothing of γ: hidden evidence draws it by the conditional rows, w_m ∝ π_m prod_d p_d(y_d | x_t, class; λ_m) over known
/// positions, and the rest is guided given that λ. For a mixture the best of several λ is refused (last_candidates > 1), as its x_0 would
/// not be guided at all; last_candidates = 1 and argmax_tail take the most probable state of the guided row.
template <class Method = ancestral>
struct guided_rows {
  static constexpr bool guides = true;
  static constexpr bool stays_in_time = requires { requires Method::stays_in_time; };

  double gamma = 1;  // >= 0; 1: the conditional row
  Method inner = {};

  /// The guided method of one step, where the other is made for each (sampler.hpp).
  template <class Process>
  auto between(const Process& process, double s, double t) const requires requires(const Method method) {
    method.between(process, s, t);
  }
  {
    const auto step = inner.between(process, s, t);
    return guided_rows<std::remove_const_t<decltype(step)>>{gamma, step};
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Kernel, class Row>
  DIMIX_HD auto row(const Kernel& kernel, const place& at, const Row& denoised) const {
    static_assert(
        requires { denoised.unconditional; },
        "guided_rows: the denoiser must write both of its rows; wrap it in paired, see dimix/guidance/paired.hpp");
    using Real = decltype(denoised.log_prob(0));
    const auto conditional = inner.row(kernel, at, denoised.conditional);
    using row_type = std::remove_const_t<decltype(conditional)>;
    guided_row<row_type, Real> tilted{conditional, inner.row(kernel, at, denoised.unconditional), static_cast<Real>(gamma),
                                      Real(0)};
    tilted.log_total =
        log_sum_exp<Real>(serial_group{}, kernel.space.max_states(), [&](index_t a) { return tilted.weight(a); });
    return tilted;
  }

  DIMIX_EXEC_CHECK_DISABLE
  template <class Kernel, class Denoised, class Bits>
  DIMIX_HD token draw(const Kernel& kernel, const place& at, index_t S, const Denoised& denoised, const Bits& bits_of) const {
    const auto law = row(kernel, at, denoised());
    return draw_law(group_of(denoised), law, S, bits_of(purpose::transition));
  }
};

}  // namespace dimix
