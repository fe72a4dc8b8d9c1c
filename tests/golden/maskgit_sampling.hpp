// maskgit vit.py sample and one_step_denoise, from recorded logits, tokens and Gumbel numbers. Rows of flattened (item, component) arrays
// are b M + m.
#pragma once

#include <dimix/guidance/logits.hpp>
#include <dimix/head/reshaped.hpp>
#include <dimix/sampler/reveal/ordering.hpp>

#include "golden/maskgit_schedules.hpp"

namespace golden {

using maskgit_head = dimix::tempered<dimix::softmax>;

/// softmax(sm_temp z) over all classes, the mask included.
inline maskgit_head head_of_maskgit(const recorded_case& recorded) {
  return {dimix::softmax{}, 1 / recorded.config<double>("sm_temp"), recorded.config<index_t>("classes")};
}

inline auto maskgit_row(const maskgit_head& head, view<const double, 1> logits) {
  return dimix::make_row<double>(dimix::serial_group{}, head, logits, {0, 0, 0});
}

/// Bits with which draw_row draws a recorded token: found by going through the words evenly.
template <class Row>
dimix::random_block bits_that_draw(const Row& row, index_t S, token wanted) {
  constexpr std::uint32_t tries = 1u << 16;
  for (std::uint32_t i = 0; i < tries; ++i) {
    const dimix::random_block bits{{0, 0, 0, i << 16}};
    if (dimix::draw_row(row, S, bits) == wanted) return bits;
  }
  dimix::fail<file_error>("no bits draw the recorded token ", wanted);
}

/// The score of a recorded token: log p + temperature * Gumbel ("linear"), p itself ("no"), or a recorded uniform ("random").
template <class Row>
double maskgit_confidence(const std::string& randomize, const Row& row, token predicted, double temperature, double noise) {
  if (randomize == "random") return noise;
  const double log_p = dimix::confidence_order{}.score(row, 0, predicted, {}, 0);
  return randomize == "no" ? std::exp(log_p) : dimix::noisy_score(log_p, temperature, noise);
}

inline const std::vector<std::string> maskgit_score_calls{"dimix::tempered::row", "dimix::confidence_order::score",
                                                          "dimix::noisy_score", "dimix::guided_logit"};

/// The whole of sample(): every output in the order of the loop.
struct maskgit_path {
  std::vector<double> guided, probabilities, confidence, threshold, revealed, mask_after, predicted, code_final, code_decoded;

