// SPDX-License-Identifier: Apache-2.0
// Real models for tests that need one: from the model folder, which CI fills.
// Threads: pure functions.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <optional>
#include <string>

namespace cairn::testing {

// Path of `name` ("smollm2") in the model folder: $CAIRN_HOME, else $XDG_CACHE_HOME/cairn, else
// ~/.cache/cairn. Absent when it is not there; the test is then skipped with a reason.
inline std::optional<std::string> RealModel(const std::string& name) {
  const auto variable = [](const char* key) {
    const char* value = std::getenv(key);
    return std::string(value == nullptr ? "" : value);
  };
  std::string folder = variable("CAIRN_HOME");
  if (folder.empty() && !variable("XDG_CACHE_HOME").empty()) {
    folder = variable("XDG_CACHE_HOME") + "/cairn";
  }
  if (folder.empty()) folder = variable("HOME") + "/.cache/cairn";
  std::string path = folder + "/" + name + ".gguf";
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) return std::nullopt;
  return path;
}

}  // namespace cairn::testing
