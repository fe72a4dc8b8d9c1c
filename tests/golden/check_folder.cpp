#include "golden/check_folder.hpp"

#include "golden/maskgit_loss.hpp"
#include "golden/maskgit_sampling.hpp"
#include "golden/maskgit_schedules.hpp"
#include "golden/sdtt_loss.hpp"
#include "golden/sdtt_samplers.hpp"
#include "golden/sdtt_schedules.hpp"
#include "golden/tauldr_calc_nll.hpp"
#include "golden/tauldr_calc_pst.hpp"
#include "golden/tauldr_ct_elbo.hpp"
#include "golden/tauldr_distil_chain.hpp"
#include "golden/tauldr_rate.hpp"
#include "golden/tauldr_tau_leaping.hpp"

namespace golden {

namespace {

constexpr covered_family covered_families[] = {
    {"D_noise", "noise_schedule.py", check_sdtt_schedules},
    {"D_sampling", "sampling/ancestral.py", check_sdtt_samplers},
    {"D_di4c_loss", "MultiRoundSDTT.di4c_loss", check_sdtt_loss},
    {"C_distil_chain", "DistilChain.calc_loss", check_tauldr_distil_chain},
    {"C_distil_chain", "DistilChain.calc_nll", check_tauldr_calc_nll},
    {"A_rate", "Rate", check_tauldr_rate},
    {"A_rate", "BirthDeath", check_tauldr_rate},
    {"B_calc_pst", "DistilChain.calc_pst", check_tauldr_calc_pst},
    {"F_ct_elbo", "GenericAux.calc_loss", check_tauldr_ct_elbo},
    {"F_tau_leaping", "TauLeaping.sample", check_tauldr_tau_leaping},
    {"E_schedule", "MaskGIT.adap_sche", check_maskgit_schedules},
    {"E_sampling", "MaskGIT.sample", check_maskgit_sample},
    {"E_sampling", "MaskGIT.one_step_denoise", check_maskgit_one_step},
    {"E_di4c_loss", "MaskGIT.train_di4c", check_maskgit_loss},
};

}  // namespace

const covered_family* family_of(const recorded_case& recorded) {
  for (const covered_family& family : covered_families)
    if (recorded.family() == family.family && recorded.source().find(family.source) != std::string::npos) return &family;
  return nullptr;
}

case_report check_case(const recorded_case& recorded, const covered_family& family) {
  case_report report(recorded);
  try {
    family.check(recorded, report);
  } catch (const std::exception& reason) {
    report.miss(reason.what());
  }
  return report;
}

namespace {

void check_file(const std::string& path, folder_result& result, std::ostream& out) {
  ++result.files;
  try {
    const recorded_case recorded(path);
    const covered_family* family = family_of(recorded);
    if (family == nullptr) {
      ++result.skipped;
      return case_report(recorded).print_skipped(out);
    }
    const case_report report = check_case(recorded, *family);
    report.print(out);
    result.recorded += report.recorded();
    result.checked += report.checked();
    result.worst = std::max(result.worst, report.worst());
    ++(report.ok() ? result.ok : result.missed);
  } catch (const file_error& reason) {
    ++result.unreadable;
    out << "  UNREADABLE " << reason.what() << '\n';
  }
}

}  // namespace

folder_result check_folder(const std::filesystem::path& folder, std::ostream& out) {
  expects<file_error>(std::filesystem::is_directory(folder), "'", folder.string(), "' is not a folder");
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    if (entry.path().extension() == ".safetensors") paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());

  out << "error over tolerance = |ours - recorded| / (atol + rtol |recorded|), float64\n";
  folder_result result;
  for (const std::string& path : paths) check_file(path, result, out);
  out << "golden_check: " << result.files << " cases: " << result.ok << " ok, " << result.missed << " missed, "
      << result.unreadable << " unreadable, " << result.skipped << " skipped; " << result.checked << " of " << result.recorded
      << " outputs of the covered cases checked, worst " << case_report::short_text(result.worst) << " of its tolerance\n";
  return result;
}

}  // namespace golden