  explicit maskgit_path(const recorded_case& recorded) {
    const index_t B = recorded.config<index_t>("nb_sample"), D = recorded.config<index_t>("N"),
                  S = recorded.config<index_t>("classes"), steps = recorded.config<index_t>("step"),
                  codebook = recorded.config<index_t>("codebook_size");
    const double w = recorded.config<double>("w"), temperature = recorded.config<double>("r_temp");
    const std::string randomize = recorded.config<std::string>("randomize");
    const maskgit_head head = head_of_maskgit(recorded);
    const auto cond = recorded.input<double>("logits_cond", steps, B, D, S);  // (N, B, D, S)
    const auto uncond = w == 0 ? array<double, 4>(steps, B, D, S)             // (N, B, D, S)
                               : recorded.input<double>("logits_uncond", steps, B, D, S);
    const auto drawn = recorded.input<token>("pred_code_draw", steps, B, D);  // (N, B, D)
    const auto noise = randomize == "no" ? array<double, 3>(steps, B, D)      // (N, B, D)
                                         : recorded.input<double>("gumbel", steps, B, D);
    array<token, 2> code(B, D);  // (B, D)
    code.fill(static_cast<token>(codebook));
    if (recorded.has_input("init_code")) code = recorded.input<token>("init_code", B, D);
    array<unsigned char, 2> mask = maskgit_mask_of(code, codebook);  // (B, D)
    const std::vector<index_t> counts = counts_of(recorded);
    for (index_t k = 0; k < steps; ++k) {
      const double progress = dimix::maskgit::progress(k, steps);
      const index_t count =
          std::min(counts[static_cast<std::size_t>(k)], static_cast<index_t>(std::count(mask.begin(), mask.end(), 1)));
      for (index_t b = 0; b < B; ++b) {
        array<double, 1> scores(D);  // (D)
        array<token, 1> tokens(D);   // (D)
        for (index_t d = 0; d < D; ++d) {
          array<double, 1> logits(S);  // (S)
          for (index_t s = 0; s < S; ++s) logits(s) = dimix::guided_logit(w * progress, cond(k, b, d, s), uncond(k, b, d, s));
          const auto row = maskgit_row(head, logits);
          guided.insert(guided.end(), logits.begin(), logits.end());
          for (index_t s = 0; s < S; ++s) probabilities.push_back(std::exp(row.log_prob(s)));
          tokens(d) = dimix::draw_row(row, S, bits_that_draw(row, S, drawn(k, b, d)));
          scores(d) = mask(b, d) == 0
                          ? -dimix::infinity<double>()
                          : maskgit_confidence(randomize, row, tokens(d), temperature * (1 - progress), noise(k, b, d));
        }
        confidence.insert(confidence.end(), scores.begin(), scores.end());
        predicted.insert(predicted.end(), tokens.begin(), tokens.end());
        threshold.push_back(scores(dimix::selection(scores, count).back()));
        const std::vector<unsigned char> before(mask.whole().row(b).begin(), mask.whole().row(b).end());
        dimix::maskgit::reveal_codes(scores, tokens, count, code.whole().row(b), mask.whole().row(b));
        for (index_t d = 0; d < D; ++d) revealed.push_back(before[static_cast<std::size_t>(d)] - mask(b, d));
        mask_after.insert(mask_after.end(), mask.whole().row(b).begin(), mask.whole().row(b).end());
      }
    }
    code_final.assign(code.begin(), code.end());
    for (token c : code) code_decoded.push_back(dimix::maskgit::decoded_code(c, codebook));
  }

  static std::vector<index_t> counts_of(const recorded_case& recorded) {
    return with_maskgit_schedule(recorded.config<std::string>("sched_mode"), [&](const auto& schedule) {
      return dimix::maskgit::tokens_per_step<double>(schedule, recorded.config<index_t>("N"), recorded.config<index_t>("step"));
    });
  }
};

inline void check_maskgit_sample(const recorded_case& recorded, case_report& report) {
  const maskgit_path path(recorded);
  const std::vector<std::string> reveals{"dimix::selection", "dimix::maskgit::reveal_codes"};
  report.check("tokens_per_step", {"dimix::maskgit::tokens_per_step"}, [&] { return maskgit_path::counts_of(recorded); });
  report.check("guided_logits", {"dimix::guided_logit", "dimix::maskgit::progress"}, [&] { return path.guided; });
  report.check("probabilities", {"dimix::tempered::row"}, [&] { return path.probabilities; });
  report.check("confidence", maskgit_score_calls, [&] { return path.confidence; });
  report.check("threshold", reveals, [&] { return path.threshold; });
  report.check("revealed", reveals, [&] { return path.revealed; });
  report.check("mask_after", reveals, [&] { return path.mask_after; });
  report.check("pred_code", {"dimix::draw_row"}, [&] { return path.predicted; });
  report.check("code_final", reveals, [&] { return path.code_final; });
  report.check("code_decoded", {"dimix::maskgit::decoded_code"}, [&] { return path.code_decoded; });
}

/// One step of the teacher for M components of every item: what one_step_denoise returns, and its scores.
struct maskgit_teacher_step {
  std::vector<index_t> counts;  // (B)
  array<double, 3> confidence;  // (B, M, D)
  array<token, 2> code;         // (B M, D)

