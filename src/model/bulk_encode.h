// SPDX-License-Identifier: Apache-2.0
// Many texts to token ids, on all workers of an executor.
//
// Threads: as parallel::Executor::Bulk; the tokenizer is only read.
// Cost: as Tokenizer::Encode for each text. Texts are taken one by one by whoever is free, those of
//   one target within a target's share; a single long text is the work of one worker.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "model/tokenizer.h"
#include "parallel/executor.h"

namespace cairn::model {

// The ids of each text, as Tokenizer::Encode gives them. Errors: those of the first text in order
// that has one, naming its place in the list (from 0).
[[nodiscard]] Result<std::vector<std::vector<std::int32_t>>> EncodeAll(
    const Tokenizer& tokenizer, std::span<const std::string_view> texts, bool add_special,
    bool parse_special, parallel::Executor& executor);

}  // namespace cairn::model
