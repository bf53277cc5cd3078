// SPDX-License-Identifier: Apache-2.0
#include "model/gguf_file.h"

#include <fmt/format.h>

#include <charconv>
#include <optional>

namespace cairn::model {
namespace {

// "PREFIX-00002-of-00003.gguf"
struct PartName {
  std::string_view prefix;
  int number = 0;
  int count = 0;
};

std::optional<int> Five(std::string_view digits) {
  int value = 0;
  const auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (bad != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::optional<PartName> PartNameOf(std::string_view path) {
  constexpr std::string_view kEnd = ".gguf", kOf = "-of-";
  constexpr std::size_t kTail = 1 + 5 + kOf.size() + 5;
  if (!path.ends_with(kEnd)) return std::nullopt;
  path.remove_suffix(kEnd.size());
  if (path.size() < kTail) return std::nullopt;
  const std::string_view tail = path.substr(path.size() - kTail);
  if (tail[0] != '-' || tail.substr(6, kOf.size()) != kOf) return std::nullopt;
  const auto number = Five(tail.substr(1, 5)), count = Five(tail.substr(10, 5));
  if (!number || !count || *number < 1 || *number > *count || *count > kMostParts) {
    return std::nullopt;
  }
  return PartName{path.substr(0, path.size() - kTail), *number, *count};
}

}  // namespace

std::vector<std::string> PartsOf(const std::string& path) {
  const auto name = PartNameOf(path);
  if (!name) return {path};
  std::vector<std::string> paths;
  for (int i = 1; i <= name->count; ++i) {
    paths.push_back(fmt::format("{}-{:05}-of-{:05}.gguf", name->prefix, i, name->count));
  }
  return paths;
}

bool IsLaterPart(std::string_view file) {
  const auto name = PartNameOf(file);
  return name && name->number > 1;
}

Result<GgufFile> GgufFile::Open(const std::string& path) {
  MappedFile file = OR_RETURN(MappedFile::OpenAll(PartsOf(path)));  // its errors name the path
  auto gguf = Gguf::ParseParts(file.bytes(), file.parts());
  if (!gguf) return std::unexpected(std::move(gguf).error().Within("'" + path + "'"));
  return GgufFile{std::move(file), *std::move(gguf)};
}

}  // namespace cairn::model