  /// masked_code (B, D); logits (B, D, S), guided; predicted and noise (B M, D).
  maskgit_teacher_step(const recorded_case& recorded, const std::string& mode, view<const token, 2> masked_code,
                       view<const double, 3> logits, view<const double, 1> r, view<const token, 2> predicted,
                       view<const double, 2> noise)
      : confidence(masked_code.extent(0), predicted.extent(0) / masked_code.extent(0), masked_code.extent(1)),
        code(predicted.extent(0), predicted.extent(1)) {
    const index_t B = masked_code.extent(0), D = masked_code.extent(1), M = confidence.extent(1);
    const auto mask = maskgit_mask_of(masked_code, recorded.config<index_t>("codebook_size"));  // (B, D)
    const maskgit_head head = head_of_maskgit(recorded);
    for (index_t b = 0; b < B; ++b) {
      const double r_next = std::min(r[b] + recorded.config<double>("r_delta"), 1.0);
      counts.push_back(dimix::maskgit::tokens_to_reveal(
          mode == "cosine" ? dimix::maskgit::cosine_mask_rate(r_next) : maskgit_mask_rate(mode, r_next), D,
          std::count(mask.whole().row(b).begin(), mask.whole().row(b).end(), 1)));
      const double progress = dimix::maskgit::training_progress(r[b], recorded.config<index_t>("teacher_steps"));
      for (index_t m = 0; m < M; ++m) {
        const index_t row_index = b * M + m;
        for (index_t d = 0; d < D; ++d)
          confidence(b, m, d) =
              mask(b, d) == 0 ? -dimix::infinity<double>()
                              : maskgit_confidence(recorded.config<std::string>("randomize"),
                                                   maskgit_row(head, logits.row(b, d)), predicted(row_index, d),
                                                   recorded.config<double>("r_temp") * (1 - progress), noise(row_index, d));
        std::copy_n(&masked_code(b, 0), D, &code(row_index, 0));
        array<unsigned char, 1> rest(D);  // (D)
        dimix::maskgit::reveal_codes(view<const double, 3>(confidence).row(b, m), predicted.row(row_index), counts.back(),
                                     code.whole().row(row_index), rest);
      }
    }
  }
};

inline void check_maskgit_one_step(const recorded_case& recorded, case_report& report) {
  const index_t B = recorded.config<index_t>("B"), M = recorded.config<index_t>("M"), D = recorded.config<index_t>("N"),
                S = recorded.config<index_t>("classes");
  const double w = recorded.config<double>("cfg_w");
  const std::string mode = recorded.config<std::string>("mode");
  const auto r = recorded.input<double>("r", B);                                     // (B)
  array<double, 3> logits = recorded.input<double>("teacher_logits_cond", B, D, S);  // (B, D, S)
  if (w != 0) {
    const auto uncond = recorded.input<double>("teacher_logits_uncond", B, D, S);  // (B, D, S)
    for (index_t b = 0; b < B; ++b) {
      const double weight = w * dimix::maskgit::training_progress(r(b), recorded.config<index_t>("teacher_steps"));
      for (index_t d = 0; d < D; ++d)
        for (index_t s = 0; s < S; ++s) logits(b, d, s) = dimix::guided_logit(weight, logits(b, d, s), uncond(b, d, s));
    }
  }
  const maskgit_teacher_step step(recorded, mode, recorded.input<token>("masked_code", B, D), logits, r,
                                  recorded.input<token>("pred_code", B * M, D), recorded.input<double>("gumbel", B * M, D));
  report.check("tokens_to_reveal", {"dimix::maskgit::tokens_to_reveal"}, [&] { return step.counts; });
  report.check("mask_rate_next", {"dimix::move_chance"}, [&] {
    std::vector<double> rates;
    for (double at : r) rates.push_back(maskgit_mask_rate(mode, std::min(at + recorded.config<double>("r_delta"), 1.0)));
    return rates;
  });
  report.check("guided_logits", {"dimix::guided_logit", "dimix::maskgit::training_progress"}, [&] { return logits; });
  report.check("confidence", maskgit_score_calls, [&] { return step.confidence; });
  report.check("code_next", {"dimix::maskgit::reveal_codes"}, [&] { return step.code; });
}

}  // namespace golden
