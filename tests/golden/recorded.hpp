// A recorded case: one safetensors file of inputs `in.NAME` and outputs `out.NAME` of the authors' code, with a manifest (JSON)
// that says which function made them, under which configuration, and how far each output may be off.
#pragma once

#include <dimix/denoiser.hpp>
#include <dimix/io/safetensors.hpp>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace golden {

using dimix::array;
using dimix::expects;
using dimix::file_error;
using dimix::index_t;
using dimix::token;
using dimix::view;

/// |ours - recorded| <= atol + rtol |recorded|; exact outputs have both 0.
struct tolerance {
  double rtol = 0, atol = 0;
};

/// The part of a name between a beginning and an end, if it has both.
inline std::optional<std::string> inside(std::string_view name, std::string_view beginning, std::string_view end = "") {
  if (name.size() < beginning.size() + end.size() || !name.starts_with(beginning) || !name.ends_with(end)) return std::nullopt;
  return std::string(name.substr(beginning.size(), name.size() - beginning.size() - end.size()));
}

class recorded_case {
 public:
  /// Errors: file_error for a file that is damaged, that has no manifest, or whose manifest does not describe its tensors.
  explicit recorded_case(const std::string& path) : file_(dimix::read_safetensors(path)) {
    const auto text = file_.metadata().find("manifest");
    check(text != file_.metadata().end(), "it has no manifest");
    try {
      manifest_ = nlohmann::json::parse(text->second);
      name_ = manifest_.at("case").get<std::string>();
      family_ = manifest_.at("family").get<std::string>();
      source_ = manifest_.at("source").get<std::string>();
      for (const auto& [output, about] : manifest_.at("outputs").items())
        outputs_[output] = tolerance_of(about.at("tolerance"));
      expects_described("inputs", "in.");
      expects_described("outputs", "out.");
    } catch (const nlohmann::json::exception& reason) {
      dimix::fail<file_error>("'", path, "': its manifest is not that of a recorded case (", reason.what(), ")");
    }
  }

  const std::string& name() const { return name_; }
  const std::string& family() const { return family_; }
  const std::string& source() const { return source_; }
  const std::map<std::string, tolerance>& outputs() const { return outputs_; }

  /// A number, truth value or text of the configuration; names in a row go down into nested objects.
  template <class T, class... Names>
  T config(const Names&... names) const {
    const nlohmann::json* at = &manifest_["config"];
    try {
      ((at = &at->at(names)), ...);
      return at->template get<T>();
    } catch (const nlohmann::json::exception& reason) {
      dimix::fail<file_error>("'", file_.path(), "': its configuration lacks an entry (", reason.what(), ")");
    }
  }

  bool has_input(const std::string& name) const { return file_.contains("in." + name); }

  /// An input under the extents that it is looked at with; their product must be its size.
  template <class T, class... Extents>
  array<T, static_cast<int>(sizeof...(Extents))> input(const std::string& name, Extents... extents) const {
    const std::vector<T> values = file_.values<T>("in." + name);
    array<T, static_cast<int>(sizeof...(Extents))> result(extents...);
    check(result.size() == static_cast<index_t>(values.size()), "input '", name, "' has ", values.size(), " numbers, and ",
          result.size(), " are expected");
    std::copy(values.begin(), values.end(), result.begin());
    return result;
  }

  std::vector<double> input(const std::string& name) const { return file_.values<double>("in." + name); }
  std::vector<double> output(const std::string& name) const { return file_.values<double>("out." + name); }
  /// Extent of an axis of a recorded tensor.
  index_t input_extent(const std::string& name, std::size_t axis) const { return extent("in." + name, axis); }
  index_t output_extent(const std::string& name, std::size_t axis) const { return extent("out." + name, axis); }

 private:
  template <class... Parts>
  void check(bool fine, const Parts&... parts) const {
    expects<file_error>(fine, "'", file_.path(), "': ", parts...);
  }

  static tolerance tolerance_of(const nlohmann::json& about) {
    if (about.is_string() && about.get<std::string>() == "exact") return {};
    return {about.at("rtol").get<double>(), about.at("atol").get<double>()};
  }

  /// Manifest and tensors name the same things with the same shapes.
  void expects_described(const char* kind, const std::string& prefix) const {
    for (const auto& [name, about] : manifest_.at(kind).items())
      check(file_.contains(prefix + name) && file_.tensor(prefix + name).shape == about.at("shape").get<std::vector<index_t>>(),
            "its manifest describes '", prefix, name, "' otherwise than its tensors do");
    for (const std::string& tensor : file_.names())
      if (const auto name = inside(tensor, prefix))
        check(manifest_.at(kind).contains(*name), "its manifest is silent about '", tensor, "'");
  }

  index_t extent(const std::string& tensor, std::size_t axis) const {
    const auto& shape = file_.tensor(tensor).shape;
    check(axis < shape.size(), "tensor '", tensor, "' has no axis ", axis);
    return shape[axis];
  }

  dimix::safetensors_file file_;
  nlohmann::json manifest_;
  std::string name_, family_, source_;
  std::map<std::string, tolerance> outputs_;
};

}  // namespace golden
