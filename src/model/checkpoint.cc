// SPDX-License-Identifier: Apache-2.0
#include "model/checkpoint.h"

#include <fmt/format.h>

#include <boost/json/parse.hpp>
#include <filesystem>
#include <set>

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

Result<void> Checkpoint::AddShard(const std::string& file) {
  const std::string path = (fs::path(folder_) / file).string();
  files_.push_back(OR_RETURN(MappedFile::Open(path)));
  auto parsed = Safetensors::Parse(files_.back().bytes());
  if (!parsed) return std::unexpected(std::move(parsed).error().Within("'" + path + "'"));
  shards_.push_back(*std::move(parsed));
  return {};
}

Result<void> Checkpoint::OpenWeights() {
  std::set<std::string> names;
  if (const auto index = OR_RETURN(Read(kIndex)); index && index->is_object()) {
    const json::value* map = index->get_object().if_contains("weight_map");
    if (map == nullptr || !map->is_object()) {
      return Fail(ErrorCode::kCorrupt, fmt::format("{} has no 'weight_map'", kIndex));
    }
    for (const auto& [tensor, file] : map->get_object()) {
      if (!file.is_string() || !StaysInside(std::string_view(file.get_string()))) {
        return Fail(ErrorCode::kCorrupt, fmt::format("{} has no file of the folder for tensor '{}'",
                                                     kIndex, Printable(std::string_view(tensor))));
      }
      names.emplace(std::string_view(file.get_string()));
    }
    if (names.size() > kMostShards) {
      return Fail(ErrorCode::kLimit, fmt::format("{} names {} files, at most {} are read", kIndex,
                                                 names.size(), kMostShards));
    }
  } else {
    names.emplace(kWeights);
  }
  for (const std::string& name : names) OR_RETURN(AddShard(name));
  for (const Safetensors& shard : shards_) {
    for (const SafeTensor& tensor : shard.tensors()) tensors_.push_back(&tensor);
  }
  return {};
}

Result<Checkpoint> Checkpoint::Open(const std::string& folder) {
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  checkpoint.config_ = OR_RETURN(ReadObject(checkpoint, kConfig));
  checkpoint.tokenizer_ = OR_RETURN(ReadObject(checkpoint, kTokenizer));
  OR_RETURN(checkpoint.OpenWeights());
  return checkpoint;
}

const SafeTensor* Checkpoint::Find(std::string_view name) const {
  for (const Safetensors& shard : shards_) {
    if (const SafeTensor* tensor = shard.Find(name)) return tensor;
  }
  return nullptr;
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
  const json::value* value = config_.if_contains(key);
  if (value == nullptr || value->is_null()) return std::string(fallback);
  if (!value->is_string()) return BadValue(key, "text");
  return std::string(value->get_string());
}

}  // namespace cairn::model
