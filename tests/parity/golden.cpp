// That golden_check can fail: it finds a changed number in every output that it covers, in an input, and every kind of damage.
#include "golden/check_folder.hpp"
#include "io/files.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <functional>
#include <sstream>

namespace {

/// A recorded file taken apart, to be changed and written again.
struct copy_of_case {
  struct tensor {
    dimix::dtype type;
    std::vector<dimix::index_t> shape;
    std::vector<std::byte> bytes;
  };
  std::map<std::string, tensor> tensors;
  nlohmann::json manifest;

  explicit copy_of_case(const std::string& path) {
    const auto file = dimix::read_safetensors(path);
    for (const std::string& name : file.names()) {
      const auto& info = file.tensor(name);
      tensors[name] = {info.type, info.shape, {info.bytes.begin(), info.bytes.end()}};
    }
    manifest = nlohmann::json::parse(file.metadata().at("manifest"));
  }

  void write(const std::string& path) const {
    std::vector<dimix::tensor_source> sources;
    for (const auto& [name, about] : tensors) sources.push_back({name, about.type, about.shape, about.bytes});
    dimix::write_safetensors(path, sources, {{"manifest", manifest.dump()}});
  }

  /// Without the other outputs, so that nothing is computed for them.
  void keep_only(const std::string& output) {
    const nlohmann::json kept = manifest.at("outputs").at(output);
    manifest["outputs"] = {{output, kept}};
    std::erase_if(tensors,
                  [&](const auto& entry) { return entry.first.starts_with("out.") && entry.first != "out." + output; });
  }

  /// Adds to the element in the middle.
  void add(const std::string& tensor_name, double relative, double absolute) {
    tensor& changed = tensors.at(tensor_name);
    const std::size_t size = dimix::size_of(changed.type), at = changed.bytes.size() / size / 2 * size;
    const auto change = [&](auto number, auto f) {
      std::memcpy(&number, changed.bytes.data() + at, size);
      number = f(number);
      std::memcpy(changed.bytes.data() + at, &number, size);
    };
    if (changed.type == dimix::dtype::f64)
      change(0.0, [&](double x) { return x + absolute + relative * std::abs(x); });
    else
      change(std::int64_t{0}, [](std::int64_t x) { return x + 1; });
  }
};

std::vector<std::string> covered_files() {
  std::vector<std::string> paths;
  for (const auto& entry : std::filesystem::directory_iterator(DIMIX_TEST_DATA "/golden"))
    if (entry.path().extension() == ".safetensors" &&
        golden::family_of(golden::recorded_case(entry.path().string())) != nullptr)
      paths.push_back(entry.path().string());
  std::sort(paths.begin(), paths.end());
  return paths;
}

golden::folder_result checked(const std::string& folder) {
  std::ostringstream ignored;
  return golden::check_folder(folder, ignored);
}

}  // namespace

// Every eighth output, or with DIMIX_LONG=1 all of them.
TEST_CASE("a number that is off by four tolerances is found in every covered output") {
  const std::vector<std::string> paths = covered_files();
  REQUIRE(paths.size() == 40);
  const int stride = std::getenv("DIMIX_LONG") ? 1 : 8;
  int outputs = 0;
  for (const std::string& path : paths) {
    const golden::recorded_case recorded(path);
    const golden::case_report report = golden::check_case(recorded, *golden::family_of(recorded));
    CHECK(report.ok());
    for (const auto& [output, allowed] : recorded.outputs()) {
      if (report.skipped().contains(output) || outputs++ % stride != 0) continue;
      const test::temporary_folder folder;
      copy_of_case changed(path);
      changed.add("out." + output, 4 * allowed.rtol, 4 * allowed.atol);
      changed.keep_only(output);
      changed.write(folder / "case.safetensors");
      INFO(recorded.name() << " " << output);
      CHECK_FALSE(checked(folder.path()).good());
    }
  }
  CHECK(outputs == 640);
}

TEST_CASE("changed raw outputs of the student are found") {
  for (const std::string& path : covered_files()) {
    copy_of_case changed(path);
    std::string input = "in.t";
    for (const char* name : {"in.student_logits_t", "in.raw_logits", "in.p0t_logits", "in.logits", "in.logits_x_tilde",
                             "in.logits_cond", "in.teacher_logits_cond", "in.r"})
      if (changed.tensors.contains(name) && input == "in.t") input = name;
    for (std::byte& part : changed.tensors.at(input).bytes) part = std::byte{0};
    const test::temporary_folder folder;
    changed.write(folder / "case.safetensors");
    INFO(path);
    CHECK_FALSE(checked(folder.path()).good());
  }
}

TEST_CASE("any subset of the outputs is checked for what it has") {
  for (const std::string& path : covered_files()) {
    copy_of_case part(path);
    const copy_of_case whole = part;
    bool keep = true;
    for (const auto& [output, about] : whole.manifest.at("outputs").items()) {
      keep = !keep;
      if (keep) continue;
      part.manifest.at("outputs").erase(output);
      part.tensors.erase("out." + output);
    }
    const test::temporary_folder folder;
    part.write(folder / "case.safetensors");
    const golden::folder_result result = checked(folder.path());
    INFO(path);
    CHECK(result.good());
    CHECK(result.recorded == static_cast<dimix::index_t>(part.manifest.at("outputs").size()));
  }
}

TEST_CASE("damaged and foreign files are unreadable, and an empty folder proves nothing") {
  const std::string path = DIMIX_TEST_DATA "/golden/sdtt_absorbing_and_samplers_v12_T0.safetensors";
  const auto refused = [&](const std::function<void(copy_of_case&)>& damage) {
    const test::temporary_folder folder;
    copy_of_case changed(path);
    damage(changed);
    changed.write(folder / "case.safetensors");
    return checked(folder.path()).unreadable == 1 && !checked(folder.path()).good();
  };
  CHECK_FALSE(refused([](copy_of_case&) {}));
  CHECK(refused([](copy_of_case& changed) { changed.manifest.erase("family"); }));
  CHECK(refused([](copy_of_case& changed) { changed.manifest.at("outputs").erase("x_t"); }));
  CHECK(refused([](copy_of_case& changed) { changed.tensors.erase("out.x_t"); }));
  CHECK(refused([](copy_of_case& changed) { changed.manifest.at("inputs").at("t").at("shape") = {2}; }));
  CHECK(refused([](copy_of_case& changed) { changed.manifest.at("outputs").at("x_t").at("tolerance") = 3; }));

  const test::temporary_folder folder;
  CHECK_FALSE(checked(folder.path()).good());
  CHECK_THROWS_AS(checked(folder / "nowhere"), dimix::file_error);
  const auto whole = dimix::read_whole(path);
  dimix::write_whole(folder / "case.safetensors", std::vector<std::byte>(whole.begin(), whole.end() - 9));
  CHECK(checked(folder.path()).unreadable == 1);
  CHECK_FALSE(checked(folder.path()).good());
}

TEST_CASE("a family that is not covered is skipped, not missed") {
  const test::temporary_folder folder;
  copy_of_case other(covered_files().front());
  other.manifest.at("family") = "Z_unknown";
  other.write(folder / "case.safetensors");
  std::ostringstream text;
  const golden::folder_result result = golden::check_folder(folder.path(), text);
  CHECK(result.good());
  CHECK(result.skipped == 1);
  CHECK(text.str().find("skipped: family Z_unknown is not covered") != std::string::npos);
}
