// score_network: a network that predicts scores, as a denoiser. Its raw outputs are log s(y) of every state y; what comes out is log p(x_0 | x_t),
// which the space's own head takes, so that every sampler, loss and trainer takes it too. head/from_score.hpp has the formula, and says
// what becomes of scores that no p_0 has.
//   const auto net = make_score_network<float>(process, scores);      sample(process, net, {...})
// It needs alpha_t > 0 at the times it is asked about, to say more than the prior; with tables, enough to invert them. Cost beyond the
// network's: a row of from_score for every position, and an S x S inverse, in double, wherever t changes along a batch if kernels are tables.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/denoiser.hpp>
#include <dimix/head/from_score.hpp>
#include <dimix/head/row.hpp>

#include <vector>

namespace dimix {

template <class Real, class Process, class Net>
class score_network {
  static_assert(
      factorized_denoiser<Net, Real>,
      "score_network: Net must provide outputs() and operator()(request<Real>, view<Real, 4>) const; see dimix/denoiser.hpp");

 public:
  /// The network is referred to. It has one output for each state.
  score_network(const Process& forward, Net& net) : process_(forward), net_(net) {
    expects(net.outputs() == forward.max_states(), "score_network: the network has ", net.outputs(),
            " outputs, but there are S = ", forward.max_states(), " states to score");
  }

  index_t outputs() const { return process_.max_states(); }
  auto latent() const
    requires requires(const Net n) { n.latent(); }
  {
    return net_.latent();
  }

  /// raw (B, M, D, S) = log p(x_0 | x_t), floored at lowest_log.
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    net_(asked, raw);
    convert(asked.tokens, inverses_at(asked.times), raw);
  }

  void forward(const request<Real>& asked, view<Real, 4> raw)
    requires trainable_denoiser<Net, Real>
  {
    net_.forward(asked, raw);
    tokens_.resize(asked.batch(), asked.dims());  // (B, D)
    std::copy(asked.tokens.begin(), asked.tokens.end(), tokens_.begin());
    scores_.resize(raw.extent(0), raw.extent(1), raw.extent(2), raw.extent(3));  // (B, M, D, S)
    std::copy(raw.begin(), raw.end(), scores_.begin());
    inverses_ = inverses_at(asked.times);  // (B)
    convert(tokens_, inverses_, raw);
  }

  void backward(view<const Real, 4> gradient)
    requires trainable_denoiser<Net, Real>
  {
    array<Real, 4> of_scores(gradient.extent(0), gradient.extent(1), gradient.extent(2), gradient.extent(3));  // (B, M, D, S)
    const view<const Real, 4> scores = scores_;
    each_row(tokens_, inverses_, scores, [&](const auto& row, index_t b, index_t m, index_t d) {
      const auto slope = gradient.row(b, m, d);
      row.backward(
          serial_group{}, outputs(), [&](index_t s) { return slope[s]; },
          [&](index_t y, Real g) { of_scores(b, m, d, y) = g; });
    });
    net_.backward(view<const Real, 4>(of_scores));
  }

 private:
  using inverse = decltype(score_inverse_of(std::declval<const Process&>().template between<Real>(0, 1)));

  std::vector<inverse> inverses_at(view<const Real, 1> times) const {
    std::vector<inverse> result;  // (B)
    for (index_t b = 0; b < times.extent(0); ++b)
      if (b > 0 && times[b] == times[b - 1])
        result.push_back(inverse(result.back()));
      else
        result.push_back(score_inverse_of(process_.template between<Real>(0, static_cast<double>(times[b]))));
    return result;
  }

  /// f(row of from_score, b, m, d)
  template <class F>
  void each_row(view<const token, 2> tokens, const std::vector<inverse>& inverses, view<const Real, 4> scores,
                const F& f) const {
    const from_score<inverse> head{{inverses.data(), scores.extent(0)}};
    for (index_t b = 0; b < scores.extent(0); ++b)
      for (index_t m = 0; m < scores.extent(1); ++m)
        for (index_t d = 0; d < scores.extent(2); ++d)
          f(make_row<Real>(serial_group{}, head, scores.row(b, m, d), place{b, d, tokens(b, d)}), b, m, d);
  }

  void convert(view<const token, 2> tokens, const std::vector<inverse>& inverses, view<Real, 4> raw) const {
    std::vector<Real> log_p(static_cast<std::size_t>(outputs()));  // (S)
    each_row(tokens, inverses, raw, [&](const auto& row, index_t b, index_t m, index_t d) {
      for (index_t s = 0; s < outputs(); ++s) log_p[static_cast<std::size_t>(s)] = larger(row.log_prob(s), lowest_log<Real>());
      std::copy(log_p.begin(), log_p.end(), raw.row(b, m, d).begin());
    });
  }

  Process process_;
  Net& net_;
  std::vector<inverse> inverses_;  // (B)  of the last forward, as are
  array<token, 2> tokens_;         // (B, D)
  array<Real, 4> scores_;          // (B, M, D, S)
};

template <class Real, class Process, class Net>
score_network<Real, Process, Net> make_score_network(const Process& process, Net& net) {
  return {process, net};
}

}  // namespace dimix
