// digits: a factorized teacher learns small images by masked diffusion, a mixture student is distilled from it with the Di4C losses, and
// both are sampled with few network calls. Read in this order: settings, dataset, run, experiment (learner inside), quality, report.
#include "report.hpp"

#include <cstdio>
#include <exception>
#include <filesystem>

namespace digits {

int main(const settings& chosen) {
  const dimix::cpu run_on(static_cast<int>(chosen.threads));
  std::error_code reason;
  std::filesystem::create_directories(chosen.out, reason);
  dimix::expects<dimix::file_error>(!reason && std::filesystem::is_directory(chosen.out), "--out: cannot make the folder '",
                                    chosen.out, "': ", reason ? reason.message() : "something else has this name");

  const image_set images = load_images({.images = chosen.data,
                                        .labels = chosen.classes ? chosen.labels : "",
                                        .quantise = {.levels = chosen.levels, .pool = chosen.pool}});
  const index_t held_out = std::min<index_t>(500, images.size() / 3);
  const image_split parts = split(images, {.validation = held_out * 2 / 5, .held_out = held_out});
  std::printf("%td images of %td x %td pixels, %td levels: %td to train, %td validation, %td held-out\n", images.size(),
              images.height, images.width, images.levels, parts.train.size(), parts.validation.size(), parts.held_out.size());

  std::optional<feature_weights> classifier = load_features(chosen.features);
  if (classifier->height != images.height || classifier->width != images.width || chosen.data != settings{}.data) {
    std::printf("The classifier that is shipped knows the 8x8 digits only: its columns stay empty.\n");
    classifier.reset();
  }
  const quality_meter meter(parts.train, chosen.on_validation ? parts.validation : parts.held_out, classifier, run_on);

  std::vector<outcome> outcomes;
  for (index_t seed = chosen.seed; seed < chosen.seed + chosen.seeds; ++seed) {
    if (chosen.seeds > 1) std::fprintf(stderr, "seed %td\n", seed);
    const run_input in{chosen, parts, meter, seed, run_on};
    outcomes.push_back(chosen.process == "absorbing" ? run_absorbing(in)
                       : chosen.process == "uniform" ? run_uniform(in)
                                                     : run_ordinal(in));
  }
  report(chosen, parts, meter.floor(), outcomes).write();
  return 0;
}

}  // namespace digits

int main(int argc, char** argv) {
  try {
    const auto chosen = digits::parse(argc, argv);
    return chosen ? digits::main(*chosen) : 0;
  } catch (const std::exception& wrong) {
    std::fprintf(stderr, "digits: %s\n", wrong.what());
  }
  return 1;
}
