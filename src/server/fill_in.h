// SPDX-License-Identifier: Apache-2.0
// Texts with a hole: prompts of models that were trained to fill one in.
// Threads: pure functions.
// Test: fill_in_test.cc.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/tokenizer.h"

namespace cairn::server {

// The tokens before the text before the hole, before the text behind it, and before what fills it.
struct FillInTokens {
  std::int32_t prefix = 0, suffix = 0, middle = 0;
};
// Those of the families that models use; nothing for a model that has none.
std::optional<FillInTokens> FillInTokensOf(const model::Tokenizer& tokenizer);

// Errors: kUnsupported where the model has no such tokens; kLimit.
[[nodiscard]] Result<std::vector<std::int32_t>> EncodeFillIn(const model::Tokenizer& tokenizer,
                                                             std::string_view before,
                                                             std::string_view behind);

}  // namespace cairn::server
