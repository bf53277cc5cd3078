// SPDX-License-Identifier: Apache-2.0
#include "model/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <functional>
#include <map>

#include "base/printable.h"

namespace cairn::model {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::string_view kConfig = "config.json";
constexpr std::string_view kTokenizer = "tokenizer.json";
constexpr std::string_view kWeights = "model.safetensors";
constexpr std::string_view kIndex = "model.safetensors.index.json";

// A name inside the folder: files that name others must not lead out of it.
bool StaysInside(std::string_view name) {
  const fs::path path(name);
  if (name.empty() || path.is_absolute()) return false;
  for (const fs::path& part : path) {
    if (part == "..") return false;
  }
  return true;
}

std::unexpected<Error> BadValue(std::string_view key, std::string_view expected) {
  return Fail(ErrorCode::kCorrupt,
              fmt::format("'{}' of config.json is missing or no {}", Printable(key), expected));
}

Result<json::object> ReadObject(const Checkpoint& checkpoint, std::string_view file) {
  auto value = OR_RETURN(checkpoint.Read(file));
  if (!value) {
    return Fail(ErrorCode::kNotFound, fmt::format("{} has no {}", checkpoint.folder(), file));
  }
  if (!value->is_object()) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{} is no JSON object", file));
  }
  return std::move(value->get_object());
}

}  // namespace

bool IsCheckpoint(const std::string& path) {
  std::error_code ignored;
  return fs::is_regular_file(fs::path(path) / kConfig, ignored);
}

Result<std::optional<json::value>> Checkpoint::Read(std::string_view file) const {
  if (!StaysInside(file)) {
    return Fail(ErrorCode::kCorrupt,
                fmt::format("'{}' is no file of {}", Printable(file), folder_));
  }
  const std::string path = (fs::path(folder_) / file).string();
  std::error_code error;
  if (!fs::exists(path, error)) return std::nullopt;
  const MappedFile mapped = OR_RETURN(MappedFile::Open(path));
  if (mapped.bytes().size() > kMostJsonBytes) {
    return Fail(ErrorCode::kLimit, fmt::format("{} has {} bytes, at most {} are read", path,
                                               mapped.bytes().size(), kMostJsonBytes));
  }
  boost::system::error_code bad;
  json::value value = json::parse(
      {reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()}, bad);
  if (bad) return Fail(ErrorCode::kCorrupt, fmt::format("{} is no JSON: {}", path, bad.message()));
  return value;
}

Result<std::optional<Checkpoint::Index>> Checkpoint::ReadIndex() const {
  const auto file = OR_RETURN(Read(kIndex));
  if (!file) return std::nullopt;
  const json::value* map =
      file->is_object() ? file->get_object().if_contains("weight_map") : nullptr;
  if (map == nullptr || !map->is_object()) {
    return Fail(ErrorCode::kCorrupt, fmt::format("{} has no 'weight_map'", kIndex));
  }
  std::map<std::string, std::size_t, std::less<>> files;
  for (const auto& [tensor, name] : map->get_object()) {
    if (!name.is_string() || !StaysInside(std::string_view(name.get_string()))) {
      return Fail(ErrorCode::kCorrupt, fmt::format("{} has no file of the folder for tensor '{}'",
                                                   kIndex, Printable(std::string_view(tensor))));
    }
    files.emplace(std::string_view(name.get_string()), 0);
  }
  if (files.empty() || files.size() > kMostShards) {
    return Fail(ErrorCode::kLimit, fmt::format("{} names {} files, 1 to {} are read", kIndex,
                                               files.size(), kMostShards));
  }
  Index index;
  for (auto& [name, at] : files) {
    at = index.files.size();
    index.files.push_back(name);
  }
  for (const auto& [tensor, name] : map->get_object()) {
    index.tensors.emplace_back(std::string_view(tensor),
                               files.find(std::string_view(name.get_string()))->second);
  }
  return index;
}

