// words: a factorized teacher learns English words letter by letter, by masked diffusion; a mixture student is distilled from it with the
// Di4C losses, and a factorized one as control; all are sampled with few network calls. Read in this order: settings, dataset, run,
// experiment, quality, report.
#include "report.hpp"

#include <cstdio>
#include <exception>
#include <filesystem>

namespace words {

int main(const settings& chosen) {
  const dimix::cpu run_on(static_cast<int>(chosen.threads));
  std::error_code reason;
  std::filesystem::create_directories(chosen.out, reason);
  dimix::expects<dimix::file_error>(!reason && std::filesystem::is_directory(chosen.out), "--out: cannot make the folder '",
                                    chosen.out, "': ", reason ? reason.message() : "something else has this name");

  const word_split parts = split(load_words(chosen.data), chosen.on_validation);
  const auto& reference = chosen.on_validation ? parts.validation : parts.held_out;
  const quality_meter meter(parts, reference);
  std::printf("%td words: %zu to train, %zu validation, %zu held-out; %td trigrams occur in training words\n", meter.words(),
              parts.train.size(), parts.validation.size(), parts.held_out.size(), meter.trigrams());

  const array<token, 2> train = tokens_of(parts.train);
  std::vector<outcome> outcomes;
  for (index_t seed = chosen.seed; seed < chosen.seed + chosen.seeds; ++seed) {
    if (chosen.seeds > 1) std::fprintf(stderr, "seed %td\n", seed);
    const run_input in{chosen, train, meter, seed, run_on};
    outcomes.push_back(chosen.latent == "categorical" ? run_categorical(in)
                       : chosen.latent == "uniform"   ? run_uniform(in)
                                                      : run_gaussian(in));
  }
  report(chosen, meter.of(reference), expected_distinct(meter.words(), chosen.samples), outcomes).write();
  return 0;
}

}  // namespace words

int main(int argc, char** argv) {
  try {
    const auto chosen = words::parse(argc, argv);
    return chosen ? words::main(*chosen) : 0;
  } catch (const std::exception& wrong) {
    std::fprintf(stderr, "words: %s\n", wrong.what());
  }
  return 1;
}
