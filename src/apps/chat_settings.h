// SPDX-License-Identifier: Apache-2.0
// What /set changes: a table of names, ranges and values.
// Threads: a plain value, one thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "engine/sampler.h"

namespace cairn::apps {

struct ChatSettings {
  engine::SamplingOptions sampling;
  std::int64_t max_tokens = 0;  // 0: until the model ends
  bool stats = false;           // statistics after every answer
  bool wrap = true;             // lines are broken between words

  // Sets one by its name ("temp", "top-k", ...). Errors: kInvalidArgument, naming what would do.
  [[nodiscard]] Result<void> Set(std::string_view name, const std::string& value);
  static std::vector<std::string> Names();
  // "name value   what it does", a line each.
  std::string Describe() const;
};

}  // namespace cairn::apps
