// SPDX-License-Identifier: Apache-2.0
// What a model's file says of itself, for lists of models; nothing is loaded.
// Threads: pure functions. Cost: milliseconds, of the file's index.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/error.h"

namespace cairn::server {

struct ModelFacts {
  std::string architecture;
  std::string format;           // the one that most of the layers have
  std::string parameters_text;  // "135M"
  std::string chat_template;    // empty where the file has none
  std::string digest;           // of the file's index, 64 hexadecimal digits
  std::uint64_t parameters = 0;
  std::uint64_t bytes = 0;  // of the file
  std::int64_t context = 0;
  std::chrono::system_clock::time_point modified;
};

// Errors: as MappedFile::Open and Gguf::Parse.
[[nodiscard]] Result<ModelFacts> FactsOf(const std::string& path);

}  // namespace cairn::server