Result<void> Checkpoint::OpenWeights() {
  std::optional<Index> index = OR_RETURN(ReadIndex());
  std::error_code ignored;
  if (!index && !fs::exists(fs::path(folder_) / kWeights, ignored)) {
    return Fail(ErrorCode::kNotFound,
                fmt::format("{} has neither {} nor, for weights in several files, {}", folder_,
                            kWeights, kIndex));
  }
  if (!index) index = Index{.files = {std::string(kWeights)}, .tensors = {}};
  std::vector<std::string> paths;
  for (const std::string& file : index->files) {
    paths.push_back((fs::path(folder_) / file).string());
  }
  file_ = OR_RETURN(MappedFile::OpenAll(paths));
  for (std::size_t i = 0; i < paths.size(); ++i) {
    auto parsed = Safetensors::Parse(file_->parts()[i]);
    if (!parsed) return std::unexpected(std::move(parsed).error().Within("'" + paths[i] + "'"));
    shards_.push_back(*std::move(parsed));
  }
  for (const auto& [tensor, file] : index->tensors) {
    if (shards_[file].Find(tensor) != nullptr) continue;
    return Fail(ErrorCode::kCorrupt,
                fmt::format("{} says that tensor '{}' is in {}, which has none "
                            "of that name",
                            kIndex, Printable(tensor), index->files[file]));
  }
  for (const Safetensors& shard : shards_) {
    for (const SafeTensor& tensor : shard.tensors()) tensors_.push_back(&tensor);
  }
  by_name_ = tensors_;
  const auto name_of = [](const SafeTensor* tensor) -> std::string_view { return tensor->name; };
  std::ranges::sort(by_name_, {}, name_of);
  const auto twice = std::ranges::adjacent_find(by_name_, {}, name_of);
  if (twice == by_name_.end()) return {};
  return Fail(ErrorCode::kCorrupt,
              fmt::format("tensor '{}' is in two files", Printable((*twice)->name)));
}

Result<Checkpoint> Checkpoint::OpenConfig(const std::string& folder) {
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  checkpoint.config_ = OR_RETURN(ReadObject(checkpoint, kConfig));
  if (const json::value* text = checkpoint.Value("text_config"); text && text->is_object()) {
    for (const auto& [key, value] : json::object(text->get_object())) {
      checkpoint.config_[key] = value;
    }
  }
  return checkpoint;
}

std::string ModelTypeOf(const std::string& folder) {
  const auto checkpoint = Checkpoint::OpenConfig(folder);
  return checkpoint ? checkpoint->Text("model_type", "").value_or("") : std::string();
}

Result<Checkpoint> Checkpoint::Open(const std::string& folder) {
  Checkpoint checkpoint = OR_RETURN(OpenConfig(folder));
  checkpoint.tokenizer_ = OR_RETURN(ReadObject(checkpoint, kTokenizer));
  OR_RETURN(checkpoint.OpenWeights());
  return checkpoint;
}

void Checkpoint::Complete(const json::object& defaults) {
  for (const auto& [key, value] : defaults) {
    if (Value(key) == nullptr) config_[key] = value;
  }
}

const SafeTensor* Checkpoint::Find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(
      by_name_, name, {},
      [](const SafeTensor* tensor) -> std::string_view { return tensor->name; });
  return found != by_name_.end() && (*found)->name == name ? *found : nullptr;
}

const json::value* Checkpoint::Value(std::string_view key) const {
  const json::value* value = config_.if_contains(key);
  return value != nullptr && !value->is_null() ? value : nullptr;
}

Result<std::uint32_t> Checkpoint::CountOr(std::string_view key, std::uint32_t fallback) const {
  if (Value(key) == nullptr) return fallback;
  return Count(key);
}

Result<bool> Checkpoint::Flag(std::string_view key, bool fallback) const {
  const json::value* value = Value(key);
  if (value == nullptr) return fallback;
  if (!value->is_bool()) return BadValue(key, "true or false");
  return value->get_bool();
}

Result<std::uint32_t> Checkpoint::Count(std::string_view key) const {
  const json::value* value = config_.if_contains(key);
  const std::int64_t* number = value != nullptr ? value->if_int64() : nullptr;
  if (number == nullptr || *number < 0 || *number > INT32_MAX) {
    return BadValue(key, "whole number below 2^31");
  }
  return static_cast<std::uint32_t>(*number);
}

Result<float> Checkpoint::Number(std::string_view key) const {
  const json::value* value = config_.if_contains(key);
  if (value == nullptr || !value->is_number()) return BadValue(key, "number");
  return static_cast<float>(value->to_number<double>());
}

Result<std::string> Checkpoint::Text(std::string_view key, std::string_view fallback) const {
  const json::value* value = Value(key);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) return BadValue(key, "text");
  return std::string(value->get_string());
}

}  // namespace cairn::model
