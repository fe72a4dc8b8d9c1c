// maskgit vit.py adap_sche and get_mask_code.
#pragma once

#include <dimix/noise_schedule/maskgit.hpp>
#include <dimix/parity/maskgit.hpp>

#include "golden/sdtt_samplers.hpp"

namespace golden {

/// f(schedule) for a schedule by its name in maskgit.
template <class F>
auto with_maskgit_schedule(const std::string& mode, const F& f) {
  if (mode == "cosine") return f(dimix::maskgit_cosine{});
  if (mode == "arccos") return f(dimix::maskgit_arccos{});
  if (mode == "root") return f(dimix::maskgit_power{0.5});
  if (mode == "linear") return f(dimix::maskgit_power{1});
  if (mode == "square") return f(dimix::maskgit_power{2});
  dimix::fail<file_error>("there is no mode '", mode, "'");
}

/// get_mask_code: codes (B, D) with the mask where the recorded uniforms (B, D) say so; r (B).
inline array<token, 2> maskgit_mask(const std::string& mode, index_t codebook_size, view<const token, 2> code,
                                    view<const double, 1> r, view<const double, 2> uniform) {
  array<token, 2> masked(code.extent(0), code.extent(1));  // (B, D)
  with_maskgit_schedule(mode, [&](const auto& schedule) {
    const dimix::forward_process process(dimix::absorbing<>{codebook_size + 1}, schedule);
    for (index_t b = 0; b < code.extent(0); ++b) {
      const auto kernel = process.between(0, 1 - r[b]);
      for (index_t d = 0; d < code.extent(1); ++d) masked(b, d) = kernel.corrupt(d, code(b, d), replayed(uniform(b, d)));
    }
  });
  return masked;
}

/// 1 where a code is the mask: (B, D).
inline array<unsigned char, 2> maskgit_mask_of(view<const token, 2> code, index_t codebook_size) {
  array<unsigned char, 2> mask(code.extent(0), code.extent(1));  // (B, D)
  std::transform(code.begin(), code.end(), mask.begin(), [&](token c) { return c == codebook_size; });
  return mask;
}

inline double maskgit_mask_rate(const std::string& mode, double r) {
  return with_maskgit_schedule(mode, [&](const auto& schedule) { return dimix::move_chance(schedule, 1 - r); });
}

inline void check_maskgit_schedules(const recorded_case& recorded, case_report& report) {
  const auto steps = recorded.input("steps");
  const double padding = -9999;
  // a row for every number of steps, filled up with the padding
  const auto padded = [&](const std::string& output, const auto& row_of) {
    const auto width = static_cast<std::size_t>(recorded.output_extent(output, 1));
    std::vector<double> all;
    for (double n : steps) {
      auto row = row_of(static_cast<index_t>(n));
      row.resize(width, padding);
      all.insert(all.end(), row.begin(), row.end());
    }
    return all;
  };
  for (const auto& [output, allowed] : recorded.outputs()) {
    if (const auto setting = inside(output, "tokens_per_step__")) {  // MODE_pSIZE_TYPE
      const std::string mode = setting->substr(0, setting->find("_p"));
      const index_t size = std::stol(setting->substr(mode.size() + 2));
      const auto counts = [&]<class Real>(Real) {
        return padded(output, [&](index_t n) {
          return with_maskgit_schedule(mode, [&](const auto& schedule) {
            const auto per_step = dimix::maskgit::tokens_per_step<Real>(schedule, size * size, n);
            return std::vector<double>(per_step.begin(), per_step.end());
          });
        });
      };
      report.check(output, {"dimix::maskgit::tokens_per_step"},
                   [&] { return setting->ends_with("_float32") ? counts(0.0f) : counts(0.0); });
    }
    if (const auto mode = inside(output, "mask_rate_grid__"))
      report.check(output, {"dimix::move_chance"}, [&] {
        return padded(output, [&](index_t n) {
          std::vector<double> row;
          for (index_t k = 0; k <= n; ++k)
            row.push_back(maskgit_mask_rate(*mode, static_cast<double>(k) / static_cast<double>(n)));
          return row;
        });
      });
    else if (const auto rate_mode = inside(output, "mask_rate__"))
      report.check(output, {"dimix::move_chance"}, [&] {
        std::vector<double> rates;
        for (double r : recorded.input("r")) rates.push_back(maskgit_mask_rate(*rate_mode, r));
        return rates;
      });
    const auto masked = [&](const std::string& mode) {
      const index_t B = recorded.input_extent("code", 0),
                    D = recorded.input_extent("code", 1) * recorded.input_extent("code", 2);
      return maskgit_mask(mode, 20, recorded.input<token>("code", B, D), recorded.input<double>("r", B),
                          recorded.input<double>("uniform_mask__" + mode, B, D));
    };
    const std::vector<std::string> calls{"dimix::forward_process::between", "dimix::two_time_kernel::corrupt"};
    if (const auto mode = inside(output, "masked_code__")) report.check(output, calls, [&] { return masked(*mode); });
    if (const auto mode = inside(output, "mask__"))
      report.check(output, calls, [&] { return maskgit_mask_of(masked(*mode), 20); });
  }
}

}  // namespace golden
